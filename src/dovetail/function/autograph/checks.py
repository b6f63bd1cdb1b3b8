"""Checks of what is known only when the program runs: `assert` on tensors, loops that must run."""

from __future__ import annotations

from typing import Any

from dovetail.engine import effects, is_tracer
from dovetail.graph.record import record_call
from dovetail.graph.recording import recording
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor


def check_later(held: Any, error: Exception) -> None:
    """Makes the program raise `error` when not all elements of `held` are true.

    Args:
        held: bool tensor; on a symbolic one the check becomes a node of the graph that records, and does nothing
            while shapes are only described.
        error: what is raised.
    """
    if recording() is not None:
        record_call(check_later, "tf.debugging.Assert", (held, error), {})
        return
    if isinstance(held, SymbolicTensor):
        return
    value = convert_to_tensor(held)._value
    if is_tracer(value):
        effects.check(lambda found: None if found.all() else error, value)
    elif not value.all():
        raise error
