"""What a file may do when it is loaded: describe, and nothing more, unless the caller allows it.

Bytecode runs, paths are opened, and models are run, only where the caller has asked for it: by `safe_mode=False` for
one call, or by `keras.config.enable_unsafe_deserialization()` for the process, which no file can call.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.reaching import OPS
from dovetail.wire.inflation import UNQUESTIONED_BYTES

_allowed_here: ContextVar[bool | None] = ContextVar("unsafe_allowed", default=None)
_allowed: dict[str, bool] = {"process": False}

_WAY_FORWARD = (
    "If you trust the file, pass safe_mode=False to the call that loads it, or call "
    "keras.config.enable_unsafe_deserialization() before"
)


class NotAllowedError(ValueError):
    """What a file asks for is not done, as nobody has allowed it."""


def allow_in_process() -> None:
    """Allows everything for the rest of the process."""
    _allowed["process"] = True


@contextlib.contextmanager
def allowing(safe_mode: bool | None) -> Iterator[None]:
    """Allows everything inside of the block (False), refuses it (True), or leaves it as it is (None)."""
    if safe_mode is None:
        yield
        return
    token = _allowed_here.set(not safe_mode)
    try:
        yield
    finally:
        _allowed_here.reset(token)


def is_allowed() -> bool:
    """Returns whether what is not safe may be done now."""
    return _allowed["process"] or bool(_allowed_here.get())


def require(what: str, instead: str = "") -> None:
    """Refuses what a file asks for, where nobody has allowed it.

    Args:
        what: "the layer 'a' would read the file '/b'": the reason.
        instead: what to do that needs no permission.

    Raises:
        NotAllowedError: it is not allowed.
    """
    if not is_allowed():
        other = f" {instead}." if instead else ""
        raise NotAllowedError(f"{what}, and is not loaded.{other} {_WAY_FORWARD}{at_user_location()}")


def check_op(name: str | None, label: Any) -> None:
    """Refuses an op of a config that reaches beyond the model's tensors, where nobody has allowed it.

    Args:
        name: of the op, or the last part of the public function's; None: it is something else.
        label: how the config calls it.

    Raises:
        ValueError: it does.
    """
    if name in OPS:
        require(
            f"the op {label!r} of the file ({name}) reads or writes files, or changes the state of the program",
            "Better: do that in the program, and pass the result to the model",
        )


# ---- sizes


_MOST_PER_STORED = 16


class _Budget:
    """How many bytes the weights of a model may take that is being loaded.

    Args:
        stored: how many bytes of weights the file has.
        where: the file.
        has_all: it has a value for each weight.
    """

    def __init__(self, stored: int, where: str, has_all: bool) -> None:
        self.has_all = has_all
        self._stored, self._where = stored, where
        self._left = UNQUESTIONED_BYTES + _MOST_PER_STORED * stored

    def take(self, owner: str, name: str | None, shape: Any, itemsize: int) -> None:
        size = math.prod(max(int(n or 0), 0) for n in shape) * itemsize
        self._left -= size
        if self._left < 0:
            raise ValueError(
                f"{self._where}: the weight {name or ''!r} of {owner} would have the shape {tuple(shape)}, {size} "
                f"bytes, and the file holds {self._stored} bytes of weights: the model is not made{at_user_location()}"
            )


_budget: ContextVar[_Budget | None] = ContextVar("bytes_of_weights", default=None)


@contextlib.contextmanager
def sized_as(stored: int, where: str, has_all: bool = False) -> Iterator[None]:
    """Refuses to make weights inside of the block that are far larger than what a file has stored.

    Args:
        stored: how many bytes of weights the file has.
        where: the file.
        has_all: it is an error later if the file has no value for a weight.
    """
    token = _budget.set(_Budget(stored, where, has_all))
    try:
        yield
    finally:
        _budget.reset(token)


def awaits_values() -> bool:
    """Returns whether weights that are made now get their values from a file, which has one for each."""
    budget = _budget.get()
    return budget is not None and budget.has_all


def check_size(owner: str, name: str | None, shape: Any, itemsize: int) -> None:
    """Takes a weight that is about to be made from what the file that is being loaded may have.

    Raises:
        ValueError: it is too large.
    """
    budget = _budget.get()
    if budget is not None:
        budget.take(owner, name, shape, itemsize)
