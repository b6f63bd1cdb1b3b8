"""The frameworks that are compared, and how a worker process loads one of them.

Each is imported by name, in a process of its own, after its environment is set: two of them in one process
would share threads and memory, and Keras reads its backend once.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from benchmarks.kinds import BenchmarkError


@dataclass(frozen=True)
class Spec:
    """How to load one framework.

    Args:
        packages: distributions whose versions are recorded.
        env: environment variables of its processes.
        tf: module that has TensorFlow's API.
        keras: module that has Keras' API; "tf.keras" takes it from `tf`.
        torch: whether PyTorch is used by hand.
        jax: whether JAX is used by hand.
        onnxruntime: whether ONNX Runtime is used.
    """

    packages: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    tf: str | None = None
    keras: str | None = None
    torch: bool = False
    jax: bool = False
    onnxruntime: bool = False


CPU_ONLY = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
# The sides of a workload share the GPU's memory.
DEVICES = {"cpu": CPU_ONLY, "gpu": {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}}
# Programs compiled by an earlier run must not flatter this one; only `first_step` measures the cache on disk.  The
# library of native kernels is there, as on every machine where Dovetail has run before: see `prepare`.
NO_DISK_CACHE = {"JAX_ENABLE_COMPILATION_CACHE": "false"}

FRAMEWORKS: dict[str, Spec] = {
    "dovetail": Spec(("dovetail", "jax", "numpy"), NO_DISK_CACHE, tf="dovetail", keras="tf.keras"),
    "dovetail_xla": Spec(
        ("dovetail", "jax"), {**NO_DISK_CACHE, "DOVETAIL_ENGINE": "xla"}, tf="dovetail", keras="tf.keras"
    ),
    "tensorflow": Spec(
        ("tensorflow", "keras"), {"KERAS_BACKEND": "tensorflow"}, tf="tensorflow", keras="tf.keras"
    ),
    "tf_keras": Spec(("tensorflow", "tf_keras"), tf="tensorflow", keras="tf_keras"),
    "keras_tf": Spec(
        ("keras", "tensorflow"), {"KERAS_BACKEND": "tensorflow"}, tf="tensorflow", keras="keras"
    ),
    "keras_jax": Spec(("keras", "jax"), {"KERAS_BACKEND": "jax"}, keras="keras"),
    "keras_torch": Spec(("keras", "torch"), {"KERAS_BACKEND": "torch"}, keras="keras", torch=True),
    "torch": Spec(("torch",), torch=True),
    "numpy": Spec(("numpy",)),
    "jax": Spec(("jax", "jaxlib"), jax=True),
    "onnxruntime": Spec(("onnxruntime",), onnxruntime=True),
}


@dataclass
class Loaded:
    """A framework's modules, as a side's `build` receives them.

    `by_hand` is the module with the models that are written without Keras, for PyTorch and JAX.
    """

    name: str
    tf: Any = None
    torch: Any = None
    jax: Any = None
    onnxruntime: Any = None
    by_hand: Any = None

    @property
    def keras(self) -> Any:
        """The Keras of this framework, imported when it is first asked for."""
        module = FRAMEWORKS[self.name].keras
        return self.tf.keras if module == "tf.keras" else importlib.import_module(str(module))


def environment(name: str, device: str = "cpu") -> dict[str, str]:
    """Return the environment for a process that runs framework `name` on "cpu" or "gpu".

    Python keeps what it compiles, as it does for installed packages: untimed first runs fill the source tree's copies.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    quiet = {"PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**inherited, **DEVICES[device], **quiet, **FRAMEWORKS[name].env}


def prepare() -> None:
    """Let Dovetail compile its native kernels, as it does once on each machine."""
    command = [sys.executable, "-c", "from dovetail.engine import native; native.state()"]
    subprocess.run(command, env=environment("dovetail"), check=True)


def gpu() -> str:
    """Return the name of the GPU that every framework of the workloads on it sees.

    Raises:
        BenchmarkError: one of them sees none.
    """
    looks = {
        "jax": "import jax; print(jax.devices('gpu')[0].device_kind)",
        "torch": "import torch; print(torch.cuda.get_device_name())",
    }
    names = []
    for framework, code in looks.items():
        found = subprocess.run(
            [sys.executable, "-c", code], env=environment(framework, "gpu"), capture_output=True, text=True
        )
        if found.returncode != 0:
            why = (found.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise BenchmarkError(f"no GPU: {framework} finds none ({why}); install its build for CUDA")
        names.append(found.stdout.strip().splitlines()[-1])
    return names[0]


def load(name: str) -> Loaded:
    """Import framework `name` into this process."""
    spec = FRAMEWORKS[name]
    loaded = Loaded(name)
    if spec.tf:
        loaded.tf = importlib.import_module(spec.tf)
    if spec.torch:
        loaded.torch = importlib.import_module("torch")
        loaded.by_hand = importlib.import_module("benchmarks.by_hand_torch")
    if spec.jax:
        loaded.jax = importlib.import_module("jax")
        loaded.by_hand = importlib.import_module("benchmarks.by_hand_jax")
    if spec.onnxruntime:
        loaded.onnxruntime = importlib.import_module("onnxruntime")
    return loaded


def versions() -> dict[str, str]:
    """Return the installed version of every package that takes part; "not installed" where one is missing."""
    found = {}
    for package in sorted({p for spec in FRAMEWORKS.values() for p in spec.packages}):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
