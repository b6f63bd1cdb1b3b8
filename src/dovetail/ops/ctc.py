"""Connectionist temporal classification: the loss over all alignments of labels with steps, and the two decoders.

An alignment gives each step a class or the blank; dropping repeats and then blanks leaves the labels.  The loss sums
over alignments by the forward recursion, its gradient by the forward and the backward one, both in log space.

Source: A. Graves et al., 2006, "Connectionist temporal classification: labelling unsegmented sequence data with
recurrent neural networks".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.ops import array, math, shapes
from dovetail.ops.core import Op
from dovetail.ops.families import op
from dovetail.ops.precision import FLOAT32, INT32, floating, in_float32
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

# The logarithm of no chance at all: finite, so that differences of two of them are numbers.
_NEVER = -1e30
# What labels cost that no alignment gives, about as in TensorFlow: much, and still a number to train with.
_IMPOSSIBLE = 708.0
_HASH = np.int64(1000003)


def _log_softmax(xp: Any, x: Any) -> Any:
    shifted = x - xp.max(x, axis=-1, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def _shifted(xp: Any, x: Any, by: int) -> Any:
    """Moves the last axis by some places, to the right where `by` is positive; what comes in has no chance."""
    empty = xp.full_like(x[..., : abs(by)], _NEVER)
    return xp.concatenate([empty, x[..., :-by]] if by > 0 else [x[..., -by:], empty], axis=-1)


def _log_sum(xp: Any, *terms: Any) -> Any:
    largest = terms[0]
    for term in terms[1:]:
        largest = xp.maximum(largest, term)
    total: Any = 0
    for term in terms:
        total = total + xp.exp(term - largest)
    return largest + xp.log(total)


def _states(xp: Any, labels: Any, blank: int) -> tuple[Any, Any]:
    """Returns the classes of the states blank, label, blank, ..., and which of them may be reached from two before.

    Args:
        labels: (batch, labels).

    Returns:
        two arrays of shape (batch, 2 * labels + 1).
    """
    batch, count = labels.shape
    blanks = xp.full_like(labels, blank)
    pairs = xp.reshape(xp.stack([blanks, labels], axis=-1), (batch, 2 * count))  # (batch, 2 * labels)
    states = xp.concatenate([pairs, xp.full_like(pairs[:, :1], blank)], axis=1)
    before = xp.concatenate([xp.full_like(states[:, :2], blank), states[:, :-2]], axis=1)
    return states, (states != blank) & (states != before)


def _emissions(xp: Any, logits: Any, labels: Any, blank: int) -> tuple[Any, Any, Any]:
    """Returns the states, which of them may be jumped to, and the log chance of each at each step, time first."""
    states, jumps = _states(xp, labels, blank)
    scores = xp.take_along_axis(_log_softmax(xp, logits), states[:, None, :], axis=2)  # (batch, time, states)
    return states, jumps, xp.swapaxes(scores, 0, 1)


def _first(xp: Any, emissions: Any, label_length: Any) -> Any:
    """Returns the log chances of the states at the first step: the first blank, or the first label."""
    place = xp.arange(emissions.shape[-1], dtype=INT32)[None, :]
    reachable = (place == 0) | ((place == 1) & (label_length[:, None] > 0))
    return xp.where(reachable, emissions[0], _NEVER)


def _last(xp: Any, like: Any, label_length: Any) -> Any:
    """Returns which states an alignment may end in: the last label, and the blank behind it."""
    place = xp.arange(like.shape[-1], dtype=INT32)[None, :]
    ends = 2 * label_length[:, None].astype(INT32)
    return (place == ends) | ((place == ends - 1) & (ends > 0))


def _forward(xp: Any, emissions: Any, jumps: Any, label_length: Any, logit_length: Any) -> tuple[Any, Any]:
    """Returns the log chances of being in each state at the last step, and at every step but the first."""

    def step(carry: list, row: list) -> tuple[list, list]:
        (before,), (emission, time) = carry, row
        jumped = xp.where(jumps, _shifted(xp, before, 2), _NEVER)
        moved = _log_sum(xp, before, _shifted(xp, before, 1), jumped) + emission
        now = xp.where((time < logit_length)[:, None], xp.maximum(moved, _NEVER), before)
        return [now], [now]

    times = xp.arange(emissions.shape[0], dtype=INT32)[1:]
    (last,), (every,) = xp.scan(step, [_first(xp, emissions, label_length)], [emissions[1:], times], False)
    return last, every


def _total(xp: Any, last: Any, label_length: Any) -> Any:
    """Returns the log chance of the labels, (batch, 1)."""
    ended = xp.where(_last(xp, last, label_length), last, _NEVER)
    largest = xp.max(ended, axis=-1, keepdims=True)
    return largest + xp.log(xp.sum(xp.exp(ended - largest), axis=-1, keepdims=True))


def _checked(logits: Any, labels: Any, label_length: Any, logit_length: Any) -> None:
    if logits.ndim != 3 or labels.ndim != 2 or labels.shape[0] != logits.shape[0] or not logits.shape[1]:
        raise ValueError(
            "expected logits of shape (batch, time, classes) and labels of shape (batch, labels), received "
            f"{logits.shape} and {labels.shape}"
        )
    for what, length in (("label_length", label_length), ("logit_length", logit_length)):
        if length.shape != logits.shape[:1]:
            raise ValueError(f"{what} must have the shape (batch,), received {length.shape}")


@op("", same_dtype=0, shape=lambda logits, *_, **__: logits[:1])
@floating
def ctc_cost(
    xp: Any, logits: Any, labels: Any, label_length: Any, logit_length: Any, *, blank_index: int = 0
) -> Any:
    """Returns minus the log chance of the labels, summed over all alignments: (batch,); 708 where there is none.

    Args:
        logits: (batch, time, classes).
        labels: integers, (batch, labels).
        label_length, logit_length: how many labels and steps of each sample count, (batch,).
        blank_index: the class that stands for no label.
    """
    _checked(logits, labels, label_length, logit_length)
    labels = labels.astype(INT32)
    _, jumps, emissions = _emissions(xp, logits, labels, blank_index)
    last, _ = _forward(xp, emissions, jumps, label_length, logit_length)
    total = _total(xp, last, label_length)[:, 0]
    return xp.where(total > _NEVER / 2, -total, _IMPOSSIBLE).astype(logits.dtype)


@in_float32
def _ctc_gradient(
    xp: Any, logits: Any, g: Any, labels: Any, label_length: Any, logit_length: Any, *, blank_index: int
) -> Any:
    """Returns g times the softmax minus the chance of each class at each step, given the labels."""
    labels = labels.astype(INT32)
    states, jumps, emissions = _emissions(xp, logits, labels, blank_index)
    last, every = _forward(xp, emissions, jumps, label_length, logit_length)
    total = _total(xp, last, label_length)
    forward = xp.concatenate([_first(xp, emissions, label_length)[None], every], axis=0)
    chances = xp.exp(
        xp.minimum(forward + _backward(xp, emissions, jumps, label_length, logit_length) - total, 0.0)
    )
    place = xp.arange(logits.shape[1], dtype=INT32)
    counted = (place[None, :] < logit_length[:, None])[..., None] & (total > _NEVER / 2)[..., None]
    classes = (states[..., None] == xp.arange(logits.shape[2], dtype=INT32)).astype(logits.dtype)
    wanted = xp.matmul(xp.swapaxes(chances, 0, 1), classes)  # (batch, time, classes)
    found = xp.exp(_log_softmax(xp, logits)) - wanted
    return xp.where(counted, g[:, None, None] * found, 0.0)


def _backward(xp: Any, emissions: Any, jumps: Any, label_length: Any, logit_length: Any) -> Any:
    """Returns the log chance of the rest of the labels after each step, for each state: (time, batch, states)."""
    end = xp.where(_last(xp, emissions[0], label_length), 0.0, _NEVER).astype(emissions.dtype)
    from_two_before = _shifted(xp, jumps.astype(emissions.dtype), -2) > 0

    def step(carry: list, row: list) -> tuple[list, list]:
        (after,), (emission, time) = carry, row
        later = after + emission
        jumped = xp.where(from_two_before, _shifted(xp, later, -2), _NEVER)
        moved = xp.maximum(_log_sum(xp, later, _shifted(xp, later, -1), jumped), _NEVER)
        now = xp.where((time < logit_length)[:, None], moved, end)
        return [now], [now]

    times = xp.arange(emissions.shape[0], dtype=INT32)[1:]
    _, (every,) = xp.scan(step, [end], [emissions[1:], times], True)
    return xp.concatenate([every, end[None]], axis=0)


ctc_gradient = Op("ctc_gradient", _ctc_gradient, same_dtype=0, shape=lambda logits, *_, **__: logits)
ctc_cost.gradient(
    lambda g, y, logits, *rest, blank_index: ctc_gradient(logits, g, *rest, blank_index=blank_index),
    None,
    None,
    None,
)


# ---- decoding --------------------------------------------------------------------------------------------------------


def _decoded_shapes(inputs: tuple, *_: Any, **__: Any) -> list:
    return [inputs[:2], inputs[:1]]


def _packed(xp: Any, values: Any, kept: Any) -> Any:
    """Moves what is kept of each row to its front, in order; -1 fills the rest."""
    order = xp.argsort(xp.where(kept, 0, 1).astype(INT32), axis=1, stable=True)
    return xp.where(
        xp.take_along_axis(kept, order, axis=1), xp.take_along_axis(values, order, axis=1), -1
    ).astype(INT32)


def _starts(xp: Any, rows: Any) -> Any:
    """Returns where a value differs from the one before it in its row."""
    return rows != xp.concatenate([xp.full_like(rows[:, :1], -2), rows[:, :-1]], axis=1)


@op(
    "",
    same_dtype=0,
    differentiable=False,
    several=True,
    shape=_decoded_shapes,
    dtype=lambda x, *_, **__: [INT32, x],
)
def ctc_best_path(
    xp: Any, inputs: Any, sequence_length: Any, *, merge_repeated: bool = True, blank_index: int = 0
) -> Any:
    """Returns the labels of the likeliest class of each step, (batch, time) filled up with -1, and minus its logits.

    Args:
        inputs: logits, (batch, time, classes).
        sequence_length: how many steps of each sample count, (batch,).
        merge_repeated: a class that goes on for several steps counts once.
        blank_index: the class that stands for no label.
    """
    best = xp.argmax(inputs, axis=-1).astype(INT32)  # (batch, time)
    counted = xp.arange(inputs.shape[1], dtype=INT32)[None, :] < sequence_length[:, None]
    kept = counted & (best != blank_index)
    if merge_repeated:
        kept = kept & _starts(xp, best)
    score = xp.sum(xp.where(counted, xp.max(inputs, axis=-1), 0), axis=1)
    return [_packed(xp, best, kept), -score]


@op(
    "",
    same_dtype=0,
    differentiable=False,
    several=True,
    shape=lambda inputs, _, top_paths, **__: [(top_paths, *inputs[:2]), (inputs[0], top_paths)],
    dtype=lambda x, *_, **__: [INT32, x],
)
def ctc_beams(
    xp: Any,
    inputs: Any,
    sequence_length: Any,
    *,
    beam_width: int,
    top_paths: int,
    blank_index: int,
    merge_repeated: bool = False,
) -> Any:
    """Returns the likeliest labels over all alignments, found by a beam search, and the logarithms of their chances.

    Args:
        inputs: logits, (batch, time, classes).
        sequence_length: how many steps of each sample count, (batch,).
        beam_width: how many beginnings are followed.
        top_paths: how many of them are returned.
        blank_index: the class that stands for no label.
        merge_repeated: make one of labels that repeat in what was found, as TensorFlow 1 did.

    Returns:
        labels of shape (top_paths, batch, time) filled up with -1, and scores of shape (batch, top_paths).

    Differs from TensorFlow: with a beam too narrow for all beginnings, its bookkeeping lets some that were dropped in a
    step count in it; the scores differ a little then.
    """
    if not 0 < top_paths <= beam_width:
        raise ValueError(f"top_paths must be from 1 to beam_width={beam_width}, received {top_paths}")
    dtype = inputs.dtype
    scores = xp.swapaxes(_log_softmax(xp, inputs.astype(FLOAT32) if dtype.itemsize < 4 else inputs), 0, 1)
    times = xp.arange(inputs.shape[1], dtype=INT32)
    search = _Search(xp, sequence_length, beam_width, blank_index)
    (labels, _, blank, other), _ = xp.scan(search.step, search.start(scores), [scores, times], False)
    total = _log_sum(xp, blank, other)
    order = xp.argsort(-total, axis=1, stable=True)[:, :top_paths]
    best = xp.take_along_axis(labels, order[:, :, None], axis=1)  # (batch, top_paths, time)
    rows = xp.reshape(best, (-1, best.shape[2]))
    packed = _packed(xp, rows, rows >= 0)
    if merge_repeated:
        packed = _packed(xp, packed, _starts(xp, packed) & (packed >= 0))
    packed = xp.reshape(packed, best.shape)
    return [xp.swapaxes(packed, 0, 1), xp.take_along_axis(total, order, axis=1).astype(dtype)]


class _Search:
    """One step of the beam search, on arrays of (batch, beams, ...).

    A beginning is known by the labels it has, one place a step (-1: none came in that step), by a hash of them, and by
    the log chances of its alignments that end in a blank, and of those that end in its last label.
    """

    def __init__(self, xp: Any, sequence_length: Any, beam_width: int, blank_index: int) -> None:
        self.xp, self.length, self.width, self.blank = xp, sequence_length, beam_width, blank_index

    def start(self, scores: Any) -> list:
        xp, (times, batch, _), width = self.xp, scores.shape, self.width
        alive = xp.broadcast_to(xp.arange(width, dtype=INT32)[None, :] == 0, (batch, width))
        blank = xp.where(alive, 0.0, _NEVER).astype(scores.dtype)
        labels = xp.full((batch, width, times), -1, dtype=INT32)
        return [
            labels,
            xp.zeros((batch, width), dtype=np.dtype(np.int64)),
            blank,
            xp.full_like(blank, _NEVER),
        ]

    def step(self, carry: list, row: list) -> tuple[list, list]:
        xp, (labels, hashes, blank, other), (score, time) = self.xp, carry, row
        last, classes = self._last(labels), score.shape[-1]
        total = xp.maximum(_log_sum(xp, blank, other), _NEVER)
        # Going on: another blank, or the last label once more.
        again = xp.take_along_axis(score, xp.maximum(last, 0), axis=1)
        stay_blank = total + score[:, self.blank : self.blank + 1]
        stay_other = xp.where(last >= 0, other + again, _NEVER)
        # One label more; after the same label, only where a blank lies between.
        label = xp.arange(classes, dtype=INT32)[None, None, :]
        longer = xp.where(label == last[..., None], blank[..., None], total[..., None]) + score[:, None, :]
        longer = xp.where(label == self.blank, _NEVER, longer)
        longer_hash = hashes[..., None] * _HASH + label + 1  # (batch, beams, classes)
        alive = total > _NEVER / 2
        stay_other, longer = self._merged((hashes, last, alive), longer_hash, stay_other, longer)
        grown = [
            self._grown(labels, time, classes),
            xp.concatenate([hashes, self._flat(longer_hash)], axis=1),
            xp.concatenate([stay_blank, xp.full_like(self._flat(longer), _NEVER)], axis=1),
            xp.concatenate([stay_other, self._flat(longer)], axis=1),
        ]
        chosen = self._best(grown)
        counts = time < self.length
        new = [
            xp.where(xp.reshape(counts, (-1,) + (1,) * (old.ndim - 1)), now, old)
            for now, old in zip(chosen, carry, strict=True)
        ]
        return new, []

    def _flat(self, x: Any) -> Any:
        return self.xp.reshape(x, (x.shape[0], int(np.prod(x.shape[1:]))))

    def _last(self, labels: Any) -> Any:
        """Returns the last label of each beginning, -1 where it has none."""
        xp = self.xp
        place = xp.max(xp.where(labels >= 0, xp.arange(labels.shape[-1], dtype=INT32), 0), axis=-1)
        return xp.take_along_axis(labels, place[..., None], axis=-1)[..., 0]

    def _merged(self, followed: tuple, longer_hash: Any, stay: Any, longer: Any) -> tuple[Any, Any]:
        """Adds a beginning with one label more to the one that is followed already and has the same labels."""
        xp, (hashes, last, alive) = self.xp, followed
        with_last = hashes[:, :, None] * _HASH + last[:, None, :] + 1  # (batch, shorter, the same as)
        same = (with_last == hashes[:, None, :]) & (alive & (last >= 0))[:, None, :]
        column = xp.broadcast_to(xp.maximum(last, 0)[:, None, :], same.shape)
        joined = xp.where(same, xp.take_along_axis(longer, column, axis=2), _NEVER)
        stay = _log_sum(xp, stay, xp.max(joined, axis=1))
        known = (longer_hash[..., None] == hashes[:, None, None, :]) & alive[:, None, None, :]
        return xp.maximum(stay, _NEVER), xp.where(xp.any(known, axis=-1), _NEVER, longer)

    def _grown(self, labels: Any, time: Any, classes: int) -> Any:
        """Returns the labels of all candidates: the beginnings, then each with each class at this step."""
        xp, (batch, beams, times) = self.xp, labels.shape
        place = xp.arange(times, dtype=INT32) == time
        label = xp.arange(classes, dtype=INT32)[None, None, :, None]
        more = xp.where(place[None, None, None, :], label, labels[:, :, None, :])
        return xp.concatenate([labels, xp.reshape(more, (batch, beams * classes, times))], axis=1)

    def _best(self, candidates: list) -> list:
        xp = self.xp
        total = _log_sum(xp, candidates[2], candidates[3])
        order = xp.argsort(-total, axis=1, stable=True)[:, : self.width]
        return [
            xp.take_along_axis(x, xp.reshape(order, order.shape + (1,) * (x.ndim - 2)), axis=1)
            for x in candidates
        ]


# ---- Keras' functions ------------------------------------------------------------------------------------------------


@export("ops.nn.ctc_loss")
def ctc_loss_(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Any:
    """Returns the CTC loss of each sample, (batch,).

    Args:
        target: labels, (batch, labels).
        output: logits, (batch, time, classes).
        target_length, output_length: how many labels and steps of each sample count, (batch,).
        mask_index: the class that stands for no label.
    """
    output = convert_to_tensor(output)
    wide = (
        output if output.dtype.is_floating and output.dtype.size >= 4 else output._astype(as_dtype("float32"))
    )
    lengths = [_lengths(length) for length in (target_length, output_length)]
    return ctc_cost(wide, _lengths(target), *lengths, blank_index=_blank(mask_index, wide))


def _lengths(x: Any) -> Any:
    return convert_to_tensor(x)._astype(as_dtype("int32"))


def _blank(index: int | None, logits: Any) -> int:
    """Returns a class counted from the first; None: the last."""
    classes = logits.shape[-1]
    index = -1 if index is None else int(index)
    if not -classes <= index < classes:
        raise ValueError(
            f"the blank must be one of the {classes} classes, received {index}{at_user_location()}"
        )
    return index % classes


@export("ops.nn.ctc_decode")
def ctc_decode_(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> tuple[Any, Any]:
    """Returns the labels that logits stand for, (paths, batch, time) filled up with -1, and their scores.

    Args:
        inputs: logits, (batch, time, classes).
        sequence_lengths: how many steps of each sample count, (batch,).
        strategy: "greedy": the likeliest class of each step, the score is minus the sum of its logits, (batch, 1);
            "beam_search": the likeliest labels over all alignments, the scores are log chances, (batch, top_paths).
        beam_width, top_paths: of the beam search: how many beginnings it follows, how many results it gives.
        merge_repeated: of "greedy": a class that goes on for several steps counts once.
        mask_index: the class that stands for no label; None: the last.
    """
    inputs, lengths = convert_to_tensor(inputs), _lengths(sequence_lengths)
    inputs = inputs if inputs.dtype.is_floating else inputs._astype(as_dtype(settings.floatx))
    blank = _blank(mask_index, inputs)
    if strategy == "greedy":
        labels, score = ctc_best_path(inputs, lengths, merge_repeated=merge_repeated, blank_index=blank)
        return shapes.expand_dims(labels, axis=0), shapes.expand_dims(score, axis=1)
    if strategy == "beam_search":
        return tuple(
            ctc_beams(inputs, lengths, beam_width=beam_width, top_paths=top_paths, blank_index=blank)
        )
    raise ValueError(f"strategy must be 'greedy' or 'beam_search', received {strategy!r}{at_user_location()}")


def _column(length: Any) -> Any:
    """Returns lengths of shape (batch, 1) as (batch,)."""
    length = _lengths(length)
    return shapes.squeeze(length, axis=-1) if len(length.shape) == 2 else length


@export("K.ctc_batch_cost")
def ctc_batch_cost(y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """Returns the CTC loss of each sample, (batch, 1), of probabilities; the last class is the blank.

    Args:
        y_true: labels, (batch, labels).
        y_pred: probabilities, (batch, time, classes).
        input_length, label_length: how many steps and labels of each sample count, (batch, 1).
    """
    logits = math.log(convert_to_tensor(y_pred) + settings.epsilon)
    costs = ctc_cost(
        logits,
        _lengths(y_true),
        _column(label_length),
        _column(input_length),
        blank_index=_blank(None, logits),
    )
    return shapes.expand_dims(costs, axis=1)


@export("K.ctc_decode")
def ctc_decode_of_probabilities(
    y_pred: Any, input_length: Any, greedy: bool = True, beam_width: int = 100, top_paths: int = 1
) -> tuple[list, Any]:
    """Returns the labels that probabilities stand for, a list of (batch, time) filled up with -1, and their scores.

    Args:
        y_pred: probabilities, (batch, time, classes); the last class is the blank.
        input_length: how many steps of each sample count, (batch,).
        greedy: take the likeliest class of each step; False: a beam search.
        beam_width, top_paths: of the beam search; what repeats in its labels is made one, as in tf_keras.
    """
    logits = math.log(convert_to_tensor(y_pred) + settings.epsilon)
    if greedy:
        labels, scores = ctc_decode_(logits, input_length, mask_index=None)
    else:
        labels, scores = ctc_beams(
            logits,
            _lengths(input_length),
            beam_width=beam_width,
            top_paths=top_paths,
            blank_index=_blank(None, logits),
            merge_repeated=True,
        )
    paths = array.unstack(labels, axis=0)
    return [path._astype(as_dtype("int64")) for path in paths], scores
