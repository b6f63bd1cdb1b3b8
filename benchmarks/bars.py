"""Bars that many workloads share."""

from __future__ import annotations

from benchmarks.kinds import Bar

MEMORY = Bar("peak memory at most 1.1x of the best peer's", than="*", at_least=1 / 1.1, of="memory")


def best(factor: float = 1.0) -> Bar:
    """Return the bar of being so many times faster than the best of the peers."""
    return Bar(
        "ahead of every peer" if factor == 1 else f"at least {factor:g}x the best peer",
        than="*",
        at_least=factor,
    )
