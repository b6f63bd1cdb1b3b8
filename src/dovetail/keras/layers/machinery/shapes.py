"""Shapes of a layer's inputs and outputs, alone or in structures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike


def shape_of(leaf: Any) -> Any:
    return TensorShape(leaf.shape) if hasattr(leaf, "shape") else None


def plain_shapes(shapes: Any) -> Any:
    """Returns a shape, or a structure of shapes, as tuples, which a config can hold."""
    if isinstance(shapes, dict):
        return {name: plain_shapes(value) for name, value in shapes.items()}
    if shapes is None or isinstance(shapes, int):
        return shapes
    return tuple(plain_shapes(item) for item in shapes)


def is_shape(value: Any) -> bool:
    """True for one shape, False for a structure of shapes."""
    return isinstance(value, TensorShape) or (
        isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)
    )


def map_shapes(function: Callable, shapes: Any) -> Any:
    """Maps a shape, or each shape of a structure."""
    if is_shape(shapes):
        return function(shapes)
    if isinstance(shapes, dict):
        return {name: map_shapes(function, one) for name, one in shapes.items()}
    return type(shapes)(map_shapes(function, one) for one in shapes)


def as_described(leaf: Any) -> Any:
    return leaf if isinstance(leaf, TensorLike | CompositeTensor) else convert_to_tensor(leaf)


def symbolic_of(shapes: Any, dtype: Any) -> Any:
    """Makes symbolic tensors of a shape, or of a structure of shapes."""
    if isinstance(shapes, dict):
        return {key: symbolic_of(value, dtype) for key, value in shapes.items()}
    if isinstance(shapes, list | tuple) and shapes and isinstance(shapes[0], list | tuple | TensorShape):
        return type(shapes)(symbolic_of(value, dtype) for value in shapes)
    return SymbolicTensor(shapes, dtype)
