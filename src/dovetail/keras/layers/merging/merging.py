"""Layers that join several tensors, and their functional forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import arithmetic, logic, reduction
from dovetail.ops.array import concat
from dovetail.ops.create import ones_like
from dovetail.ops.linalg import k_batch_dot
from dovetail.ops.norms import l2_normalize
from dovetail.ops.shapes import expand_dims

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "Maximum",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class Merge(Layer):
    """Joins a list of tensors element by element.

    Tensors of lower rank get axes of size 1 after the batch axis; then sizes broadcast.
    """

    supports_masking = True
    smallest = 2

    def join(self, inputs: list) -> Any:
        """Joins tensors of equal rank."""
        raise NotImplementedError(f"{type(self).__name__} must define join(inputs)")

    def build(self, input_shape: Any) -> None:
        self.check_list(input_shape)

    def check_list(self, inputs: Any) -> None:
        if not isinstance(inputs, list | tuple) or (
            inputs and not hasattr(inputs[0], "__len__") and not _shaped(inputs)
        ):
            raise ValueError(
                f"{self.name}: call it on a list of tensors, {type(self).__name__}()([a, b]){at_user_location()}"
            )
        if len(inputs) < self.smallest:
            raise ValueError(
                f"{self.name}: expected at least {self.smallest} inputs, received {len(inputs)}{at_user_location()}"
            )

    def call(self, inputs: Any) -> Any:
        self.check_list(inputs)
        rank = max(len(tensor.shape) for tensor in inputs)
        return self.join([_with_rank(tensor, rank) for tensor in inputs])

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None or any(mask is None for mask in previous_mask):
            return None
        return _folded(logic.logical_or, previous_mask)


def _shaped(inputs: Any) -> bool:
    return all(hasattr(tensor, "shape") for tensor in inputs)


def _with_rank(tensor: Any, rank: int) -> Any:
    for _ in range(rank - len(tensor.shape)):
        tensor = expand_dims(tensor, axis=1)
    return tensor


def _folded(join: Callable, tensors: Any) -> Any:
    result = tensors[0]
    for tensor in tensors[1:]:
        result = join(result, tensor)
    return result


class Add(Merge):
    """The sum of a list of tensors."""

    def join(self, inputs: list) -> Any:
        return _folded(arithmetic.add, inputs)


class Subtract(Merge):
    """The first of two tensors less the second."""

    def check_list(self, inputs: Any) -> None:
        super().check_list(inputs)
        if len(inputs) != 2:
            raise ValueError(
                f"{self.name}: expected exactly 2 inputs, received {len(inputs)}{at_user_location()}"
            )

    def join(self, inputs: list) -> Any:
        return arithmetic.subtract(*inputs)


class Multiply(Merge):
    """The product of a list of tensors."""

    def join(self, inputs: list) -> Any:
        return _folded(arithmetic.multiply, inputs)


class Average(Merge):
    """The mean of a list of tensors."""

    def join(self, inputs: list) -> Any:
        return _folded(arithmetic.add, inputs) / len(inputs)


class Maximum(Merge):
    """The elementwise maximum of a list of tensors."""

    def join(self, inputs: list) -> Any:
        return _folded(arithmetic.maximum, inputs)


class Minimum(Merge):
    """The elementwise minimum of a list of tensors."""

    def join(self, inputs: list) -> Any:
        return _folded(arithmetic.minimum, inputs)


class Concatenate(Merge):
    """Joins tensors along an axis; the other sizes must agree.

    Args:
        axis: the axis.
    """

    smallest = 1

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        self.check_list(inputs)
        shapes = [tuple(tensor.shape) for tensor in inputs]
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise ValueError(
                f"{self.name}: expected tensors of equal rank that have the axis {self.axis}, received shapes {shapes}"
                f"{at_user_location()}"
            )
        for axis in range(rank):
            known = {shape[axis] for shape in shapes} - {None}
            if axis != self.axis % rank and len(known) > 1:
                raise ValueError(
                    f"{self.name}: the sizes of axis {axis} must agree to join along axis {self.axis}, received shapes "
                    f"{shapes}{at_user_location()}"
                )
        return concat(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        if previous_mask is None or all(mask is None for mask in previous_mask):
            return None
        masks = []
        for tensor, mask in zip(inputs, previous_mask, strict=True):
            full = ones_like(tensor, dtype="bool")
            if mask is None:
                mask = full
            elif len(mask.shape) < len(tensor.shape):
                mask = logic.logical_and(expand_dims(mask, axis=-1), full)
            masks.append(mask)
        return reduction.reduce_any(concat(masks, axis=self.axis), axis=-1)

    def get_config(self) -> dict:
        return super().get_config() | {"axis": self.axis}


class Dot(Merge):
    """The product of two tensors, summed over one axis of each, for each example.

    Args:
        axes: the axis, or one for each of the two; counted with the batch axis, which is 0.
        normalize: divide by the Euclidean norms over the axes before: cosine similarity.
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        given = axes if isinstance(axes, list | tuple) else (axes, axes)
        if len(given) != 2 or not all(isinstance(axis, int) for axis in given):
            raise ValueError(
                f"Dot: axes must be an int or two of them, received {axes!r}{at_user_location()}"
            )
        self.axes = axes
        self.normalize = normalize

    def call(self, inputs: Any) -> Any:
        self.check_list(inputs)
        if len(inputs) != 2:
            raise ValueError(
                f"{self.name}: expected exactly 2 inputs, received {len(inputs)}{at_user_location()}"
            )
        first, second = inputs
        given = self.axes if isinstance(self.axes, list | tuple) else (self.axes, self.axes)
        axes = tuple(axis % len(tensor.shape) for axis, tensor in zip(given, inputs, strict=True))
        sizes = tuple(tensor.shape[axis] for axis, tensor in zip(axes, inputs, strict=True))
        if 0 in axes or (None not in sizes and sizes[0] != sizes[1]):
            raise ValueError(
                f"{self.name}: cannot sum over axis {axes[0]} of {tuple(first.shape)} and axis {axes[1]} of "
                f"{tuple(second.shape)}: the sizes must agree, and axis 0 is the batch{at_user_location()}"
            )
        if self.normalize:
            first, second = l2_normalize(first, axis=axes[0]), l2_normalize(second, axis=axes[1])
        return k_batch_dot(first, second, axes)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None

    def get_config(self) -> dict:
        return super().get_config() | {"axes": self.axes, "normalize": self.normalize}


def add(inputs: Any, **kwargs: Any) -> Any:
    """Returns the sum of a list of tensors."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """Returns the first of two tensors less the second."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """Returns the product of a list of tensors."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """Returns the mean of a list of tensors."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """Returns the elementwise maximum of a list of tensors."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """Returns the elementwise minimum of a list of tensors."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """Joins a list of tensors along an axis."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """Returns the product of two tensors, summed over one axis of each."""
    return Dot(axes, **kwargs)(inputs)
