"""Attention, and what is built with it."""

from __future__ import annotations

from dovetail.keras.layers.attention.attention import *
from dovetail.keras.layers.attention.grouped_query_attention import *
from dovetail.keras.layers.attention.multi_head_attention import *
from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
