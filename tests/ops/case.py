"""What a row of an op's case table is, and how a row is run on Dovetail and on the reference."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import dovetail as dv
from dovetail.base.settings import settings
from dovetail.ops.core import OPS
from dovetail.ops.table import NAMESPACES, load_all
from dovetail.ops.views import namespace_of
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike

load_all()


@dataclass
class Case:
    """One call of an op.

    Attributes:
        name: the public function: "reduce_sum" (under tf), "math.lgamma", "ops.sum" (keras.ops), "K.sum"
            (keras.backend); or the name of a row of the op table.
        args: `f(rng) -> positional arguments`.  NumPy arrays become tensors, also inside lists; the rest stays.
        kwargs: keyword arguments; the same holds for them.
        tf: dotted name of the reference under tf, "ops." and "K." as above; None: `name`.
        grad: positions of arguments to differentiate.
        symbolic: True: also run on symbolic tensors.  The first size is unknown in the first array and in all arrays
            that share it, as a batch would.  Otherwise the reason why not, in words.
        rtol, atol: tolerance for float32; for gradients in float64, 1e-6 holds.
        host: the op has a host body.
        xla: the op has an XLA body, and can be traced.
        vjp: JAX can derive the body, so that rules can be compared with what it derives.
        oracle: instead of the reference; called with the arguments as NumPy arrays.
        compare: maps the outputs (NumPy arrays) to what is compared, where only a sign or an order is free.
        check_dtype: whether the dtypes must be the reference's.
        id: tells apart rows of the same name.
    """

    name: str
    args: Callable[[np.random.Generator], tuple]
    kwargs: dict = field(default_factory=dict)
    tf: str | None = None
    grad: tuple[int, ...] = ()
    symbolic: bool | str = True
    rtol: float = 1e-5
    atol: float = 1e-6
    host: bool = True
    xla: bool = True
    vjp: bool = True
    oracle: Callable | None = None
    compare: Callable | None = None
    check_dtype: bool = True
    id: str = ""

    def __str__(self) -> str:
        return f"{self.name}-{self.id}" if self.id else self.name

    def inputs(self) -> tuple:
        """Returns the same arguments every time."""
        return self.args(np.random.default_rng(zlib.crc32(str(self).encode())))

    @property
    def function(self) -> Callable:
        """Dovetail's function."""
        namespace, last = namespace_of(self.name)
        found = NAMESPACES.get(namespace, {}).get(last)
        if found is None and namespace == "tf":
            found = getattr(dv, last, None) or OPS.get(self.name)
        if found is None and namespace == "keras.backend":
            found = getattr(dv.keras.backend, last, None)
        if found is None:
            raise LookupError(f"{self.name}: there is no {namespace}.{last} and no op of that name")
        return found

    def run(self, args: tuple, convert: Callable = convert_to_tensor) -> list:
        """Calls Dovetail's function; returns its outputs as a flat list."""
        return flat(self.function(*mapped(args, convert), **mapped(self.kwargs, convert)))

    def compared(self, outputs: list) -> list[np.ndarray]:
        """Returns what is compared, as NumPy arrays."""
        values = [as_numpy(one) for one in outputs]
        return values if self.compare is None else [np.asarray(one) for one in flat(self.compare(*values))]

    def reference(self) -> Callable:
        """Returns TensorFlow's function (Keras' for names of keras.ops and keras.backend)."""
        import keras
        import tensorflow as tf
        import tf_keras

        head, _, rest = (self.tf or self.name).partition(".")
        found = {"ops": keras.ops, "K": tf_keras.backend}.get(head)
        path = rest if found is not None else self.tf or self.name
        found = tf if found is None else found
        for part in path.split("."):
            found = getattr(found, part)
        return found

    def expected(self) -> list:
        """Returns the reference's outputs as NumPy arrays, in a flat list."""
        args = self.inputs()
        if self.oracle is not None:
            result = self.oracle(*args, **self.kwargs)
        else:
            import tensorflow as tf

            result = self.reference()(*mapped(args, tf.constant), **mapped(self.kwargs, tf.constant))
        return self.compared(flat(result))


def mapped(value: Any, convert: Callable) -> Any:
    """Converts the NumPy arrays in arguments, also inside lists, tuples and dicts."""
    if isinstance(value, np.ndarray):
        return convert(value)
    if isinstance(value, list | tuple):
        items = [mapped(item, convert) for item in value]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: mapped(item, convert) for key, item in value.items()}
    return value


def flat(result: Any) -> list:
    """Returns the outputs of a call as a list; None is left out."""
    if isinstance(result, list | tuple):
        return [leaf for item in result for leaf in flat(item)]
    return [] if result is None else [result]


def arrays(value: Any) -> list[np.ndarray]:
    """Returns the NumPy arrays in arguments, in order."""
    found: list[np.ndarray] = []
    mapped(value, lambda array: (found.append(array), array)[1])
    return found


def as_numpy(value: Any) -> np.ndarray:
    return np.asarray(value._value if isinstance(value, TensorLike) and hasattr(value, "_value") else value)


@contextmanager
def engine(name: str):
    """Forces an engine for a while."""
    before = settings.engine
    settings.engine = name
    try:
        yield
    finally:
        settings.engine = before


def symbolic_like(first: np.ndarray | None = None) -> Callable:
    """Returns what makes symbolic tensors like arrays: the first size is unknown where it is that of `first`."""
    batch = () if first is None else first.shape[:1]

    def symbolic(array: np.ndarray) -> SymbolicTensor:
        return SymbolicTensor(
            (None, *array.shape[1:]) if array.shape[:1] == batch != () else array.shape, array.dtype
        )

    return symbolic


def in_float64(value: Any) -> Any:
    """Returns arguments with their float32 and complex64 arrays in twice the precision."""
    wide = {np.dtype(np.float32): np.float64, np.dtype(np.complex64): np.complex128}
    return mapped(value, lambda array: array.astype(wide.get(array.dtype, array.dtype)))


# ---- short forms for the tables ----------------------------------------------------------------------------------


def normal(*shapes: tuple, scale: float = 1.0, shift: float = 0.0) -> Callable:
    """Arguments: float32 tensors of these shapes, normally distributed."""
    return lambda rng: tuple(np.float32(rng.normal(size=shape) * scale + shift) for shape in shapes)


def uniform(low: float, high: float, *shapes: tuple) -> Callable:
    """Arguments: float32 tensors of these shapes, uniform in [low, high)."""
    return lambda rng: tuple(rng.uniform(low, high, shape).astype(np.float32) for shape in shapes)


def integers(low: int, high: int, *shapes: tuple, dtype: Any = np.int32) -> Callable:
    """Arguments: integer tensors of these shapes, uniform in [low, high)."""
    return lambda rng: tuple(rng.integers(low, high, shape).astype(dtype) for shape in shapes)


def booleans(*shapes: tuple) -> Callable:
    """Arguments: boolean tensors of these shapes."""
    return lambda rng: tuple(rng.random(shape) < 0.5 for shape in shapes)


def complexes(*shapes: tuple) -> Callable:
    """Arguments: complex64 tensors of these shapes."""
    return lambda rng: tuple(
        (rng.normal(size=s) + 1j * rng.normal(size=s)).astype(np.complex64) for s in shapes
    )


def of(*values: Any) -> Callable:
    """Arguments: the given values."""
    return lambda rng: values


def f32(*values: Any) -> np.ndarray:
    """A float32 array of the given numbers (or of one nested list)."""
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def i32(*values: Any) -> np.ndarray:
    """An int32 array of the given numbers (or of one nested list)."""
    return np.array(values[0] if len(values) == 1 else values, np.int32)
