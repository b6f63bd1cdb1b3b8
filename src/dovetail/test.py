"""`tf.test`: what machines can do, and a test case that compares tensors."""

from __future__ import annotations

import tempfile
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.autodiff import GradientTape
from dovetail.base import nest
from dovetail.engine import devices
from dovetail.ops.table import NAMESPACES
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.tensor import Tensor, TensorLike

__all__ = [
    "TestCase",
    "compute_gradient",
    "gpu_device_name",
    "is_built_with_cuda",
    "is_built_with_gpu_support",
    "is_built_with_rocm",
    "is_built_with_xla",
    "is_gpu_available",
    "main",
]


def is_gpu_available(cuda_only: bool = False, min_cuda_compute_capability: Any = None) -> bool:
    """True when XLA sees a GPU, of at least the given compute capability `(major, minor)`."""
    found = [index for kind, index in devices.visible() if kind == "GPU"]
    if min_cuda_compute_capability is None:
        return bool(found)
    least = tuple(min_cuda_compute_capability)
    return any(devices.details("GPU", index).get("compute_capability", ()) >= least for index in found)


def gpu_device_name() -> str:
    """Returns "/device:GPU:0", or "" when there is none."""
    return "/device:GPU:0" if is_gpu_available() else ""


def is_built_with_cuda() -> bool:
    """True when the installed JAX can use NVIDIA's GPUs and there is one."""
    return is_gpu_available()


def is_built_with_gpu_support() -> bool:
    """True when the installed JAX can use GPUs and there is one."""
    return is_gpu_available()


def is_built_with_rocm() -> bool:
    """False: AMD's GPUs have not been tried."""
    return False


def is_built_with_xla() -> bool:
    """True: everything compiled is compiled by XLA."""
    return True


def main(argv: list[str] | None = None) -> None:
    """Runs the tests of the program's main module."""
    unittest.main(argv=argv)


def compute_gradient(f: Callable, x: list, delta: float | None = None) -> tuple[list, list]:
    """Returns the Jacobians of `f(*x)`, by the tape and by central differences.

    Args:
        f: function of tensors that returns one tensor.
        x: its inputs, floating point.
        delta: step of the differences; 1/1024 when None.

    Returns:
        two lists of matrices (outputs, elements of an input), one matrix an input.
    """
    inputs = [convert_to_tensor(value) for value in x]
    step = 1 / 1024 if delta is None else delta
    with GradientTape() as tape:
        for value in inputs:
            tape.watch(value)
        y = f(*inputs)
    size = int(np.prod(y.shape, dtype=np.int64))
    exact = tape.jacobian(y, inputs, unconnected_gradients="zero")
    theoretical: list[Any] = [np.reshape(j.numpy(), (size, -1)) for j in exact]
    return theoretical, [_differences(f, inputs, i, step) for i in range(len(inputs))]


def _differences(f: Callable, inputs: list, position: int, step: float) -> np.ndarray:
    base = np.asarray(inputs[position])
    columns = []
    for at in np.ndindex(base.shape):
        moved = []
        for sign in (1, -1):
            changed = base.copy()
            changed[at] += sign * step
            given = [*inputs[:position], Tensor(changed), *inputs[position + 1 :]]
            moved.append(np.asarray(f(*given), np.float64).reshape(-1))
        columns.append((moved[0] - moved[1]) / (2 * step))
    return np.stack(columns, axis=1) if columns else np.zeros((0, 0))


def _values(structure: Any) -> Any:
    """Returns the structure with NumPy arrays in the places of the tensors."""
    return nest.map_structure(
        lambda leaf: np.asarray(leaf) if isinstance(leaf, TensorLike) else leaf, structure
    )


class TestCase(unittest.TestCase):
    """`unittest.TestCase` with assertions about tensors, arrays and structures of them."""

    def setUp(self) -> None:
        super().setUp()
        NAMESPACES["tf.random"]["set_seed"](87654321)

    def evaluate(self, tensors: Any) -> Any:
        """Returns the values as NumPy arrays."""
        return _values(tensors)

    def get_temp_dir(self) -> str:
        """Returns a folder that is removed after the test."""
        if not hasattr(self, "_folder"):
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            self._folder = folder.name
        return self._folder

    def assertAllClose(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None
    ) -> None:
        """Fails unless `|a - b| <= atol + rtol * |b|` everywhere; lists and dicts are compared leaf by leaf."""
        for first, second in self._pairs(a, b, msg):
            np.testing.assert_allclose(first, second, rtol=rtol, atol=atol, err_msg=msg or "")

    def assertNotAllClose(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: str | None = None
    ) -> None:
        """Fails when the two are close everywhere."""
        pairs = self._pairs(a, b, msg)
        if all(np.allclose(first, second, rtol=rtol, atol=atol) for first, second in pairs):
            self.fail(self._formatMessage(msg, "the two are close at all elements"))

    def assertAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Fails unless shapes and all elements are equal."""
        first, second = np.asarray(_values(a)), np.asarray(_values(b))
        if first.dtype.kind in "OSU" or second.dtype.kind in "OSU":
            first, second = (np.vectorize(_as_bytes, otypes=[object])(x) for x in (first, second))
        np.testing.assert_array_equal(first, second, err_msg=msg or "", strict=False)
        self.assertEqual(first.shape, second.shape, msg)

    def assertNotAllEqual(self, a: Any, b: Any, msg: str | None = None) -> None:
        """Fails when all elements are equal."""
        if np.array_equal(np.asarray(_values(a)), np.asarray(_values(b))):
            self.fail(self._formatMessage(msg, "the two are equal at all elements"))

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        self.assertTrue(
            bool((np.asarray(a) > comparison_target).all()), f"not all of {a} > {comparison_target}"
        )

    def assertAllGreaterEqual(self, a: Any, comparison_target: Any) -> None:
        self.assertTrue(
            bool((np.asarray(a) >= comparison_target).all()), f"not all of {a} >= {comparison_target}"
        )

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        self.assertTrue(
            bool((np.asarray(a) < comparison_target).all()), f"not all of {a} < {comparison_target}"
        )

    def assertAllLessEqual(self, a: Any, comparison_target: Any) -> None:
        self.assertTrue(
            bool((np.asarray(a) <= comparison_target).all()), f"not all of {a} <= {comparison_target}"
        )

    def assertNear(self, f1: float, f2: float, err: float, msg: str | None = None) -> None:
        """Fails unless `|f1 - f2| <= err`."""
        self.assertTrue(f1 == f2 or abs(f1 - f2) <= err, f"{f1} != {f2} +/- {err} {msg or ''}".rstrip())

    def assertShapeEqual(self, input_a: Any, input_b: Any, msg: str | None = None) -> None:
        self.assertEqual(tuple(input_a.shape), tuple(input_b.shape), msg)

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        found = target.dtype if hasattr(target, "dtype") else np.asarray(target).dtype
        self.assertEqual(as_dtype(found), as_dtype(expected_dtype))

    def _pairs(self, a: Any, b: Any, msg: str | None) -> list[tuple]:
        first, second = _values(a), _values(b)
        if isinstance(first, dict) or isinstance(second, dict):
            self.assertEqual(set(first), set(second), msg)
            return [pair for key in first for pair in self._pairs(first[key], second[key], msg)]
        if _is_ragged(first) or _is_ragged(second):
            self.assertEqual(len(first), len(second), msg)
            return [pair for x, y in zip(first, second) for pair in self._pairs(x, y, msg)]
        return [(np.asarray(first), np.asarray(second))]


def _is_ragged(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    if any(isinstance(item, dict) for item in value):
        return True
    return len({np.shape(item) for item in value if not _is_ragged(item)}) > 1 or any(map(_is_ragged, value))


def _as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
