"""`keras.applications.efficientnet`: one network, scaled in width, depth and resolution together."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.keras.applications.architecture import Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act, channel_axis, num_channels, pad, rounded
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import unchanged as preprocess_input
from dovetail.keras.applications.parts import (
    Add,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    Multiply,
    Normalization,
    Rescaling,
    Reshape,
)
from dovetail.keras.applications.pretrained import Files
from dovetail.keras.initializers import VarianceScaling

__all__ = [
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "decode_predictions",
    "preprocess_input",
]


class Scale(NamedTuple):
    """How a network differs from the smallest one."""

    width: float
    depth: float
    size: int
    dropout: float


class _Stage(NamedTuple):
    size: int
    repeats: int
    filters: int
    expansion: int
    strides: int


_STAGES = (
    _Stage(3, 1, 16, 1, 1),
    _Stage(3, 2, 24, 6, 2),
    _Stage(5, 2, 40, 6, 2),
    _Stage(3, 3, 80, 6, 2),
    _Stage(5, 3, 112, 6, 1),
    _Stage(5, 4, 192, 6, 2),
    _Stage(3, 1, 320, 6, 1),
)
_SCALES = {
    "B0": Scale(1.0, 1.0, 224, 0.2),
    "B1": Scale(1.0, 1.1, 240, 0.2),
    "B2": Scale(1.1, 1.2, 260, 0.3),
    "B3": Scale(1.2, 1.4, 300, 0.3),
    "B4": Scale(1.4, 1.8, 380, 0.4),
    "B5": Scale(1.6, 2.2, 456, 0.4),
    "B6": Scale(1.8, 2.6, 528, 0.5),
    "B7": Scale(2.0, 3.1, 600, 0.5),
}
_STDDEV = (0.229, 0.224, 0.225)
DROPPED = 0.2  # share of the samples for which the last block is skipped in training
INITIALIZER = {"class_name": "VarianceScaling", "config": {"scale": 2.0, "mode": "fan_out"}}
_blocks = Blocks(conv={"use_bias": False, "padding": "same", "kernel_initializer": INITIALIZER})


def excited(x: Any, blocks: Blocks, name: str, squeezed: int, kind: str = "silu") -> Any:
    """Returns `x` with each channel scaled by what all channels are on average (squeeze-and-excite).

    Args:
        x: a batch of images.
        blocks: makes the convolutions.
        name: that of each layer begins with.
        squeezed: number of channels in the middle.
        kind: activation in the middle.
    """
    channels = num_channels(x)
    shape = (channels, 1, 1) if channel_axis() == 1 else (1, 1, channels)
    scale = GlobalAveragePooling2D(name=f"{name}se_squeeze")(x)
    scale = Reshape(shape, name=f"{name}se_reshape")(scale)
    more = {"use_bias": True, "padding": "same"}
    scale = blocks.conv(scale, squeezed, 1, activation=kind, name=f"{name}se_reduce", **more)
    scale = blocks.conv(scale, channels, 1, activation="sigmoid", name=f"{name}se_expand", **more)
    return Multiply(name=f"{name}se_excite")([x, scale])


def added(x: Any, before: Any, name: str, rate: float) -> Any:
    """Returns the sum of a block's input and output, which is dropped for a share of the samples in training."""
    if rate > 0:
        x = Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}drop")(x)
    return Add(name=f"{name}add")([x, before])


def _block(x: Any, stage: _Stage, strides: int, filters: int, rate: float, name: str) -> Any:
    before, channels = x, num_channels(x)
    if stage.expansion != 1:
        x = _blocks.conv(x, channels * stage.expansion, 1, name=f"{name}expand_conv")
        x = act(_blocks.norm(x, f"{name}expand_bn"), f"{name}expand_activation", "silu")
    if strides == 2:
        x = pad(x, stage.size, f"{name}dwconv_pad")
    padding = "same" if strides == 1 else "valid"
    x = _blocks.depthwise(x, stage.size, strides, padding=padding, name=f"{name}dwconv")
    x = act(_blocks.norm(x, f"{name}bn"), f"{name}activation", "silu")
    x = excited(x, _blocks, name, max(1, channels // 4))
    x = _blocks.norm(_blocks.conv(x, filters, 1, name=f"{name}project_conv"), f"{name}project_bn")
    return added(x, before, name, rate) if strides == 1 and channels == filters else x


def _scaled_pixels(x: Any, given: SimpleNamespace) -> Any:
    x = Rescaling(1.0 / 255.0)(x)
    x = Normalization(axis=channel_axis())(x)
    if given.weights == "imagenet":  # those were trained on pixels divided by the roots of the deviations
        x = Rescaling([1.0 / math.sqrt(value) for value in _STDDEV])(x)
    return x


def _body(x: Any, given: SimpleNamespace, scale: Scale) -> Any:
    x = pad(_scaled_pixels(x, given), 3, "stem_conv_pad")
    x = _blocks.conv(x, rounded(32 * scale.width), 3, 2, padding="valid", name="stem_conv")
    x = act(_blocks.norm(x, "stem_bn"), "stem_activation", "silu")
    repeats = [math.ceil(scale.depth * stage.repeats) for stage in _STAGES]
    number = 0
    for index, (stage, count) in enumerate(zip(_STAGES, repeats, strict=True), 1):
        for block in range(count):
            strides = stage.strides if block == 0 else 1
            rate, name = DROPPED * number / sum(repeats), f"block{index}{chr(97 + block)}_"
            x = _block(x, stage, strides, rounded(stage.filters * scale.width), rate, name)
            number += 1
    x = _blocks.conv(x, rounded(1280 * scale.width), 1, name="top_conv")
    return act(_blocks.norm(x, "top_bn"), "top_activation", "silu")


def head(x: Any, given: SimpleNamespace, rate: float, bias: Any = "zeros") -> Any:
    """Returns the probabilities of the classes."""
    x = GlobalAveragePooling2D(name="avg_pool")(x)
    x = Dropout(rate, name="top_dropout")(x)
    return Dense(
        given.classes,
        activation=given.classifier_activation,
        kernel_initializer=VarianceScaling(1 / 3, "fan_out", "uniform"),
        bias_initializer=bias,
        name="predictions",
    )(x)


def _row(kind: str, scale: Scale) -> Architecture:
    name = f"EfficientNet{kind}"
    return Architecture(
        name,
        name.lower(),
        partial(_body, scale=scale),
        Files(f"https://storage.googleapis.com/keras-applications/{name.lower()}{{top}}.h5"),
        "M. Tan, Q. Le, 2019, 'EfficientNet: rethinking model scaling for convolutional neural networks'",
        head=partial(head, rate=scale.dropout),
        default_size=scale.size,
        named_pooling=True,
    )


(
    EfficientNetB0,
    EfficientNetB1,
    EfficientNetB2,
    EfficientNetB3,
    EfficientNetB4,
    EfficientNetB5,
    EfficientNetB6,
    EfficientNetB7,
) = applications([_row(kind, scale) for kind, scale in _SCALES.items()], __name__).values()
