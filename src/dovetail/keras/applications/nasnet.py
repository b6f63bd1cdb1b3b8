"""`keras.applications.nasnet`: two kinds of cells that a search found, stacked; a cell sees the last two."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.keras.applications.architecture import STANDARD, Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act, channel_axis, height_and_width, num_channels, pad
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.parts import (
    Add,
    AveragePooling2D,
    Concatenate,
    Cropping2D,
    Dense,
    GlobalAveragePooling2D,
    MaxPooling2D,
    SeparableConv2D,
    ZeroPadding2D,
)
from dovetail.keras.applications.pretrained import Files

__all__ = ["NASNetLarge", "NASNetMobile", "decode_predictions", "preprocess_input"]


class _Kind(NamedTuple):
    cells: int  # between two reductions
    filters: int
    stem_filters: int
    size: int
    skips: bool  # the cell after a reduction sees the one two before it


_KINDS = {"Mobile": _Kind(4, 44, 32, 224, False), "Large": _Kind(6, 168, 96, 331, True)}
_blocks = Blocks(
    axis=-1, norm={"momentum": 0.9997}, conv={"use_bias": False, "kernel_initializer": "he_normal"}
)


def _mixed(x: Any, filters: int, name: str, norm: str) -> Any:
    return _blocks.norm(_blocks.conv(x, filters, 1, padding="same", name=name), norm)


def _separable(x: Any, filters: int, size: int, name: str, strides: int = 1) -> Any:
    """Returns two separable convolutions of `x`, the first with the strides."""
    for number, step in ((1, strides), (2, 1)):
        x = act(x)
        if step > 1:
            x = pad(x, size, f"separable_conv_1_pad_{name}")
        padding = "valid" if step > 1 else "same"
        conv = SeparableConv2D(
            *(filters, size, step), padding=padding, use_bias=False, name=f"separable_conv_{number}_{name}"
        )
        x = _blocks.norm(conv(x), f"separable_conv_{number}_bn_{name}")
    return x


def _halved(x: Any, filters: int, name: str) -> Any:
    """Returns every second pixel, and every second one beside those, mixed."""
    x = act(x, f"adjust_relu_1_{name}")
    first = AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_1_{name}")(x)
    first = _blocks.conv(first, filters // 2, 1, padding="same", name=f"adjust_conv_1_{name}")
    second = Cropping2D(((1, 0), (1, 0)))(ZeroPadding2D(((0, 1), (0, 1)))(x))
    second = AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_2_{name}")(second)
    second = _blocks.conv(second, filters // 2, 1, padding="same", name=f"adjust_conv_2_{name}")
    joined = Concatenate(axis=channel_axis(-1))([first, second])
    return _blocks.norm(joined, f"adjust_bn_{name}")


def _adjusted(before: Any, x: Any, filters: int, name: str) -> Any:
    """Returns the output of the cell before the last, in the size of the last one's."""
    if before is None:
        return x
    if height_and_width(before) != height_and_width(x):
        return _halved(before, filters, name)
    if num_channels(before) != filters:
        return _mixed(act(before), filters, f"adjust_conv_projection_{name}", f"adjust_bn_{name}")
    return before


def _normal(x: Any, before: Any, filters: int, name: str) -> Any:
    other = _adjusted(before, x, filters, name)
    own = _mixed(act(x), filters, f"normal_conv_1_{name}", f"normal_bn_1_{name}")

    def mean(y: Any, place: str) -> Any:
        return AveragePooling2D(3, strides=1, padding="same", name=f"normal_{place}_{name}")(y)

    def separable(y: Any, size: int, place: str) -> Any:
        return _separable(y, filters, size, f"normal_{place}_{name}")

    def added(number: int, *parts: Any) -> Any:
        return Add(name=f"normal_add_{number}_{name}")(list(parts))

    parts = [
        added(1, separable(own, 5, "left1"), separable(other, 3, "right1")),
        added(2, separable(other, 5, "left2"), separable(other, 3, "right2")),
        added(3, mean(own, "left3"), other),
        added(4, mean(other, "left4"), mean(other, "right4")),
        added(5, separable(own, 3, "left5"), own),
    ]
    return Concatenate(axis=channel_axis(-1), name=f"normal_concat_{name}")([other, *parts])


def _reduction(x: Any, before: Any, filters: int, name: str) -> Any:
    other = _adjusted(before, x, filters, name)
    own = _mixed(act(x), filters, f"reduction_conv_1_{name}", f"reduction_bn_1_{name}")
    padded = pad(own, 3, f"reduction_pad_1_{name}")

    def pooled(kind: type, place: str) -> Any:
        return kind(3, strides=2, name=f"reduction_{place}_{name}")(padded)

    def separable(y: Any, size: int, place: str, strides: int = 2) -> Any:
        return _separable(y, filters, size, f"reduction_{place}_{name}", strides)

    def added(label: str | None, *parts: Any) -> Any:
        return Add(name=label and f"reduction_{label}_{name}")(list(parts))

    first = added("add_1", separable(own, 5, "left1"), separable(other, 7, "right1"))
    second = added("add_2", pooled(MaxPooling2D, "left2"), separable(other, 7, "right2"))
    third = added("add3", pooled(AveragePooling2D, "left3"), separable(other, 5, "right3"))
    mean = AveragePooling2D(3, strides=1, padding="same", name=f"reduction_left4_{name}")(first)
    fourth = added(None, second, mean)
    fifth = added("add4", separable(first, 3, "left4", 1), pooled(MaxPooling2D, "right5"))
    parts = [second, third, fourth, fifth]
    return Concatenate(axis=channel_axis(-1), name=f"reduction_concat_{name}")(parts)


def _body(x: Any, given: SimpleNamespace, kind: _Kind) -> Any:
    count, filters = kind.cells, kind.filters
    x = _blocks.conv(x, kind.stem_filters, 3, 2, name="stem_conv1")
    x = _blocks.norm(x, "stem_bn1")
    before = None
    for divisor, name in ((4, "stem_1"), (2, "stem_2")):
        x, before = _reduction(x, before, filters // divisor, name), x
    for stage in range(3):
        if stage:
            reduced = _reduction(x, before, filters * 2**stage, f"reduce_{stage * count}")
            x, before = reduced, before if kind.skips else x
        for cell in range(count):
            name = f"{stage * (count + 1) - max(stage - 1, 0) + cell}"
            x, before = _normal(x, before, filters * 2**stage, name), x
    return act(x)


def _head(x: Any, given: SimpleNamespace) -> Any:
    x = GlobalAveragePooling2D()(x)
    return Dense(given.classes, activation=given.classifier_activation, name="predictions")(x)


_ROWS = [
    Architecture(
        f"NASNet{name}",
        f"nasnet_{name.lower()}",
        partial(_body, kind=kind),
        Files(f"nasnet/NASNet-{name.lower()}{{top}}.h5", ("", "-no-top")),
        "B. Zoph et al., 2017, 'Learning transferable architectures for scalable image recognition'",
        head=_head,
        default_size=kind.size,
        parameters={"input_shape": None} | STANDARD,
        static=True,
    )
    for name, kind in _KINDS.items()
]
NASNetMobile, NASNetLarge = applications(_ROWS, __name__).values()
