"""The devices of the machine as `tf.config` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dovetail.engine import devices


class PhysicalDevice(NamedTuple):
    """A device of the machine: `name` such as "/physical_device:GPU:0", `device_type` "CPU", "GPU" or "TPU"."""

    name: str
    device_type: str


class LogicalDevice(NamedTuple):
    """A device that `tf.device` can name: `name` such as "/device:CPU:0", and `device_type`."""

    name: str
    device_type: str


@dataclass
class LogicalDeviceConfiguration:
    """What a logical device gets of a physical one.  Only CPUs can be divided here, without further options."""

    memory_limit: float | None = None
    experimental_priority: int | None = None
    experimental_device_ordinal: int | None = None


def list_physical_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Returns the devices of the machine, of one type when given ("CPU", "GPU", "TPU").

    Example:
        >>> tf.config.list_physical_devices("CPU")
        [PhysicalDevice(name='/physical_device:CPU:0', device_type='CPU')]

    Differs from TensorFlow: looking for accelerators starts XLA, with memory growth on.
    """
    return [
        PhysicalDevice(f"/physical_device:{kind}:{index}", kind)
        for kind, index in devices.physical()
        if device_type in (None, kind)
    ]


def list_logical_devices(device_type: str | None = None) -> list[LogicalDevice]:
    """Returns the visible devices as `tf.device` names them."""
    return [
        LogicalDevice(f"/device:{kind}:{index}", kind)
        for kind, index in devices.logical()
        if device_type in (None, kind)
    ]


def get_visible_devices(device_type: str | None = None) -> list[PhysicalDevice]:
    """Returns the physical devices that the program uses."""
    return [
        PhysicalDevice(f"/physical_device:{kind}:{index}", kind)
        for kind, index in devices.visible()
        if device_type in (None, kind)
    ]


def set_visible_devices(devices: Any, device_type: str | None = None) -> None:
    """Makes the program use only some devices.

    Args:
        devices: one or a list of `list_physical_devices()`; what is not in it is hidden.
        device_type: hide among this type only.

    Raises:
        ValueError: an unknown device, one of another type, or no CPU left.

    Example:
        >>> tf.config.set_visible_devices([], "GPU")  # compute on the CPU
    """
    _set_visible([devices] if isinstance(devices, PhysicalDevice) else list(devices), device_type)


def _set_visible(chosen: list[PhysicalDevice], device_type: str | None) -> None:
    known = list_physical_devices()
    for device in chosen:
        if device not in known:
            raise ValueError(f"tf.config.set_visible_devices: unknown device {device!r}. Known: {known}")
        if device_type is not None and device.device_type != device_type:
            raise ValueError(f"tf.config.set_visible_devices: {device.name} is no {device_type}")
    kinds = {device.device_type for device in known} if device_type is None else {device_type}
    for kind in kinds:
        hidden = {index_of(device) for device in known if device.device_type == kind and device not in chosen}
        if kind == "CPU" and hidden:
            raise ValueError(
                "tf.config.set_visible_devices: the CPU cannot be hidden, eager values live there"
            )
        devices.hide(kind, hidden)


def index_of(device: PhysicalDevice) -> int:
    """Returns the number at the end of a device's name."""
    return int(device.name.rpartition(":")[2])


def set_logical_device_configuration(
    device: PhysicalDevice, logical_devices: Sequence[LogicalDeviceConfiguration] | None
) -> None:
    """Divides a CPU into several logical devices, to try out programs for many devices.

    Raises:
        RuntimeError: XLA has started already.
        NotImplementedError: the device is no CPU; XLA does not divide accelerators.

    Example:
        >>> cpu = tf.config.list_physical_devices("CPU")[0]
        >>> tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    """
    if device.device_type != "CPU":
        raise NotImplementedError(
            f"tf.config.set_logical_device_configuration: XLA cannot divide {device.name}. To bound the memory that it "
            "takes, set the environment variable XLA_PYTHON_CLIENT_MEM_FRACTION (a fraction of the device's memory) "
            "before the program starts"
        )
    for entry in logical_devices or ():
        if entry.memory_limit is not None:
            raise ValueError("tf.config.set_logical_device_configuration: a CPU device has no memory limit")
    devices.divide_cpu(len(logical_devices or ()) or 1)
    _divided[device] = list(logical_devices or ())


_divided: dict[PhysicalDevice, list[LogicalDeviceConfiguration]] = {}


def get_logical_device_configuration(device: PhysicalDevice) -> list[LogicalDeviceConfiguration] | None:
    """Returns what `set_logical_device_configuration` was given for the device, or None."""
    return _divided.get(device) or None


def set_soft_device_placement(enabled: bool) -> None:
    """Lets `tf.device` fall back to the default device when the one it names is not there (True, the default)."""
    devices.setup.soft_placement = bool(enabled)


def get_soft_device_placement() -> bool:
    """True when `tf.device` falls back to the default device."""
    return devices.setup.soft_placement
