"""`keras.applications.resnet`: residual networks, with the normalization after each convolution."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from dovetail.keras.applications.architecture import Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act
from dovetail.keras.applications.imagenet_utils import caffe as preprocess_input
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.parts import Add, MaxPooling2D, ZeroPadding2D
from dovetail.keras.applications.pretrained import Files

__all__ = ["ResNet50", "ResNet101", "ResNet152", "decode_predictions", "preprocess_input"]

# Layers -> blocks in each of the four stacks.
STACKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
FILTERS = (64, 128, 256, 512)
_blocks = Blocks(norm={"epsilon": 1.001e-5})


def stem(x: Any, normalized: bool) -> Any:
    """Returns the images at a quarter of their size, with 64 channels."""
    x = ZeroPadding2D(3, name="conv1_pad")(x)
    x = _blocks.conv(x, 64, 7, 2, name="conv1_conv")
    if normalized:
        x = act(_blocks.norm(x, "conv1_bn"), "conv1_relu")
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    return MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _block(x: Any, filters: int, name: str, strides: int, projects: bool) -> Any:
    shortcut = x
    if projects:
        shortcut = _blocks.conv(x, 4 * filters, 1, strides, name=f"{name}_0_conv")
        shortcut = _blocks.norm(shortcut, f"{name}_0_bn")
    x = _blocks.conv(x, filters, 1, strides, name=f"{name}_1_conv")
    x = act(_blocks.norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = _blocks.conv(x, filters, 3, padding="same", name=f"{name}_2_conv")
    x = act(_blocks.norm(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = _blocks.conv(x, 4 * filters, 1, name=f"{name}_3_conv")
    x = _blocks.norm(x, f"{name}_3_bn")
    return act(Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def _body(x: Any, given: SimpleNamespace, depth: int) -> Any:
    x = stem(x, normalized=True)
    for stack, (filters, count) in enumerate(zip(FILTERS, STACKS[depth], strict=True), 2):
        for block in range(1, count + 1):
            strides = 2 if block == 1 and stack > 2 else 1
            x = _block(x, filters, f"conv{stack}_block{block}", strides, projects=block == 1)
    return x


_ROWS = [
    Architecture(
        f"ResNet{depth}",
        f"resnet{depth}",
        partial(_body, depth=depth),
        Files(f"resnet/resnet{depth}_weights_tf_dim_ordering_tf_kernels{{top}}.h5"),
        "K. He et al., 2015, 'Deep residual learning for image recognition'",
        named_pooling=True,
    )
    for depth in STACKS
]
ResNet50, ResNet101, ResNet152 = applications(_ROWS, __name__).values()
