"""Keras 2's `keras.layers.experimental`: older names of layers."""

from dovetail.keras.layers.core.einsum_dense import EinsumDense
from dovetail.keras.layers.core.random_fourier_features import RandomFourierFeatures
from dovetail.keras.layers.experimental import preprocessing
from dovetail.keras.layers.normalization.batch_normalization import (
    BatchNormalization as SyncBatchNormalization,
)
from dovetail.keras.registration import own as _own

__all__ = ["EinsumDense", "RandomFourierFeatures", "SyncBatchNormalization", "preprocessing"]

_own("keras.layers.experimental", [RandomFourierFeatures])
