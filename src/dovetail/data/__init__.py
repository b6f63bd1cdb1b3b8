"""`tf.data`: input pipelines."""

from dovetail.data import experimental
from dovetail.data.dataset import Dataset
from dovetail.data.iterators import Iterator, IteratorSpec, NumpyIterator
from dovetail.data.node import AUTOTUNE
from dovetail.data.node import INFINITE as INFINITE_CARDINALITY
from dovetail.data.node import UNKNOWN as UNKNOWN_CARDINALITY
from dovetail.data.options import Options, ThreadingOptions
from dovetail.data.records import TFRecordDataset
from dovetail.data.string_files import FixedLengthRecordDataset, TextLineDataset
from dovetail.data.structure import DatasetSpec

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "UNKNOWN_CARDINALITY",
    "Dataset",
    "DatasetSpec",
    "FixedLengthRecordDataset",
    "Iterator",
    "IteratorSpec",
    "NumpyIterator",
    "Options",
    "TFRecordDataset",
    "TextLineDataset",
    "ThreadingOptions",
    "experimental",
]
