"""Replicas in turns: one function run for each replica, in threads of which one runs at a time.

Replicas meet where they exchange values.  Each goes on until it meets the others or ends; when all have come, the
thread that started them computes what they exchange.  That works alike for eager code, for code that is traced and for
code that is recorded, because the order of everything is fixed.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.base.settings import snapshot, state, take_over
from dovetail.engine import jax_private_module, loaded_xla


class _Given(NamedTuple):
    """What a replica brings to a meeting: `what` it is for, and a value."""

    what: str
    value: Any
    combine: Callable[[list], list]


class _Ended(NamedTuple):
    result: Any


class _Failed(NamedTuple):
    error: BaseException


class _Abandoned(BaseException):
    """Ends the thread of a replica when another one has failed."""


class Meeting:
    """Where one replica meets the others."""

    def __init__(self) -> None:
        self._answers: SimpleQueue = SimpleQueue()
        self._messages: SimpleQueue = SimpleQueue()
        self.thread: threading.Thread | None = None
        self._scope: Any = None  # where the replica's own code runs

    def exchange(self, what: str, value: Any, combine: Callable[[list], list]) -> Any:
        """Waits for the other replicas, and returns this one's part of `combine(values of all)`.

        Raises:
            RuntimeError: called outside of the replica's own code, as in a loop on tensors.
        """
        if threading.current_thread() is not self.thread:
            raise RuntimeError(
                f"{what} of a replica is used outside of the function that Strategy.run calls{at_user_location()}"
            )
        if state.scope is not self._scope:
            raise RuntimeError(
                f"{what}: replicas cannot meet inside of a loop or a branch on tensors, nor in a tf.function that a "
                "replica calls, because each records its own. Put it into the function that Strategy.run calls "
                f"itself, or loop over Strategy.run{at_user_location()}"
            )
        self._messages.put(_Given(what, value, combine))
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def begin(self, run: Callable[[], Any]) -> Any:
        """Starts the replica; returns its first message."""
        self._scope = state.scope
        before, trace = snapshot(), jax_private_module().current_trace() if loaded_xla() else None

        def body() -> None:
            take_over(before)
            inside = contextlib.nullcontext() if trace is None else jax_private_module().inside(trace)
            try:
                with inside:
                    message: Any = _Ended(run())
            except BaseException as error:  # noqa: BLE001  it is raised where the replicas were started
                message = _Failed(error)
            self._messages.put(message)

        self.thread = threading.Thread(target=body, name="replica", daemon=True)
        self.thread.start()
        return self._messages.get()

    def go_on(self, answer: Any) -> Any:
        """Gives the replica its part of what was exchanged; returns its next message."""
        self._answers.put(answer)
        return self._messages.get()


def run_in_turns(functions: list[Callable[[Meeting], Any]]) -> list:
    """Runs one function a replica; returns their results.

    Raises:
        RuntimeError: the replicas do not exchange the same things in the same order.
    """
    meetings = [Meeting() for _ in functions]
    messages: list[Any] = [None] * len(functions)
    try:
        for i, (meeting, function) in enumerate(zip(meetings, functions, strict=True)):
            messages[i] = meeting.begin(functools.partial(function, meeting))
            _check(messages[i])
        while not all(isinstance(message, _Ended) for message in messages):
            for i, part in enumerate(_exchanged(messages)):
                messages[i] = meetings[i].go_on(part)
                _check(messages[i])
    except BaseException:
        for meeting, message in zip(meetings, messages, strict=True):
            if isinstance(message, _Given):
                meeting.go_on(_Abandoned())
        raise
    return [message.result for message in messages]


def _check(message: Any) -> None:
    if isinstance(message, _Failed):
        raise message.error


def _exchanged(messages: list) -> list:
    kinds = [message.what if isinstance(message, _Given) else "the end" for message in messages]
    if len(set(kinds)) > 1:
        raise RuntimeError(
            "the replicas have come to different places: "
            + ", ".join(f"replica {i} to {kind}" for i, kind in enumerate(kinds))
            + f". All must exchange the same values in the same order{at_user_location()}"
        )
    return messages[0].combine([message.value for message in messages])
