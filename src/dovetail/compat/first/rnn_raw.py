"""`tf.compat.v1.nn.raw_rnn`: a cell in a loop that a program's function steers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.rnn_cells import require_cell
from dovetail.compat.first.scopes import AUTO_REUSE, get_variable_scope, variable_scope


def raw_rnn(
    cell: Any,
    loop_fn: Callable,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Runs a cell until a function says that all sequences have ended.

    Args:
        cell: an `RNNCell`.
        loop_fn: `loop_fn(time, cell_output, cell_state, loop_state)` returns `(finished, next_input, next_cell_state,
            emit_output, next_loop_state)`: booleans of shape (batch,), what the cell gets next and its state then,
            what is kept of this step, and anything that is handed on.  It is called first with `(0, None, None, None)`
            and returns as `emit_output` what one row of a step looks like; None: like an output of the cell.
        parallel_iterations, swap_memory: accepted for TensorFlow's sake.
        scope: of the variables, "rnn" when None.

    Returns:
        `(emitted, last state, last loop_state)`: `emitted` is a `tf.TensorArray` of (batch, ...) a step, or a structure
        of such.  Rows whose sequence has ended emit zeros and keep their state.

    Raises:
        TypeError: `loop_fn` cannot be called.
    """
    require_cell(cell)
    if not callable(loop_fn):
        raise TypeError(
            f"raw_rnn: loop_fn must be a function of (time, cell_output, cell_state, loop_state), received "
            f"{loop_fn!r:.60}{at_user_location()}"
        )
    with variable_scope(scope or "rnn"):
        time = tf.constant(0, "int32")
        finished, following, state, shown, handed = loop_fn(time, None, None, None)
        run = _Loop(cell, loop_fn, following, state, shown, has_handed=handed is not None)
        handed = tf.constant(0, "int32") if handed is None else handed
        start = (time, tf.convert_to_tensor(finished), following, run.emitted(), state, handed)
        _, _, _, emitted, state, handed = tf.while_loop(run.goes_on, run.step, start)
        return emitted, state, handed if run.has_handed else None


class _Loop:
    """What `raw_rnn` does in each step.

    Args:
        cell, loop_fn: as given.
        following, state, shown: what the first call of `loop_fn` has returned: an input, a state, and how rows look.
        has_handed: it has returned a `loop_state`.
    """

    def __init__(
        self, cell: Any, loop_fn: Callable, following: Any, state: Any, shown: Any, has_handed: bool
    ) -> None:
        self._cell, self._loop_fn, self.has_handed = cell, loop_fn, has_handed
        example = tf.convert_to_tensor(tf.nest.flatten(following)[0])
        self._known = example.shape[0]
        self._batch = tf.shape(example)[0] if self._known is None else self._known
        kind = tf.nest.flatten(state)[0].dtype
        if shown is None:
            self._rows = tf.nest.map_structure(
                lambda sizes: tf.zeros(tf.TensorShape(sizes), kind), cell.output_size
            )
        else:
            self._rows = tf.nest.map_structure(tf.convert_to_tensor, shown)
        self._around = get_variable_scope()
        self._traced = False

    def emitted(self) -> Any:
        """Returns where the emitted rows go: empty arrays."""
        return tf.nest.map_structure(
            lambda row: tf.TensorArray(
                row.dtype, 0, dynamic_size=True, element_shape=[self._known, *row.shape]
            ),
            self._rows,
        )

    def goes_on(self, time: Any, finished: Any, *rest: Any) -> Any:
        return tf.logical_not(tf.reduce_all(finished))

    def step(self, time: Any, finished: Any, following: Any, emitted: Any, state: Any, handed: Any) -> tuple:
        # Where the loop is looked at again, its variables are there.
        with variable_scope(self._around, reuse=AUTO_REUSE if self._traced else None):
            self._traced = True
            output, new = self._cell(following, state)
            ended, following, new, shown, next_handed = self._loop_fn(
                time + 1, output, new, handed if self.has_handed else None
            )
        shown = output if shown is None else shown
        zeros = tf.nest.map_structure(self._zeros, self._rows)
        shown = _moved_on(finished, zeros, shown)
        state = _moved_on(finished, state, new)
        emitted = tf.nest.map_structure(lambda array, x: array.write(time, x), emitted, shown)
        next_handed = handed if next_handed is None else next_handed
        return time + 1, tf.logical_or(finished, ended), following, emitted, state, next_handed

    def _zeros(self, row: Any) -> Any:
        return tf.zeros([self._batch, *tf.unstack(tf.shape(row))], row.dtype)


def _moved_on(finished: Any, old: Any, new: Any) -> Any:
    """Returns new tensors, the old ones in rows that have ended; numbers and arrays, which have no rows, are new."""

    def chosen(old: Any, new: Any) -> Any:
        if isinstance(old, tf.TensorArray):
            return new
        new = tf.convert_to_tensor(new)
        rank = old.shape.rank if new.shape.rank is None else new.shape.rank
        if rank == 0:
            return new
        return tf.where(tf.reshape(finished, [-1] + [1] * (rank - 1)), old, new)

    return tf.nest.map_structure(chosen, old, new)
