"""`keras.applications.xception`: residual blocks of separable convolutions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dovetail.keras.applications.architecture import Architecture, application
from dovetail.keras.applications.blocks import Blocks, act
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.parts import Add, MaxPooling2D, SeparableConv2D
from dovetail.keras.applications.pretrained import Files

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

# Block -> filters of its two separable convolutions; these blocks halve the image.
_HALVING = {2: (128, 128), 3: (256, 256), 4: (728, 728), 13: (728, 1024)}
_blocks = Blocks(axis=-1, conv={"use_bias": False})


def _separable(x: Any, filters: int, name: str) -> Any:
    return _blocks.norm(
        SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x), f"{name}_bn"
    )


def _halved(x: Any, block: int, filters: tuple[int, int]) -> Any:
    shortcut = _blocks.norm(_blocks.conv(x, filters[1], 1, 2, padding="same"))
    for number, width in enumerate(filters, 1):
        name = f"block{block}_sepconv{number}"
        if (block, number) != (2, 1):  # the first block follows an activation
            x = act(x, f"{name}_act")
        x = _separable(x, width, name)
    x = MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
    return Add()([x, shortcut])


def _same(x: Any, block: int) -> Any:
    before = x
    for number in (1, 2, 3):
        name = f"block{block}_sepconv{number}"
        x = _separable(act(x, f"{name}_act"), 728, name)
    return Add()([x, before])


def _body(x: Any, given: SimpleNamespace) -> Any:
    for name, filters, strides in (("block1_conv1", 32, 2), ("block1_conv2", 64, 1)):
        x = _blocks.conv(x, filters, 3, strides, name=name)
        x = act(_blocks.norm(x, f"{name}_bn"), f"{name}_act")
    for block in range(2, 14):
        x = _halved(x, block, _HALVING[block]) if block in _HALVING else _same(x, block)
    for number, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{number}"
        x = act(_separable(x, filters, name), f"{name}_act")
    return x


Xception = application(
    Architecture(
        "Xception",
        "xception",
        _body,
        Files("xception/xception_weights_tf_dim_ordering_tf_kernels{top}.h5"),
        "F. Chollet, 2016, 'Xception: deep learning with depthwise separable convolutions'",
        default_size=299,
        min_size=71,
    ),
    __name__,
)
