"""The kinds of devices that programs are written for, by the names that they have in programs."""

from __future__ import annotations

from collections.abc import Iterable

USUAL_PLATFORMS = ("cpu", "cuda", "tpu")  # those that a program is for where nobody says it
KNOWN_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_OF_BACKENDS = {"gpu": ("cuda", "rocm")}  # where JAX calls its devices otherwise


def serve(platforms: Iterable[str], backend: str) -> bool:
    """Returns whether a program for some kinds of devices runs on what JAX calls a backend."""
    return not {backend, *_OF_BACKENDS.get(backend, ())}.isdisjoint(platforms)


def backend_of(platform: str) -> str:
    """Returns what JAX calls a kind of devices: "gpu" for "cuda"."""
    return next((backend for backend, kinds in _OF_BACKENDS.items() if platform in kinds), platform)
