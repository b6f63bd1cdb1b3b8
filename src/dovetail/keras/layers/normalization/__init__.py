"""Normalization over batches, features, groups."""

from __future__ import annotations

from dovetail.keras.layers.normalization.batch_normalization import *
from dovetail.keras.layers.normalization.normalization import *
from dovetail.keras.layers.normalization.spectral_normalization import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
