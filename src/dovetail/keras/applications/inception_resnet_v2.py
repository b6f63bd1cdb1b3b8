"""`keras.applications.inception_resnet_v2`: residual blocks with several convolutions side by side."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.keras.applications.architecture import Architecture, application
from dovetail.keras.applications.blocks import act, num_channels
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import tf as preprocess_input
from dovetail.keras.applications.inception_v3 import Step, chain, conv, halved, joined, pooled, stem
from dovetail.keras.applications.parts import Conv2D, MaxPooling2D
from dovetail.keras.applications.pretrained import Files
from dovetail.keras.applications.scaling import CustomScaleLayer

__all__ = ["InceptionResNetV2", "decode_predictions", "preprocess_input"]


class _Kind(NamedTuple):
    name: str
    repeats: int
    scale: float
    branches: tuple[tuple[Step, ...], ...]


_FINE = _Kind("block35", 10, 0.17, (((32, 1),), ((32, 1), (32, 3)), ((32, 1), (48, 3), (64, 3))))
_MIDDLE = _Kind("block17", 20, 0.1, (((192, 1),), ((128, 1), (160, (1, 7)), (192, (7, 1)))))
_COARSE = _Kind("block8", 10, 0.2, (((192, 1),), ((192, 1), (224, (1, 3)), (256, (3, 1)))))


def _block(x: Any, kind: _Kind, number: int) -> Any:
    name = f"{kind.name}_{number}"
    last = kind is _COARSE and number == kind.repeats  # it is added whole, and not activated
    mixed = joined([chain(x, *branch) for branch in kind.branches], f"{name}_mixed")
    mixed = Conv2D(num_channels(x), 1, padding="same", name=f"{name}_conv")(mixed)
    x = CustomScaleLayer(scale=1.0 if last else kind.scale)([x, mixed])
    return x if last else act(x, f"{name}_ac")


def _blocks(x: Any, kind: _Kind) -> Any:
    for number in range(1, kind.repeats + 1):
        x = _block(x, kind, number)
    return x


def _body(x: Any, given: SimpleNamespace) -> Any:
    x = stem(x)
    parts = [chain(x, (96, 1)), chain(x, (48, 1), (64, 5)), chain(x, (64, 1), (96, 3), (96, 3))]
    x = _blocks(joined([*parts, pooled(x, 64)], "mixed_5b"), _FINE)
    parts = [halved(x, (384, 3)), halved(x, (256, 1), (256, 3), (384, 3))]
    x = _blocks(joined([*parts, MaxPooling2D(3, strides=2)(x)], "mixed_6a"), _MIDDLE)
    parts = [
        halved(x, (256, 1), (384, 3)),
        halved(x, (256, 1), (288, 3)),
        halved(x, (256, 1), (288, 3), (320, 3)),
    ]
    x = _blocks(joined([*parts, MaxPooling2D(3, strides=2)(x)], "mixed_7a"), _COARSE)
    return conv(x, 1536, 1, name="conv_7b")


InceptionResNetV2 = application(
    Architecture(
        "InceptionResNetV2",
        "inception_resnet_v2",
        _body,
        Files("inception_resnet_v2/inception_resnet_v2_weights_tf_dim_ordering_tf_kernels{top}.h5"),
        "C. Szegedy et al., 2016, 'Inception-v4, Inception-ResNet and the impact of residual connections on learning'",
        default_size=299,
        min_size=75,
    ),
    __name__,
)
