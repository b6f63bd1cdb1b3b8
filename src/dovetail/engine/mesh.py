"""Where arrays lie on several devices: JAX's meshes and shardings, and values put there."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from dovetail.engine import jax_private


def _device(kind: str, index: int) -> Any:
    return jax.devices("cpu" if kind == "CPU" else None)[index]


@functools.lru_cache(maxsize=256)
def sharding(devices: tuple, shape: tuple, names: tuple, axes: tuple) -> Any:
    """Returns how an array is divided over devices.

    Args:
        devices: `(kind, index)` of each, in row-major order of the mesh.
        shape, names: of the mesh's axes.
        axes: for each axis of the array the name of the mesh's axis that divides it, or None.
    """
    if len(devices) == 1:  # a mesh of one would make XLA copy what is there already
        return SingleDeviceSharding(_device(*devices[0]))
    grid = np.array([_device(*device) for device in devices]).reshape(shape)
    return NamedSharding(Mesh(grid, names), PartitionSpec(*axes))


def place(value: Any, wanted: Any) -> Any:
    """Returns the array, divided as `wanted` says; the same one when it lies there already."""
    if isinstance(value, jax.core.Tracer):
        return constrain(value, wanted)
    lies = getattr(value, "sharding", None)
    if lies is not None and value.committed and lies.is_equivalent_to(wanted, value.ndim):
        return value
    with jax_private.outside_of_traces():
        return jax.device_put(value, wanted)


def constrain(value: Any, wanted: Any) -> Any:
    """Inside a trace: asks XLA to divide the value so."""
    return lax.with_sharding_constraint(value, wanted)
