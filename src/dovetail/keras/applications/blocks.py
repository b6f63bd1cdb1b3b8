"""What the architectures are made of: layers with one architecture's usual arguments, and its rounding rules."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.applications.parts import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    ZeroPadding2D,
)


def channel_axis(last: int = 3) -> int:
    """Returns the axis of the channels of a batch of images; `last` is how "the last one" is written."""
    return 1 if settings.image_data_format == "channels_first" else last


def num_channels(x: Any) -> int:
    """Returns the number of channels of a batch of images."""
    return x.shape[channel_axis()]


def height_and_width(x: Any) -> tuple[int | None, int | None]:
    """Returns the spatial sizes of a batch of images, None where they are unknown."""
    first = 2 if settings.image_data_format == "channels_first" else 1
    return x.shape[first], x.shape[first + 1]


class Blocks:
    """Layers with the arguments that an architecture gives to all of them.

    Args:
        axis: how the axis of the channels is written where they come last, 3 or -1.
        norm: arguments of every batch normalization.
        conv: arguments of every convolution.
    """

    def __init__(
        self, axis: int = 3, norm: dict[str, Any] | None = None, conv: dict[str, Any] | None = None
    ) -> None:
        self._axis = axis
        self._norm = norm or {}
        self._conv = conv or {}

    def conv(self, x: Any, filters: int, size: Any, strides: Any = 1, **more: Any) -> Any:
        """Returns a convolution of `x`."""
        return Conv2D(filters, size, strides=strides, **{**self._conv, **more})(x)

    def depthwise(self, x: Any, size: Any, strides: Any = 1, **more: Any) -> Any:
        """Returns a convolution of each channel of `x`."""
        shared = {name.replace("kernel_init", "depthwise_init"): value for name, value in self._conv.items()}
        return DepthwiseConv2D(size, strides=strides, **{**shared, **more})(x)

    def norm(self, x: Any, name: str | None = None, **more: Any) -> Any:
        """Returns `x`, normalized over the batch."""
        return BatchNormalization(axis=channel_axis(self._axis), name=name, **{**self._norm, **more})(x)


def act(x: Any, name: str | None = None, kind: Any = "relu") -> Any:
    """Returns an activation of `x`."""
    return Activation(kind, name=name)(x)


def pad(x: Any, size: int, name: str | None = None) -> Any:
    """Returns `x` with the zeros around it that a convolution with strides of 2 needs to see each pixel once.

    Args:
        x: a batch of images.
        size: of the convolution's kernel.
    """
    before = [size // 2 - (1 if n is None else 1 - n % 2) for n in height_and_width(x)]
    return ZeroPadding2D(tuple((first, size // 2) for first in before), name=name)(x)


def rounded(filters: float, at_most: float = 0.1) -> int:
    """Returns a number of channels that 8 divides.

    Args:
        filters: the number that is wanted.
        at_most: rounding takes no more than this share away.
    """
    found = max(8, int(filters + 4) // 8 * 8)
    return found + 8 if found < (1 - at_most) * filters else found
