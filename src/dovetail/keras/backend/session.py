"""What the whole process shares: names, the learning phase; and the sessions that are no more."""

from __future__ import annotations

import gc
from typing import Any, NoReturn

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.naming import reset_uids


def clear_session(free_memory: bool = True) -> None:
    """Starts the numbering of names again, and unsets the learning phase.

    Args:
        free_memory: collect garbage, so that models that are not referenced any more leave memory at once.

    Differs from TensorFlow: there is no global graph, so models that are in use stay usable.
    """
    reset_uids()
    calls.learning_phase = None
    if free_memory:
        gc.collect()


def get_session(op_input_list: Any = ()) -> NoReturn:
    """Raises: there are no sessions."""
    raise RuntimeError(
        "K.get_session: there are no sessions; ops run when they are called. Replace `session.run(tensor)` by "
        f"`tensor.numpy()`, or by K.function(inputs, outputs) for symbolic tensors{at_user_location()}"
    )


def set_session(session: Any) -> NoReturn:
    """Raises: there are no sessions."""
    raise RuntimeError(
        "K.set_session: there are no sessions. Drop the call; set up devices with tf.config, such as "
        f"tf.config.set_visible_devices([], 'GPU'){at_user_location()}"
    )


def manual_variable_initialization(value: bool) -> None:
    """Takes False only: variables have their values from the moment they are created."""
    if value:
        raise ValueError(
            "K.manual_variable_initialization(True): variables are initialized when they are created and cannot wait. "
            f"Drop the call{at_user_location()}"
        )
