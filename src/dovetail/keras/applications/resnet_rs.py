"""`keras.applications.resnet_rs` of Keras 2: residual networks, rescaled, with squeeze-and-excite."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.keras.applications.architecture import Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act, channel_axis, num_channels
from dovetail.keras.applications.efficientnet import INITIALIZER, excited
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import unchanged as preprocess_input
from dovetail.keras.applications.parts import (
    Add,
    AveragePooling2D,
    Dense,
    Dropout,
    GlobalAveragePooling2D,
    Normalization,
    Rescaling,
    ZeroPadding2D,
)
from dovetail.keras.applications.pretrained import Files


class _Kind(NamedTuple):
    repeats: tuple[int, ...]
    sizes: tuple[int, ...]  # that weights were trained on
    dropped: float  # share of the samples for which the last block is skipped in training
    dropout: float


_KINDS = {
    50: _Kind((3, 4, 6, 3), (160,), 0.0, 0.25),
    101: _Kind((3, 4, 23, 3), (160, 192), 0.0, 0.25),
    152: _Kind((3, 8, 36, 3), (192, 224, 256), 0.0, 0.25),
    200: _Kind((3, 24, 36, 3), (256,), 0.1, 0.25),
    270: _Kind((4, 29, 53, 4), (256,), 0.1, 0.25),
    350: _Kind((4, 36, 72, 4), (256, 320), 0.1, 0.4),
    420: _Kind((4, 44, 87, 4), (320,), 0.1, 0.4),
}
__all__ = [
    "ResNetRS101",
    "ResNetRS152",
    "ResNetRS200",
    "ResNetRS270",
    "ResNetRS350",
    "ResNetRS420",
    "ResNetRS50",
    "decode_predictions",
    "preprocess_input",
]
_MEANS = [0.485, 0.456, 0.406]
_VARIANCES = [0.229**2, 0.224**2, 0.225**2]
_FILTERS = (64, 128, 256, 512)
_blocks = Blocks(
    norm={"momentum": 0.0, "epsilon": 1e-5}, conv={"use_bias": False, "kernel_initializer": INITIALIZER}
)


def _conv(x: Any, filters: int, size: int, strides: int, name: str) -> Any:
    if strides > 1:
        x = ZeroPadding2D(((size - 1) // 2, (size - 1) // 2))(x)
    padding = "same" if strides == 1 else "valid"
    return _blocks.conv(x, filters, size, strides, padding=padding, name=name)


def _stem(x: Any) -> Any:
    for number, (filters, strides) in enumerate(((32, 2), (32, 1), (64, 1), (64, 2)), 1):
        x = _conv(x, filters, 3, strides, f"stem_1_stem_conv_{number}")
        x = act(_blocks.norm(x, f"stem_1_stem_batch_norm_{number}"), f"stem_1_stem_act_{number}")
    return x


def _shortcut(x: Any, filters: int, strides: int, name: str) -> Any:
    if strides > 1:
        x = AveragePooling2D(2, strides=2, padding="same", name=f"{name}projection_pooling")(x)
    x = _conv(x, filters, 1, 1, f"{name}projection_conv")
    return _blocks.norm(x, f"{name}projection_batch_norm")


def _block(x: Any, filters: int, strides: int, projects: bool, name: str, rate: float) -> Any:
    label = f"{name}__"
    shortcut = _shortcut(x, 4 * filters, strides, label) if projects else x
    x = _conv(x, filters, 1, 1, f"{label}conv_1")
    x = act(_blocks.norm(x, f"{name}_batch_norm_1"), f"{label}act_1")
    x = _conv(x, filters, 3, strides, f"{label}conv_2")
    x = act(_blocks.norm(x, f"{label}batch_norm_2"), f"{label}act_2")
    x = _conv(x, 4 * filters, 1, 1, f"{label}conv_3")
    x = _blocks.norm(x, f"{label}batch_norm_3")
    x = excited(x, _blocks, f"{label}se_", filters, "relu")
    if rate > 0:
        x = Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{label}drop")(x)
    return act(Add()([x, shortcut]), f"{label}output_act")


def _body(x: Any, given: SimpleNamespace, kind: _Kind) -> Any:
    if given.include_preprocessing and num_channels(x) == 3:
        x = Rescaling(1.0 / 255.0)(x)
        x = Normalization(axis=channel_axis(), mean=_MEANS, variance=_VARIANCES)(x)
    x = _stem(x)
    for group, (filters, count) in enumerate(zip(_FILTERS, kind.repeats, strict=True), 2):
        for block in range(count):
            first, rate = block == 0, kind.dropped * group / 5
            strides = 2 if first and group > 2 else 1
            x = _block(x, filters, strides, first, f"BlockGroup{group}__block_{block}", rate)
    return x


def _head(x: Any, given: SimpleNamespace, rate: float) -> Any:
    x = GlobalAveragePooling2D(name="avg_pool")(x)
    x = Dropout(rate, name="top_dropout")(x)
    return Dense(given.classes, activation=given.classifier_activation, name="predictions")(x)


def _file(given: SimpleNamespace, depth: int) -> str:
    """Returns the file for the largest trained size that is not larger than the images."""
    sizes = _KINDS[depth].sizes
    size = max(given.input_shape[0] or 0, given.input_shape[1] or 0)
    best = max((trained for trained in sizes if trained <= size), default=sizes[0])
    return f"resnet_rs/resnet-rs-{depth}-i{best}{{top}}.h5"


def _row(depth: int, kind: _Kind) -> Architecture:
    return Architecture(
        f"ResNetRS{depth}",
        f"resnet-rs-{depth}",
        partial(_body, kind=kind),
        Files(partial(_file, depth=depth)),
        "I. Bello et al., 2021, 'Revisiting ResNets: improved training and scaling strategies'",
        head=partial(_head, rate=kind.dropout),
        parameters={"include_top": True, "weights": "imagenet", "classes": 1000, "input_shape": None}
        | {"input_tensor": None, "pooling": None, "classifier_activation": "softmax"}
        | {"include_preprocessing": True},
        named_pooling=True,
        named=None,
    )


(
    ResNetRS50,
    ResNetRS101,
    ResNetRS152,
    ResNetRS200,
    ResNetRS270,
    ResNetRS350,
    ResNetRS420,
) = applications([_row(*item) for item in _KINDS.items()], __name__).values()
