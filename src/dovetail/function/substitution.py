"""Values that stand for captured tensors while a construct is traced, in the thread that traces it and nowhere else.

A branch or a loop body reads tensors of the code around it as closures, so the objects cannot be replaced.
Other threads may read the same objects at the same time: they must go on seeing the values that the tensors have.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from dovetail.base.settings import inherited
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import ReadTensor

_slot: Any = Tensor.__dict__["_value"]
_lock = threading.Lock()
_classes: dict[int, tuple[type, int]] = {}  # by id of a tensor: its class, and how many traces substitute it


class _Here(threading.local):
    def __init__(self) -> None:
        self.values: dict[int, Any] = {}


_here = inherited(_Here())


class _Substituted(ReadTensor):
    """What a tensor is while any thread substitutes it: its value depends on who looks."""

    __slots__ = ()

    @property
    def _value(self) -> Any:
        values = _here.values
        return values[id(self)] if id(self) in values else _slot.__get__(self)

    @_value.setter
    def _value(self, value: Any) -> None:
        if id(self) in _here.values:
            _here.values[id(self)] = value
        else:
            _slot.__set__(self, value)


@contextlib.contextmanager
def substituted(tensors: list[Tensor], values: Any) -> Iterator[None]:
    """Lets `tensors` have `values` for this thread inside a `with` block."""
    before = _here.values
    for tensor in tensors:
        _begin(tensor)
    _here.values = before | {id(tensor): value for tensor, value in zip(tensors, values, strict=True)}
    try:
        yield
    finally:
        _here.values = before
        for tensor in tensors:
            _end(tensor)


def _begin(tensor: Any) -> None:
    with _lock:
        kind, count = _classes.get(id(tensor), (type(tensor), 0))
        _classes[id(tensor)] = kind, count + 1
        if not count:
            tensor.__class__ = _Substituted


def _end(tensor: Any) -> None:
    with _lock:
        kind, count = _classes.pop(id(tensor))
        if count > 1:
            _classes[id(tensor)] = kind, count - 1
        else:
            tensor.__class__ = kind
