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
from dovetail.ops.mapping import looped
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
        unroll: write the loop out in compiled code; else it is one loop there, unless it is very short.
        input_length: without effect: the inputs have it.
        time_major: inputs, mask and outputs have the time axis first.
        zero_output_for_mask: outputs are zero where the mask is False.
        return_all_outputs: False returns the last output only, with a time axis of size 1.

    Returns:
        `(last output, outputs, last states)`.
    """
    arguments = (inputs, initial_states, mask, constants)

    def run(inputs: Any, initial_states: Any, mask: Any, constants: Any) -> tuple:
        rows = nest.map_structure(as_tensor if time_major else swapped, inputs)
        masks = None if mask is None else prepared_mask(mask, time_major)
        if go_backwards:
            rows, masks = nest.map_structure(_reversed, (rows, masks))
        loop = _Loop(step_function, masks is not None, list(constants or []), zero_output_for_mask, unroll)
        outputs, last, states = loop.run(rows, masks, initial_states)
        if not return_all_outputs:
            outputs = nest.map_structure(lambda x: shapes.expand_dims(x, axis=0), last)
        return last, outputs if time_major else nest.map_structure(swapped, outputs), states

    if not any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten(arguments)):
        return run(*arguments)
    described = _described(step_function, arguments, time_major, return_all_outputs)
    leaves, structure = nest.flatten_spec(described)
    return symbolic_outputs(Node(FunctionCall(run, "K.rnn"), arguments, {}), leaves, structure)


def swapped(x: Any) -> Any:
    """Exchanges the first two axes: (batch, time, ...) and (time, batch, ...)."""
    x = as_tensor(x)
    return shapes.transpose(x, perm=(1, 0, *range(2, len(x.shape))))


def _reversed(x: Any) -> Any:
    return None if x is None else shapes.reverse(x, axis=(0,))


def prepared_mask(mask: Any, time_major: bool) -> Any:
    """Returns the mask as booleans (time, batch).

    Raises:
        ValueError: it is of another rank.
    """
    mask = as_tensor(mask)
    mask = mask if mask.dtype.is_bool else cast(mask, dtype="bool")
    if len(mask.shape) == 3 and mask.shape[-1] == 1:
        mask = shapes.squeeze(mask, axis=-1)
    if len(mask.shape) != 2:
        raise ValueError(
            f"K.rnn: expected a mask of shape (batch, time), received {mask.shape}{at_user_location()}"
        )
    return mask if time_major else swapped(mask)


class _Loop:
    """A step function over rows (time, batch, ...): one loop in compiled code, step by step in eager code.

    Args:
        step: `f(inputs_at_one_time, states) -> (output, new_states)`.
        masked: whether there is a mask.
        extra: constants, which follow the states.
        zero: outputs are zero where the mask is False, instead of those before.
        unroll: write the loop out.
    """

    def __init__(self, step: Callable, masked: bool, extra: list, zero: bool, unroll: bool) -> None:
        self.step, self.masked, self.extra, self.zero, self.unroll = step, masked, extra, zero, unroll

    def run(self, rows: Any, masks: Any, states: Any) -> tuple:
        """Returns (outputs of all steps, the last output, the last states)."""
        sizes = {leaf.shape[0] for leaf in nest.flatten(rows)}
        if len(sizes) != 1:
            raise ValueError(
                f"K.rnn: the inputs need one number of times, received {sorted(sizes)}{at_user_location()}"
            )
        if not sizes.pop():
            return self._nothing(rows, states)
        # The first step stands outside of the loop: only it can tell what the outputs are like.
        states, held = self._advance((states, None), (_at(rows, 0), _at(masks, 0)))
        first = nest.map_structure(lambda x: shapes.expand_dims(x, axis=0), held)
        rest = nest.map_structure(lambda x: None if x is None else x[1:], (rows, masks))
        if nest.flatten(rest[0])[0].shape[0] == 0:
            return first, held, states
        states, held, outputs = self._remaining(states, held, rest)
        return nest.map_structure(lambda a, b: array.concat([a, b], axis=0), first, outputs), held, states

    def _remaining(self, states: Any, held: Any, rest: Any) -> tuple:
        elems = rest if self.masked else rest[0]

        def one(carry: Any, row: Any) -> tuple:
            carry = self._advance(carry, row if self.masked else (row, None))
            return carry, carry[1]

        found = None if self.unroll else looped(one, (states, held), elems)
        if found is not None:
            (states, held), outputs = found
            return states, held, outputs
        columns = [array.unstack(leaf) for leaf in nest.flatten(elems)]
        every = []
        for leaves in zip(*columns, strict=True):
            (states, held), output = one((states, held), nest.pack_sequence_as(elems, list(leaves)))
            every.append(output)
        return states, held, nest.map_structure(array.stack, *every)

    def _advance(self, carry: Any, row: Any) -> tuple:
        """Returns the states and the output after one step."""
        (states, held), (inputs, seen) = carry, row
        output, new_states = self.step(inputs, _joined(states, self.extra))
        output = nest.map_structure(as_tensor, output)
        if seen is None:
            return new_states, output
        if held is None or self.zero:
            held = nest.map_structure(create.zeros_like, output)
        output = nest.map_structure(lambda new, old: _chosen(seen, new, old), output, held)
        flat = zip(nest.flatten(new_states), nest.flatten(states), strict=True)
        return nest.pack_sequence_as(
            new_states, [_chosen(seen, as_tensor(a), as_tensor(b)) for a, b in flat]
        ), output

    def _nothing(self, rows: Any, states: Any) -> tuple:
        """Returns what no steps give: no outputs, zeros as the last one, and the states as they are."""
        blank = nest.map_structure(lambda x: create.zeros(x.shape[1:], x.dtype), rows)
        output, _ = self.step(blank, _joined(states, self.extra))
        last = nest.map_structure(create.zeros_like, output)
        return nest.map_structure(lambda x: create.zeros((0, *x.shape), x.dtype), last), last, states


def _at(structure: Any, time: int) -> Any:
    return nest.map_structure(lambda x: None if x is None else x[time], structure)


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
