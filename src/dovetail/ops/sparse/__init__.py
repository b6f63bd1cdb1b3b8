"""Sparse tensors: the class, and the functions of `tf.sparse`, all built from dense ops.

A sparse tensor is three dense tensors, so gradients, traces and the host engine come from the ops that make it.  What
keeps the pattern of entries compiles; what finds a new one (`patterns.py`) depends on values and runs on the host.
"""

from dovetail.ops.sparse import (
    arithmetic,
    arrange,
    cross,
    ctc,
    edits,
    embedding,
    make,
    matmul,
    patterns,
    ragged,
    reduce,
    sets,
    tensor,
)

__all__ = [
    "arithmetic",
    "arrange",
    "cross",
    "ctc",
    "edits",
    "embedding",
    "make",
    "matmul",
    "patterns",
    "ragged",
    "reduce",
    "sets",
    "tensor",
]
