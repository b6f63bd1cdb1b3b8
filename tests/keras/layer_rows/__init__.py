"""The table of layers: a file of rows per kind, in one list."""

from tests.keras.layer_rows import attention, first, preprocessing, recurrent, rest

CASES = [*first.CASES, *recurrent.CASES, *attention.CASES, *preprocessing.CASES, *rest.CASES]
