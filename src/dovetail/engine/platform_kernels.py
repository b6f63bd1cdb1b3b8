"""The kernel table on the platform that JAX computes on."""

from __future__ import annotations

from typing import Any

import jax

from dovetail.engine import kernels


def run(primitive: str, *arguments: Any) -> Any:
    """Computes a primitive by the row that serves on the default platform."""
    return kernels.chosen(primitive, platform(), *arguments).run(*arguments)


def platform() -> str:
    """Returns the platform that programs are made for: "cpu", "gpu", "tpu", or "*" for any."""
    return kernels.MADE_FOR.get() or jax.default_backend()
