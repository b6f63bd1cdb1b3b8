"""The kernel table on the platform that JAX computes on."""

from __future__ import annotations

from typing import Any

import jax

from dovetail.engine import kernels


def run(primitive: str, *arguments: Any) -> Any:
    """Computes a primitive by the row that serves on the default platform."""
    platform = kernels.ANY if kernels.PORTABLE.get() else jax.default_backend()
    return kernels.chosen(primitive, platform, *arguments).run(*arguments)
