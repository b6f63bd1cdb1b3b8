"""Indices out of range in eager ops that XLA runs, because they are large: compiled code clamps or drops them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import settings
from dovetail.engine import host, is_tracer
from dovetail.engine.placement import in_host_memory, runs_on_host
from dovetail.tensor.tensor import Tensor


def check_in_range(label: str, params: Any, indices: Any, axis: int) -> None:
    """Raises InvalidArgumentError for an index out of range that XLA, which runs large eager ops, would clamp."""
    if not _runs_on_xla(params, indices) or not -len(params.shape) <= axis < len(params.shape):
        return
    try:
        host.checked_indices(np.asarray(indices._value), params.shape[axis])
    except IndexError as error:
        raise InvalidArgumentError(f"{label}: {error}{at_user_location()}") from None


def check_places(label: str, indices: Any, sizes: tuple, *others: Any) -> None:
    """The same for coordinates, the last axis of `indices`."""
    depth = indices.shape[-1] if len(indices.shape) else None
    if depth is None or depth > len(sizes) or not _runs_on_xla(*others, indices):
        return
    try:
        host.checked_places(np.asarray(indices._value), sizes[:depth])
    except IndexError as error:
        raise InvalidArgumentError(f"{label}: {error}{at_user_location()}") from None


def _runs_on_xla(*tensors: Any) -> bool:
    """True for large eager tensors with indices in host memory, where looking at them costs no transfer."""
    if all(type(tensor) is Tensor and type(tensor._value) is np.ndarray for tensor in tensors) and (
        sum([tensor._value.size for tensor in tensors]) <= settings.active_limit
    ):
        return False
    if any(type(tensor) is not Tensor or is_tracer(tensor._value) for tensor in tensors):
        return False
    if runs_on_host([tensor._value for tensor in tensors]):
        return False
    indices = tensors[-1]._value
    return indices.dtype.kind in "iu" and in_host_memory(indices)
