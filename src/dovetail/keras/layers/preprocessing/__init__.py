"""Preprocessing of numbers and images, and augmentation."""

from __future__ import annotations

from dovetail.keras.layers.preprocessing.affine import *
from dovetail.keras.layers.preprocessing.bending import *
from dovetail.keras.layers.preprocessing.color import *
from dovetail.keras.layers.preprocessing.cropping import *
from dovetail.keras.layers.preprocessing.discretization import *
from dovetail.keras.layers.preprocessing.encoding import *
from dovetail.keras.layers.preprocessing.hashing import *
from dovetail.keras.layers.preprocessing.local import *
from dovetail.keras.layers.preprocessing.lookup import *
from dovetail.keras.layers.preprocessing.mixing import *
from dovetail.keras.layers.preprocessing.normalization import *
from dovetail.keras.layers.preprocessing.policies import *
from dovetail.keras.layers.preprocessing.rescaling import *
from dovetail.keras.layers.preprocessing.spectrogram import *
from dovetail.keras.layers.preprocessing.string_lookup import *
from dovetail.keras.layers.preprocessing.text_vectorization import *
from dovetail.keras.layers.preprocessing.tone import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
