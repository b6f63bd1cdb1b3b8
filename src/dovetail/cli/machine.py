"""What `dovetail doctor` knows about the machine: packages, accelerators, environment, cache."""

from __future__ import annotations

import glob
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from dovetail import engine
from dovetail.base.settings import settings

# Environment variables that decide which devices there are.
VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "DOVETAIL_ENGINE",
    "DOVETAIL_NATIVE",
    "JAX_PLATFORMS",
    "TPU_NAME",
    "TPU_VISIBLE_CHIPS",
    "XLA_FLAGS",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
    "XLA_PYTHON_CLIENT_PREALLOCATE",
)
GOOGLE_PCI_VENDOR = "0x1ae0"


@dataclass(frozen=True)
class Facts:
    """What was found.

    Attributes:
        versions: package name -> version, installed packages only.
        devices: rows of `engine.describe_devices()`.
        device_error: why JAX could not list its devices, or "".
        nvidia: how an NVIDIA GPU shows on this machine, or "".
        tpu: how a TPU shows on this machine, or "".
        env: the variables of VARIABLES that are set.
        cache_dir, cache_files, cache_bytes: the compilation cache on disk; None when there is none.
        cache_problem: what is wrong with it, or "".
        native: where the native kernels are, or why there are none.
    """

    versions: dict[str, str]
    system: str = "Linux"
    devices: list[dict[str, Any]] = field(default_factory=list)
    device_error: str = ""
    nvidia: str = ""
    tpu: str = ""
    env: dict[str, str] = field(default_factory=dict)
    cache_dir: str | None = None
    cache_files: int = 0
    cache_bytes: int = 0
    cache_problem: str = ""
    native: str = ""

    def sees(self, *platforms: str) -> bool:
        """True if JAX lists a device of one of these platforms."""
        return any(row["platform"].lower() in platforms for row in self.devices)


def gather(packages: tuple[str, ...]) -> Facts:
    """Looks at this machine.  Imports JAX, unless the engine is forced to host."""
    devices, device_error = find_devices()
    cache_dir = find_cache()
    files, num_bytes = measure(cache_dir) if cache_dir else (0, 0)
    return Facts(
        versions=find_versions(packages),
        system=platform.system(),
        devices=devices,
        device_error=device_error,
        nvidia=find_nvidia(),
        tpu=find_tpu(),
        env={name: os.environ[name] for name in VARIABLES if name in os.environ},
        cache_dir=cache_dir,
        cache_files=files,
        cache_bytes=num_bytes,
        cache_problem=check_cache(cache_dir) if cache_dir else "",
        native=engine.native_kernels(),
    )


def find_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Returns the versions of the installed ones among the packages."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def find_devices() -> tuple[list[dict[str, Any]], str]:
    """Returns the devices JAX sees, or the first line of its error."""
    try:
        return engine.describe_devices(), ""
    except Exception as error:  # noqa: BLE001 - whatever JAX raises is what the user wants to read
        first_line = (str(error).splitlines() or [""])[0].rstrip(".")
        return [], f"{type(error).__name__}: {first_line}".rstrip(": ")


def find_nvidia() -> str:
    """Returns what shows an NVIDIA GPU: a device file, WSL's driver, or `nvidia-smi`; "" when nothing does."""
    files = sorted(glob.glob("/dev/nvidia[0-9]*"))
    if files:
        return files[0]
    if os.path.exists("/dev/dxg") and os.path.exists("/usr/lib/wsl/lib/libcuda.so.1"):
        return "/usr/lib/wsl/lib/libcuda.so.1"
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    try:
        listed = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "nvidia-smi lists it" if listed.returncode == 0 and "GPU 0" in listed.stdout else ""


def find_tpu() -> str:
    """Returns what shows a TPU: its device file, its PCI vendor, or the variable of a TPU virtual machine."""
    if glob.glob("/dev/accel[0-9]*"):
        return sorted(glob.glob("/dev/accel[0-9]*"))[0]
    if os.environ.get("TPU_NAME"):
        return f"TPU_NAME={os.environ['TPU_NAME']}"
    if not glob.glob("/dev/vfio/[0-9]*"):
        return ""
    for path in glob.glob("/sys/bus/pci/devices/*/vendor"):
        with open(path) as file:
            if file.read().strip() == GOOGLE_PCI_VENDOR:
                return os.path.dirname(path)
    return ""


def find_cache() -> str | None:
    """Returns the folder where compiled programs are kept, or None when they are not."""
    loaded = engine.loaded_xla()
    return (loaded.default_cache_dir() if loaded is not None else settings.cache_dir) or None


def measure(folder: str) -> tuple[int, int]:
    """Returns the number of files below a folder and their size in bytes."""
    sizes = []
    for parent, _, files in os.walk(folder):
        paths = (os.path.join(parent, name) for name in files)
        sizes += [os.path.getsize(path) for path in paths if os.path.exists(path)]
    return len(sizes), sum(sizes)


def check_cache(folder: str) -> str:
    """Returns what keeps compiled programs from being kept in the folder, or ""."""
    if os.path.exists(folder) and not os.path.isdir(folder):
        return f"The compilation cache {folder} is not a folder."
    existing = folder
    while not os.path.exists(existing) and os.path.dirname(existing) != existing:
        existing = os.path.dirname(existing) or "."
    return "" if os.access(existing, os.W_OK) else f"The compilation cache {folder} cannot be written."
