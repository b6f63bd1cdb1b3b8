"""`tf.nn.ctc_loss` and kin: the ops of `ops/ctc.py` with labels as sparse tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import arithmetic, ctc, indexing, logic, reduction, shapes
from dovetail.ops.array import concat
from dovetail.ops.core import Op
from dovetail.ops.create import range_of
from dovetail.ops.gather import gather_nd_
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sparse.make import to_dense
from dovetail.ops.sparse.tensor import SparseTensor
from dovetail.ops.views import export
from dovetail.tensor.dtype import as_dtype

_INT32, _INT64 = as_dtype("int32"), as_dtype("int64")


def _batch_first(x: Any) -> Any:
    """Exchanges the axes of time and batch."""
    return shapes.transpose(x, perm=(1, 0, 2))


def _sparse(labels: Any) -> SparseTensor:
    """Returns labels of shape (batch, time) without the -1 that fill them up."""
    indices = indexing.where(logic.greater_equal(labels, 0))
    values = gather_nd_(labels, indices)._astype(_INT64)
    longest = reduction.reduce_max(_counts(labels))._astype(_INT64)
    sizes = shapes.shape(labels, out_type="int64")[:1]
    return SparseTensor(indices, values, concat([sizes, longest[None]], axis=0))


def _counts(labels: Any) -> Any:
    return reduction.reduce_sum(logic.greater_equal(labels, 0)._astype(_INT32), axis=1)


@export("nn.ctc_loss")
def ctc_loss(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns the CTC loss of each sample, (batch,).

    Args:
        labels: integers of shape (batch, labels), or a `tf.SparseTensor` of them.
        logits: (time, batch, classes); (batch, time, classes) where `logits_time_major` is False.
        label_length: how many labels of each sample count, (batch,); None for sparse labels.
        logit_length: how many steps of each sample count, (batch,).
        unique: accepted for compatibility: what `tf.nn.ctc_unique_labels` gives; no use is made of it.
        blank_index: the class that stands for no label, also counted from the end; 0 for dense labels when None.
        name: accepted for compatibility; names nothing.
    """
    logits = as_tensor(logits)
    logits = _batch_first(logits) if logits_time_major else logits
    if isinstance(labels, SparseTensor):
        if blank_index is None:
            raise ValueError(f"tf.nn.ctc_loss: sparse labels need blank_index{at_user_location()}")
        dense = to_dense(
            SparseTensor(labels.indices, labels.values._astype(_INT32), labels.dense_shape), default_value=-1
        )
        label_length = _counts(dense)
        labels = arithmetic.maximum(dense, 0)
    blank = ctc._blank(0 if blank_index is None else blank_index, logits)
    lengths = [ctc._lengths(length) for length in (label_length, logit_length)]
    return ctc.ctc_cost(logits, ctc._lengths(labels), *lengths, blank_index=blank)


@export("nn.ctc_greedy_decoder")
def ctc_greedy_decoder(
    inputs: Any, sequence_length: Any, merge_repeated: bool = True, blank_index: int | None = None
) -> tuple[list, Any]:
    """Returns the labels of the likeliest class of each step, and minus the sum of its logits.

    Args:
        inputs: logits, (time, batch, classes).
        sequence_length: how many steps of each sample count, (batch,).
        merge_repeated: a class that goes on for several steps counts once.
        blank_index: the class that stands for no label; None: the last.

    Returns:
        a list of one sparse tensor of int64 labels, and scores of shape (batch, 1).
    """
    inputs = as_tensor(inputs)
    labels, score = ctc.ctc_best_path(
        _batch_first(inputs),
        ctc._lengths(sequence_length),
        merge_repeated=merge_repeated,
        blank_index=ctc._blank(blank_index, inputs),
    )
    return [_sparse(labels)], shapes.expand_dims(score, axis=1)


@export("nn.ctc_beam_search_decoder")
def ctc_beam_search_decoder(
    inputs: Any, sequence_length: Any, beam_width: int = 100, top_paths: int = 1
) -> tuple[list, Any]:
    """Returns the likeliest labels over all alignments, found by a beam search; the last class is the blank.

    Args:
        inputs: logits, (time, batch, classes).
        sequence_length: how many steps of each sample count, (batch,).
        beam_width: how many beginnings are followed.
        top_paths: how many results.

    Returns:
        a list of sparse tensors of int64 labels, and log chances of shape (batch, top_paths).
    """
    inputs = as_tensor(inputs)
    labels, scores = ctc.ctc_beams(
        _batch_first(inputs),
        ctc._lengths(sequence_length),
        beam_width=beam_width,
        top_paths=top_paths,
        blank_index=ctc._blank(None, inputs),
    )
    return [_sparse(labels[path]) for path in range(top_paths)], scores


def _collapsed(xp: Any, labels: Any, length: Any) -> Any:
    starts = np.ones(labels.shape, bool)
    starts[:, 1:] = labels[:, 1:] != labels[:, :-1]
    starts &= np.arange(labels.shape[1])[None, :] < length[:, None]
    counts = starts.sum(axis=1)
    packed = np.zeros((len(labels), counts.max(initial=0)), labels.dtype)
    packed[np.arange(packed.shape[1])[None, :] < counts[:, None]] = labels[starts]
    return [packed, counts.astype(length.dtype)]


_collapsed_op = Op(
    "ctc_collapsed",
    _collapsed,
    engine="host",
    same_dtype=0,
    differentiable=False,
    several=True,
    shape=lambda labels, length: [(labels[0], None), length],
    dtype=lambda labels, length: [labels, length],
)


@export("nn.collapse_repeated")
def collapse_repeated(labels: Any, seq_length: Any, name: str | None = None) -> tuple[Any, Any]:
    """Returns labels in which each run of the same one is one, filled up with 0, and how many there are of each row.

    Args:
        labels: (batch, labels).
        seq_length: how many count, (batch,).
        name: accepted for compatibility; names nothing.
    """
    return tuple(_collapsed_op(as_tensor(labels), as_tensor(seq_length)))


def _distinct(xp: Any, labels: Any) -> Any:
    unique, places = np.zeros(labels.shape, np.int64), np.zeros(labels.shape, np.int32)
    for i, row in enumerate(labels.tolist()):
        found = list(dict.fromkeys(row))
        unique[i, : len(found)] = found
        places[i] = [found.index(label) for label in row]
    return [unique, places]


_distinct_op = Op(
    "ctc_distinct",
    _distinct,
    engine="host",
    differentiable=False,
    several=True,
    shape=lambda labels: [labels, labels],
    dtype=lambda labels: [np.dtype(np.int64), np.dtype(np.int32)],
)


@export("nn.ctc_unique_labels")
def ctc_unique_labels(labels: Any, name: str | None = None) -> tuple[Any, Any]:
    """Returns the distinct labels of each row in their order, filled up with 0, and where each label stands there.

    Args:
        labels: integers, (batch, labels).
        name: accepted for compatibility; names nothing.
    """
    return tuple(_distinct_op(as_tensor(labels)))


@export("K.ctc_label_dense_to_sparse")
def ctc_label_dense_to_sparse(labels: Any, label_lengths: Any) -> SparseTensor:
    """Returns the labels that count, (batch, labels), as a sparse tensor.

    Args:
        labels: (batch, labels).
        label_lengths: how many of each row count, (batch,).
    """
    labels = as_tensor(labels)
    place = range_of(shapes.shape(labels)[1])
    indices = indexing.where(logic.less(place[None, :], ctc._lengths(label_lengths)[:, None]))
    return SparseTensor(indices, gather_nd_(labels, indices), shapes.shape(labels, out_type="int64"))
