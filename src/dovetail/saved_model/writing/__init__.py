"""Writing functions that were recorded as functions of TensorFlow's graphs: importing it fills the table of writers."""

from dovetail.saved_model.writing import (
    arrays,
    draws,
    elementwise,
    filling,
    matrices,
    neural,
    ragged,
    recurrent,
    tables,
    tapes,
    text,
)
from dovetail.saved_model.writing.function import FunctionLibrary, FunctionWriter, write_function
from dovetail.saved_model.writing.table import WRITERS

__all__ = [
    "WRITERS",
    "FunctionLibrary",
    "FunctionWriter",
    "arrays",
    "draws",
    "elementwise",
    "filling",
    "matrices",
    "neural",
    "ragged",
    "recurrent",
    "tables",
    "tapes",
    "text",
    "write_function",
]
