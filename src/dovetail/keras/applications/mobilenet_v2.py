"""`keras.applications.mobilenet_v2`: inverted residuals, whose ends are narrow and whose middle is wide."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.applications.architecture import STANDARD, Architecture, application
from dovetail.keras.applications.blocks import Blocks, num_channels, pad, rounded
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.mobilenet import model_name, trained_size
from dovetail.keras.applications.parts import Add, Dense, GlobalAveragePooling2D, ReLU
from dovetail.keras.applications.pretrained import Files

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

# (expansion, filters, blocks, strides of the first) of each stage.
_STAGES = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
_SIZES = (96, 128, 160, 192, 224)
_ALPHAS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)
_blocks = Blocks(axis=-1, norm={"momentum": 0.999}, conv={"use_bias": False})


def _check(given: SimpleNamespace) -> None:
    if given.alpha <= 0:
        raise ValueError(f"MobileNetV2: alpha is positive, received {given.alpha}{at_user_location()}")


def _block(x: Any, number: int, expansion: int, filters: int, strides: int) -> Any:
    name = f"block_{number}_" if number else "expanded_conv_"
    before, channels = x, num_channels(x)
    if number:
        x = _blocks.conv(x, expansion * channels, 1, padding="same", name=f"{name}expand")
        x = ReLU(6.0, name=f"{name}expand_relu")(_blocks.norm(x, f"{name}expand_BN"))
    if strides == 2:
        x = pad(x, 3, f"{name}pad")
    x = _blocks.depthwise(x, 3, strides, padding="same" if strides == 1 else "valid", name=f"{name}depthwise")
    x = ReLU(6.0, name=f"{name}depthwise_relu")(_blocks.norm(x, f"{name}depthwise_BN"))
    x = _blocks.conv(x, filters, 1, padding="same", name=f"{name}project")
    x = _blocks.norm(x, f"{name}project_BN")
    return Add(name=f"{name}add")([before, x]) if channels == filters and strides == 1 else x


def _body(x: Any, given: SimpleNamespace) -> Any:
    x = _blocks.conv(x, rounded(32 * given.alpha), 3, 2, padding="same", name="Conv1")
    x = ReLU(6.0, name="Conv1_relu")(_blocks.norm(x, "bn_Conv1"))
    number = 0
    for expansion, filters, count, strides in _STAGES:
        for block in range(count):
            width = rounded(int(filters * given.alpha))
            x = _block(x, number, expansion, width, strides if block == 0 else 1)
            number += 1
    last = rounded(1280 * given.alpha) if given.alpha > 1 else 1280
    x = _blocks.norm(_blocks.conv(x, last, 1, name="Conv_1"), "Conv_1_bn")
    return ReLU(6.0, name="out_relu")(x)


def _head(x: Any, given: SimpleNamespace) -> Any:
    x = GlobalAveragePooling2D()(x)
    return Dense(given.classes, activation=given.classifier_activation, name="predictions")(x)


def _file(given: SimpleNamespace) -> str:
    size = trained_size("MobileNetV2", given, _SIZES, _ALPHAS)
    stem = "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels"
    return f"{stem}_{float(given.alpha)}_{size}{{top}}.h5"


MobileNetV2 = application(
    Architecture(
        "MobileNetV2",
        lambda given: model_name("mobilenetv2", given),
        _body,
        Files(_file, ("", "_no_top")),
        "M. Sandler et al., 2018, 'MobileNetV2: inverted residuals and linear bottlenecks'",
        head=_head,
        parameters={"input_shape": None, "alpha": 1.0} | STANDARD,
        check=_check,
    ),
    __name__,
)
