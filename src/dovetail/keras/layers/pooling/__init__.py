"""Pooling over windows, and over everything."""

from __future__ import annotations

from dovetail.keras.layers.pooling.adaptive_pooling import *
from dovetail.keras.layers.pooling.global_pooling import *
from dovetail.keras.layers.pooling.pooling import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
