"""`keras.distribution`: which devices hold which parts of weights and batches.

A `DeviceMesh` names the devices, a `TensorLayout` says how one value is divided over them, and a `Distribution` gives
every variable and every batch its layout.  The program stays that of one device; XLA divides the work.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings, state
from dovetail.engine import devices as machine
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.layout import Layout, Mesh
from dovetail.tensor.tensor import Tensor

__all__ = [
    "DataParallel",
    "DeviceMesh",
    "LayoutMap",
    "ModelParallel",
    "TensorLayout",
    "distribute_tensor",
    "distribution",
    "get_device_count",
    "initialize",
    "list_devices",
    "set_distribution",
]

_DEFAULT_BATCH = "batch"


def list_devices(device_type: str | None = None) -> list[str]:
    """Returns the names of the devices that programs run on, such as "cpu:0"; the accelerators where there are some.

    Args:
        device_type: "cpu", "gpu" or "tpu": those of this type.
    """
    known = machine.logical()
    kind = None if device_type is None else device_type.upper()
    if kind is None:
        kind = next((kind for kind, _ in known if kind != "CPU"), "CPU")
    return [f"{each.lower()}:{index}" for each, index in known if each == kind]


def get_device_count(device_type: str | None = None) -> int:
    """Returns how many devices `list_devices` lists."""
    return len(list_devices(device_type))


def initialize(
    job_addresses: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Prepares for programs of several processes; one process needs nothing.

    Raises:
        NotImplementedError: several processes were asked for.
    """
    if num_processes not in (None, 1) or (job_addresses and "," in job_addresses):
        raise NotImplementedError(
            f"keras.distribution.initialize: Dovetail distributes over the devices of one process, {num_processes} "
            f"processes were asked for{at_user_location()}"
        )


class DeviceMesh:
    """A grid of devices with named axes.

    Args:
        shape: sizes of the axes, such as (2, 4).
        axis_names: their names, such as ["batch", "model"].
        devices: names of the devices, as many as the grid has places; all by default.

    Raises:
        ValueError: shape, names and devices do not fit together.
    """

    def __init__(self, shape: Any, axis_names: Sequence[str], devices: Any = None) -> None:
        if not shape or not axis_names:
            raise ValueError(
                f"DeviceMesh: shape and axis_names cannot be empty, received shape={shape}, axis_names={axis_names}"
                f"{at_user_location()}"
            )
        if len(shape) != len(axis_names):
            raise ValueError(
                f"DeviceMesh: shape and axis_names must have the same length, received shape={shape}, "
                f"axis_names={axis_names}{at_user_location()}"
            )
        found = np.array(list_devices() if devices is None else devices).flatten()
        if int(np.prod(shape)) != found.size:
            raise ValueError(
                f"DeviceMesh: a mesh of shape {tuple(shape)} has {int(np.prod(shape))} places for {found.size} devices"
                f"{at_user_location()}"
            )
        self._shape, self._axis_names = tuple(shape), list(axis_names)
        self._devices = found.reshape(shape)

    @property
    def shape(self) -> tuple:
        """Sizes of the axes."""
        return self._shape

    @property
    def axis_names(self) -> list[str]:
        """Names of the axes."""
        return self._axis_names

    @property
    def devices(self) -> np.ndarray:
        """Names of the devices, in an array of the mesh's shape."""
        return self._devices

    @property
    def mesh(self) -> Mesh:
        """The mesh as the engine knows it."""
        return Mesh(self._shape, tuple(self._axis_names), tuple(_device(x) for x in self._devices.flat))

    def __repr__(self) -> str:
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"


def _device(name: str) -> tuple[str, int]:
    kind, _, index = str(name).rpartition(":")
    kind = kind.rpartition("/")[2].removeprefix("device:").upper()
    found = ({"CUDA": "GPU", "ROCM": "GPU"}.get(kind, kind), int(index) if index.isdigit() else -1)
    if found not in machine.logical():
        there = ", ".join(f"{kind.lower()}:{i}" for kind, i in machine.logical())
        raise ValueError(
            f"DeviceMesh: there is no device '{name}'; the devices are {there}{at_user_location()}"
        )
    return found


class TensorLayout:
    """How a value is divided over a mesh.

    Args:
        axes: for each axis of the value, the name of the mesh axis that divides it, or None.
        device_mesh: the mesh; a `LayoutMap` fills in its own.

    Raises:
        ValueError: the mesh has no axis of such a name.
    """

    def __init__(self, axes: Sequence[str | None], device_mesh: DeviceMesh | None = None) -> None:
        self._axes, self._device_mesh = tuple(axes), device_mesh
        self._check()

    def _check(self) -> None:
        if self._device_mesh is None:
            return
        unknown = {name for name in self._axes if name} - set(self._device_mesh.axis_names)
        if unknown:
            raise ValueError(
                f"TensorLayout: the mesh has no axis {', '.join(sorted(unknown))}; its axes are "
                f"{', '.join(self._device_mesh.axis_names)}{at_user_location()}"
            )

    @property
    def axes(self) -> tuple:
        """Names of mesh axes, one for each axis of the value."""
        return self._axes

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh."""
        return self._device_mesh

    @device_mesh.setter
    def device_mesh(self, value: DeviceMesh) -> None:
        if self._device_mesh is not None:
            raise ValueError(
                f"TensorLayout: the mesh is set already: {self._device_mesh}{at_user_location()}"
            )
        self._device_mesh = value
        self._check()

    @property
    def layout(self) -> Layout:
        """The layout as the engine knows it.

        Raises:
            ValueError: there is no mesh yet.
        """
        if self._device_mesh is None:
            raise ValueError(f"TensorLayout: the device mesh is not set{at_user_location()}")
        return Layout(self._device_mesh.mesh, self._axes)

    def __repr__(self) -> str:
        return f"<TensorLayout axes={self.axes}, device_mesh={self.device_mesh}>"


def distribute_tensor(tensor: Any, layout: TensorLayout) -> Any:
    """Returns the tensor, divided over devices as `layout` says; inside of a function, XLA is asked to."""
    tensor = convert_to_tensor(tensor)
    wanted = layout.layout
    change = wanted.place if not state.scope else wanted.constrain
    return Tensor(change(tensor._value))


class LayoutMap(MutableMapping):
    """Layouts of variables by their path.  Keys are regular expressions.

    Args:
        device_mesh: the mesh of layouts that name none.

    Example:
        >>> layouts = LayoutMap(mesh)
        >>> layouts["dense.*kernel"] = (None, "model")
        >>> layouts["dense_1/kernel"].axes
        (None, 'model')
    """

    def __init__(self, device_mesh: DeviceMesh) -> None:
        self._layouts: dict[str, TensorLayout] = {}
        self._device_mesh = device_mesh

    @property
    def device_mesh(self) -> DeviceMesh:
        """The mesh."""
        return self._device_mesh

    def __getitem__(self, key: str) -> TensorLayout | None:  # type: ignore[override]
        """Returns the layout of the key itself, else that of the one expression that is found in it, else None.

        Raises:
            ValueError: several expressions are found.
        """
        if key in self._layouts:
            return self._layouts[key]
        found = [expression for expression in self._layouts if re.search(expression, key)]
        if len(found) > 1:
            raise ValueError(f"LayoutMap: the path {key!r} fits several keys: {found}{at_user_location()}")
        return self._layouts[found[0]] if found else None

    def __setitem__(self, key: str, layout: Any) -> None:
        if key in self._layouts:
            raise ValueError(
                f"LayoutMap: {key!r} is there already, with {self._layouts[key]}{at_user_location()}"
            )
        if isinstance(layout, tuple):
            layout = TensorLayout(layout)
        if not isinstance(layout, TensorLayout):
            raise ValueError(
                f"LayoutMap: expected a TensorLayout or a tuple of axis names, received {layout!r}{at_user_location()}"
            )
        if layout.device_mesh is None:
            layout.device_mesh = self._device_mesh
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)


class Distribution:
    """Gives variables and batches their layouts.

    Args:
        device_mesh: the devices.
        batch_dim_name: the mesh axis that divides batches.
        auto_shard_dataset: accepted; the datasets of one process need not be divided.
    """

    is_strategy = False
    num_replicas_in_sync = 1

    def __init__(
        self, device_mesh: DeviceMesh, batch_dim_name: str | None = None, auto_shard_dataset: bool = True
    ) -> None:
        self._device_mesh, self._batch_dim_name = device_mesh, batch_dim_name
        self._auto_shard_dataset = auto_shard_dataset

    @property
    def device_mesh(self) -> DeviceMesh:
        """The devices."""
        return self._device_mesh

    @property
    def batch_dim_name(self) -> str | None:
        """The mesh axis that divides batches."""
        return self._batch_dim_name

    @property
    def auto_shard_dataset(self) -> bool:
        """As it was given."""
        return self._auto_shard_dataset

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Makes this the distribution of a `with` block."""
        before, state.distribution = state.distribution, self
        try:
            yield
        finally:
            state.distribution = before

    def get_data_layout(self, data_shape: Sequence) -> TensorLayout:
        """Returns the layout of a batch: its first axis is divided."""
        axes = [None] * len(data_shape)
        return TensorLayout([self._batch_dim_name, *axes[1:]] if axes else axes, self._device_mesh)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """Returns the layout of a variable: every device has all of it."""
        return TensorLayout([None] * len(variable.shape), self._device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Returns the layout of an intermediate value, None for none."""
        return None

    # ---- what variables and steps ask

    def class_for(self, base: type, synchronization: Any) -> type:
        """Returns the class of variables: their own."""
        return base

    def as_one(self) -> Distribution:
        """Returns what rules inside of a step: the program is that of one device."""
        return self

    def whole_layout(self) -> Layout:
        """Returns the layout of what every device has all of."""
        return Layout(self._device_mesh.mesh)

    def adopt(self, variable: Any) -> None:
        """Puts a variable that was just created on the devices; `named` says how it is divided."""
        variable._lay_out(self.whole_layout())

    def named(self, variable: Any) -> None:
        """Divides a variable that has got its path.

        Raises:
            ValueError: its shape cannot be divided so.
        """
        wanted = self.get_variable_layout(variable)
        if not wanted.layout.divides(tuple(variable.shape)):
            raise ValueError(
                f"{getattr(variable, 'path', variable.name)}: shape {tuple(variable.shape)} cannot be divided equally "
                f"as {wanted.axes} over {wanted.device_mesh}{at_user_location()}"
            )
        variable._lay_out(wanted.layout)

    def data_layout(self, shape: tuple) -> Layout | None:
        """Returns how a batch of this shape is divided over the devices; None: it is not."""
        wanted = self.get_data_layout(shape).layout
        return wanted if shape and wanted.divides(shape) else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


class DataParallel(Distribution):
    """Every device has all weights, and a share of each batch.

    Args:
        device_mesh: the devices; its first axis divides batches.
        devices: names of the devices, when there is no mesh; all by default.
    """

    def __init__(
        self, device_mesh: DeviceMesh | None = None, devices: Any = None, auto_shard_dataset: bool = True
    ) -> None:
        if device_mesh is None:
            names = list_devices() if devices is None else list(np.array(devices).flatten())
            device_mesh = DeviceMesh((len(names),), [_DEFAULT_BATCH], names)
        elif not isinstance(device_mesh, DeviceMesh):
            raise ValueError(
                f"DataParallel: expected a DeviceMesh, received {device_mesh!r}{at_user_location()}"
            )
        super().__init__(device_mesh, device_mesh.axis_names[0], auto_shard_dataset)

    @property
    def num_model_replicas(self) -> int:
        """How many copies of the weights there are."""
        return int(self.device_mesh.devices.size)


class ModelParallel(Distribution):
    """Weights are divided as a `LayoutMap` says, batches along one axis of the mesh.

    Args:
        layout_map: layouts of variables by their path; those it does not name lie whole on every device.
        batch_dim_name: the mesh axis that divides batches; the first when None.
    """

    def __init__(
        self,
        *,
        layout_map: LayoutMap | None = None,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool = True,
    ) -> None:
        if not isinstance(layout_map, LayoutMap):
            raise ValueError(
                f"ModelParallel: pass a LayoutMap as layout_map, received {layout_map!r}{at_user_location()}"
            )
        mesh = layout_map.device_mesh
        name = batch_dim_name or mesh.axis_names[0]
        if name not in mesh.axis_names:
            raise ValueError(
                f"ModelParallel: the mesh has no axis {name!r}; its axes are {mesh.axis_names}{at_user_location()}"
            )
        super().__init__(mesh, name, auto_shard_dataset)
        self._layout_map = layout_map

    @property
    def num_model_replicas(self) -> int:
        """How many copies of the weights there are."""
        mesh = self.device_mesh
        return mesh.shape[mesh.axis_names.index(str(self.batch_dim_name))]

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """Returns the layout that the map has for the variable's path; whole on every device where it has none."""
        found = self._layout_map[getattr(variable, "path", variable.name)]
        return super().get_variable_layout(variable) if found is None else found

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Returns the layout that the map has for the path of an intermediate value."""
        return self._layout_map[path]


def distribution() -> Distribution | None:
    """Returns the distribution in force, None for none."""
    found = state.distribution
    return found if isinstance(found, Distribution) else None


def set_distribution(value: Distribution | None) -> None:
    """Makes a distribution the one in force, in this thread and in those to come; None: none.

    Raises:
        ValueError: it is no distribution.
    """
    if value is not None and not isinstance(value, Distribution):
        raise ValueError(
            f"set_distribution: expected a keras.distribution.Distribution, received {value!r}{at_user_location()}"
        )
    settings.distribution = state.distribution = value
