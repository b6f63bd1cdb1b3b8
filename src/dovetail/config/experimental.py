"""`tf.config.experimental`: memory, determinism and precision of devices."""

from __future__ import annotations

from typing import Any

from dovetail.engine import devices
from dovetail.runtime.machine import (
    LogicalDeviceConfiguration as VirtualDeviceConfiguration,
)
from dovetail.runtime.machine import (
    get_logical_device_configuration as get_virtual_device_configuration,
)
from dovetail.runtime.machine import (
    get_visible_devices,
    index_of,
    list_logical_devices,
    list_physical_devices,
    set_visible_devices,
)
from dovetail.runtime.machine import (
    set_logical_device_configuration as set_virtual_device_configuration,
)

__all__ = [
    "VirtualDeviceConfiguration",
    "enable_op_determinism",
    "enable_tensor_float_32_execution",
    "get_device_details",
    "get_memory_growth",
    "get_memory_info",
    "get_memory_usage",
    "get_virtual_device_configuration",
    "get_visible_devices",
    "list_logical_devices",
    "list_physical_devices",
    "reset_memory_stats",
    "set_memory_growth",
    "set_virtual_device_configuration",
    "set_visible_devices",
    "tensor_float_32_execution_enabled",
]


def set_memory_growth(device: Any, enable: bool) -> None:
    """Lets XLA take the memory of a GPU as it is needed (True), or most of it at once (False).

    All devices of a machine share the choice.

    Raises:
        ValueError: the device is a CPU.
        RuntimeError: XLA has started with the other choice.
    """
    _not_cpu(device, "Cannot set memory growth on")
    devices.set_growth(device.device_type, bool(enable))


def get_memory_growth(device: Any) -> bool:
    """Returns whether memory growth was asked for."""
    _not_cpu(device, "Memory growth is not defined for")
    return devices.setup.growth.get(device.device_type, devices.setup.started_growing)


def _not_cpu(device: Any, what: str) -> None:
    if device.device_type == "CPU":
        raise ValueError(f"{what} non-GPU and non-Pluggable devices: received {device.name}")


def enable_op_determinism() -> None:
    """Makes every op give the same bits in every run.

    On CPUs and TPUs they do anyway.  On GPUs, call this at the start of the program.  Random ops need a seed besides:
    `tf.keras.utils.set_random_seed`.
    """
    devices.make_deterministic()


def enable_tensor_float_32_execution(enabled: bool) -> None:
    """Lets float32 matrix products and convolutions use TensorFloat-32 on GPUs that have it (the default)."""
    devices.allow_tensor_float_32(bool(enabled))


def tensor_float_32_execution_enabled() -> bool:
    """Returns whether TensorFloat-32 may be used."""
    return devices.setup.tensor_float_32


def get_device_details(device: Any) -> dict[str, Any]:
    """Returns `{"device_name": ..., "compute_capability": (9, 0)}` of a GPU, {} for a CPU."""
    return devices.details(device.device_type, index_of(device))


def get_memory_info(device: str) -> dict[str, int]:
    """Returns `{"current": bytes, "peak": bytes}` of a device such as "GPU:0"; zeros for CPUs, which do not count."""
    kind, _, index = device.rpartition("/")[2].removeprefix("device:").partition(":")
    found = devices.statistics(kind.upper(), int(index or 0))
    return {"current": found.get("bytes_in_use", 0), "peak": found.get("peak_bytes_in_use", 0)}


def get_memory_usage(device: str) -> int:
    """Returns the bytes in use on a device."""
    return get_memory_info(device)["current"]


def reset_memory_stats(device: str) -> None:
    """Refuses: XLA keeps the peak since the start of the process.

    Raises:
        NotImplementedError: always, but for CPUs, which have no statistics.
    """
    if "CPU" not in device.upper():
        raise NotImplementedError(
            "tf.config.experimental.reset_memory_stats: XLA cannot reset the peak; measure in a process of its own"
        )
