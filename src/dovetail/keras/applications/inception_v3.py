"""`keras.applications.inception_v3`: several convolutions side by side, large ones split into rows and columns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dovetail.keras.applications.architecture import Architecture, application
from dovetail.keras.applications.blocks import Blocks, act, channel_axis
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.parts import AveragePooling2D, Concatenate, MaxPooling2D
from dovetail.keras.applications.pretrained import Files

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

_blocks = Blocks(norm={"scale": False}, conv={"use_bias": False})
Step = tuple[int, Any]  # filters and kernel size of a convolution


def conv(
    x: Any, filters: int, size: Any, strides: int = 1, padding: str = "same", name: str | None = None
) -> Any:
    """Returns a convolution of `x`, normalized and activated."""
    x = _blocks.conv(x, filters, size, strides, padding=padding, name=name)
    x = _blocks.norm(x, name and f"{name}_bn")
    return act(x, name and f"{name}_ac")


def chain(x: Any, *steps: Step) -> Any:
    """Returns convolutions of `x`, one after the other."""
    for filters, size in steps:
        x = conv(x, filters, size)
    return x


def halved(x: Any, *steps: Step) -> Any:
    """Returns convolutions of `x`, the last of which halves the image."""
    return conv(chain(x, *steps[:-1]), *steps[-1], strides=2, padding="valid")


def pooled(x: Any, filters: int) -> Any:
    """Returns the means around each pixel, mixed."""
    return conv(AveragePooling2D(3, strides=1, padding="same")(x), filters, 1)


def joined(parts: list, name: str | None = None) -> Any:
    """Returns the channels of all parts, side by side."""
    return Concatenate(axis=channel_axis(), name=name)(parts)


def stem(x: Any) -> Any:
    """Returns the first features, of an eighth of the images' size."""
    x = conv(x, 32, 3, 2, "valid")
    x = conv(conv(x, 32, 3, padding="valid"), 64, 3)
    x = MaxPooling2D(3, strides=2)(x)
    x = conv(conv(x, 80, 1, padding="valid"), 192, 3, padding="valid")
    return MaxPooling2D(3, strides=2)(x)


def _wide(x: Any, name: str, pooled_filters: int) -> Any:
    parts = [chain(x, (64, 1)), chain(x, (48, 1), (64, 5)), chain(x, (64, 1), (96, 3), (96, 3))]
    return joined([*parts, pooled(x, pooled_filters)], name)


def _split(x: Any, name: str, middle: int) -> Any:
    row, column = (1, 7), (7, 1)
    parts = [
        chain(x, (192, 1)),
        chain(x, (middle, 1), (middle, row), (192, column)),
        chain(x, (middle, 1), (middle, column), (middle, row), (middle, column), (192, row)),
    ]
    return joined([*parts, pooled(x, 192)], name)


def _fanned(x: Any, name: str, number: int) -> Any:
    alone = chain(x, (320, 1))
    first = chain(x, (384, 1))
    first = joined([conv(first, 384, (1, 3)), conv(first, 384, (3, 1))], f"mixed9_{number}")
    second = chain(x, (448, 1), (384, 3))
    second = joined([conv(second, 384, (1, 3)), conv(second, 384, (3, 1))])
    return joined([alone, first, second, pooled(x, 192)], name)


def _body(x: Any, given: SimpleNamespace) -> Any:
    x = stem(x)
    for number, filters in enumerate((32, 64, 64)):
        x = _wide(x, f"mixed{number}", filters)
    parts = [halved(x, (384, 3)), halved(x, (64, 1), (96, 3), (96, 3))]
    x = joined([*parts, MaxPooling2D(3, strides=2)(x)], "mixed3")
    for number, middle in enumerate((128, 160, 160, 192), 4):
        x = _split(x, f"mixed{number}", middle)
    parts = [halved(x, (192, 1), (320, 3)), halved(x, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3))]
    x = joined([*parts, MaxPooling2D(3, strides=2)(x)], "mixed8")
    for number in (0, 1):
        x = _fanned(x, f"mixed{9 + number}", number)
    return x


InceptionV3 = application(
    Architecture(
        "InceptionV3",
        "inception_v3",
        _body,
        Files("inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels{top}.h5"),
        "C. Szegedy et al., 2015, 'Rethinking the Inception architecture for computer vision'",
        default_size=299,
        min_size=75,
    ),
    __name__,
)
