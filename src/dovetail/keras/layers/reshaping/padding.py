"""Layers that add a border of zeros or cut a border off."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.arguments import layout, pairs
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops.padding import pad

__all__ = ["Cropping1D", "Cropping2D", "Cropping3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"]


class _Border(Layer):
    """A layer with (before, after) numbers for each spatial axis."""

    rank = 2
    argument = "padding"

    def __init__(self, amounts: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.data_format = layout(data_format, kind)
        self.amounts = pairs(amounts, self.rank, f"{kind}: {self.argument}")
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def per_axis(self) -> tuple[tuple[int, int], ...]:
        """Returns the numbers of every axis of the input."""
        none = (0, 0)
        if self.data_format == "channels_first":
            return (none, none, *self.amounts)
        return (none, *self.amounts, none)

    def get_config(self) -> dict:
        amounts = self.amounts[0] if self.rank == 1 else self.amounts
        config = super().get_config() | {self.argument: amounts}
        # Keras' Cropping1D knows one format, and takes no argument for it.
        own = self.rank > 1 or self.argument == "padding" or self.data_format != "channels_last"
        return config | {"data_format": self.data_format} if own else config


class _ZeroPadding(_Border):
    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)
        self.padding = self.amounts[0] if self.rank == 1 else self.amounts

    def call(self, inputs: Any) -> Any:
        return pad(inputs, paddings=self.per_axis())


class ZeroPadding1D(_ZeroPadding):
    """Adds zeros before and after the steps of (batch, steps, channels).

    Args:
        padding: how many on both sides, or (before, after).
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """Adds rows and columns of zeros to images.

    Args:
        padding: an int; (rows, columns) on both sides; or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank = 2


class ZeroPadding3D(_ZeroPadding):
    """Adds zeros around the three spatial axes; see `ZeroPadding2D`."""

    rank = 3


class _Cropping(_Border):
    argument = "cropping"

    def __init__(self, cropping: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)
        self.cropping = self.amounts[0] if self.rank == 1 else self.amounts

    def call(self, inputs: Any) -> Any:
        index = []
        for axis, (size, (before, after)) in enumerate(zip(inputs.shape, self.per_axis(), strict=True)):
            if size is not None and before + after > 0 and before + after >= size:
                raise ValueError(
                    f"{self.name}: cropping {(before, after)} leaves nothing of axis {axis} of the inputs of shape "
                    f"{tuple(inputs.shape)}{at_user_location()}"
                )
            index.append(slice(before, -after or None))
        return inputs[tuple(index)]


class Cropping1D(_Cropping):
    """Cuts steps off both ends of (batch, steps, channels).

    Args:
        cropping: how many on both sides, or (before, after).
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank = 1


class Cropping2D(_Cropping):
    """Cuts rows and columns off images.

    Args:
        cropping: an int; (rows, columns) on both sides; or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank = 2

    def __init__(self, cropping: Any = 0, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Cuts elements off both ends of the three spatial axes; see `Cropping2D`."""

    rank = 3
