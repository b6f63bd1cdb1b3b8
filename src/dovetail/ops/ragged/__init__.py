"""Ragged tensors: `tf.RaggedTensor`, its spec, and what ops do with it."""

from dovetail.ops.ragged import (
    arrays,
    broadcast,
    constant,
    dense,
    indexing,
    math,
    more,
    partition,
    rows,
    segments,
    shape,
    shaped,
    strings,
    tensor,
    text,
    unicode,
)

__all__ = [
    "arrays",
    "broadcast",
    "constant",
    "dense",
    "indexing",
    "math",
    "more",
    "partition",
    "rows",
    "segments",
    "shape",
    "shaped",
    "strings",
    "tensor",
    "text",
    "unicode",
]
