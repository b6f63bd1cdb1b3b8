"""`tf.profiler.experimental.server`: lets TensorBoard capture a profile of this process."""

from __future__ import annotations

from dovetail.engine import profiling

__all__ = ["start"]

_servers: list = []


def start(port: int) -> None:
    """Listens for profilers on `port` until the process ends."""
    _servers.append(profiling().serve(int(port)))
