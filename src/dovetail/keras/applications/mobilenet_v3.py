"""`keras.applications.mobilenet_v3`: inverted residuals found by search, with squeeze-and-excite and hard swish."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.keras.applications.architecture import STANDARD, Architecture, applications
from dovetail.keras.applications.blocks import Blocks, num_channels, pad, rounded
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import unchanged as preprocess_input
from dovetail.keras.applications.parts import (
    Activation,
    Add,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Multiply,
    ReLU,
    Rescaling,
)
from dovetail.keras.applications.pretrained import Files, is_pretrained

__all__ = ["decode_predictions", "preprocess_input"]


class _Stage(NamedTuple):
    expansion: float
    filters: int
    size: int
    strides: int
    excites: bool
    swish: bool


_SMALL = (
    _Stage(1, 16, 3, 2, True, False),
    _Stage(72 / 16, 24, 3, 2, False, False),
    _Stage(88 / 24, 24, 3, 1, False, False),
    _Stage(4, 40, 5, 2, True, True),
    _Stage(6, 40, 5, 1, True, True),
    _Stage(6, 40, 5, 1, True, True),
    _Stage(3, 48, 5, 1, True, True),
    _Stage(3, 48, 5, 1, True, True),
    _Stage(6, 96, 5, 2, True, True),
    _Stage(6, 96, 5, 1, True, True),
    _Stage(6, 96, 5, 1, True, True),
)
_LARGE = (
    _Stage(1, 16, 3, 1, False, False),
    _Stage(4, 24, 3, 2, False, False),
    _Stage(3, 24, 3, 1, False, False),
    _Stage(3, 40, 5, 2, True, False),
    _Stage(3, 40, 5, 1, True, False),
    _Stage(3, 40, 5, 1, True, False),
    _Stage(6, 80, 3, 2, False, True),
    _Stage(2.5, 80, 3, 1, False, True),
    _Stage(2.3, 80, 3, 1, False, True),
    _Stage(2.3, 80, 3, 1, False, True),
    _Stage(6, 112, 3, 1, True, True),
    _Stage(6, 112, 3, 1, True, True),
    _Stage(6, 160, 5, 2, True, True),
    _Stage(6, 160, 5, 1, True, True),
    _Stage(6, 160, 5, 1, True, True),
)
_blocks = Blocks(axis=-1, norm={"momentum": 0.999}, conv={"use_bias": False, "padding": "same"})


def _activated(x: Any, swish: bool) -> Any:
    return Activation("hard_silu")(x) if swish else ReLU()(x)


def _excited(x: Any, name: str) -> Any:
    """Returns `x` with each channel scaled by what all channels are on average (squeeze-and-excite)."""
    channels = num_channels(x)
    scale = GlobalAveragePooling2D(keepdims=True, name=f"{name}avg_pool")(x)
    scale = Conv2D(rounded(channels * 0.25), 1, padding="same", name=f"{name}conv")(scale)
    scale = ReLU(name=f"{name}relu")(scale)
    scale = Conv2D(channels, 1, padding="same", name=f"{name}conv_1")(scale)
    scale = ReLU(6.0)(scale + 3.0) * (1.0 / 6.0)
    return Multiply(name=f"{name}mul")([x, scale])


def _block(x: Any, number: int, stage: _Stage, filters: int) -> Any:
    name = f"expanded_conv_{number}_" if number else "expanded_conv_"
    before, channels = x, num_channels(x)
    if number:
        x = _blocks.conv(x, rounded(channels * stage.expansion), 1, name=f"{name}expand")
        x = _activated(_blocks.norm(x, f"{name}expand_bn"), stage.swish)
    if stage.strides == 2:
        x = pad(x, stage.size, f"{name}depthwise_pad")
    padding = "same" if stage.strides == 1 else "valid"
    x = _blocks.depthwise(x, stage.size, stage.strides, padding=padding, name=f"{name}depthwise")
    x = _activated(_blocks.norm(x, f"{name}depthwise_bn"), stage.swish)
    if stage.excites:
        x = _excited(x, f"{name}squeeze_excite_")
    x = _blocks.norm(_blocks.conv(x, filters, 1, name=f"{name}project"), f"{name}project_bn")
    return Add(name=f"{name}add")([before, x]) if stage.strides == 1 and channels == filters else x


def _simplified(stage: _Stage) -> _Stage:
    return stage._replace(size=3, excites=False, swish=False)


def _body(x: Any, given: SimpleNamespace, stages: tuple[_Stage, ...]) -> Any:
    if given.include_preprocessing:
        x = Rescaling(1.0 / 127.5, offset=-1.0)(x)
    x = _blocks.norm(_blocks.conv(x, 16, 3, 2, name="conv"), "conv_bn")
    x = _activated(x, not given.minimalistic)
    for number, stage in enumerate(stages):
        filters = rounded(stage.filters * given.alpha)
        x = _block(x, number, _simplified(stage) if given.minimalistic else stage, filters)
    x = _blocks.conv(x, rounded(num_channels(x) * 6), 1, name="conv_1")
    return _activated(_blocks.norm(x, "conv_1_bn"), not given.minimalistic)


def _head(x: Any, given: SimpleNamespace, last: int) -> Any:
    x = GlobalAveragePooling2D(keepdims=True)(x)
    x = Conv2D(rounded(last * max(given.alpha, 1)), 1, padding="same", name="conv_2")(x)
    x = _activated(x, not given.minimalistic)
    if given.dropout_rate > 0:
        x = Dropout(given.dropout_rate)(x)
    x = Conv2D(given.classes, 1, padding="same", name="logits")(x)
    return Activation(given.classifier_activation, name="predictions")(Flatten()(x))


def _check(given: SimpleNamespace) -> None:
    if given.alpha <= 0:
        raise ValueError(f"MobileNetV3: alpha is positive, received {given.alpha}{at_user_location()}")
    trained = (1.0,) if given.minimalistic else (0.75, 1.0)
    if is_pretrained(given.weights) and given.alpha not in trained:
        raise ValueError(
            f"MobileNetV3: pretrained weights exist for alpha of {trained}, received {given.alpha}{at_user_location()}"
        )


def _file(given: SimpleNamespace, kind: str) -> str:
    simple = "_minimalistic" if given.minimalistic else ""
    return f"mobilenet_v3/weights_mobilenet_v3_{kind}{simple}_224_{float(given.alpha)}_float{{top}}.h5"


_ROWS = [
    Architecture(
        f"MobileNetV3{kind}",
        f"MobileNetV3{kind}",
        partial(_body, stages=stages),
        Files(partial(_file, kind=kind.lower()), ("", "_no_top_v2")),
        "A. Howard et al., 2019, 'Searching for MobileNetV3'",
        head=partial(_head, last=last),
        parameters={"input_shape": None, "alpha": 1.0, "minimalistic": False}
        | {key: STANDARD[key] for key in ("include_top", "weights", "input_tensor", "classes", "pooling")}
        | {"dropout_rate": 0.2, "classifier_activation": "softmax", "include_preprocessing": True},
        named_pooling=True,
        check=_check,
    )
    for kind, stages, last in (("Small", _SMALL, 1024), ("Large", _LARGE, 1280))
]
MobileNetV3Small, MobileNetV3Large = applications(_ROWS, __name__).values()
