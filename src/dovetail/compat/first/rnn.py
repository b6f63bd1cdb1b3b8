"""`tf.compat.v1.nn.dynamic_rnn` and its kin: cells over sequences."""

from __future__ import annotations

from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.rnn_cells import RNNCell, require_cell
from dovetail.compat.first.scopes import AUTO_REUSE, get_variable_scope, variable_scope, writes_graph
from dovetail.graph.by_hand import written_graph


def _initial(cell: Any, example: Any, batch_axis: int, state: Any, dtype: Any, caller: str) -> Any:
    """Returns the state that a cell begins with.

    Args:
        example: what goes in, with the batch along `batch_axis`.

    Raises:
        ValueError: there is neither a state nor a dtype of one.
    """
    if state is not None:
        return tf.nest.map_structure(tf.convert_to_tensor, state)
    if dtype is None:
        raise ValueError(f"{caller}: without initial_state, pass dtype{at_user_location()}")
    size = example.shape[batch_axis]
    return cell.zero_state(tf.shape(example)[batch_axis] if size is None else size, dtype)


def _lengths(given: Any, example: Any, batch_axis: int, caller: str) -> Any:
    """Returns how long each sequence is, int32 of shape (batch,); None for all of it.

    Raises:
        ValueError: there is not one for each row, as far as that is known.
    """
    if given is None:
        return None
    lengths = tf.cast(given, "int32")
    if lengths.shape.rank not in (None, 1):
        raise ValueError(
            f"{caller}: sequence_length must be a vector, one for each row of the batch, received shape {lengths.shape}"
            f"{at_user_location()}"
        )
    rows = example.shape[batch_axis : batch_axis + 1]
    if not lengths.shape.is_compatible_with(rows):
        raise ValueError(
            f"{caller}: sequence_length must have one entry for each row of the batch, {rows}, received shape "
            f"{lengths.shape}{at_user_location()}"
        )
    return lengths


def _chosen(time: Any, lengths: Any, longest: Any, new: Any, old: Any) -> Any:
    """Returns the new value where a sequence still goes on, rows of (batch, ...), else the old one.

    A number, which is of no row, goes on as long as the longest sequence.
    """
    rank = old.shape.rank if new.shape.rank is None else new.shape.rank
    if rank == 0:
        return tf.where(time < longest, new, old)
    return tf.where(tf.reshape(time < lengths, [-1] + [1] * (rank - 1)), new, old)


def _step(cell: Any, inputs: Any, state: Any, time: Any, lengths: Any, longest: Any) -> tuple[Any, Any]:
    """Returns the output and the state of one step: zeros, and the state as it was, behind the end of a sequence."""
    output, new = cell(inputs, state)
    if lengths is None:
        return output, new

    def chosen(new: Any, old: Any) -> Any:
        return _chosen(time, lengths, longest, new, old)

    output = tf.nest.map_structure(lambda x: chosen(x, tf.zeros_like(x)), output)
    return output, tf.nest.map_structure(chosen, new, state)


def _zero_output(cell: Any, example: Any, state: Any, dtype: Any) -> Any:
    """Returns zeros like an output of a cell, for inputs like an example of shape (time, batch, ...)."""
    size = example.shape[1] if example.shape[1] is not None else tf.shape(example)[1]
    kinds = [part.dtype for part in tf.nest.flatten(state) if part.dtype.is_floating]
    kind = dtype or (kinds[0] if kinds else example.dtype)
    return tf.nest.map_structure(
        lambda sizes: tf.zeros([size, *tf.TensorShape(sizes).as_list()], kind), cell.output_size
    )


def _first_output(cell: Any, elements: Any, state: Any) -> Any:
    """Returns zeros like the first output of a cell, which is called for it."""
    shown, _ = cell(tf.nest.map_structure(lambda x: x[0], elements), state)
    return tf.nest.map_structure(tf.zeros_like, shown)


def _last(states: Any, first: Any) -> Any:
    """Returns the last of the states along the first axis, the one before the first step where there is none."""
    if states.shape[0]:
        return states[-1]
    return tf.concat([first[None], states], 0)[-1]


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Returns the outputs of a cell over sequences, and its last state.

    Args:
        cell: an `RNNCell`.
        inputs: (batch, time, ...); (time, batch, ...) where `time_major`; or a nested structure of such.
        sequence_length: (batch,), how long each is: what is behind gives zeros, and leaves the state.
        initial_state: zeros when None, of `dtype`.
        parallel_iterations, swap_memory: accepted for TensorFlow's sake.
        scope: of the variables, "rnn" when None.
    """
    require_cell(cell)
    with variable_scope(scope or "rnn"):
        elements = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        for one in tf.nest.flatten(elements):
            if one.shape.rank is not None and one.shape.rank < 3:
                raise ValueError(
                    f"dynamic_rnn: inputs must have rank 3 or more, received shape {one.shape}{at_user_location()}"
                )
        if not time_major:
            elements = tf.nest.map_structure(_swapped, elements)
        example = tf.nest.flatten(elements)[0]
        state = _initial(cell, example, 1, initial_state, dtype, "dynamic_rnn")
        lengths = _lengths(sequence_length, example, 1, "dynamic_rnn")
        longest = None if lengths is None else tf.maximum(1, tf.reduce_max(lengths))
        around = get_variable_scope()
        traced: list[bool] = []  # one for each time that the cell was called
        if isinstance(cell, RNNCell) and writes_graph(written_graph()):
            zeros = _zero_output(cell, example, state, dtype)
        else:  # such make their variables when they are called first, which must not be in the loop
            zeros = _first_output(cell, elements, state)
            traced.append(True)

        def step(before: tuple, now: tuple) -> tuple:
            # Where the loop is looked at again, its variables are there.
            with variable_scope(around, reuse=AUTO_REUSE if traced else None):
                traced.append(True)
                return _step(cell, now[1], before[1], now[0], lengths, longest)

        steps = tf.range(tf.shape(example)[0])
        outputs, states = tf.scan(step, (steps, elements), initializer=(zeros, state))
        last = tf.nest.map_structure(_last, states, state)
        return (outputs if time_major else tf.nest.map_structure(_swapped, outputs)), last


def _swapped(x: Any) -> Any:
    """Exchanges the first two axes."""
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])


def static_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list, Any]:
    """Returns the outputs of a cell for a list of inputs, one a step, and its last state.

    Args:
        inputs: list of (batch, ...).
        initial_state, dtype, sequence_length, scope: see `dynamic_rnn`.
    """
    if not isinstance(inputs, list | tuple) or not inputs:
        raise ValueError(
            f"static_rnn: expected a list of tensors, received {inputs!r:.60}{at_user_location()}"
        )
    require_cell(cell)
    with variable_scope(scope or "rnn"):
        elements = [tf.nest.map_structure(tf.convert_to_tensor, one) for one in inputs]
        example = tf.nest.flatten(elements[0])[0]
        state = _initial(cell, example, 0, initial_state, dtype, "static_rnn")
        lengths = _lengths(sequence_length, example, 0, "static_rnn")
        longest = None if lengths is None else tf.reduce_max(lengths)
        outputs = []
        for time, one in enumerate(elements):
            if time == 1:
                get_variable_scope().reuse_variables()
            output, state = _step(cell, one, state, time, lengths, longest)
            outputs.append(output)
    return outputs, state


def _reversed(x: Any, lengths: Any, time_axis: int) -> Any:
    if lengths is None:
        return tf.reverse(x, [time_axis])
    return tf.reverse_sequence(x, lengths, seq_axis=time_axis, batch_axis=1 - time_axis)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[tuple, tuple]:
    """Returns `((outputs forward, outputs backward), (last state forward, last state backward))`: see `dynamic_rnn`."""
    axis = 0 if time_major else 1
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward:
            out_fw, state_fw = dynamic_rnn(
                cell_fw,
                inputs,
                sequence_length,
                initial_state_fw,
                dtype,
                time_major=time_major,
                scope=forward,
            )
        with variable_scope("bw") as backward:
            turned = tf.nest.map_structure(lambda x: _reversed(x, sequence_length, axis), inputs)
            out, state_bw = dynamic_rnn(
                cell_bw,
                turned,
                sequence_length,
                initial_state_bw,
                dtype,
                time_major=time_major,
                scope=backward,
            )
        out_bw = tf.nest.map_structure(lambda x: _reversed(x, sequence_length, axis), out)
    return (out_fw, out_bw), (state_fw, state_bw)


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> tuple[list, Any, Any]:
    """Returns the outputs of both directions side by side, one a step, and both last states: see `static_rnn`."""
    if sequence_length is not None:
        turned = tf.unstack(_reversed(tf.stack(inputs), sequence_length, 0))
    else:
        turned = list(reversed(inputs))
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as forward:
            out_fw, state_fw = static_rnn(cell_fw, inputs, initial_state_fw, dtype, sequence_length, forward)
        with variable_scope("bw") as backward:
            out, state_bw = static_rnn(cell_bw, turned, initial_state_bw, dtype, sequence_length, backward)
    if sequence_length is not None:
        out = tf.unstack(_reversed(tf.stack(out), sequence_length, 0))
    else:
        out = list(reversed(out))
    return [tf.concat(pair, 1) for pair in zip(out_fw, out, strict=True)], state_fw, state_bw


NAMES: dict[str, Any] = {
    f.__name__: f for f in (bidirectional_dynamic_rnn, dynamic_rnn, static_bidirectional_rnn, static_rnn)
}
