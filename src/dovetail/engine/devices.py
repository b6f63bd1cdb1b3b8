"""Devices: which there are, which of them a program sees, how they are set up, and where eager ops run.

JAX reads its setup from the environment when its first backend starts.  So everything that must be said before is kept
in `setup` and written to the environment; a change that comes too late raises.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from dovetail.engine import jax_private_module, uses_xla, xla

_GROWTH = "XLA_PYTHON_CLIENT_PREALLOCATE"
_NUM_THREADS = ("NPROC", "PJRT_NPROC")
_NUM_CPUS = "JAX_NUM_CPU_DEVICES"
_DETERMINISM = "--xla_gpu_deterministic_ops=true"
_PRECISION = "jax_default_matmul_precision"


@dataclass
class Setup:
    """What was asked of the devices.

    Attributes:
        hidden: kind -> indices of physical devices that the program shall not see.
        growth: kinds for which memory growth was asked for explicitly.
        started_growing: JAX was started by a look at the devices, with memory growth on.
        soft_placement: an unknown device in `tf.device` falls back to the default one.
        intra_op_threads, inter_op_threads: 0 lets the system choose.
        deterministic: ops must give the same bits in every run.
        tensor_float_32: float32 products may be computed with 10 bits of mantissa where the device has them.
    """

    hidden: dict[str, set[int]] = field(default_factory=dict)
    growth: dict[str, bool] = field(default_factory=dict)
    started_growing: bool = False
    soft_placement: bool = True
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    deterministic: bool = False
    tensor_float_32: bool = True


setup = Setup()


def may_have_accelerators() -> bool:
    """False when no plugin for an accelerator is installed, so that nobody needs to ask JAX."""
    if not uses_xla() or os.environ.get("JAX_PLATFORMS", "").lower() == "cpu":
        return False
    plugged = importlib.import_module("importlib.metadata").entry_points(group="jax_plugins")
    return bool(plugged) or any(importlib.util.find_spec(name) for name in ("jax_plugins", "libtpu"))


def started() -> bool:
    """True when JAX has started a backend: what is read at the start can no longer change."""
    return "jax" in sys.modules and uses_xla() and jax_private_module().backends_started()


def physical() -> list[tuple[str, int]]:
    """Returns `(kind, index)` of every device, the CPU first: `[("CPU", 0), ("GPU", 0)]`.

    Asking starts JAX where an accelerator may be found.  It then grows its memory use step by step, so that
    `set_memory_growth`, which programs call with what they found here, is still true.
    """
    kinds = ["CPU"]
    if may_have_accelerators():
        _start_growing()
        kinds += [row["kind"] for row in _accelerators()]
    return [(kind, kinds[:i].count(kind)) for i, kind in enumerate(kinds)]


def _accelerators() -> list[dict]:
    names = {"CUDA": "GPU", "ROCM": "GPU"}
    rows = [{**row, "kind": names.get(row["kind"], row["kind"])} for row in xla("devices").describe_devices()]
    return [row for row in rows if row["kind"] != "CPU"]


def _start_growing() -> None:
    if not started() and _GROWTH not in os.environ:
        os.environ[_GROWTH] = "false"
        setup.started_growing = True


def visible() -> list[tuple[str, int]]:
    """Returns the physical devices that the program sees."""
    return [(kind, index) for kind, index in physical() if index not in setup.hidden.get(kind, ())]


def logical() -> list[tuple[str, int]]:
    """Returns the devices that programs place things on: a CPU may be divided into several."""
    num_cpus = _num_cpus()
    kinds = [kind for kind, _ in visible() for _ in range(num_cpus if kind == "CPU" else 1)]
    return [(kind, kinds[:i].count(kind)) for i, kind in enumerate(kinds)]


def _num_cpus() -> int:
    asked = _NUM_CPUS in os.environ or "host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    return xla("devices").num_cpu_devices() if asked and uses_xla() else 1


def divide_cpu(count: int) -> None:
    """Makes JAX see `count` CPU devices.

    Raises:
        RuntimeError: JAX has started already.
    """
    refuse_when_started("Virtual devices", count != _num_cpus_asked())
    os.environ[_NUM_CPUS] = str(count)
    if "jax" in sys.modules and not started():
        xla("devices").update_config("jax_num_cpu_devices", count)


def _num_cpus_asked() -> int:
    return int(os.environ.get(_NUM_CPUS, "1"))


def hide(kind: str, indices: set[int]) -> None:
    """Hides devices of a kind from the program; arrays go to the first one left, else to the CPU."""
    setup.hidden[kind] = indices
    if kind == "CPU" or not may_have_accelerators():
        return
    left = [device for device in visible() if device[0] != "CPU"] or [("CPU", 0)]
    xla("devices").update_config("jax_default_device", find(*left[0]))


def find(kind: str, index: int) -> Any:
    """Returns JAX's device object of a logical device."""
    return xla("devices").find_device("cpu" if kind == "CPU" else None, index)


def set_growth(kind: str, enable: bool) -> None:
    """Memory of accelerators is taken as it is needed (True) or most of it at once (False).

    Raises:
        RuntimeError: JAX has started the other way already.
    """
    if started():
        growing = os.environ.get(_GROWTH, "true").lower() in ("false", "0")
        refuse_when_started("Physical devices", growing != enable)
    setup.growth[kind] = enable
    os.environ[_GROWTH] = "false" if enable else "true"


def set_threads(count: int) -> None:
    """Bounds the threads that one op may use; 0 lets JAX choose.

    Raises:
        RuntimeError: JAX has started already.
    """
    refuse_when_started("Intra op parallelism", count != setup.intra_op_threads)
    setup.intra_op_threads = count
    for variable in _NUM_THREADS:
        if count:
            os.environ[variable] = str(count)
        else:
            os.environ.pop(variable, None)
    if "dovetail.engine.native" in sys.modules:
        sys.modules["dovetail.engine.native"].use_threads(count)


def refuse_when_started(what: str, changes: bool) -> None:
    if changes and started():
        raise RuntimeError(
            f"{what} cannot be modified after being initialized: the first compiled op started XLA. Call this at the "
            "start of the program."
        )


def make_deterministic() -> None:
    """Makes ops give the same bits in every run: on CPUs and TPUs they do, on GPUs XLA must be told at its start.

    Raises:
        RuntimeError: a GPU is in use already.
    """
    setup.deterministic = True
    flags = os.environ.get("XLA_FLAGS", "")
    if not may_have_accelerators() or _DETERMINISM in flags:
        return
    refuse_when_started(
        "Op determinism", any(row["kind"] == "GPU" for row in _accelerators()) if started() else False
    )
    os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISM}".strip()


def allow_tensor_float_32(enabled: bool) -> None:
    """Lets float32 products use 10 bits of mantissa on devices that have them, or not."""
    setup.tensor_float_32 = enabled
    precision = "default" if enabled else "highest"
    os.environ[_PRECISION.upper()] = precision
    if "jax" in sys.modules and uses_xla():
        xla("devices").update_config(_PRECISION, precision)


def statistics(kind: str, index: int) -> dict:
    """Returns XLA's memory statistics of a device; empty where it keeps none (CPUs)."""
    return {} if kind == "CPU" else dict(find(kind, index).memory_stats() or {})


def details(kind: str, index: int) -> dict:
    """Returns what is known of an accelerator: `device_name`, and `compute_capability` of NVIDIA's."""
    if kind == "CPU":
        return {}
    device = find(kind, index)
    found = {"device_name": device.device_kind}
    capability = getattr(device, "compute_capability", None)
    if capability:
        found["compute_capability"] = tuple(int(part) for part in str(capability).split("."))
    return found


def placed_on(kind: str, index: int) -> Any:
    """Returns a context in which eager XLA ops run on a device; on a machine that has just a CPU it does nothing."""
    if not may_have_accelerators() and index == 0:
        return contextlib.nullcontext()
    return xla("devices").default_device(find(kind, index))
