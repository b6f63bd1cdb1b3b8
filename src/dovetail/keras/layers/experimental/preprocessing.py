"""Keras 2's `keras.layers.experimental.preprocessing`."""

from dovetail.keras.layers.core.rescaling import Rescaling

__all__ = ["Rescaling"]
