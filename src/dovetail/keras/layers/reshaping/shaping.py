"""Layers that change the shape of their input: Flatten, Reshape, Permute, RepeatVector."""

from __future__ import annotations

import math
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.arguments import layout, sizes
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops.shapes import expand_dims, num_examples, reshape, tile, transpose

__all__ = ["Flatten", "Permute", "RepeatVector", "Reshape"]


def reshape_examples(inputs: Any, target: tuple) -> Any:
    """Reshapes each example to `target`, in which one size may be -1; the batch axis stays."""
    batch = inputs.shape[0]
    if batch is None:
        batch = -1 if -1 not in target else num_examples(inputs)
    return reshape(inputs, shape=(batch, *target))


class Flatten(Layer):
    """Flattens all axes but the first: (batch, ...) -> (batch, product of the others).

    Args:
        data_format: with "channels_first" the channels move to the end before.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = layout(data_format, "Flatten")
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        if self.data_format == "channels_first" and rank > 2:
            inputs = transpose(inputs, perm=(0, *range(2, rank), 1))
        rest = tuple(inputs.shape)[1:]
        return reshape_examples(inputs, (-1 if None in rest else math.prod(rest),))

    def get_config(self) -> dict:
        return super().get_config() | {"data_format": self.data_format}


class Reshape(Layer):
    """Gives each example another shape.

    Args:
        target_shape: sizes without the batch axis; one may be -1.

    Example:
        >>> keras.layers.Reshape((2, -1))(tf.ones((3, 8))).shape
        TensorShape([3, 2, 4])
    """

    def __init__(self, target_shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        target = (
            (target_shape,) if isinstance(target_shape, int) else tuple(int(size) for size in target_shape)
        )
        if target.count(-1) > 1 or any(size < -1 for size in target):
            raise ValueError(
                f"Reshape: target_shape must hold sizes and at most one -1, received {target_shape!r}"
                f"{at_user_location()}"
            )
        self.target_shape = target

    def call(self, inputs: Any) -> Any:
        rest, target = tuple(inputs.shape)[1:], self.target_shape
        if -1 in target and None not in rest:
            known = -math.prod(target)
            if not known or math.prod(rest) % known:
                raise ValueError(
                    f"{self.name}: cannot reshape examples of shape {rest} to {target}{at_user_location()}"
                )
            target = tuple(math.prod(rest) // known if size == -1 else size for size in target)
        elif None not in rest and math.prod(rest) != math.prod(target):
            raise ValueError(
                f"{self.name}: cannot reshape examples of shape {rest} ({math.prod(rest)} elements) to {target} "
                f"({math.prod(target)} elements){at_user_location()}"
            )
        return reshape_examples(inputs, target)

    def get_config(self) -> dict:
        return super().get_config() | {"target_shape": self.target_shape}


class Permute(Layer):
    """Reorders the axes of each example.

    Args:
        dims: the new order, counted from 1: (2, 1) exchanges the first two axes after the batch.
    """

    def __init__(self, dims: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"Permute: dims must be an order of the axes 1 to {len(self.dims)} (0 is the batch), received {dims!r}"
                f"{at_user_location()}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
        return transpose(inputs, perm=(0, *self.dims))

    def get_config(self) -> dict:
        return super().get_config() | {"dims": self.dims}


class RepeatVector(Layer):
    """Repeats each example: (batch, features) -> (batch, n, features)."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        (self.n,) = sizes(n, 1, "RepeatVector: n")
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        return tile(expand_dims(inputs, axis=1), multiples=(1, self.n, 1))

    def get_config(self) -> dict:
        return super().get_config() | {"n": self.n}
