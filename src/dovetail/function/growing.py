"""Loops of compiled programs in which a `tf.TensorArray` grows.

XLA wants the array's size.  Most loops tell it: how often they run, and where they write, depends on numbers that are
known when the program is traced.  That part of the loop is run then, by itself; the loop gets buffers of the sizes that
come out.  Where it depends on values (a write in a branch on one, a trip count that is computed), the function runs op
by op.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.base.settings import state
from dovetail.engine import is_tracer, loops
from dovetail.function.lifting import BranchScope
from dovetail.function.recorded import after_step
from dovetail.ops.growing_array import GrowingArray, RowShapeFoundError
from dovetail.ops.tensor_array import TensorArray
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import enter_scope


def is_growing(value: Any) -> bool:
    """True for a `tf.TensorArray` that a loop must make room for."""
    if isinstance(value, GrowingArray):
        return not value.reserved
    return isinstance(value, TensorArray) and value.dynamic_size


def any_growing(loop_vars: Any) -> bool:
    return any(map(is_growing, nest.flatten(loop_vars)))


def grows(why: str) -> DataDependentShapeError:
    """Returns the error for an array whose size cannot be known while the program is traced."""
    return DataDependentShapeError(
        "while_loop", f"a tf.TensorArray grows in a loop, {why}{at_user_location()}"
    )


def with_arrays_grown(loop: Callable, cond: Callable, body: Callable, loop_vars: Any, limit: Any) -> Any:
    """Returns the loop variables after a loop in which arrays grow.

    Args:
        loop: `loop(cond, body, loop_vars, limit)` runs a loop whose variables keep their shapes.
        cond, body, loop_vars, limit: see `tf.while_loop`.

    Raises:
        DataDependentShapeError: how large they become depends on values.
    """
    given = nest.flatten(loop_vars)
    ours = [i for i, leaf in enumerate(given) if is_growing(leaf)]
    flat = [GrowingArray.of(leaf, True) if is_growing(leaf) else leaf for leaf in given]

    def step(*variables: Any) -> Any:
        result = body(*variables)
        after = nest.flatten(result)
        if len(after) == len(flat) and any(type(after[i]) is not GrowingArray for i in ours):
            raise grows("in which it is replaced by another")
        return result

    while True:
        try:
            sizes = _final_sizes(cond, step, nest.pack_sequence_as(loop_vars, flat), limit, flat, ours)
            break
        except RowShapeFoundError as found:
            flat = [
                leaf.with_room(1, found.shape) if getattr(leaf, "_room", None) is found.room else leaf
                for leaf in flat
            ]
    for i in ours:
        flat[i] = flat[i].with_room(sizes[i])
    result = loop(cond, step, nest.pack_sequence_as(loop_vars, flat), limit)
    after = nest.flatten(result)
    for i in ours:
        sized = after[i].sized(sizes[i])
        after[i] = sized if isinstance(given[i], GrowingArray) else sized.grown()
    return nest.pack_sequence_as(loop_vars, after)


def record_with_arrays(record: Callable, loop_vars: Any) -> Any:
    """Records a loop; arrays that grow in it are plain again after it.

    Args:
        record: `record(loop_vars) -> the loop variables after the loop`.
        loop_vars: see `tf.while_loop`.
    """
    given = nest.flatten(loop_vars)
    # What a loop around this one lets grow has room when it runs.
    flat = [
        GrowingArray.of(leaf, type(leaf) is GrowingArray)
        if isinstance(leaf, GrowingArray) or is_growing(leaf)
        else leaf
        for leaf in given
    ]
    after = nest.flatten(record(nest.pack_sequence_as(loop_vars, flat)))
    return nest.pack_sequence_as(
        loop_vars,
        [
            new.grown() if is_growing(old) and type(old) is not GrowingArray else new
            for old, new in zip(given, after, strict=True)
        ],
    )


def _final_sizes(
    cond: Callable, body: Callable, loop_vars: Any, limit: Any, flat: list, ours: list[int]
) -> dict[int, int]:
    """Returns how many rows the arrays have after the loop, by running what that depends on."""
    leaves, spec = nest.flatten_spec(loop_vars)
    places, place = {}, 0
    for i, leaf in enumerate(flat):
        if i in ours:
            places[i] = place + 1  # the buffer, then the size
        place += len(nest.flat(leaf))
    buffers = {at - 1 for at in places.values()}

    def once(*carry: Any) -> list:
        variables = nest.unflatten(spec, [Tensor(value) for value in carry[:-1]])
        flag = convert_to_tensor(cond(*variables))._value.reshape(())
        if limit is not None:
            flag = flag & (carry[-1] < limit._value)
        after = after_step(body, variables)
        return [flag, *(tensor._value for tensor in after), carry[-1] + np.int32(1)]

    values = [*(leaf._value for leaf in leaves), np.int32(0)]
    known = [i not in buffers and not is_tracer(value) for i, value in enumerate(values)]
    tapes, state.tapes = state.tapes, ()
    try:
        with enter_scope(BranchScope(state.scope)):
            found = loops().known_end(once, values, known, list(places.values()))
    finally:
        state.tapes = tapes
    if found is None:
        raise grows("to a size that depends on values")
    return {i: int(size) for i, size in zip(places, found, strict=True)}
