"""`keras.applications.resnet_v2`: residual networks, with the normalization before each convolution."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from dovetail.keras.applications.architecture import Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.parts import Add, MaxPooling2D, ZeroPadding2D
from dovetail.keras.applications.pretrained import Files
from dovetail.keras.applications.resnet import FILTERS, STACKS, stem

__all__ = ["ResNet50V2", "ResNet101V2", "ResNet152V2", "decode_predictions", "preprocess_input"]

_blocks = Blocks(norm={"epsilon": 1.001e-5})


def _block(x: Any, filters: int, name: str, strides: int, projects: bool) -> Any:
    before = act(_blocks.norm(x, f"{name}_preact_bn"), f"{name}_preact_relu")
    if projects:
        shortcut = _blocks.conv(before, 4 * filters, 1, strides, name=f"{name}_0_conv")
    else:
        shortcut = MaxPooling2D(1, strides=strides)(x) if strides > 1 else x
    x = _blocks.conv(before, filters, 1, use_bias=False, name=f"{name}_1_conv")
    x = act(_blocks.norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = ZeroPadding2D(1, name=f"{name}_2_pad")(x)
    x = _blocks.conv(x, filters, 3, strides, use_bias=False, name=f"{name}_2_conv")
    x = act(_blocks.norm(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = _blocks.conv(x, 4 * filters, 1, name=f"{name}_3_conv")
    return Add(name=f"{name}_out")([shortcut, x])


def _body(x: Any, given: SimpleNamespace, depth: int) -> Any:
    x = stem(x, normalized=False)
    for stack, (filters, count) in enumerate(zip(FILTERS, STACKS[depth], strict=True), 2):
        for block in range(1, count + 1):
            strides = 2 if block == count and stack < 5 else 1
            x = _block(x, filters, f"conv{stack}_block{block}", strides, projects=block == 1)
    return act(_blocks.norm(x, "post_bn"), "post_relu")


_ROWS = [
    Architecture(
        f"ResNet{depth}V2",
        f"resnet{depth}v2",
        partial(_body, depth=depth),
        Files(f"resnet/resnet{depth}v2_weights_tf_dim_ordering_tf_kernels{{top}}.h5"),
        "K. He et al., 2016, 'Identity mappings in deep residual networks'",
        named_pooling=True,
    )
    for depth in STACKS
]
ResNet50V2, ResNet101V2, ResNet152V2 = applications(_ROWS, __name__).values()
