"""What a symbolic call gives: shapes with unknown sizes, dtypes, and the known elements of shape arithmetic.

Order of attempts: the op's own rule; abstract evaluation by XLA (or, with the engine forced to "host", a run of the
body on ones) with the unknown sizes set to two different values - where the answers differ, the size is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.engine import dtypes, host, uses_xla, xla
from dovetail.ops.attrs import is_symbolic, number
from dovetail.ops.core import Op
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

_PROBES = (5, 7)
_MAX_PARTIAL = 64


class _Unknown:
    """An integer that is not known.  Arithmetic with it stays unknown."""

    def __reduce__(self) -> str:
        return "_UNKNOWN"  # there is one

    def _unknown(self, *_: Any) -> _Unknown:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _unknown
    __floordiv__ = __rfloordiv__ = __truediv__ = __rtruediv__ = __mod__ = __rmod__ = __neg__ = _unknown


_UNKNOWN = _Unknown()

# Ops whose output has known elements though their input has not, such as `tf.shape`: name -> f(args, attributes).
PARTIAL_RULES: dict[str, Callable[[tuple, dict], Any]] = {}

# The shapes of ops' outputs that are known for inputs of unknown rank.
UNRANKED_RULES: dict[str, tuple] = {}


class Inferred:
    """The description of one output: shape (tuple, or None for an unknown rank), NumPy dtype, known elements."""

    __slots__ = ("dtype", "partial", "shape")

    def __init__(self, shape: Any, dtype: Any, partial: Any = None) -> None:
        self.shape, self.dtype, self.partial = shape, dtype, partial


def infer(op: Op, args: tuple, attributes: dict) -> tuple[list[Inferred], bool]:
    """Returns the outputs' descriptions, and whether the op returns a sequence.

    Raises:
        ValueError: the shapes do not fit together.
    """
    known = {name: _static_attribute(value, _unknown_of(op, name)) for name, value in attributes.items()}
    if any(value is _UNRANKED for value in known.values()):
        dtype = _first_dtype(args)
        return [Inferred(None, dtype)], False
    bound = op.bind(known)
    shapes = [None if arg is None else _shape_of(arg) for arg in args]
    kinds = [None if arg is None else arg.dtype.numpy_dtype for arg in args]
    partial = _partial(op, args, bound.attributes)
    if op.shape is not None and not any(shape is _UNRANKED for shape in shapes):
        shape = op.shape(*shapes, **bound.attributes)
        dtype = op.dtype(*kinds, **bound.attributes) if op.dtype else _first_dtype(args)
        if isinstance(shape, list):
            each = dtype if isinstance(dtype, list) else [dtype] * len(shape)
            known_parts = (
                partial if isinstance(partial, list) and len(partial) == len(shape) else [None] * len(shape)
            )
            parts = zip(shape, each, known_parts, strict=True)
            return [Inferred(s, d, _fitting(p, s)) for s, d, p in parts], True
        return [Inferred(shape, dtype, _fitting(partial, shape))], False
    if any(shape is _UNRANKED for shape in shapes):
        dtype = op.dtype(*kinds, **bound.attributes) if op.dtype else _first_dtype(args)
        return [Inferred(UNRANKED_RULES.get(op.name), dtype)], False
    outputs, several = _probe(op, shapes, kinds, bound.attributes)
    if partial is not None and not several:
        outputs[0].partial = _fitting(partial, outputs[0].shape)
    return outputs, several


_UNRANKED: Any = object()


def _shape_of(arg: Any) -> Any:
    shape = TensorShape(arg.shape)
    return tuple(shape) if shape.rank is not None else _UNRANKED


def _first_dtype(args: tuple) -> Any:
    for arg in args:
        if arg is not None:
            return arg.dtype.numpy_dtype
    return np.dtype(np.float32)


def _unknown_of(op: Op, name: str) -> Any:
    """Returns what stands for an unknown value of an attribute: -1 is none for an attribute that may be any number."""
    return math.nan if name in op.attributes and op.attributes[name][1] is number else -1


def _static_attribute(value: Any, unknown: Any = -1) -> Any:
    """Replaces symbolic tensors in an attribute by what is known of their elements; `unknown` where nothing is."""
    if not is_symbolic(value):
        return value
    if isinstance(value, SymbolicTensor):
        if value.partial is not None:
            return _as_sizes(value.partial, unknown)
        if value.shape.rank == 0:
            return unknown
        if value.shape.rank == 1 and value.shape[0] is not None:
            return (unknown,) * value.shape[0]
        return _UNRANKED
    return tuple(_static_attribute(item, unknown) for item in value)


def _as_sizes(partial: np.ndarray, unknown: Any) -> Any:
    if partial.ndim == 0:
        item: Any = partial.item()
        return unknown if item is _UNKNOWN else int(item)
    return tuple(_as_sizes(np.asarray(row, object), unknown) for row in partial)


def shape_partial(shape: tuple) -> np.ndarray:
    """Returns a shape as known elements, unknown sizes marked."""
    result: Any = np.empty(len(shape), object)
    result[:] = [_UNKNOWN if size is None else size for size in shape]
    return result


def partial_of(arg: Any) -> np.ndarray | None:
    """Returns the known elements of an argument, None when none are."""
    if isinstance(arg, SymbolicTensor):
        return arg.partial
    if isinstance(arg, TensorLike):
        tensor = arg if isinstance(arg, Tensor) else convert_to_tensor(arg)
        if isinstance(tensor, SymbolicTensor):  # a variable, while a graph records
            return tensor.partial
        value = tensor._value
        if type(value) is np.ndarray and value.dtype.kind == "i" and value.size <= _MAX_PARTIAL:
            return value.astype(object)
    return None


def _partial(op: Op, args: tuple, attributes: dict) -> Any:
    """Runs the op on the known elements, when all its inputs are small integer tensors with known elements."""
    if not args or not any(isinstance(arg, SymbolicTensor) for arg in args):
        return None
    if op.name in PARTIAL_RULES:
        return PARTIAL_RULES[op.name](args, attributes)
    elements = []
    for arg in args:
        known = partial_of(arg)
        if known is None or arg.dtype.numpy_dtype.kind != "i":
            return None
        elements.append(known)
    if op.name == "cast":
        return elements[0] if dtypes.is_integer(attributes["dtype"]) else None
    try:
        out = op.body(host, *elements, **attributes)
        several = isinstance(out, tuple | list)
        return [np.asarray(part, object) for part in out] if several else np.asarray(out, object)
    except (TypeError, ValueError, AttributeError, IndexError):
        return None  # not an op of shape arithmetic: nothing is known, which is always a right answer


def _fitting(partial: Any, shape: Any) -> Any:
    known = isinstance(partial, np.ndarray) and shape == partial.shape and partial.size <= _MAX_PARTIAL
    return partial if known else None


def _probe(op: Op, shapes: list, kinds: list, attributes: dict) -> tuple[list[Inferred], bool]:
    unknown = any(shape is not None and None in shape for shape in shapes)
    answers = []
    for size in _PROBES[: 2 if unknown else 1]:
        filled = [None if s is None else tuple(size if d is None else d for d in s) for s in shapes]
        answers.append(_evaluate(op, filled, kinds, attributes))
    several = isinstance(answers[0], list | tuple)
    first, last = (list(a) if several else [a] for a in (answers[0], answers[-1]))
    outputs = []
    for a, b in zip(first, last, strict=True):
        sizes = tuple(x if x == y else None for x, y in zip(a.shape, b.shape, strict=True))
        outputs.append(Inferred(sizes, np.dtype(a.dtype)))
    return outputs, several


def _evaluate(op: Op, shapes: list, kinds: list, attributes: dict) -> Any:
    if op.engine == "host" or not uses_xla():
        examples = [None if s is None else np.ones(s, k) for s, k in zip(shapes, kinds, strict=True)]
        return op.body(host, *examples, **attributes)
    engine = xla(op.name)
    examples = [
        None if s is None else engine.ShapeDtypeStruct(s, k) for s, k in zip(shapes, kinds, strict=True)
    ]
    return engine.eval_shape(lambda *xs: op.body(engine, *xs, **attributes), *examples)
