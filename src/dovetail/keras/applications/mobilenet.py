"""`keras.applications.mobilenet`: convolutions of single channels, followed by ones of single pixels."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.applications.architecture import STANDARD, Architecture, application
from dovetail.keras.applications.blocks import Blocks
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.parts import (
    Activation,
    Conv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)
from dovetail.keras.applications.pretrained import Files, is_pretrained

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

# (filters, strides) of each block.
_STAGES = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
# What weights were trained with.
_SIZES = (128, 160, 192, 224)
_ALPHAS = {0.25: "2_5", 0.50: "5_0", 0.75: "7_5", 1.0: "1_0"}
_blocks = Blocks(axis=-1, conv={"use_bias": False})


def trained_size(label: str, given: SimpleNamespace, sizes: tuple[int, ...], alphas: Any) -> int:
    """Returns the image size that the pretrained weights for these arguments come from.

    Raises:
        ValueError: there are none for this factor of the channels.
    """
    if given.alpha not in alphas:
        raise ValueError(
            f"{label}: pretrained weights exist for alpha of {', '.join(map(str, alphas))}, received {given.alpha}"
            f"{at_user_location()}"
        )
    shape = given.input_shape
    rows = None if shape is None else shape[1 if settings.image_data_format == "channels_first" else 0]
    if rows is not None and rows not in sizes:
        warnings.warn(
            f"{label}: no weights were trained on this size; those for 224 are loaded", stacklevel=5
        )
    return rows if rows in sizes else 224


def model_name(prefix: str, given: SimpleNamespace) -> str:
    """Returns a name that tells the factor of the channels and the size of the images."""
    first = settings.image_data_format == "channels_first"
    return f"{prefix}_{given.alpha:0.2f}_{given.input_shape[1 if first else 0]}"


def _check(given: SimpleNamespace) -> None:
    if given.alpha <= 0:
        raise ValueError(f"MobileNet: alpha is positive, received {given.alpha}{at_user_location()}")
    if is_pretrained(given.weights) and given.depth_multiplier != 1:
        raise ValueError(
            f"MobileNet: pretrained weights have depth_multiplier=1, received {given.depth_multiplier}"
            f"{at_user_location()}"
        )


def _body(x: Any, given: SimpleNamespace) -> Any:
    x = _blocks.conv(x, int(32 * given.alpha), 3, 2, padding="same", name="conv1")
    x = ReLU(6.0, name="conv1_relu")(_blocks.norm(x, "conv1_bn"))
    for number, (filters, strides) in enumerate(_STAGES, 1):
        if strides > 1:
            x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
        x = _blocks.depthwise(
            x,
            3,
            strides,
            padding="same" if strides == 1 else "valid",
            depth_multiplier=given.depth_multiplier,
            name=f"conv_dw_{number}",
        )
        x = ReLU(6.0, name=f"conv_dw_{number}_relu")(_blocks.norm(x, f"conv_dw_{number}_bn"))
        x = _blocks.conv(x, int(filters * given.alpha), 1, padding="same", name=f"conv_pw_{number}")
        x = ReLU(6.0, name=f"conv_pw_{number}_relu")(_blocks.norm(x, f"conv_pw_{number}_bn"))
    return x


def _head(x: Any, given: SimpleNamespace) -> Any:
    x = GlobalAveragePooling2D(keepdims=True)(x)
    x = Dropout(given.dropout, name="dropout")(x)
    x = Conv2D(given.classes, 1, padding="same", name="conv_preds")(x)
    x = Reshape((given.classes,), name="reshape_2")(x)
    return Activation(given.classifier_activation, name="predictions")(x)


def _file(given: SimpleNamespace) -> str:
    size = trained_size("MobileNet", given, _SIZES, _ALPHAS)
    return f"mobilenet/mobilenet_{_ALPHAS[given.alpha]}_{size}_tf{{top}}.h5"


MobileNet = application(
    Architecture(
        "MobileNet",
        lambda given: model_name("mobilenet", given),
        _body,
        Files(_file, ("", "_no_top")),
        "A. Howard et al., 2017, 'MobileNets: efficient convolutional neural networks for mobile vision applications'",
        head=_head,
        parameters={"input_shape": None, "alpha": 1.0, "depth_multiplier": 1, "dropout": 1e-3} | STANDARD,
        check=_check,
    ),
    __name__,
)
