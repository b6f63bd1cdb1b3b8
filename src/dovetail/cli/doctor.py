"""`dovetail doctor`: versions, devices, settings, and what keeps an accelerator from being used."""

from __future__ import annotations

import argparse
import platform
import sys

import dovetail
from dovetail.base.settings import settings
from dovetail.cli.machine import Facts, gather

NEEDED = ("numpy", "scipy", "ml_dtypes", "optree", "jax", "jaxlib", "h5py")
OPTIONAL = ("jax-cuda13-plugin", "jax-cuda12-plugin", "libtpu", "matplotlib", "scikit-learn", "pillow")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what `dovetail doctor` does; it takes no arguments."""
    parser.description = (
        "Show versions, devices and settings. The exit status is 1 when a problem is found, else 0."
    )


def run(options: argparse.Namespace) -> int:
    """Prints the report; returns 1 when there is a problem, else 0."""
    facts = gather((*NEEDED, *OPTIONAL))
    problems = diagnose(facts)
    print(report(facts, problems))
    return 1 if problems else 0


def diagnose(facts: Facts) -> list[str]:
    """Returns one line for each problem: what is wrong, and the one thing that mends it."""
    problems = [
        f"{name} is not installed. Fix: pip install {name}" for name in NEEDED if not _has(facts, name)
    ]
    if facts.device_error:
        problems.append(f"JAX finds no device: {facts.device_error}. Fix: {_fix_device_error(facts)}")
    elif facts.nvidia and not facts.sees("gpu", "cuda"):
        problems.append(f"An NVIDIA GPU is present ({facts.nvidia}) and not used. Fix: {_fix_nvidia(facts)}")
    elif facts.tpu and not facts.sees("tpu"):
        problems.append(f"A TPU is present ({facts.tpu}) and not used. Fix: {_fix_tpu(facts)}")
    if facts.cache_problem:
        problems.append(
            f"{facts.cache_problem} Fix: set DOVETAIL_CACHE_DIR to a folder that you may write to"
        )
    return problems


def report(facts: Facts, problems: list[str]) -> str:
    """Returns the text that `dovetail doctor` prints."""
    versions = [f"{name} {facts.versions[name]}" for name in (*NEEDED, *OPTIONAL) if _has(facts, name)]
    lines = [
        f"dovetail   {getattr(dovetail, '__version__', 'unknown')}  ({dovetail.__file__})",
        f"python     {platform.python_version()}, {sys.executable}",
        f"system     {platform.platform()}",
        *_wrapped("packages", versions),
        f"engine     {settings.engine}{_from_env(facts, 'DOVETAIL_ENGINE')}",
        *_devices(facts),
        f"cache      {_cache(facts)}",
        f"native     {facts.native}",
        *[
            f"setting    {name}={value}"
            for name, value in sorted(facts.env.items())
            if name != "DOVETAIL_ENGINE"
        ],
        *[f"problem    {line}" for line in problems],
    ]
    return "\n".join(lines if problems else [*lines, "no problems found"])


def _fix_device_error(facts: Facts) -> str:
    if "JAX_PLATFORMS" in facts.env:
        return f"unset JAX_PLATFORMS (it is {facts.env['JAX_PLATFORMS']!r}), or install what it names"
    return 'pip install --upgrade "jax[cpu]"'


def _fix_nvidia(facts: Facts) -> str:
    if facts.system == "Windows":
        return (
            "JAX has no GPU support on native Windows; run inside WSL2, and there: pip install dovetail[gpu]"
        )
    forced = _forced_off(facts, "cuda", "gpu")
    if forced:
        return forced
    if facts.env.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "unset CUDA_VISIBLE_DEVICES; its value hides every GPU"
    plugins = [name for name in facts.versions if name.startswith("jax-cuda") and name.endswith("-plugin")]
    if not plugins:
        return 'pip install "dovetail[gpu]"'
    wrong = [name for name in plugins if facts.versions[name] != facts.versions.get("jaxlib")]
    if wrong:
        return (
            f'pip install --upgrade "dovetail[gpu]" ({wrong[0]} is {facts.versions[wrong[0]]}, '
            f"jaxlib is {facts.versions.get('jaxlib')}; they must match)"
        )
    return f"update the NVIDIA driver: {plugins[0]} is installed and cannot start with the one that is there"


def _fix_tpu(facts: Facts) -> str:
    forced = _forced_off(facts, "tpu")
    if forced:
        return forced
    if "libtpu" not in facts.versions:
        return 'pip install "jax[tpu]"'
    return "end the other process that holds the TPU; one process at a time can"


def _forced_off(facts: Facts, *names: str) -> str:
    if facts.env.get("DOVETAIL_ENGINE") == "host":
        return "unset DOVETAIL_ENGINE; 'host' keeps everything on NumPy"
    chosen = facts.env.get("JAX_PLATFORMS", "")
    if chosen and not set(names) & set(chosen.split(",")):
        return f"unset JAX_PLATFORMS; its value {chosen!r} leaves the accelerator out"
    return ""


def _devices(facts: Facts) -> list[str]:
    if not facts.devices:
        return [
            f"devices    {facts.device_error or 'none seen by JAX: the engine is forced to host (NumPy)'}"
        ]
    rows = [f"{row['kind']}:{row['id']}  {row['name']}" for row in facts.devices]
    return _wrapped("devices", rows)


def _cache(facts: Facts) -> str:
    if facts.cache_dir is None:
        return "compiled programs are not kept on disk"
    return f"{facts.cache_dir}, {facts.cache_files} files, {facts.cache_bytes / 2**20:.1f} MiB"


def _wrapped(title: str, items: list[str]) -> list[str]:
    """Returns the items three to a line, the title before the first line."""
    rows = [", ".join(items[start : start + 4]) for start in range(0, len(items), 4)]
    return [f"{title if index == 0 else '':<10} {row}" for index, row in enumerate(rows)]


def _from_env(facts: Facts, name: str) -> str:
    return f" ({name}={facts.env[name]})" if name in facts.env else f" ({name} is not set)"


def _has(facts: Facts, name: str) -> bool:
    return name in facts.versions
