"""Adaptive pooling: the maximum or the mean over as many windows as outputs are wanted."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.arguments import axis_order, window
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.ops.keras.blocks import adaptive_average_pool, adaptive_max_pool
from dovetail.tensor.shape import TensorShape

__all__ = [
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
]


class AdaptivePooling(Declared):
    """Divides each spatial axis into windows of nearly equal size, and pools each.

    Args:
        output_size: number of windows, one int or one for each spatial axis.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank = 2
    pool: Any = None
    _arguments = (
        Argument("output_size", read=window),
        Argument("data_format", None, axis_order, "str | None"),
    )
    output_size: tuple[int, ...]
    data_format: str

    def _begin(self) -> None:
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        first = 1 if self.data_format == "channels_last" else 2
        if None in tuple(inputs.shape)[first : first + self.rank]:
            raise ValueError(
                f"{self.name}: the sizes to be divided must be known, received inputs of shape {tuple(inputs.shape)}"
                f"{at_user_location()}"
            )
        return type(self).pool(inputs, self.output_size, self.data_format)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        batch, *sizes = input_shape
        if self.data_format == "channels_last":
            return TensorShape([batch, *self.output_size, sizes[-1]])
        return TensorShape([batch, sizes[0], *self.output_size])


class AdaptiveMaxPooling1D(AdaptivePooling):
    """The maximum over windows of (batch, steps, channels); see `AdaptiveMaxPooling2D` for the arguments."""

    rank, pool = 1, staticmethod(adaptive_max_pool)


class AdaptiveMaxPooling2D(AdaptivePooling):
    """The maximum over windows of (batch, height, width, channels), as many as outputs are wanted.

    Args:
        output_size: new height and width, one int or two.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank, pool = 2, staticmethod(adaptive_max_pool)


class AdaptiveMaxPooling3D(AdaptivePooling):
    """The maximum over windows of three axes; see `AdaptiveMaxPooling2D` for the arguments."""

    rank, pool = 3, staticmethod(adaptive_max_pool)


class AdaptiveAveragePooling1D(AdaptivePooling):
    """The mean over windows of (batch, steps, channels); see `AdaptiveMaxPooling2D` for the arguments."""

    rank, pool = 1, staticmethod(adaptive_average_pool)


class AdaptiveAveragePooling2D(AdaptivePooling):
    """The mean over windows of (batch, height, width, channels); see `AdaptiveMaxPooling2D` for the arguments."""

    rank, pool = 2, staticmethod(adaptive_average_pool)


class AdaptiveAveragePooling3D(AdaptivePooling):
    """The mean over windows of three axes; see `AdaptiveMaxPooling2D` for the arguments."""

    rank, pool = 3, staticmethod(adaptive_average_pool)
