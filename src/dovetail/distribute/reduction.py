"""How the values of replicas become one."""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops import array, reduction, shapes
from dovetail.ops.indexed_slices import added
from dovetail.tensor.convert import convert_to_tensor


class ReduceOp(enum.Enum):
    """How values are reduced: their sum or their mean."""

    SUM = "SUM"
    MEAN = "MEAN"

    @staticmethod
    def from_variable_aggregation(aggregation: Any) -> ReduceOp | None:
        """Returns what `tf.VariableAggregation` means, None for none."""
        return {"SUM": ReduceOp.SUM, "MEAN": ReduceOp.MEAN}.get(getattr(aggregation, "name", ""))


def reduce_op(value: Any, where: str) -> ReduceOp:
    """Returns a `ReduceOp` of a name or of itself.

    Raises:
        ValueError: it is neither SUM nor MEAN.
    """
    name = getattr(value, "name", value)
    if isinstance(name, str) and name.upper() in ReduceOp.__members__:
        return ReduceOp[name.upper()]
    raise ValueError(
        f"{where}: reduce_op must be tf.distribute.ReduceOp.SUM or MEAN, received {value!r}{at_user_location()}"
    )


def total(values: Sequence[Any]) -> Any:
    """Returns the sum of tensors or of `tf.IndexedSlices`, in the order of the replicas."""
    return functools.reduce(added, values)


def reduced(op: ReduceOp, values: Sequence[Any]) -> Any:
    """Returns the sum or the mean of tensors of one shape, one a replica."""
    values = list(map(convert_to_tensor, values))
    _check_one_shape(values)
    found = total(values)
    return found if op is ReduceOp.SUM else found / len(values)


def _check_one_shape(values: Sequence[Any]) -> None:
    """Raises where sizes that are known differ: adding would repeat the smaller value."""
    if not all(values[0].shape.is_compatible_with(value.shape) for value in values):
        shapes = ", ".join(f"replica {i} {value.shape}" for i, value in enumerate(values))
        raise ValueError(
            f"values of different shapes cannot be reduced element by element: {shapes}. Reduce along an axis, "
            f"Strategy.reduce(..., axis=0), or gather them{at_user_location()}"
        )


def reduced_along(op: ReduceOp, values: Sequence[Any], axis: Any) -> Any:
    """Returns the sum or the mean of the elements along an axis of all values, which may differ in its size."""
    tensors = [convert_to_tensor(value) for value in values]
    if any(tensor.shape.rank == 0 for tensor in tensors):
        raise ValueError(
            f"a scalar has no axis {axis} to reduce along; pass axis=None to reduce over replicas only"
            f"{at_user_location()}"
        )
    found = total([reduction.reduce_sum(tensor, axis=axis) for tensor in tensors])
    if op is ReduceOp.SUM:
        return found
    axes = axis if isinstance(axis, list | tuple) else [axis]
    counts = []
    for tensor in tensors:
        shape = shapes.shape(tensor)
        count = shape[axes[0]]
        for each in axes[1:]:
            count = count * shape[each]
        counts.append(convert_to_tensor(count))
    return found / total(counts)._astype(found.dtype)


def gathered(values: Sequence[Any], axis: int) -> Any:
    """Returns the values side by side along an axis."""
    tensors = [convert_to_tensor(value) for value in values]
    for tensor in tensors:
        if tensor.shape.rank == 0:
            raise ValueError(f"a scalar has no axis {axis} to gather along{at_user_location()}")
    return array.concat(tensors, axis)
