"""Scopes: names, devices, and whether code runs eagerly or inside a compiled function."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import settings, state
from dovetail.engine import devices, jax_private_module, loaded_xla
from dovetail.tensor.variable import enter_scope

__all__ = [
    "device",
    "executing_eagerly",
    "get_current_name_scope",
    "init_scope",
    "inside_function",
    "name_scope",
]

_BARE_KINDS = ("CPU", "GPU", "TPU", "XLA_CPU", "XLA_GPU")
_XLA_KINDS = {"XLA_CPU": "CPU", "XLA_GPU": "GPU"}


class name_scope:
    """Puts a prefix before the names of the variables and operations that are created in a `with` block.

    Args:
        name: added to the names of the scopes around; a name that ends in "/" stands for itself.  In a graph, where a
            name stands once, a number is added to a scope that there was before.

    Example:
        >>> with tf.name_scope("encoder"):
        ...     with tf.name_scope("block") as scope:
        ...         v = tf.Variable(1.0, name="kernel")
        >>> scope, v.name
        ('encoder/block/', 'encoder/block/kernel:0')
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise ValueError(f"tf.name_scope: name must be a string, received {name!r}{at_user_location()}")
        self._name = name
        self._graphs: list = []

    @property
    def name(self) -> str:
        return self._name

    def __enter__(self) -> str:
        """Returns the full name of the scope, with a "/" at its end."""
        outer = state.name_scopes[-1] if state.name_scopes else ""
        graph = None if state.scope is None else state.scope.graph
        if graph is not None:
            full = graph.names.scope_name(self._name)
            graph.names.scopes.append(full)
            self._graphs.append(graph)
        elif self._name.endswith("/"):
            full = self._name.rstrip("/")
        elif not self._name:
            full = ""
        else:
            full = f"{outer}/{self._name}" if outer else self._name
        if graph is None:
            self._graphs.append(None)
        state.name_scopes.append(full)
        return self._name if self._name.endswith("/") else full + "/" if full else ""

    def __exit__(self, *exc: object) -> None:
        state.name_scopes.pop()
        graph = self._graphs.pop()
        if graph is not None:
            graph.names.scopes.pop()


def get_current_name_scope() -> str:
    """Returns the name of the innermost `tf.name_scope`, "" outside of any."""
    return state.name_scopes[-1] if state.name_scopes else ""


class device:
    """Runs the eager ops of a `with` block on a device.

    Args:
        device_name: "/GPU:0", "gpu:1", "/device:CPU:0", "/job:localhost/device:TPU:0", None for the default device.

    An unknown device means the default one, unless `tf.config.set_soft_device_placement(False)` was called; then it is
    an InvalidArgumentError.  Inside compiled functions it has no effect: XLA compiles a function for one device.

    Raises:
        ValueError: the name cannot be read.
    """

    def __init__(self, device_name: Any) -> None:
        if hasattr(device_name, "to_string"):
            device_name = device_name.to_string()
        if callable(device_name):
            raise RuntimeError("tf.device does not support functions: pass the name of a device")
        if device_name is not None and not isinstance(device_name, str):
            raise ValueError(
                f"tf.device: expected the name of a device, received {device_name!r} of {type(device_name).__name__}"
                f"{at_user_location()}"
            )
        self._name = device_name
        self._wanted = None if device_name is None else parse_device(device_name)
        self._stack: list[tuple[Any, contextlib.ExitStack]] = []

    def __enter__(self) -> None:
        found = state.device if self._name == "" else self._resolve()
        stack = contextlib.ExitStack()
        if found is not None:
            stack.enter_context(devices.placed_on(*found))
            if found[0] != "CPU":
                stack.enter_context(_everything_on_xla())
        self._stack.append((state.device, stack))
        state.device = found

    def __exit__(self, *exc: object) -> None:
        state.device, stack = self._stack.pop()
        stack.close()

    def _resolve(self) -> tuple[str, int] | None:
        """Returns the logical device that is meant, None for the default one."""
        if self._wanted is None:
            return None
        kind, index, local = self._wanted
        if not local:
            raise InvalidArgumentError(f"tf.device: {self._name} is an unknown device{at_user_location()}")
        if kind == "CPU" and index == 0:
            return kind, index
        known = devices.logical()
        if (kind, index) in known:
            return kind, index
        if devices.setup.soft_placement:
            return None
        names = ", ".join(f"/device:{k}:{i}" for k, i in known)
        raise InvalidArgumentError(
            f"tf.device: could not satisfy the device specification {self._name!r} (soft placement is off). All "
            f"available devices: {names}{at_user_location()}"
        )


@contextlib.contextmanager
def _everything_on_xla() -> Iterator[None]:
    """Small eager values run on the host engine otherwise, which only knows the CPU."""
    before = settings.active_limit
    settings.active_limit = -1
    try:
        yield
    finally:
        settings.active_limit = before


def parse_device(name: str) -> tuple[str, int, bool]:
    """Returns `(kind, index, whether it is on this machine)` of a device's name.

    Example:
        >>> parse_device("/job:localhost/replica:0/task:0/device:GPU:1")
        ('GPU', 1, True)
    """
    kind, index, local = "CPU", 0, True
    for part in filter(None, name.split("/")):
        fields = part.split(":")
        head = fields[0].lower()
        if head == "device" and len(fields) in (2, 3):
            kind, index = fields[1].upper(), _index_of(fields[2:], name)
        elif fields[0].upper() in _BARE_KINDS and len(fields) <= 2:
            kind, index = fields[0].upper(), _index_of(fields[1:], name)
        elif head == "job" and len(fields) == 2:
            local = local and fields[1] == "localhost"
        elif head in ("replica", "task") and len(fields) == 2:
            local = local and _index_of(fields[1:], name) == 0
        else:
            raise ValueError(
                f"Unknown attribute {fields[0]!r} is encountered while parsing the device spec: {name!r}. Expected "
                f"something like '/GPU:0' or '/device:CPU:0'{at_user_location()}"
            )
    return _XLA_KINDS.get(kind, kind), index, local


def _index_of(fields: list[str], name: str) -> int:
    text = fields[0] if fields else "0"
    if text == "*":
        return 0
    if not text.isdigit():
        raise ValueError(f"tf.device: {text!r} is no device number in {name!r}{at_user_location()}")
    return int(text)


@contextlib.contextmanager
def init_scope() -> Iterator[None]:
    """Leaves the compiled function around it: inside, ops run eagerly, and no tape records them.

    Loops and branches of a graph that a program writes (`tf.Graph().as_default()`) are left for that graph.

    Raises, as everywhere outside of a function, when a traced tensor is used in it.
    """
    tapes, state.tapes = state.tapes, ()
    with contextlib.ExitStack() as stack:
        stack.enter_context(enter_scope(_written_scope()))
        if loaded_xla() is not None:
            stack.enter_context(jax_private_module().outside_of_traces())
        try:
            yield
        finally:
            state.tapes = tapes


def _written_scope() -> Any:
    """Returns the scope of the graph that a program writes here, None where it writes none."""
    scope: Any = state.scope
    while scope is not None and not getattr(scope.graph, "by_hand", False):
        scope = getattr(scope, "parent", None)
    return scope


def executing_eagerly() -> bool:
    """True outside of compiled functions (and of models that are being built), where tensors have values."""
    engine = loaded_xla()
    return state.scope is None and (engine is None or not engine.in_trace())


def inside_function() -> bool:
    """True while a `tf.function` is traced."""
    return not executing_eagerly()
