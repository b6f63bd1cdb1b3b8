"""What the whole process shares: names, the learning phase, and the session that Keras works in where there are any."""

from __future__ import annotations

import gc

from dovetail.graph.by_hand import new_default_graph, record_from_here, records_by_default
from dovetail.graph.recording import recording
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.layers.machinery.in_graphs import (
    forget_session,
    get_session,
    manual_variable_initialization,
    set_session,
)
from dovetail.keras.naming import reset_uids

__all__ = ["clear_session", "get_session", "manual_variable_initialization", "set_session"]


def clear_session(free_memory: bool = True) -> None:
    """Starts the numbering of names again, and unsets the learning phase; begins another default graph and session.

    Args:
        free_memory: collect garbage, so that models that are not referenced any more leave memory at once.

    Differs from TensorFlow: without eager execution switched off there is no global graph, so models that are in use
    stay usable.
    """
    reset_uids()
    calls.learning_phase = None
    forget_session()
    if records_by_default(recording()):
        record_from_here(new_default_graph())
    if free_memory:
        gc.collect()
