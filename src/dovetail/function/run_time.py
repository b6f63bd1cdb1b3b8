"""What is done with the values of tensors when a program runs: at once, or each time the compiled code runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.settings import state
from dovetail.engine import is_tracer, xla


def call_with_values(label: str, function: Callable[..., None], tensors: list) -> None:
    """Calls `function` with the arrays of tensors: now, or in a trace each time what is traced runs.

    Args:
        label: what does it, for errors.
        function: of arrays; called for what it does.
        tensors: its arguments; those that are known in a trace, strings among them, are kept from now on.
    """
    values = [tensor._value for tensor in tensors]
    traced = [index for index, value in enumerate(values) if is_tracer(value)]
    known = [None if index in traced else np.asarray(value) for index, value in enumerate(values)]
    if not traced and state.scope is None:
        function(*known)
        return

    def run(*arrays: Any) -> None:
        given = list(known)
        for index, array in zip(traced, arrays, strict=True):
            given[index] = array
        function(*given)

    xla(label).debug_callback(run, *[values[index] for index in traced])
