"""`tf.edit_distance`: how many insertions, deletions and replacements lead from one sequence to another.

Source: V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.core import Op
from dovetail.ops.sparse.tensor import SparseTensor, SparseTensorValue
from dovetail.ops.views import export

_FLOAT32 = np.dtype(np.float32)


def _distance(first: list, second: list) -> int:
    """Returns the number of edits, row by row of the table of all prefixes."""
    above = list(range(len(second) + 1))
    for i, item in enumerate(first, 1):
        row = [i]
        for j, other in enumerate(second, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (item != other)))
        above = row
    return above[-1]


def _sequences(indices: Any, values: Any) -> dict[tuple, list]:
    """Returns the sequences that have elements, by their places."""
    found: dict[tuple, list] = {}
    for place, value in zip(indices.tolist(), values.tolist(), strict=True):
        found.setdefault(tuple(place[:-1]), []).append(value)
    return found


def _measured(hypothesis: list, truth: list, normalize: bool) -> float:
    if not normalize:
        return _distance(hypothesis, truth)
    return _distance(hypothesis, truth) / len(truth) if truth else np.inf


def _distances(xp: Any, *parts: Any, normalize: bool) -> Any:
    (indices, values, sizes), (true_indices, true_values, true_sizes) = parts[:3], parts[3:]
    if len(sizes) != len(true_sizes) or len(sizes) < 2:
        raise ValueError(
            f"hypothesis and truth must have the same rank, at least 2, received the shapes {tuple(sizes.tolist())} "
            f"and {tuple(true_sizes.tolist())}"
        )
    said, true = _sequences(indices, values), _sequences(true_indices, true_values)
    out = np.zeros(tuple(np.maximum(sizes, true_sizes)[:-1].tolist()), _FLOAT32)
    for place in {*said, *true}:
        out[place] = _measured(said.get(place, []), true.get(place, []), normalize)
    return out


_edit_distance = Op(
    "edit_distance",
    _distances,
    engine="host",
    same_dtype=0,
    differentiable=False,
    shape=lambda indices, *_, normalize: (None,) * (indices[1] - 1),
    dtype=lambda *_, **__: _FLOAT32,
)


@export("edit_distance")
def edit_distance(
    hypothesis: Any, truth: Any, normalize: bool = True, name: str | None = "edit_distance"
) -> Any:
    """Returns the number of edits that make each sequence of `hypothesis` that of `truth`.

    Args:
        hypothesis, truth: sparse tensors of one rank and dtype, whose last axis holds sequences.
        normalize: divide by the length of the true sequence: infinity where that is empty and the other is not.

    Returns:
        float32, of the shape before the last axis.

    Raises:
        TypeError: one is not sparse, or the dtypes differ.
        InvalidArgumentError: the ranks differ.

    Example:
        >>> said = tf.sparse.from_dense([["a", "b"], ["c", ""]])
        >>> true = tf.sparse.from_dense([["a", "c"], ["c", "d"]])
        >>> tf.edit_distance(said, true).numpy().tolist()
        [0.5, 0.5]
    """
    parts = []
    for role, given in (("hypothesis", hypothesis), ("truth", truth)):
        sparse = SparseTensor.from_value(given) if isinstance(given, SparseTensorValue) else given
        if not isinstance(sparse, SparseTensor):
            raise TypeError(
                f"tf.edit_distance: {role} must be a SparseTensor, received {type(given).__name__}; use "
                f"tf.sparse.from_dense{at_user_location()}"
            )
        parts += [sparse.indices, sparse.values, sparse.dense_shape]
    if parts[1].dtype != parts[4].dtype:
        raise TypeError(
            f"tf.edit_distance: hypothesis and truth must have one dtype, received {parts[1].dtype.name} and "
            f"{parts[4].dtype.name}{at_user_location()}"
        )
    return _edit_distance(*parts, normalize=bool(normalize))
