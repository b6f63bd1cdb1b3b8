"""Where eager work runs: on NumPy or on XLA.  Everything that decides it asks here.

The rule: work whose values lie in host memory runs on NumPy when it is small, that is, when the elements that it reads
(or the work that an op says it is) are no more than `settings.active_limit`; all else runs on XLA.  What is open around
it, tapes or scopes, makes no difference.  Strings are NumPy's alone.  What native kernels do in one pass on all threads
counts as a sixteenth, on machines without accelerators.  There, what passes through memory once runs on NumPy from
`FEWEST_IN_PIECES` elements on, too, by pieces and on all threads (`engine/host_pieces.py`).

The shortest ways, which have no time for a call, compare with `settings.active_limit` themselves, in the same terms:
`ops/families.py` and `keras/models/plans.py`; `tests/test_placement.py` holds them to it.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dovetail.base.settings import settings, state
from dovetail.engine import host_native, loaded_xla
from dovetail.engine.dtypes import HOST_ONLY_KINDS

_ndarray = np.ndarray
_HALF = np.dtype(np.float16)
_LOOPED_KINDS = "fiub"  # of dtypes that NumPy has loops for which keep up with memory
FEWEST_IN_PIECES = 1 << 18  # elements; for fewer, XLA's one call is as good
_SHAPE_LIMIT = 64
PASSES = 16  # of NumPy's that cost what a native kernel does, and more


def runs_on_host(
    values: Iterable,
    size: int = 0,
    work: Callable[..., int] | None = None,
    one_pass: Callable[..., bool] | None = None,
) -> bool:
    """Decides where an eager op runs; True: on NumPy.

    Args:
        values: the arrays it reads; None for absent ones.
        size: elements to count besides; negative for ops that XLA would compile anew for every shape.
        work: `work(*values) -> elements` to count instead, for ops whose cost is not their inputs' size.
        one_pass: `one_pass(*values) -> bool`, whether a native kernel of the host engine takes the arrays, of which the
            first is contiguous and of float32.
    """
    limit = settings.active_limit
    if limit < 0 and state.scope is None:
        return bool(state.host_only)
    for value in values:
        if value is not None:
            size += value.size
            if value.dtype.kind in HOST_ONLY_KINDS:
                return True
            if type(value) is not _ndarray and not loaded_xla().lives_on_host(value):
                return False
    if work is not None:
        size = work(*values)
    if size <= limit or state.host_only:
        return True
    if one_pass is not None and size <= limit * PASSES and _by_kernel(one_pass, values):
        return True
    return size <= _SHAPE_LIMIT and _in_trace()


def runs_in_pieces(values: list) -> bool:
    """Decides whether large work of ops that say so (`Op.pieces`) runs on NumPy, piece by piece, on all threads."""
    largest = 0
    for value in values:
        if value is None or value.dtype.kind not in _LOOPED_KINDS or value.dtype == _HALF:
            return False
        largest = max(largest, value.size)
    return (
        largest >= FEWEST_IN_PIECES
        and settings.engine == "auto"
        and settings.active_limit >= 0
        and not accelerated()
        and all(map(in_host_memory, values))
    )


def _by_kernel(one_pass: Callable[..., bool], values: Any) -> bool:
    return not accelerated() and host_native.serve(values[0]) and one_pass(*values)


def accelerated() -> bool:
    """True where arrays live on a GPU or a TPU by default."""
    engine = loaded_xla()
    return engine.platform() != "cpu" if engine is not None else _may_be_accelerated()


@functools.cache
def _may_be_accelerated() -> bool:
    return importlib.import_module("dovetail.engine.devices").may_have_accelerators()


def _in_trace() -> bool:
    """Inside a trace, small known values stay known, even where XLA is to run everything: they may size tensors."""
    engine = loaded_xla()
    return engine is not None and engine.in_trace()


def group_runs_on_host(values: Iterable, size: int, limit: int) -> bool:
    """Decides where many small pieces of work run that XLA would do as one, such as an optimizer's step.

    Args:
        values: the arrays.
        size: their elements in all.
        limit: up to so many, NumPy takes no longer than one compiled call.
    """
    if settings.engine != "auto":
        return settings.engine == "host"
    if state.host_only:
        return True
    return size <= min(limit, settings.active_limit) and all(map(in_host_memory, values))


def in_host_memory(value: Any) -> bool:
    """True when NumPy can look at an array without a transfer."""
    return type(value) is _ndarray or loaded_xla().lives_on_host(value)


def views_on_host(value: Any) -> bool:
    """Decides where a view of a value is made, whatever its size: NumPy copies nothing."""
    return settings.active_limit >= 0 and in_host_memory(value)
