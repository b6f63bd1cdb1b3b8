"""`tf.map_fn`, `tf.scan` and the folds inside compiled code: one traced step, repeated by XLA.

Without it the step would be written out once an element: a map over 500 elements takes half a minute to compile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError
from dovetail.engine import loops
from dovetail.function.autograph.gate import converted
from dovetail.function.lifting import Lifted
from dovetail.ops.mapping import use_gate, use_loop
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor


def scan_loop(step: Callable, initial: Any, elems: Any, backwards: bool) -> tuple[Any, Any]:
    """Runs `state, output = step(state, element)` over the first axis.

    Args:
        step: is traced once; it may read and assign variables.
        initial: structure of tensors, the first state.
        elems: structure of tensors with one first size.
        backwards: begin with the last element.

    Returns:
        The last state, and the outputs, each with a new first axis in the order of the elements.

    Raises:
        DataDependentShapeError: the state changes its shape or dtype, or a shape depends on values; written out it may
            still work.
    """
    states, state_spec = nest.flatten_spec(initial)
    columns, row_spec = nest.flatten_spec(elems)
    states, columns = [convert_to_tensor(x) for x in states], [convert_to_tensor(x) for x in columns]
    num, spec = len(states), None

    def build(writes: list) -> list:
        def one(carry: list, row: list) -> tuple[list, list]:
            nonlocal spec
            before = nest.unflatten(state_spec, [Tensor(value) for value in carry[:num]])
            element = nest.unflatten(row_spec, [Tensor(value) for value in row])
            (state, output), after = lifted.branch(lambda: step(before, element), writes, carry[num:])
            new = nest.flat(state)
            _check_same(states, new)
            outputs, spec = nest.flatten_spec(output)
            return [*(t._value for t in new), *after], [tensor._value for tensor in outputs]

        init = [*(t._value for t in states), *(v._plain()._value for v in writes)]
        last, outputs = loops().scan(one, init, [t._value for t in columns], backwards)
        return [*last[:num], *outputs, *last[num:]]

    lifted = Lifted(build)
    results = lifted.run(extra=[*states, *columns])
    return nest.unflatten(state_spec, results[:num]), nest.unflatten(spec, results[num:])


def _check_same(before: list, after: list) -> None:
    kinds = [[(tensor.dtype, tuple(tensor.shape)) for tensor in tensors] for tensors in (before, after)]
    if kinds[0] != kinds[1]:
        raise DataDependentShapeError("scan", f"the state changes from {kinds[0]} to {kinds[1]}")


use_loop(scan_loop)
use_gate(converted)
