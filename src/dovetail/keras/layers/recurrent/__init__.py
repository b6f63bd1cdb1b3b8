"""Recurrent layers: cells, the layers that run them over time, and wrappers."""

from __future__ import annotations

from dovetail.keras.layers.recurrent.bidirectional import *
from dovetail.keras.layers.recurrent.cell import *
from dovetail.keras.layers.recurrent.conv_lstm import *
from dovetail.keras.layers.recurrent.gru import *
from dovetail.keras.layers.recurrent.lstm import *
from dovetail.keras.layers.recurrent.rnn import *
from dovetail.keras.layers.recurrent.simple_rnn import *
from dovetail.keras.layers.recurrent.stacked import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
