"""Pooling layers: the maximum or the mean over windows."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.machinery.arguments import layout, one_of, sizes, written
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops.pool import avg_pool, max_pool

__all__ = [
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
]


class Pooling(Layer):
    """Pooling over the windows of `rank` axes.

    Args:
        pool_size: the window's size, one int or one a spatial axis.
        strides: distance between windows; `pool_size` when None.
        padding: "valid" or "same"; what is padded does not count.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank = 2
    pool: Any = None

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        kind = type(self).__name__
        self.pool_size = sizes(pool_size, self.rank, f"{kind}: pool_size")
        self.strides = self.pool_size if strides is None else sizes(strides, self.rank, f"{kind}: strides")
        self.padding = one_of(padding, f"{kind}: padding", ("valid", "same"))
        self.data_format = layout(data_format, kind)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def call(self, inputs: Any) -> Any:
        return type(self).pool(
            inputs,
            ksize=self.pool_size,
            strides=self.strides,
            padding=self.padding.upper(),
            data_format=self.data_format,
        )

    def get_config(self) -> dict:
        return super().get_config() | written(self, "pool_size", "strides", "padding", "data_format")


class MaxPooling1D(Pooling):
    """The maximum over windows of (batch, steps, channels); see `MaxPooling2D` for the arguments."""

    rank, pool = 1, staticmethod(max_pool)


class MaxPooling2D(Pooling):
    """The maximum over windows of (batch, height, width, channels).

    Args:
        pool_size: the window's size, one int or two.
        strides: distance between windows; `pool_size` when None.
        padding: "valid" or "same".
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
    """

    rank, pool = 2, staticmethod(max_pool)


class MaxPooling3D(Pooling):
    """The maximum over windows of three axes; see `MaxPooling2D` for the arguments."""

    rank, pool = 3, staticmethod(max_pool)


class AveragePooling1D(Pooling):
    """The mean over windows of (batch, steps, channels); see `MaxPooling2D` for the arguments."""

    rank, pool = 1, staticmethod(avg_pool)


class AveragePooling2D(Pooling):
    """The mean over windows of (batch, height, width, channels); see `MaxPooling2D` for the arguments."""

    rank, pool = 2, staticmethod(avg_pool)


class AveragePooling3D(Pooling):
    """The mean over windows of three axes; see `MaxPooling2D` for the arguments."""

    rank, pool = 3, staticmethod(avg_pool)


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
