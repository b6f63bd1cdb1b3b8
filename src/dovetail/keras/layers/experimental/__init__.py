"""Keras 2's `keras.layers.experimental`: older names of layers."""

from dovetail.keras.layers.experimental import preprocessing
from dovetail.keras.layers.normalization.batch_normalization import (
    BatchNormalization as SyncBatchNormalization,
)

__all__ = ["SyncBatchNormalization", "preprocessing"]
