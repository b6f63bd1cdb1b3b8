"""What nested layer calls share while they run: the training flag and who collects losses."""

from __future__ import annotations

import itertools
import threading
from typing import Any

from dovetail.base.settings import inherited
from dovetail.function.signature import SURROUNDINGS
from dovetail.tensor.tensor import Reference

_call_ids = itertools.count(1)


class CallState(threading.local):
    """The state of the current thread's layer calls.

    Attributes:
        depth: how many layer calls are open.
        training: the flag that inner layers inherit; None: not given.
        call_id: identifies the outermost call; losses added during it carry it.
        learning_phase: `K.set_learning_phase`, None when not set.
        graph: the graph in whose midst layers are made, where it does not record; None: there is none.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.training: Any = None
        self.call_id = 0
        self.learning_phase: Any = None
        self.graph: Any = None


calls = inherited(CallState())


def _training_around() -> Any:
    """Returns the flag that layers inside of a `tf.function` inherit, where it says something."""
    flag = calls.training if calls.training is not None else calls.learning_phase
    if flag is None or isinstance(flag, int):
        return "training" if flag else None
    return Reference(flag)


SURROUNDINGS.append(_training_around)


class call_context:
    """Opens a layer call.

    Args:
        training: the flag for this call and those inside it.
    """

    __slots__ = ("before", "training")

    def __init__(self, training: Any) -> None:
        self.training = training

    def __enter__(self) -> None:
        self.before = calls.training
        if calls.depth == 0:
            calls.call_id = next(_call_ids)
        calls.depth += 1
        calls.training = self.training

    def __exit__(self, *exc: object) -> None:
        calls.depth -= 1
        calls.training = self.before
