"""`tf.raw_ops` and `tf.saved_model.load`: models that TensorFlow and both Kerases have written."""

import contextlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import dovetail as tf
from dovetail.raw_ops.row import ROWS, public

MODELS = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="the folder ../shared/data is not here")


# ---- raw operations


def test_every_raw_operation_has_tensorflows_arguments():
    reference = pytest.importorskip("tensorflow").raw_ops
    for name, row in ROWS.items():
        known = inspect.signature(getattr(reference, name)).parameters
        unknown = [one for one in (*row.inputs, *row.attributes) if one not in known]
        assert not unknown, f"{name} has no {unknown}; it has {list(known)}"
        inputs = [one for one in known if one in row.inputs]
        assert inputs == list(row.inputs), name


def test_every_row_leads_to_a_function():
    for row in ROWS.values():
        target = getattr(row.function, "_name", None)
        assert target is None or callable(public(target)), row.name


X = np.array([[1.5, -2.0, 0.5], [0.25, 3.0, -1.0]], np.float32)
CALLS = [
    ("MatMul", {"a": X, "b": X, "transpose_b": True}),
    ("BatchMatMulV2", {"x": X[None], "y": X[None], "adj_y": True}),
    ("Mean", {"input": X, "axis": [1], "keep_dims": True}),
    ("Sum", {"input": X, "axis": np.zeros(0, np.int32)}),
    (
        "StridedSlice",
        {"input": X, "begin": [0, 1], "end": [0, 3], "strides": [1, 1], "begin_mask": 1, "end_mask": 1},
    ),
    ("Select", {"condition": [True, False], "x": X, "y": -X}),
    ("SelectV2", {"condition": [True, False, True], "t": X, "e": 0.0}),
    ("ConcatV2", {"values": [X, X], "axis": 1}),
    ("Pack", {"values": [X, X], "axis": 2}),
    ("Unpack", {"value": X, "num": 3, "axis": 1}),
    ("Split", {"axis": 1, "value": X, "num_split": 3}),
    ("SplitV", {"value": X, "size_splits": [1, 2], "axis": 1, "num_split": 2}),
    ("GatherV2", {"params": X, "indices": [2, 0], "axis": 1}),
    ("OneHot", {"indices": [0, 2], "depth": 3, "on_value": 1.0, "off_value": -1.0}),
    ("TopKV2", {"input": X, "k": 2}),
    ("ArgMax", {"input": X, "dimension": 1}),
    ("Cast", {"x": X, "DstT": "int32"}),
    ("Squeeze", {"input": X[None], "axis": [0]}),
    ("Div", {"x": np.array([7, -7]), "y": np.array([2, 2])}),
    ("Mod", {"x": np.array([7, -7]), "y": np.array([3, 3])}),
    ("Bucketize", {"input": X, "boundaries": [0.0, 1.5]}),
    ("MirrorPad", {"input": X, "paddings": [[0, 0], [1, 1]], "mode": "REFLECT"}),
    ("Einsum", {"inputs": [X, X], "equation": "ij,kj->ik"}),
    ("SparseSoftmaxCrossEntropyWithLogits", {"features": X, "labels": [0, 2]}),
    ("SoftmaxCrossEntropyWithLogits", {"features": X, "labels": [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]}),
    (
        "Conv2D",
        {
            "input": np.arange(50, dtype=np.float32).reshape(1, 5, 5, 2),
            "filter": np.ones((2, 2, 2, 1), np.float32),
            "strides": [1, 2, 2, 1],
            "padding": "EXPLICIT",
            "explicit_paddings": [0, 0, 1, 0, 0, 1, 0, 0],
        },
    ),
    (
        "FusedBatchNormV3",
        {
            "x": X.reshape(1, 1, 2, 3),
            "scale": [1.0, 2.0, 3.0],
            "offset": [0.0, 1.0, 2.0],
            "mean": [0.5, 0.5, 0.5],
            "variance": [1.0, 2.0, 1.0],
            "exponential_avg_factor": 0.25,
        },
    ),
]


def _outputs(found) -> list:
    return [np.asarray(one) for one in (found if isinstance(found, list | tuple) else [found])]


@pytest.mark.parametrize("name,arguments", CALLS, ids=[name for name, _ in CALLS])
def test_raw_operations_give_what_tensorflow_gives(name, arguments):
    reference = pytest.importorskip("tensorflow")
    row = ROWS[name]
    tensors = {
        one: [tf.constant(part) for part in value]
        if name in ("ConcatV2", "Pack", "Einsum") and isinstance(value, list)
        else tf.constant(value)
        for one, value in arguments.items()
        if one in row.inputs
    }
    mine = _outputs(getattr(tf.raw_ops, name)(**{**arguments, **tensors}))
    theirs = _outputs(getattr(reference.raw_ops, name)(**arguments))
    count = 3 if name == "FusedBatchNormV3" else len(theirs)  # the rest is for its gradient
    for one, other in zip(mine[:count], theirs[:count], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_raw_operations_tell_what_is_wrong():
    with pytest.raises(AttributeError, match="MatMul"):
        _ = tf.raw_ops.Matmul
    with pytest.raises(TypeError, match="by name"):
        tf.raw_ops.MatMul(X, X)
    with pytest.raises(TypeError, match="missing the argument 'b'"):
        tf.raw_ops.MatMul(a=X)
    with pytest.raises(ValueError, match="unknown attribute 'transpose_c'"):
        tf.raw_ops.MatMul(a=X, b=X, transpose_c=True)


# ---- files of the shared folder


@needs_models
@pytest.mark.parametrize("name", ["k2_saved_model", "k3_exported"])
def test_models_of_keras_give_the_outputs_beside_them(name):
    beside = np.load(MODELS / f"{name}.npz")
    loaded = tf.saved_model.load(MODELS / name)
    (out,) = loaded.signatures["serving_default"](tf.constant(beside["in_image"])).values()
    np.testing.assert_allclose(out.numpy(), beside["out"], rtol=1e-4, atol=1e-5)


@needs_models
def test_signatures_tell_what_they_take_and_give():
    serve = tf.saved_model.load(MODELS / "module_saved_model").signatures["repeated"]
    args, kwargs = serve.structured_input_signature
    assert args == () and sorted(kwargs) == ["times", "x"] and kwargs["x"].shape.as_list() == [None, 3]
    assert sorted(serve.structured_outputs) == ["mean", "total"]
    assert serve.structured_outputs["total"].dtype == tf.float32
    with pytest.raises(TypeError, match="repeated"):
        serve(x=tf.ones([2, 3]))


@needs_models
def test_loaded_functions_work_inside_of_functions_and_train():
    module = tf.saved_model.load(MODELS / "module_saved_model")
    optimizer = tf.keras.optimizers.SGD(0.1)
    x = tf.ones([4, 3])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(module(x) ** 2)
        weights = [module.w, module.b]
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return loss

    losses = [float(step()) for _ in range(5)]
    assert losses[-1] < losses[0]


# ---- damage


def _damaged(tmp_path: Path, change) -> str:
    folder = tmp_path / "damaged"
    folder.mkdir()
    data = bytearray((MODELS / "module_saved_model" / "saved_model.pb").read_bytes())
    (folder / "saved_model.pb").write_bytes(bytes(change(data)))
    return str(folder)


@needs_models
@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_file_that_ends_early_is_damaged(tmp_path, size):
    with pytest.raises(tf.errors.DataLossError, match="damaged"):
        tf.saved_model.load(_damaged(tmp_path, lambda data: data[:size]))


@needs_models
def test_changed_bytes_raise_errors_of_ours(tmp_path):
    rng = np.random.default_rng(0)
    source = (MODELS / "module_saved_model" / "saved_model.pb").read_bytes()
    folder = tmp_path / "changed"
    folder.mkdir()
    for _ in range(40):
        data = bytearray(source)
        for place in rng.integers(0, len(data), 5):
            data[place] = rng.integers(0, 256)
        (folder / "saved_model.pb").write_bytes(bytes(data))
        with contextlib.suppress(tf.errors.OpError, ValueError):
            tf.saved_model.load(folder)


@needs_models
def test_an_operation_that_is_not_known_is_named(tmp_path):
    folder = _damaged(tmp_path, lambda data: data.replace(b"\x12\x06MatMul", b"\x12\x06MatMux"))
    with pytest.raises(NotImplementedError, match="MatMux"):
        tf.saved_model.load(folder)(tf.ones([1, 3]))


def test_what_is_no_saved_model_is_refused(tmp_path):
    assert not tf.saved_model.contains_saved_model(tmp_path)
    with pytest.raises(FileNotFoundError, match="no SavedModel"):
        tf.saved_model.load(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert tf.saved_model.contains_saved_model(str(tmp_path))
    with pytest.raises(tf.errors.DataLossError, match="no graph"):
        tf.saved_model.load(str(tmp_path))
