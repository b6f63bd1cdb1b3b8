"""Rows of layers that few models use."""

from tests.keras.layer_case import LayerCase

C = LayerCase

CASES: list[LayerCase] = []
