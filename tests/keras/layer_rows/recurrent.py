"""Rows of recurrent layers, cells and wrappers."""

from tests.keras.layer_case import LayerCase

C = LayerCase

CASES: list[LayerCase] = []
