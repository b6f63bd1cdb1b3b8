"""`tf.profiler.experimental`: records a profile, to be looked at with TensorBoard's profile plugin or XProf.

with tf.profiler.experimental.Profile("logs"):
    model.fit(...)
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from dovetail.base.errors import AlreadyExistsError, UnavailableError, at_user_location
from dovetail.engine import loaded_xla, profiling
from dovetail.profiler.experimental import server

__all__ = ["Profile", "ProfilerOptions", "Trace", "server", "start", "stop"]


class ProfilerOptions(NamedTuple):
    """What a profile records.

    Attributes:
        host_tracer_level: 1 to 3, more and more of what the host does; 0: nothing.
        python_tracer_level: 1 records every Python call.
        device_tracer_level: 1 records what accelerators do.
        delay_ms: not supported; None.
    """

    host_tracer_level: int = 2
    python_tracer_level: int = 0
    device_tracer_level: int = 1
    delay_ms: int | None = None


def start(logdir: str, options: Any = None) -> None:
    """Starts recording; `stop` writes `plugins/profile/<time>/<host>.xplane.pb` below `logdir`.

    Args:
        logdir: folder; made when it is not there.
        options: `ProfilerOptions`, or a dict of its fields.

    Raises:
        AlreadyExistsError: a profile is being recorded.
    """
    given = options if isinstance(options, ProfilerOptions) else ProfilerOptions(**(options or {}))
    if given.delay_ms:
        raise NotImplementedError(
            "tf.profiler.experimental.start: delay_ms is not supported; call start later"
        )
    engine = profiling()
    if engine.is_running():
        raise AlreadyExistsError(f"Another profiler is running{at_user_location()}")
    engine.start(
        os.fspath(logdir), given.host_tracer_level, given.python_tracer_level, given.device_tracer_level
    )


def stop(save: bool = True) -> None:
    """Ends the recording and writes it (or drops it, when `save` is False).

    Raises:
        UnavailableError: nothing is being recorded.
    """
    if loaded_xla() is None or not profiling().is_running():
        raise UnavailableError(
            f"Cannot export profiling results. No profiler is running.{at_user_location()}"
        )
    profiling().stop(save)


class Profile:
    """Records while a `with` block runs (see `start`)."""

    def __init__(self, logdir: str, options: Any = None) -> None:
        self._logdir, self._options = logdir, options

    def __enter__(self) -> None:
        start(self._logdir, self._options)

    def __exit__(self, *exc: object) -> None:
        stop()


class Trace:
    """Marks a `with` block in the profile.

    Args:
        name: how it is shown.
        kwargs: facts shown with it; `step_num` makes it a training step.

    Example:
        >>> for step in range(3):
        ...     with tf.profiler.experimental.Trace("train", step_num=step, _r=1):
        ...         train_step(next(batches))
    """

    def __init__(self, name: str, **kwargs: Any) -> None:
        self._name, self._facts = name, {key: value for key, value in kwargs.items() if key != "_r"}
        self._annotation: Any = None

    def __enter__(self) -> Trace:
        if loaded_xla() is not None:
            self._annotation = profiling().annotation(self._name, self._facts)
            self._annotation.__enter__()
        return self

    def set_metadata(self, **kwargs: Any) -> None:
        """Adds facts to the block; TensorFlow's integers and strings are shown."""
        if self._annotation is not None and kwargs:
            self._annotation.set_metadata(**kwargs)

    def __exit__(self, *exc: Any) -> None:
        if self._annotation is not None:
            self._annotation.__exit__(*exc)
            self._annotation = None
