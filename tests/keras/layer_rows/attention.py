"""Rows of attention, and of what is built with it."""

from tests.keras.layer_case import LayerCase

C = LayerCase

CASES: list[LayerCase] = []
