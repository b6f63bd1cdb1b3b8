"""String ops that join the strings along an axis, or those of one segment."""

from __future__ import annotations

import itertools
import operator
from typing import Any

import numpy as np

from dovetail.ops.attrs import Axis, Text
from dovetail.ops.families import op
from dovetail.ops.rules import normalized_axis, reduced
from dovetail.ops.strings import STRING, listed, made
from dovetail.ops.views import export

_HOST: dict[str, Any] = {"engine": "host", "differentiable": False, "dtype": lambda *_, **__: STRING}


@op("", **_HOST, shape=lambda shape, axis, keepdims, separator: reduced(shape, axis=axis, keepdims=keepdims))
def reduce_join_(
    xp: Any, inputs: Any, *, axis: Axis = None, keepdims: bool = False, separator: Text = b""
) -> Any:
    """Joins strings along axes, one after the other in their order."""
    rank = inputs.ndim
    axes = tuple(range(rank))[::-1] if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(normalized_axis(each, rank) for each in axes)
    if len(set(axes)) < len(axes):
        raise ValueError(f"an axis is named twice: {axes}")
    rest = [each for each in range(rank) if each not in axes]
    moved = np.transpose(inputs, (*rest, *axes[::-1]))
    shape = moved.shape[: len(rest)]
    width = int(np.prod(moved.shape[len(rest) :], dtype=np.int64))
    values = listed(moved)
    count = int(np.prod(shape, dtype=np.int64))
    joined = (separator.join(values[i * width : (i + 1) * width]) for i in range(count))
    return made(
        joined, tuple(1 if i in axes else n for i, n in enumerate(inputs.shape)) if keepdims else shape
    )


@export("strings.reduce_join")
def reduce_join(
    inputs: Any, axis: Any = None, keepdims: bool = False, separator: Any = "", name: str | None = None
) -> Any:
    """Joins all strings along an axis (along all by default), with `separator` between them.

    Args:
        inputs: strings, dense or ragged.
        axis: an axis or a list of axes, joined one after the other; by default from the last to the first.
        keepdims: keep the axes with size 1.
        separator: goes between the strings.
    """
    return reduce_join_(inputs, axis=axis, keepdims=keepdims, separator=separator)


def glued(separator: bytes, values: list[bytes]) -> bytes:
    """Joins strings as TensorFlow does those of a segment: empty ones in front leave no separator behind."""
    if values and not values[0]:
        values = list(itertools.dropwhile(operator.not_, values))
    return separator.join(values)


@op(
    "",
    **_HOST,
    same_dtype=0,
    shape=lambda inputs, ids, num_segments, separator: (num_segments, *inputs[len(ids) :]),
)
def unsorted_segment_join_(
    xp: Any, inputs: Any, segment_ids: Any, *, num_segments: int, separator: Text = b""
) -> Any:
    """Joins the strings whose ids are equal."""
    rank = segment_ids.ndim
    if inputs.shape[:rank] != segment_ids.shape:
        raise ValueError(
            f"segment_ids must have the shape of the inputs' first axes, received {segment_ids.shape} for "
            f"{inputs.shape}"
        )
    if num_segments < 0:
        raise ValueError(f"num_segments must not be negative, received {num_segments}")
    ids = segment_ids.reshape(-1)
    if ids.size and not (ids.min() >= 0 and ids.max() < num_segments):
        raise ValueError(f"segment_ids must be in [0, {num_segments}), received {ids.min()} to {ids.max()}")
    order = np.argsort(ids, kind="stable")
    bounds: Any = np.searchsorted(ids[order], np.arange(num_segments + 1)).tolist()
    rest = inputs.shape[rank:]
    columns = inputs.reshape(ids.size, int(np.prod(rest, dtype=np.int64)))[order].T  # (rest, ids)
    joined = [
        [glued(separator, column[a:b]) for a, b in itertools.pairwise(bounds)]
        for column in map(listed, columns)
    ]
    values = (joined[column][segment] for segment in range(num_segments) for column in range(len(joined)))
    return made(values, (num_segments, *rest))


@export("strings.unsorted_segment_join")
def unsorted_segment_join(
    inputs: Any, segment_ids: Any, num_segments: Any, separator: Any = "", name: str | None = None
) -> Any:
    """Joins the strings of each segment, in their order.

    As in TensorFlow, empty strings in front of a segment leave no separator behind.

    Args:
        inputs: string tensor.
        segment_ids: integers in [0, num_segments) whose shape begins that of the inputs.
        num_segments: how many strings there are in the result; those without any inputs are empty.
        separator: goes between the strings.

    Example:
        >>> tf.strings.unsorted_segment_join(["a", "b", "c"], [1, 0, 1], 3, ":").numpy().tolist()
        [b'b', b'a:c', b'']
    """
    return unsorted_segment_join_(inputs, segment_ids, num_segments=num_segments, separator=separator)
