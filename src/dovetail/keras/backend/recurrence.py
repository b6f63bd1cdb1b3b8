"""`K.rnn`: a step function run over the time axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.node import FunctionCall, Node
from dovetail.graph.record import symbolic_outputs
from dovetail.ops import array, create, indexing, shapes
from dovetail.ops.arithmetic import cast
from dovetail.ops.shapes import as_tensor
from dovetail.tensor.symbolic import SymbolicTensor


def rnn(
    step_function: Callable,
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, Any]:
    """Runs a step function over the time axis.

    Args:
        step_function: `f(inputs_at_one_time, states) -> (output, new_states)`; the constants follow the states.
        inputs: tensor (batch, time, ...), or a structure of such.
        initial_states: structure of tensors (batch, ...).
        go_backwards: begin at the last time; outputs are in the order in which they were computed.
        mask: booleans (batch, time); where False, states stay and the output repeats the one before (zeros at first).
        constants: list of tensors given to each step.
        unroll, input_length: hints, without effect on results: the loop is written out in compiled code always.
        time_major: inputs, mask and outputs have the time axis first.
        zero_output_for_mask: outputs are zero where the mask is False.
        return_all_outputs: False returns the last output only, with a time axis of size 1.

    Returns:
        `(last output, outputs, last states)`.
    """
    tensors = nest.flatten((inputs, initial_states, mask, constants))
    arguments = (inputs, initial_states, mask, constants)

    def run(inputs: Any, initial_states: Any, mask: Any, constants: Any) -> tuple:
        moved = inputs if time_major else nest.map_structure(_swapped, inputs)
        steps = [array.unstack(as_tensor(leaf)) for leaf in nest.flatten(moved)]
        if len({len(column) for column in steps}) != 1 or not steps[0]:
            raise ValueError(f"K.rnn: the inputs need one number of times, at least 1{at_user_location()}")
        masks = None if mask is None else array.unstack(_prepared_mask(mask, time_major))
        rows = [nest.pack_sequence_as(inputs, list(row)) for row in zip(*steps, strict=True)]
        if go_backwards:
            rows, masks = rows[::-1], None if masks is None else masks[::-1]
        last, outputs, states = _loop(
            step_function, rows, masks, initial_states, constants, zero_output_for_mask
        )
        kept = outputs if return_all_outputs else [last]
        stacked = nest.map_structure(array.stack, *kept)
        return last, stacked if time_major else nest.map_structure(_swapped, stacked), states

    if not any(isinstance(leaf, SymbolicTensor) for leaf in tensors):
        return run(*arguments)
    described = _described(step_function, arguments, time_major, return_all_outputs)
    leaves, structure = nest.flatten_spec(described)
    return symbolic_outputs(Node(FunctionCall(run, "K.rnn"), arguments, {}), leaves, structure)


def _swapped(x: Any) -> Any:
    """Exchanges the first two axes: (batch, time, ...) and (time, batch, ...)."""
    x = as_tensor(x)
    return shapes.transpose(x, perm=(1, 0, *range(2, len(x.shape))))


def _prepared_mask(mask: Any, time_major: bool) -> Any:
    """Returns the mask as booleans (time, batch)."""
    mask = as_tensor(mask)
    mask = mask if mask.dtype.is_bool else cast(mask, dtype="bool")
    if len(mask.shape) == 3 and mask.shape[-1] == 1:
        mask = shapes.squeeze(mask, axis=-1)
    if len(mask.shape) != 2:
        raise ValueError(
            f"K.rnn: expected a mask of shape (batch, time), received {mask.shape}{at_user_location()}"
        )
    return mask if time_major else _swapped(mask)


def _loop(step: Callable, rows: list, masks: Any, states: Any, constants: Any, zero: bool) -> tuple:
    extra = list(constants) if constants else []
    outputs: list[Any] = []
    held: Any = None
    for time, row in enumerate(rows):
        output, new_states = step(row, _joined(states, extra))
        if masks is None:
            states = new_states
        else:
            seen = masks[time]
            blank = nest.map_structure(create.zeros_like, output)
            held = blank if held is None or zero else held
            output = nest.map_structure(lambda new, old, seen=seen: _chosen(seen, new, old), output, held)
            flat = zip(nest.flatten(new_states), nest.flatten(states), strict=True)
            states = nest.pack_sequence_as(new_states, [_chosen(seen, new, old) for new, old in flat])
        held = output
        outputs.append(output)
    return outputs[-1], outputs, states


def _joined(states: Any, extra: list) -> Any:
    if not extra:
        return states
    return [*states, *extra] if isinstance(states, list) else (*states, *extra)


def _chosen(seen: Any, new: Any, old: Any) -> Any:
    """Returns `new` for the examples whose mask is True, `old` for the others."""
    for _ in range(len(new.shape) - 1):
        seen = shapes.expand_dims(seen, axis=-1)
    return indexing.where(seen, new, old)


def _described(step: Callable, arguments: tuple, time_major: bool, return_all: bool) -> tuple:
    """Returns symbolic tensors of the shapes of the results, from one step."""
    inputs, states, _, constants = arguments
    axis = 0 if time_major else 1
    first = nest.map_structure(lambda x: _at_first(as_tensor(x), axis), inputs)
    output, new_states = step(first, _joined(states, list(constants) if constants else []))
    times = as_tensor(nest.flatten(inputs)[0]).shape[axis] if return_all else 1

    def with_time(x: Any) -> SymbolicTensor:
        sizes = list(x.shape)
        sizes.insert(axis, times)
        return SymbolicTensor(sizes, x.dtype)

    return output, nest.map_structure(with_time, output), new_states


def _at_first(x: Any, axis: int) -> Any:
    return x[0] if axis == 0 else x[:, 0]
