"""Keras 2's `keras.layers.experimental`: older names of layers."""

from dovetail.keras.layers.batch_normalization import BatchNormalization as SyncBatchNormalization
from dovetail.keras.layers.experimental import preprocessing

__all__ = ["SyncBatchNormalization", "preprocessing"]
