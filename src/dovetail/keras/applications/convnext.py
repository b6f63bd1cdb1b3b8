"""`keras.applications.convnext`: a convolutional network with the parts of a vision transformer."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.keras.applications.architecture import STANDARD, Architecture, applications
from dovetail.keras.applications.blocks import num_channels
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import unchanged as preprocess_input
from dovetail.keras.applications.parts import (
    Activation,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    LayerNormalization,
    Normalization,
)
from dovetail.keras.applications.pretrained import Files
from dovetail.keras.applications.scaling import LayerScale
from dovetail.keras.models import Sequential

__all__ = [
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "decode_predictions",
    "preprocess_input",
]


class _Kind(NamedTuple):
    depths: tuple[int, ...]
    filters: int  # of the first stage; each further one has twice as many


_KINDS = {
    "Tiny": _Kind((3, 3, 9, 3), 96),
    "Small": _Kind((3, 3, 27, 3), 96),
    "Base": _Kind((3, 3, 27, 3), 128),
    "Large": _Kind((3, 3, 27, 3), 192),
    "XLarge": _Kind((3, 3, 27, 3), 256),
}
_MEANS = [0.485 * 255, 0.456 * 255, 0.406 * 255]
_VARIANCES = [(0.229 * 255) ** 2, (0.224 * 255) ** 2, (0.225 * 255) ** 2]


def _norm(name: str | None = None) -> LayerNormalization:
    return LayerNormalization(epsilon=1e-6, name=name)


def _block(x: Any, name: str) -> Any:
    before, filters = x, num_channels(x)
    x = Conv2D(filters, 7, padding="same", groups=filters, name=f"{name}_depthwise_conv")(x)
    x = _norm(f"{name}_layernorm")(x)
    x = Dense(4 * filters, name=f"{name}_pointwise_conv_1")(x)
    x = Activation("gelu", name=f"{name}_gelu")(x)
    x = Dense(filters, name=f"{name}_pointwise_conv_2")(x)
    x = LayerScale(1e-6, filters, name=f"{name}_layer_scale")(x)
    return before + Activation("linear", name=f"{name}_identity")(x)


def _between(filters: int, name: str, stage: int) -> Sequential:
    """Returns the model that halves the images between two stages."""
    return Sequential(
        [
            _norm(f"{name}_downsampling_layernorm_{stage}"),
            Conv2D(filters, 2, strides=2, name=f"{name}_downsampling_conv_{stage}"),
        ],
        name=f"{name}_downsampling_block_{stage}",
    )


def _body(x: Any, given: SimpleNamespace, kind: _Kind) -> Any:
    name = given.name
    if given.include_preprocessing and num_channels(x) == 3:
        x = Normalization(mean=_MEANS, variance=_VARIANCES, name=f"{name}_prestem_normalization")(x)
    first = [
        Conv2D(kind.filters, 4, strides=4, name=f"{name}_stem_conv"),
        _norm(f"{name}_stem_layernorm"),
    ]
    x = Sequential(first, name=f"{name}_stem")(x)
    for stage, depth in enumerate(kind.depths):
        if stage:
            x = _between(kind.filters * 2**stage, name, stage - 1)(x)
        for block in range(depth):
            x = _block(x, f"{name}_stage_{stage}_block_{block}")
    return x


def _head(x: Any, given: SimpleNamespace) -> Any:
    x = GlobalAveragePooling2D(name=f"{given.name}_head_gap")(x)
    x = _norm(f"{given.name}_head_layernorm")(x)
    return Dense(given.classes, activation=given.classifier_activation, name=f"{given.name}_head_dense")(x)


def _row(kind: str) -> Architecture:
    name = f"convnext_{kind.lower()}"
    # Keras 3 has the arguments in this order; Keras 2 calls `name` `model_name`.
    rest = {key: value for key, value in STANDARD.items() if key != "include_top"}
    return Architecture(
        f"ConvNeXt{kind}",
        name,
        partial(_body, kind=_KINDS[kind]),
        Files(f"convnext/{name}{{top}}.h5"),
        "Z. Liu et al., 2022, 'A ConvNet for the 2020s'",
        head=_head,
        tail=lambda x, given: _norm()(x),
        parameters={"include_top": True, "include_preprocessing": True} | rest,
        aliases=("model_name",),
    )


(
    ConvNeXtTiny,
    ConvNeXtSmall,
    ConvNeXtBase,
    ConvNeXtLarge,
    ConvNeXtXLarge,
) = applications([_row(kind) for kind in _KINDS], __name__).values()
