"""Compiling the native kernels for this machine, once."""

from __future__ import annotations

import ctypes
import hashlib
import importlib.machinery
import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from dovetail.base.settings import settings

SOURCE = Path(__file__).with_name("kernels.cc")
COMPILERS = ("g++", "clang++", "c++")
FLAGS = (
    *("-O3", "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"),
    *("-fno-math-errno", "-ffp-contract=fast", "-fno-exceptions", "-fno-rtti"),
)
_TIMEOUT_S = 120


class BuildError(Exception):
    """There is no library, for the reason in the message."""


def was_compiled() -> bool:
    """Whether the library is in the cache folder."""
    folder = cache_dir()
    if folder is None or sys.platform not in ("linux", "darwin"):
        return False
    try:
        return (folder / _name(_compiler())).exists()
    except (BuildError, OSError):
        return False


def compiled() -> tuple[ctypes.CDLL, str]:
    """Returns the library, from the cache folder or compiled now, and its path.

    Raises:
        BuildError: it cannot be made here.
    """
    if sys.platform not in ("linux", "darwin"):
        raise BuildError(f"they have not been tried on {sys.platform}")
    compiler = _compiler()
    name = _name(compiler)
    folder = cache_dir()
    if folder is None:
        return _in_a_temporary_folder(compiler, name)
    path = folder / name
    try:
        if not path.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _compile(compiler, path)
    except OSError:  # the folder cannot be written
        return _in_a_temporary_folder(compiler, name)
    return _opened(path), str(path)


def cache_dir() -> Path | None:
    """Returns the folder where libraries are kept between processes; None where the settings want nothing kept."""
    if settings.cache_dir is not None:
        return Path(settings.cache_dir) / "native" if settings.cache_dir else None
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dovetail" / "native"


def _in_a_temporary_folder(compiler: str, name: str) -> tuple[ctypes.CDLL, str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / name
        _compile(compiler, path)
        return _opened(path), "compiled for this process"


def _opened(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(str(error)) from error


def _compiler() -> str:
    for name in (os.environ.get("CXX"), *COMPILERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise BuildError(f"there is no compiler: none of {', '.join(COMPILERS)} is installed")


def _name(compiler: str) -> str:
    return f"kernels-{_fingerprint(compiler)}.so"


def _fingerprint(compiler: str) -> str:
    """Returns a name for all that the compiled library depends on."""
    binary = os.stat(compiler)
    sources = [path.read_bytes() for path in sorted(SOURCE.parent.iterdir()) if path.suffix in (".cc", ".h")]
    facts = (
        *(sources, _flags(), _version()),
        *(os.path.realpath(compiler), binary.st_size, binary.st_mtime_ns, _processor()),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _flags() -> tuple[str, ...]:
    return *FLAGS, _architecture(), f"-I{_headers()}"


def _headers() -> Path:
    """Returns the folder of XLA's headers, which jaxlib brings.  Nothing is imported: NumPy's work comes here too."""
    found = importlib.machinery.PathFinder.find_spec("jaxlib")
    places = found.submodule_search_locations if found else None
    if not places:
        raise BuildError("jaxlib, whose headers they need, is not installed")
    return Path(places[0]) / "include"


def _version() -> str:
    return importlib.metadata.version("jaxlib")


def _architecture() -> str:
    return "-march=native" if platform.machine().lower() in ("x86_64", "amd64") else "-mcpu=native"


def _processor() -> str:
    """Returns what the processor can do: folders are shared between machines that differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    return platform.machine() + next((x for x in lines if x.lower().startswith(("flags", "features"))), "")


def _compile(compiler: str, path: Path) -> None:
    """Compiles to a path, where the file appears whole: other processes may be doing the same."""
    handle, half = tempfile.mkstemp(suffix=".so", dir=path.parent)
    os.close(handle)
    try:
        done = subprocess.run(
            [compiler, *_flags(), str(SOURCE), "-o", half],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise BuildError(f"{compiler} failed: {(done.stderr.strip().splitlines() or ['no message'])[0]}")
        os.replace(half, path)
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"{compiler} took longer than {_TIMEOUT_S} s") from error
    finally:
        Path(half).unlink(missing_ok=True)
