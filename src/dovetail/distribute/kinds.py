"""The strategies of one process: by default, on one device, mirrored, with central storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.distribute import context, datasets
from dovetail.distribute.context import ReplicaContext
from dovetail.distribute.strategy import BATCH, Extended, Strategy
from dovetail.distribute.variables import share
from dovetail.engine import devices as machine
from dovetail.function import Function
from dovetail.function.autograph.gate import converted
from dovetail.scopes import executing_eagerly, parse_device
from dovetail.tensor.layout import Layout, Mesh
from dovetail.tensor.tensor import Tensor


class DefaultStrategy(Strategy):
    """What rules where no strategy was chosen: one replica, on the default device."""

    def __init__(self) -> None:
        super().__init__(Extended((("CPU", 0),)))
        self._only_replica = ReplicaContext(self)

    def _if_chosen(self) -> None:
        return None

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Returns the dataset."""
        return dataset

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """Returns what the function makes."""
        return dataset_fn(datasets.InputContext())

    def run(self, fn: Callable, args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Calls the function."""
        return (fn if executing_eagerly() or isinstance(fn, Function) else converted(fn))(
            *args, **(kwargs or {})
        )


class OneDeviceStrategy(Strategy):
    """Puts variables and computations on one device.

    Args:
        device: its name, such as "/gpu:0".

    Raises:
        ValueError: there is no such device.
    """

    def __init__(self, device: str) -> None:
        super().__init__(Extended(logical_devices([device])))

    def class_for(self, base: type, synchronization: Any) -> type:
        """Returns `base`: nothing is shared."""
        return base

    def adopt(self, variable: Any) -> None:
        """Puts a variable that was just created on the device."""
        variable._lay_out(Layout(self._mesh))

    def run(self, fn: Callable, args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Calls a function; what it returns lies on the device."""
        self._check_alone("run()")
        with ReplicaContext(self):
            result = (converted(fn) if not executing_eagerly() and not isinstance(fn, Function) else fn)(
                *args, **(kwargs or {})
            )
        return nest.map_structure(self._placed, result) if executing_eagerly() else result

    def _placed(self, value: Any) -> Any:
        if type(value) is not Tensor or value.dtype.name in ("string", "variant"):
            return value
        return Tensor(Layout(self._mesh).place(value._value))


class MirroredStrategy(Strategy):
    """Several devices of this machine, each with a copy of every variable.

    `fit`, `evaluate` and `predict` run one program over all devices, which divides each batch between them, with the
    numbers of one device.  `run` calls a function once for each replica.

    Args:
        devices: their names; None: all GPUs (or TPUs), or else all CPUs.
        cross_device_ops: accepted; XLA chooses how devices exchange values.
    """

    _divides_batches = True

    def __init__(self, devices: Sequence[str] | None = None, cross_device_ops: Any = None) -> None:
        super().__init__(Extended(logical_devices(devices)))


class CentralStorageStrategy(Strategy):
    """One copy of each variable, on one device, and a replica on each of several devices.

    Args:
        compute_devices: names of the devices that compute; None: all GPUs, or else the CPU.
        parameter_device: name of the one that holds the variables; None: the only GPU, or the CPU.
    """

    _prefix = "Aggregating"
    _copies_variables = False

    def __init__(
        self, compute_devices: Sequence[str] | None = None, parameter_device: str | None = None
    ) -> None:
        computing = logical_devices(compute_devices)
        if not compute_devices and computing[0][0] == "CPU":
            computing = computing[:1]
        kept = logical_devices([parameter_device]) if parameter_device else computing[:1]
        super().__init__(Extended(computing, kept))

    def adopt(self, variable: Any) -> None:
        """Gives a variable that was just created its place."""
        variable._lay_out(Layout(Mesh((1,), (BATCH,), self._extended.parameters)))
        share(variable, self)


def logical_devices(names: Sequence[str] | None) -> tuple[tuple[str, int], ...]:
    """Returns `(kind, index)` of devices given by name; None or an empty list: all accelerators, or else all CPUs.

    Raises:
        ValueError: one is not there, or is named twice.
    """
    known = machine.logical()
    if not names:
        found = [device for device in known if device[0] != "CPU"]
        return tuple(found or known)
    wanted = [parse_device(name)[:2] for name in names]
    for name, device in zip(names, wanted, strict=True):
        if device not in known:
            there = ", ".join(f"/device:{kind}:{i}" for kind, i in known)
            raise ValueError(f"there is no device {name!r}; the devices are {there}{at_user_location()}")
    if len(set(wanted)) != len(wanted):
        raise ValueError(f"a device is named twice: {list(names)}{at_user_location()}")
    return tuple(wanted)


context.use_default(DefaultStrategy())
