"""The one door to JAX and to the host engine.

`host` is NumPy with TensorFlow's manners; `xla` is `jax.numpy` with the same names and the same manners.  Op bodies
are written against either through the argument `xp`.  JAX is imported when something first needs XLA, not before.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.engine import host
from dovetail.engine.kernels import BRIEF, brief

_LOADED: list[ModuleType] = []


class _Concrete:
    """The class of JAX's concrete arrays, once JAX is there: dispatch asks for it with every call."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: Any = None


concrete = _Concrete()


class EngineUnavailableError(RuntimeError):
    """XLA is needed, and the engine setting or the installation rules it out."""


def xla(reason: str = "this computation") -> Any:
    """Returns the XLA namespace, importing JAX on first use.

    Raises:
        EngineUnavailableError: the engine is forced to "host", or JAX is not installed.
    """
    if _LOADED:
        return _LOADED[0]
    if settings.engine == "host":
        raise EngineUnavailableError(
            f"{reason} needs the XLA engine, and the engine is forced to 'host'. "
            "Unset DOVETAIL_ENGINE, or set dovetail.base.settings.settings.engine = 'auto'."
        )
    door = xla
    drawn = np.random.get_state()  # importing JAX draws from NumPy's generator, which users may have seeded
    try:
        module = importlib.import_module("dovetail.engine.xla")
    except ImportError as error:
        raise EngineUnavailableError(f"{reason} needs JAX: pip install jax ({error})") from error
    np.random.set_state(drawn)
    globals()["xla"] = door  # the import has put the module under this name
    concrete.array = module.jax_private.ArrayImpl
    _LOADED.append(module)
    return module


def jax_private_module() -> Any:
    """Returns `engine/jax_private.py`, the file that knows JAX's tracing machinery."""
    xla("tracing")
    return importlib.import_module("dovetail.engine.jax_private")


_DOORS: dict[str, Callable[[], Any]] = {}


def _door(function: Callable[[], Any]) -> Callable[[], Any]:
    """Decorator for a function that imports the module of its name: the import puts that in the function's place."""

    def door() -> Any:
        found = function()
        globals().update(_DOORS)
        return found

    _DOORS[function.__name__] = functools.update_wrapper(door, function)
    return door


@_door
def loops() -> Any:
    """Returns `engine/loops.py`: compiled branches and loops."""
    xla("control flow")
    return importlib.import_module("dovetail.engine.loops")


@_door
def modules() -> Any:
    """Returns `engine/modules.py`: programs as StableHLO modules."""
    xla("modules")
    return importlib.import_module("dovetail.engine.modules")


def is_named_size(value: Any) -> bool:
    """Whether a value is a size that has a name, as in programs for any sizes, which XLA alone makes."""
    return bool(_LOADED) and modules().is_named_size(value)


@_door
def programs() -> Any:
    """Returns `engine/programs.py`: programs as `jax.export` keeps them."""
    xla("programs")
    return importlib.import_module("dovetail.engine.programs")


@_door
def profiling() -> Any:
    """Returns `engine/profiling.py`: traces of what runs."""
    xla("profiling")
    return importlib.import_module("dovetail.engine.profiling")


def loaded_xla() -> Any:
    """Returns the XLA namespace if JAX has been needed already, else None."""
    return _LOADED[0] if _LOADED else None


def uses_xla() -> bool:
    """True when compiled execution is allowed by the settings."""
    return settings.engine != "host"


def is_tracer(value: object) -> bool:
    """True for a value that stands for an array inside a trace."""
    return bool(_LOADED) and isinstance(value, _LOADED[0].Tracer)


def describe_devices() -> list[dict]:
    """Returns `[{"kind": "CPU", "platform": "cpu", "id": 0, "name": "..."}]`, one row a device XLA sees."""
    return xla("listing the devices").describe_devices() if uses_xla() else []


def native_kernels() -> str:
    """Says where the compiled kernels of `engine/native` are, or why there are none."""
    return importlib.import_module("dovetail.engine.native").state()


def leaves_out_native() -> bool:
    """Whether what runs does without native kernels because it is too brief for compiling them."""
    return BRIEF.get() and importlib.import_module("dovetail.engine.native").left_out()


__all__ = [
    "EngineUnavailableError",
    "brief",
    "concrete",
    "describe_devices",
    "host",
    "is_tracer",
    "jax_private_module",
    "leaves_out_native",
    "loaded_xla",
    "loops",
    "native_kernels",
    "profiling",
    "programs",
    "uses_xla",
    "xla",
]
