"""Other shapes for the same values: flattened, padded, cut, repeated."""

from __future__ import annotations

from dovetail.keras.layers.reshaping.padding import *
from dovetail.keras.layers.reshaping.shaping import *
from dovetail.keras.layers.reshaping.upsampling import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
