"""Normalization over batches, features, groups."""

from __future__ import annotations

from dovetail.keras.layers.normalization.batch_normalization import (
    BatchNormalization,
)
from dovetail.keras.layers.normalization.normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)

__all__ = [
    "BatchNormalization",
    "GroupNormalization",
    "LayerNormalization",
    "RMSNormalization",
    "UnitNormalization",
]
