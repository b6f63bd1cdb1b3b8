"""Global pooling layers: the maximum or the mean over all spatial axes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.keras.layers.machinery.arguments import layout, written
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import reduction
from dovetail.ops.shapes import expand_dims

__all__ = [
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
]


class GlobalPooling(Layer):
    """Reduces the spatial axes.

    Args:
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
        keepdims: keep the reduced axes with size 1.
    """

    rank = 2
    reduce: Any = None

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = layout(data_format, type(self).__name__)
        self.keepdims = keepdims
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def axes(self) -> tuple[int, ...]:
        return _spatial(self.rank, self.data_format)

    def call(self, inputs: Any) -> Any:
        return _reducing(type(self).reduce, self.rank, self.data_format, self.keepdims)(inputs)

    def get_config(self) -> dict:
        return super().get_config() | written(self, "data_format", "keepdims")


def _spatial(rank: int, data_format: str) -> tuple[int, ...]:
    first = 1 if data_format == "channels_last" else 2
    return tuple(range(first, first + rank))


@functools.lru_cache(maxsize=64)
def _reducing(reduce: Any, rank: int, data_format: str, keepdims: bool) -> Callable[[Any], Any]:
    return reduce.fixed(axis=_spatial(rank, data_format), keepdims=keepdims)


class GlobalMaxPooling1D(GlobalPooling):
    """The maximum over the steps: (batch, steps, channels) -> (batch, channels)."""

    rank, reduce = 1, staticmethod(reduction.reduce_max)


class GlobalMaxPooling2D(GlobalPooling):
    """The maximum over height and width: (batch, height, width, channels) -> (batch, channels)."""

    rank, reduce = 2, staticmethod(reduction.reduce_max)


class GlobalMaxPooling3D(GlobalPooling):
    """The maximum over three axes."""

    rank, reduce = 3, staticmethod(reduction.reduce_max)


class GlobalAveragePooling1D(GlobalPooling):
    """The mean over the steps: (batch, steps, channels) -> (batch, channels); masked steps do not count."""

    rank, reduce = 1, staticmethod(reduction.reduce_mean)
    supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        weights = mask._astype(inputs.dtype)
        weights = expand_dims(weights, axis=2 if self.data_format == "channels_last" else 1)
        total = reduction.reduce_sum(inputs * weights, axis=self.axes, keepdims=self.keepdims)
        return total / reduction.reduce_sum(weights, axis=self.axes, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


class GlobalAveragePooling2D(GlobalPooling):
    """The mean over height and width: (batch, height, width, channels) -> (batch, channels)."""

    rank, reduce = 2, staticmethod(reduction.reduce_mean)


class GlobalAveragePooling3D(GlobalPooling):
    """The mean over three axes."""

    rank, reduce = 3, staticmethod(reduction.reduce_mean)


GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
