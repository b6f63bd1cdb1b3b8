"""Rows of preprocessing and augmentation layers."""

from tests.keras.layer_case import LayerCase

C = LayerCase

CASES: list[LayerCase] = []
