"""`tf.lookup`: tables from keys to values."""

from dovetail.lookup import experimental
from dovetail.lookup.initializers import KeyValueTensorInitializer, TextFileIndex, TextFileInitializer
from dovetail.lookup.static import StaticHashTable, StaticVocabularyTable

__all__ = [
    "KeyValueTensorInitializer",
    "StaticHashTable",
    "StaticVocabularyTable",
    "TextFileIndex",
    "TextFileInitializer",
    "experimental",
]
