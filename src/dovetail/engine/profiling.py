"""Profiling: traces of what XLA and the host do, written for TensorBoard and XProf."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.monitoring

_told: list[Callable[[float], None]] = []
_running: list[tuple[str, set[str]]] = []


def start(logdir: str, host_level: int, python_level: int, device_level: int) -> None:
    """Starts a trace; `stop` writes `plugins/profile/<time>/<host>.xplane.pb` below `logdir`."""
    options = jax.profiler.ProfileOptions()
    options.host_tracer_level = host_level
    options.python_tracer_level = python_level
    if hasattr(options, "device_tracer_level"):
        options.device_tracer_level = device_level
    elif not device_level:
        warnings.warn(
            f"JAX {jax.__version__} always traces devices: device_tracer_level=0 has no effect", stacklevel=4
        )
    before = _runs(logdir)
    jax.profiler.start_trace(logdir, profiler_options=options)
    _running.append((logdir, before))


def stop(save: bool) -> None:
    """Ends the trace and writes it; removes what was written when `save` is False."""
    logdir, before = _running.pop()
    jax.profiler.stop_trace()
    if not save:
        for run in _runs(logdir) - before:
            shutil.rmtree(run, ignore_errors=True)


def is_running() -> bool:
    return bool(_running)


def _runs(logdir: str) -> set[str]:
    folder = os.path.join(logdir, "plugins", "profile")
    return {os.path.join(folder, name) for name in os.listdir(folder)} if os.path.isdir(folder) else set()


def annotation(name: str, facts: dict[str, Any]) -> AbstractContextManager:
    """Returns a context that shows in traces under `name`; a step when `facts` has a `step_num`."""
    if "step_num" in facts:
        return jax.profiler.StepTraceAnnotation(name, **facts)
    return jax.profiler.TraceAnnotation(name, **facts)


def tell_compile_times(told: Callable[[float], None]) -> None:
    """Calls `told(seconds)` after each stage of making a program: tracing, lowering, compiling; in its own thread."""
    if told in _told:
        return
    _told.append(told)

    def heard(event: str, seconds: float, **facts: Any) -> None:
        if event.startswith("/jax/core/compile/"):
            told(seconds)

    jax.monitoring.register_event_duration_secs_listener(heard)


def serve(port: int) -> Any:
    """Lets profilers connect to this process."""
    return jax.profiler.start_server(port)
