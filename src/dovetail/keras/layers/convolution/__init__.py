"""Convolutions, transposed and depthwise ones too."""

from __future__ import annotations

from dovetail.keras.layers.convolution.conv import *
from dovetail.keras.layers.convolution.conv_transpose import *
from dovetail.keras.layers.convolution.depthwise import *
from dovetail.keras.layers.convolution.locally_connected import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
