"""A program of one row, compiled for many rows at a time, on the CPU: input pipelines live in host memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def rows_program(run: Callable, by_row: list[bool], options: dict | None) -> Callable:
    """Returns a compiled `f(*arrays) -> arrays of (rows, ...)`.

    Args:
        run: one row, arrays in and arrays out.
        by_row: for each argument, whether it has a first axis of rows; the others are the same for all.
        options: for XLA's compiler.
    """
    compiled = jax.jit(
        jax.vmap(run, in_axes=[0 if rows else None for rows in by_row]), compiler_options=options
    )

    def on_cpu(*arrays: Any) -> list[np.ndarray]:
        if jax.default_backend() == "cpu":
            return [np.asarray(output) for output in compiled(*arrays)]
        with jax.default_device(jax.devices("cpu")[0]):
            return [np.asarray(output) for output in compiled(*map(np.asarray, arrays))]

    return on_cpu
