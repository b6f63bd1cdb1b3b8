"""Every function of `keras.ops` against live Keras on JAX: names, values, dtypes, shapes, symbolic shapes.

Keras runs in a process of its own (tests/keras/ops_reference.py); its answers are kept in build/ as long as the rows
and the versions stay the same.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib.metadata
import inspect
import os
import pathlib
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import dovetail as dv
from dovetail.keras import ops
from dovetail.tensor.symbolic import SymbolicTensor
from tests.keras import ops_case, ops_cases, ops_cases_network, ops_reference
from tests.keras.ops_case import Row, flat, mapped
from tests.keras.ops_cases import ELSEWHERE, ROWS
from tests.support import codegen

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRAWN = 2  # dtypes a row
SEED = 0
_SOURCES = (ops_case, ops_cases, ops_cases_network, ops_reference)
pytest.importorskip("keras")

# Rows whose symbolic shape Keras knows wrongly, and the right one's reason.
KNOWN_WRONGLY = {
    "adaptive_average_pool": "Keras keeps the height beside the new sizes",
    "adaptive_average_pool-3d": "Keras keeps the depth beside the new sizes",
    "adaptive_max_pool": "Keras keeps the height beside the new sizes",
    "adaptive_max_pool-3d": "Keras keeps the depth beside the new sizes",
    "corrcoef": "Keras gives the shape of its input for that of a square matrix",
    "cross-axes": "Keras forgets where the vectors' axis goes",
    "cross-axis": "Keras forgets the vectors' axis",
    "image.pad_images-target": "Keras forgets the batch",
    "kron-ranks": "Keras forgets the axis that only one has",
    "slogdet": "Keras' () leaves the axis of matrices out",
    "vstack-vectors": "Keras joins vectors where it makes rows of them",
}
# Dtypes for which Keras on JAX gives what we do not, and why.
OTHER_DTYPES = {
    "add": "TensorFlow's sum of booleans is an error, and so is ours",
    "multiply": "TensorFlow's product of booleans is an error, and so is ours",
    "inner": "TensorFlow's product of booleans is an error, and so is ours",
    "dot_product_attention": "attention of integers is an error",
    "psnr": "JAX takes the logarithm of `max_val` in the dtype of one argument",
    "sparse_categorical_crossentropy": "Keras on TensorFlow keeps the dtype of 16-bit outputs",
    "image.rgb_to_grayscale": "a boolean has no brightness",
}


@functools.cache
def reference() -> tuple:
    """Returns what Keras on JAX gives, from the file of the last run if nothing has changed since."""
    sources = b"".join(pathlib.Path(m.__file__).read_bytes() for m in _SOURCES)
    versions = "".join(importlib.metadata.version(name) for name in ("keras", "jax", "numpy"))
    key = hashlib.sha256(sources + f"{versions} {DRAWN} {SEED}".encode()).hexdigest()[:16]
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    path = folder / f"keras_ops_{key}.pickle"
    with open(folder / "keras_ops.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in folder.glob("keras_ops_*.pickle"):
                old.unlink()
            _ask_keras(path)
    return pickle.loads(path.read_bytes())


def _ask_keras(path: pathlib.Path) -> None:
    quick = " ".join(f"--{name}={value}".lower() for name, value in codegen.QUICK.items())
    environment = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": quick, "PYTHONWARNINGS": "ignore"}
    part = path.with_suffix(".part")
    command = [sys.executable, "-m", "tests.keras.ops_reference", str(part), str(DRAWN), str(SEED)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True)
    part.rename(path)


_ROWS = pytest.mark.parametrize("row", ROWS, ids=str)


def test_every_function_has_a_row() -> None:
    """What live Keras has, we have, and a row calls it."""
    named = {row.name for row in ROWS}
    assert not [name for name in reference()[0] if name not in named and name not in ELSEWHERE]
    assert not [name for name in named if not callable(_ours(name))]


def _ours(name: str) -> Any:
    found: Any = ops
    for part in name.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("module", ["image", "linalg", "nn", "numpy"])
def test_submodules(module: str) -> None:
    """The submodules hold what Keras' do, the same functions as `keras.ops` itself."""
    import keras

    theirs = {name for name in dir(getattr(keras.ops, module)) if not name.startswith("_")}
    ours = getattr(ops, module)
    missing = theirs - set(ours.__all__) - {name.rpartition(".")[2] for name in ELSEWHERE}
    assert not missing
    if module != "image":
        assert all(getattr(ours, name) is getattr(ops, name) for name in ours.__all__)


def test_signatures() -> None:
    """Each argument of Keras' functions goes by its name here, in the same place."""
    import keras

    different = {}
    for name in {*ELSEWHERE, *(row.name for row in ROWS)}:
        theirs: Any = keras.ops
        for part in name.split("."):
            theirs = getattr(theirs, part)
        expected = _named(theirs)
        if _named(_ours(name))[: len(expected)] != expected:
            different[name] = (_named(_ours(name)), expected)
    assert not different


def _named(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@_ROWS
def test_values(row: Row) -> None:
    """Values, shapes and dtypes are Keras'."""
    expected = reference()[1][str(row)][0]
    assert not isinstance(expected, str), f"Keras refuses the row: {expected}"
    args, kwargs = row.drawn()
    got = [np.asarray(one) for one in flat(row.function(ops)(*args, **kwargs))]
    got, expected = row.compared(got), row.compared(expected)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        wide = np.complex128 if ours.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(ours.astype(wide), theirs.astype(wide), rtol=row.rtol, atol=row.atol)


@pytest.mark.parametrize("row", [row for row in ROWS if row.symbolic is True], ids=str)
def test_symbolic(row: Row) -> None:
    """With an unknown first size, shapes and dtypes are inferred: what Keras knows, and what is computed."""
    values, known = reference()[1][str(row)]
    args, kwargs = row.drawn()
    batch: list[tuple] = []

    def symbolic(array: np.ndarray) -> SymbolicTensor:
        batch.append(array.shape[:1])
        first = array.shape[:1] == batch[0] != ()
        return SymbolicTensor((None, *array.shape[1:]) if first else array.shape, array.dtype)

    got = flat(row.function(ops)(*mapped(args, symbolic, np.ndarray), **kwargs))
    assert len(got) == len(values)
    for inferred, value in zip(got, values, strict=True):
        assert inferred.shape.is_compatible_with(value.shape)
        assert inferred.dtype.numpy_dtype == value.dtype
    for inferred, shape in zip(
        got, [] if known is None or str(row) in KNOWN_WRONGLY else known, strict=False
    ):
        assert inferred.shape.rank == len(shape[0])
        assert all(size is None or own == size for own, size in zip(inferred.shape, shape[0], strict=True))


@pytest.mark.parametrize("row", [row for row in ROWS if row.sweep], ids=str)
def test_dtypes(row: Row) -> None:
    """Mixed dtypes, integers, booleans and Python numbers give the dtypes that they give in Keras on JAX."""
    different = {}
    kwargs = row.drawn()[1]
    for kinds, expected in reference()[2][str(row)].items():
        if expected is None or _beyond_32_bits(kinds):
            continue
        for made in _makers(row):
            args = ops_reference.with_dtypes(row, kinds, made)
            try:
                got = [one.dtype.name for one in flat(row.function(ops)(*args, **kwargs))]
            except (TypeError, ValueError) as error:
                got = f"{type(error).__name__}: {error}"
            if got != expected:
                different[kinds] = (got, expected)
    assert not different or row.name in OTHER_DTYPES, different


def _makers(row: Row) -> list:
    makers = []
    if row.symbolic is True:
        makers.append(lambda array, kind: SymbolicTensor(array.shape, kind))
    if row.values:
        makers.append(lambda array, kind: dv.cast(dv.constant(np.abs(array)), kind))
    return makers


def _beyond_32_bits(kinds: tuple) -> bool:
    """True where the result is int64, which Keras has on TensorFlow (and we have) but not on JAX."""
    return "uint32" in kinds and not {"int8", "int16", "int32"}.isdisjoint(kinds)


# ---- what rows cannot say ----------------------------------------------------------------------------------------


def test_arrays_of_others() -> None:
    """PyTorch's and JAX' arrays are taken in, with gradients recorded, in 16 bits, and beside ours."""
    torch = pytest.importorskip("torch")
    import jax.numpy as jnp

    x = torch.arange(6.0, requires_grad=True)
    total = ops.add(x.reshape(2, 3), jnp.ones((2, 3)))
    np.testing.assert_array_equal(np.asarray(total), np.arange(1.0, 7).reshape(2, 3))
    half = ops.convert_to_tensor(torch.tensor([1.5, 2.0], dtype=torch.bfloat16))
    assert half.dtype == "bfloat16" and ops.sum(half) == 3.5
    assert ops.quantile(jnp.arange(5.0), torch.tensor(0.5)) == 2.0


def test_sparse_results() -> None:
    """one_hot, multi_hot, bincount and convert_to_tensor give sparse tensors when they are asked to."""
    for sparse, dense in (
        (ops.one_hot([1, 3], 4, sparse=True), ops.one_hot([1, 3], 4)),
        (ops.multi_hot([[1, 3], [0, 0]], 4, sparse=True), ops.multi_hot([[1, 3], [0, 0]], 4)),
        (ops.bincount([1, 1, 3], sparse=True), ops.bincount([1, 1, 3])),
        (ops.convert_to_tensor([[0.0, 2.0]], sparse=True), ops.convert_to_tensor([[0.0, 2.0]])),
    ):
        assert isinstance(sparse, dv.SparseTensor)
        np.testing.assert_array_equal(np.asarray(dv.sparse.to_dense(sparse)), np.asarray(dense))
        assert ops.convert_to_tensor(sparse, sparse=False).shape == dense.shape
        assert ops.convert_to_tensor(sparse, "float64").dtype == "float64"
    rows = dv.ragged.constant([[1, 2], [3]])
    assert ops.convert_to_tensor(rows, "float32").dtype == "float32"
    assert ops.convert_to_tensor(rows, ragged=False).shape == (2, 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ops.rearrange(ops.ones((2, 3)), "a b -> a c"),
        lambda: ops.rearrange(ops.ones((6, 3)), "(a b) c -> a b c"),
        lambda: ops.fft(ops.ones(3)),
        lambda: ops.rfft([1, 2, 3]),
        lambda: ops.stft(ops.ones(20), 8, 4, 6),
        lambda: ops.stft(ops.ones(20), 8, 4, 8, window="square"),
        lambda: ops.quantile([1.0, 2.0], 0.5, method="median"),
        lambda: ops.histogram([1.0], bins=0),
        lambda: ops.norm(ops.ones((2, 2)), "max"),
        lambda: ops.norm(ops.ones((2, 2, 2)), 1),
        lambda: ops.view(ops.ones((2, 3), "int16"), "int32"),
        lambda: ops.view_as_complex(ops.ones((2, 3))),
        lambda: ops.ldexp(1.0, 2.5),
        lambda: ops.associative_scan(3, ops.ones(3)),
        lambda: ops.vectorize(ops.dot, signature="(n)->()")(ops.ones(3), ops.ones(3)),
        lambda: ops.switch(0, []),
        lambda: ops.correlate([1.0], [1.0], "half"),
        lambda: ops.cross(ops.ones(4), ops.ones(4)),
        lambda: ops.image.pad_images(ops.ones((4, 4, 3)), 1, 1),
        lambda: ops.image.crop_images(ops.ones((4, 4, 3)), 1, 1, 9, 1),
        lambda: ops.unfold(ops.ones((1, 1, 2, 2)), 3),
        lambda: ops.fold(ops.ones((1, 4, 3)), 3, 2),
        lambda: ops.adaptive_max_pool(ops.ones((1, 4, 4, 1)), 0),
        lambda: ops.multi_hot([1]),
    ],
)
def test_errors_name_the_function(call: Any) -> None:
    """Wrong arguments raise what says so, and which function it was."""
    with pytest.raises((TypeError, ValueError), match=r"."):
        call()


def test_custom_gradient() -> None:
    """Both of Keras' forms of the gradient function are called."""

    @ops.custom_gradient
    def twice(x: Any) -> tuple:
        return x * 2, lambda *args, upstream=None: upstream * 7

    @ops.custom_gradient
    def thrice(x: Any) -> tuple:
        return x * 3, lambda upstream: upstream * 5

    for function, expected in ((twice, 7.0), (thrice, 5.0)):
        x = dv.constant(2.0)
        with dv.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        assert tape.gradient(y, x) == expected


def test_loops_in_functions() -> None:
    """Branches and loops on traced values become parts of the program."""

    @dv.function
    def run(x: Any, n: Any) -> tuple:
        total = ops.fori_loop(0, n, lambda i, value: value * 2.0, x)
        chosen = ops.switch(n, [ops.sin, ops.cos], x)
        last = ops.while_loop(lambda value: value < 100.0, lambda value: value * 3.0, x)
        sums = ops.associative_scan(ops.add, ops.stack([x, x, x, x, x]))
        return total, chosen, last, ops.cond(n > 2, lambda: x, lambda: -x), sums

    total, chosen, last, either, sums = run(dv.constant(2.0), dv.constant(3))
    assert (total, last, either) == (16.0, 162.0, 2.0)
    np.testing.assert_allclose(float(chosen), np.cos(2.0), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(sums), [2, 4, 6, 8, 10])


def test_images_of_unknown_sizes() -> None:
    """Cropping and padding to a size work where the images' own size comes with the data."""
    x = dv.keras.Input((None, None, 3))
    padded = ops.image.pad_images(x, 1, 1, target_height=9, target_width=8)
    cropped = ops.image.crop_images(x, bottom_cropping=1, right_cropping=0, target_height=2, target_width=3)
    model = dv.keras.Model(x, [padded, cropped, ops.image.crop_images(x, 1, 1, 1, 0)])
    assert [tuple(out.shape)[1:3] for out in model.outputs] == [(9, 8), (2, 3), (None, None)]
    image = np.arange(5 * 6 * 3, dtype=np.float32).reshape(1, 5, 6, 3)
    got = [np.asarray(out) for out in model(image)]
    assert got[0].shape == (1, 9, 8, 3) and got[0][0, 1, 1, 0] == image[0, 0, 0, 0]
    np.testing.assert_array_equal(got[1], image[:, 2:4, 3:6])
    np.testing.assert_array_equal(got[2], image[:, 1:4, 1:6])


def test_elastic_transform() -> None:
    """Images are moved by smooth random steps: the same for one seed, and not at all for a strength of 0."""
    images = np.random.default_rng(0).normal(size=(2, 8, 9, 3)).astype(np.float32)
    first, again, other = (np.asarray(ops.image.elastic_transform(images, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == images.shape and not np.allclose(first, other)
    still = ops.image.elastic_transform(images, alpha=0.0, seed=1)
    np.testing.assert_allclose(np.asarray(still), images, atol=1e-5)
