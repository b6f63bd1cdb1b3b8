"""`keras.applications.densenet`: each block adds its channels to those of all blocks before."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from dovetail.keras.applications.architecture import Architecture, applications
from dovetail.keras.applications.blocks import Blocks, act, channel_axis, num_channels
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import torch as preprocess_input
from dovetail.keras.applications.parts import AveragePooling2D, Concatenate, MaxPooling2D, ZeroPadding2D
from dovetail.keras.applications.pretrained import Files

__all__ = ["DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

_STACKS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32)}
_GROWTH = 32
_blocks = Blocks(norm={"epsilon": 1.001e-5}, conv={"use_bias": False})


def _block(x: Any, name: str) -> Any:
    added = act(_blocks.norm(x, f"{name}_0_bn"), f"{name}_0_relu")
    added = _blocks.conv(added, 4 * _GROWTH, 1, name=f"{name}_1_conv")
    added = act(_blocks.norm(added, f"{name}_1_bn"), f"{name}_1_relu")
    added = _blocks.conv(added, _GROWTH, 3, padding="same", name=f"{name}_2_conv")
    return Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, added])


def _transition(x: Any, name: str) -> Any:
    x = act(_blocks.norm(x, f"{name}_bn"), f"{name}_relu")
    x = _blocks.conv(x, num_channels(x) // 2, 1, name=f"{name}_conv")
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)


def _body(x: Any, given: SimpleNamespace, depth: int) -> Any:
    x = ZeroPadding2D(3)(x)
    x = _blocks.conv(x, 64, 7, 2, name="conv1_conv")
    x = act(_blocks.norm(x, "conv1_bn"), "conv1_relu")
    x = ZeroPadding2D(1)(x)
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    for stack, count in enumerate(_STACKS[depth], 2):
        if stack > 2:
            x = _transition(x, f"pool{stack - 1}")
        for block in range(1, count + 1):
            x = _block(x, f"conv{stack}_block{block}")
    return act(_blocks.norm(x, "bn"), "relu")


_ROWS = [
    Architecture(
        f"DenseNet{depth}",
        f"densenet{depth}",
        partial(_body, depth=depth),
        Files(f"densenet/densenet{depth}_weights_tf_dim_ordering_tf_kernels{{top}}.h5"),
        "G. Huang et al., 2016, 'Densely connected convolutional networks'",
        named_pooling=True,
    )
    for depth in _STACKS
]
DenseNet121, DenseNet169, DenseNet201 = applications(_ROWS, __name__).values()
