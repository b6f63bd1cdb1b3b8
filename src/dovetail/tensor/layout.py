"""Layouts: how a value is divided over a mesh of devices.

A mesh is a grid of devices with named axes; a layout names, for each axis of a value, the axis of the mesh that
divides it, or None where each device has all of it.  A variable has a layout or none; `Layout.place` is what puts its
value there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from dovetail.engine import xla


@dataclass(frozen=True)
class Mesh:
    """A grid of devices.

    Attributes:
        shape: sizes of its axes.
        names: names of its axes.
        devices: `(kind, index)` of each device, such as `("CPU", 0)`, in row-major order.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...]
    devices: tuple[tuple[str, int], ...]

    def size(self, name: str) -> int:
        """Returns the size of the axis of that name."""
        return self.shape[self.names.index(name)]


@dataclass(frozen=True)
class Layout:
    """How a value is divided over a mesh.

    Attributes:
        mesh: the devices.
        axes: for each axis of the value, the mesh axis that divides it, or None; axes that are left out are whole.
    """

    mesh: Mesh
    axes: tuple[str | None, ...] = ()

    def __reduce__(self) -> tuple:
        """Leaves out what XLA calls it, which is of this process."""
        return Layout, (self.mesh, self.axes)

    @functools.cached_property
    def sharding(self) -> Any:
        """What XLA calls it."""
        mesh = self.mesh
        return (
            xla("a value on several devices")
            .meshes()
            .sharding(mesh.devices, mesh.shape, mesh.names, self.axes)
        )

    def divides(self, shape: tuple) -> bool:
        """True when the devices get equal shares of a value of this shape."""
        return len(self.axes) <= len(shape) and all(
            name is None or size % self.mesh.size(name) == 0
            for name, size in zip(self.axes, shape, strict=False)
        )

    def place(self, value: Any) -> Any:
        """Returns an array as it lies on the devices."""
        return xla("a value on several devices").meshes().place(value, self.sharding)

    def constrain(self, value: Any) -> Any:
        """Inside a compiled program: makes XLA keep the value so."""
        return xla("a value on several devices").meshes().constrain(value, self.sharding)
