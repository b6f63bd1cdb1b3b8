"""`tf.lookup.experimental`: tables that change."""

from dovetail.lookup.mutable import DenseHashTable, MutableHashTable

__all__ = ["DenseHashTable", "MutableHashTable"]
