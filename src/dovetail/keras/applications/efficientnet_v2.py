"""`keras.applications.efficientnet_v2`: EfficientNet with plain convolutions in the first stages."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.keras.applications.architecture import STANDARD, Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act, channel_axis, num_channels, rounded
from dovetail.keras.applications.efficientnet import DROPPED, INITIALIZER, Scale, added, excited, head
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import unchanged as preprocess_input
from dovetail.keras.applications.parts import Normalization, Rescaling
from dovetail.keras.applications.pretrained import Files
from dovetail.keras.initializers import Constant

__all__ = [
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "decode_predictions",
    "preprocess_input",
]


class _Stage(NamedTuple):
    fused: bool  # one plain convolution instead of one of single channels and one of single pixels
    repeats: int
    filters: int
    expansion: int
    strides: int


def _stages(*rows: tuple[int, int, int, int]) -> tuple[_Stage, ...]:
    """Returns stages of (repeats, filters, expansion, strides), of which the first three are fused."""
    return tuple(_Stage(index < 3, *row) for index, row in enumerate(rows))


_B = _stages((1, 16, 1, 1), (2, 32, 4, 2), (2, 48, 4, 2), (3, 96, 4, 2), (5, 112, 6, 1), (8, 192, 6, 2))
_S = _stages((2, 24, 1, 1), (4, 48, 4, 2), (4, 64, 4, 2), (6, 128, 4, 2), (9, 160, 6, 1), (15, 256, 6, 2))
_M = _stages(
    *((3, 24, 1, 1), (5, 48, 4, 2), (5, 80, 4, 2), (7, 160, 4, 2)),
    *((14, 176, 6, 1), (18, 304, 6, 2), (5, 512, 6, 1)),
)
_L = _stages(
    *((4, 32, 1, 1), (7, 64, 4, 2), (7, 96, 4, 2), (10, 192, 4, 2)),
    *((19, 224, 6, 1), (25, 384, 6, 2), (7, 640, 6, 1)),
)
# Kind -> (filters of the first convolution, stages, scale).
_KINDS = {
    "B0": (32, _B, Scale(1.0, 1.0, 224, 0.2)),
    "B1": (32, _B, Scale(1.0, 1.1, 240, 0.2)),
    "B2": (32, _B, Scale(1.1, 1.2, 260, 0.2)),
    "B3": (32, _B, Scale(1.2, 1.4, 300, 0.2)),
    "S": (24, _S, Scale(1.0, 1.0, 384, 0.2)),
    "M": (24, _M, Scale(1.0, 1.0, 480, 0.2)),
    "L": (32, _L, Scale(1.0, 1.0, 480, 0.2)),
}
_MEANS = [0.485, 0.456, 0.406]
_VARIANCES = [0.229**2, 0.224**2, 0.225**2]
_blocks = Blocks(
    norm={"momentum": 0.9},
    conv={"use_bias": False, "padding": "same", "kernel_initializer": INITIALIZER},
)
_rounded = partial(rounded, at_most=1.0)


def _swish(x: Any, name: str, part: str) -> Any:
    return act(_blocks.norm(x, f"{name}{part}bn"), f"{name}{part}activation", "silu")


def _fused(x: Any, stage: _Stage, strides: int, filters: int, name: str) -> Any:
    if stage.expansion == 1:
        x = _blocks.conv(x, filters, 3, strides, name=f"{name}project_conv")
        return _swish(x, name, "project_")
    x = _blocks.conv(x, num_channels(x) * stage.expansion, 3, strides, name=f"{name}expand_conv")
    x = _blocks.conv(_swish(x, name, "expand_"), filters, 1, name=f"{name}project_conv")
    return _blocks.norm(x, f"{name}project_bn")


def _separated(x: Any, stage: _Stage, strides: int, filters: int, name: str) -> Any:
    channels = num_channels(x)
    x = _blocks.conv(x, channels * stage.expansion, 1, name=f"{name}expand_conv")
    x = _blocks.depthwise(_swish(x, name, "expand_"), 3, strides, name=f"{name}dwconv2")
    x = excited(_swish(x, name, ""), _blocks, name, max(1, channels // 4))
    return _blocks.norm(_blocks.conv(x, filters, 1, name=f"{name}project_conv"), f"{name}project_bn")


def _scaled_pixels(x: Any, kind: str) -> Any:
    if not kind.startswith("B"):
        return Rescaling(1.0 / 128.0, offset=-1)(x)
    x = Rescaling(1.0 / 255.0)(x)
    return Normalization(axis=channel_axis(), mean=_MEANS, variance=_VARIANCES)(x)


def _body(x: Any, given: SimpleNamespace, kind: str) -> Any:
    first, stages, scale = _KINDS[kind]
    if given.include_preprocessing and num_channels(x) == 3:
        x = _scaled_pixels(x, kind)
    x = _blocks.conv(x, _rounded(first * scale.width), 3, 2, name="stem_conv")
    x = _swish(x, "stem_", "")
    number, total = 0, sum(stage.repeats for stage in stages)
    for index, stage in enumerate(stages, 1):
        filters = _rounded(stage.filters * scale.width)
        for block in range(math.ceil(scale.depth * stage.repeats)):
            name, strides = f"block{index}{chr(97 + block)}_", stage.strides if block == 0 else 1
            before, make = x, _fused if stage.fused else _separated
            x = make(x, stage, strides, filters, name)
            if strides == 1 and num_channels(before) == filters:
                x = added(x, before, name, DROPPED * number / total)
            number += 1
    x = _blocks.conv(x, _rounded(1280 * scale.width), 1, name="top_conv")
    return _swish(x, "top_", "")


def _row(kind: str) -> Architecture:
    scale = _KINDS[kind][2]
    name = f"efficientnetv2-{kind.lower()}"
    return Architecture(
        f"EfficientNetV2{kind}",
        name,
        partial(_body, kind=kind),
        Files(f"efficientnet_v2/{name}{{top}}.h5"),
        "M. Tan, Q. Le, 2021, 'EfficientNetV2: smaller models and faster training'",
        head=partial(head, rate=scale.dropout, bias=Constant(0.0)),
        default_size=scale.size,
        parameters=STANDARD | {"include_preprocessing": True},
        named_pooling=True,
    )


(
    EfficientNetV2B0,
    EfficientNetV2B1,
    EfficientNetV2B2,
    EfficientNetV2B3,
    EfficientNetV2S,
    EfficientNetV2M,
    EfficientNetV2L,
) = applications([_row(kind) for kind in _KINDS], __name__).values()
