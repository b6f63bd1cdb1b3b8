"""Other shapes for the same values: flattened, padded, cut, repeated."""

from __future__ import annotations

from dovetail.keras.layers.reshaping.padding import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from dovetail.keras.layers.reshaping.shaping import (
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
)
from dovetail.keras.layers.reshaping.upsampling import (
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
)

__all__ = [
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Flatten",
    "Permute",
    "RepeatVector",
    "Reshape",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
]
