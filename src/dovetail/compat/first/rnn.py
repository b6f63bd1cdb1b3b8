"""`tf.compat.v1.nn.dynamic_rnn` and its kin: cells over sequences."""

from __future__ import annotations

from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.scopes import AUTO_REUSE, get_variable_scope, variable_scope


def _initial(cell: Any, example: Any, state: Any, dtype: Any, caller: str) -> Any:
    """Returns the state that a cell begins with.

    Args:
        example: what goes into the first step, of shape (batch, ...).

    Raises:
        ValueError: there is neither a state nor a dtype of one.
    """
    if state is not None:
        return tf.nest.map_structure(tf.convert_to_tensor, state)
    if dtype is None:
        raise ValueError(f"{caller}: without initial_state, pass dtype{at_user_location()}")
    size = example.shape[0] if example.shape[0] is not None else tf.shape(example)[0]
    return cell.zero_state(size, dtype)


def _chosen(going: Any, new: Any, old: Any) -> Any:
    """Returns the new value where a sequence still goes on, rows of (batch, ...), else the old one."""
    flags = tf.reshape(going, [-1] + [1] * (len(new.shape) - 1))
    return tf.where(flags, new, old)


def _step(cell: Any, inputs: Any, state: Any, time: Any, lengths: Any) -> tuple[Any, Any]:
    """Returns the output and the state of one step: zeros, and the state as it was, behind the end of a sequence."""
    output, new = cell(inputs, state)
    if lengths is None:
        return output, new
    going = time < lengths
    output = tf.nest.map_structure(lambda x: _chosen(going, x, tf.zeros_like(x)), output)
    return output, tf.nest.map_structure(lambda a, b: _chosen(going, a, b), new, state)


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
    with variable_scope(scope or "rnn"):
        elements = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        if not time_major:
            elements = tf.nest.map_structure(_swapped, elements)
        first = tf.nest.map_structure(lambda x: x[0], elements)
        example = tf.nest.flatten(first)[0]
        state = _initial(cell, example, initial_state, dtype, "dynamic_rnn")
        lengths = None if sequence_length is None else tf.cast(sequence_length, "int32")
        # The variables are made before the loop, whose graph they do not belong to.
        shown, _ = cell(first, state)
        with variable_scope(get_variable_scope(), reuse=AUTO_REUSE):
            zeros = tf.nest.map_structure(tf.zeros_like, shown)
            steps = tf.range(tf.shape(tf.nest.flatten(elements)[0])[0])

            def step(before: tuple, now: tuple) -> tuple:
                return _step(cell, now[1], before[1], now[0], lengths)

            outputs, states = tf.scan(step, (steps, elements), initializer=(zeros, state))
        last = tf.nest.map_structure(lambda x: x[-1], states)
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
    with variable_scope(scope or "rnn"):
        elements = [tf.nest.map_structure(tf.convert_to_tensor, one) for one in inputs]
        state = _initial(cell, tf.nest.flatten(elements[0])[0], initial_state, dtype, "static_rnn")
        lengths = None if sequence_length is None else tf.cast(sequence_length, "int32")
        outputs = []
        for time, one in enumerate(elements):
            if time == 1:
                get_variable_scope().reuse_variables()
            output, state = _step(cell, one, state, time, lengths)
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
