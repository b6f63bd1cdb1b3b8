"""Fingerprints of pipelines: numbers that are the same when a pipeline is made of the same steps and arguments."""

from __future__ import annotations

import functools
import hashlib
import types
from typing import Any

import numpy as np
import optree

from dovetail.data.functions import UserFunction
from dovetail.data.node import Node
from dovetail.data.structure import is_dataset
from dovetail.engine import dtypes
from dovetail.tensor import DType, Tensor, TensorShape, TypeSpec, Variable
from dovetail.tensor.composite import CompositeTensor

_SHOWN = (
    int,
    float,
    complex,
    str,
    bytes,
    bool,
    type(None),
    np.generic,
    np.dtype,
    DType,
    TensorShape,
    TypeSpec,
)
_GLOBALS = (int, float, complex, str, bytes, bool, type(None), tuple, np.ndarray, Tensor, types.FunctionType)


def fingerprint(node: Node) -> int:
    """Returns the fingerprint of a step and all before it, in [0, 2**64).

    It is made of the classes of the steps, of what they were given, and of the code of users' functions with the
    values that these have from around them.
    """
    return int.from_bytes(_Walk().digest(node)[:8], "little")


class _Walk:
    """Digests values; an object that holds itself counts by where it was first met."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._alive: list = []

    def digest(self, value: Any) -> bytes:
        """Returns what stands for a value: the same for values that are alike."""
        if isinstance(value, _SHOWN):
            return _hashed(type(value).__name__, repr(value))
        if isinstance(value, np.ndarray):
            return self._array(value)
        if id(value) in self._met:
            return _hashed("met", str(self._met[id(value)]))
        self._met[id(value)] = len(self._met)
        self._alive.append(value)
        return _hashed(*self._parts(value))

    def _array(self, array: np.ndarray) -> bytes:
        items = (
            repr(array.tolist())
            if dtypes.is_host_only(array.dtype)
            else np.ascontiguousarray(array).tobytes()
        )
        return _hashed(str(array.dtype), str(array.shape), items)

    def _parts(self, value: Any) -> list:
        """Returns what a value is made of, as text and bytes."""
        kind = type(value).__qualname__
        if isinstance(value, Node):
            return [kind, self.digest(value._made_of[0]), self.digest(value._made_of[1])]
        if is_dataset(value):
            return [kind, self.digest(value._node)]
        if isinstance(value, UserFunction):
            return [kind, self.digest(value.function)]
        if isinstance(value, Variable):
            return [kind, str(value.shape), str(value.dtype)]
        if isinstance(value, Tensor):
            return [kind, self.digest(np.asarray(value))]
        if isinstance(value, dict):
            return [kind, *(self.digest(part) for item in value.items() for part in item)]
        if isinstance(value, tuple | list):
            return [kind, *map(self.digest, value)]
        if isinstance(value, set | frozenset):
            return [kind, *sorted(map(self.digest, value))]
        if isinstance(value, optree.PyTreeSpec):
            return [kind, str(value)]
        if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
            return [kind, getattr(value, "__module__", None) or "", value.__name__]
        return [kind, *self._callable(value)]

    def _callable(self, value: Any) -> list:
        if isinstance(value, types.CodeType):
            return [value.co_code, repr(value.co_names), *map(self.digest, value.co_consts)]
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            return [self.digest(value.__func__), self.digest(value.__self__)]
        if isinstance(value, functools.partial):
            return [self.digest(part) for part in (value.func, value.args, value.keywords)]
        if isinstance(value, CompositeTensor):
            spec = value._type_spec
            return [repr(spec), self.digest(spec._to_components(value))]
        return [
            self.digest(part)
            for item in sorted(_attributes(value), key=lambda item: item[0])
            for part in item
        ]

    def _function(self, function: Any) -> list:
        code = function.__code__
        around = [cell.cell_contents for cell in function.__closure__ or () if not _is_empty(cell)]
        used = {name: function.__globals__.get(name) for name in _names(code)}
        known = {name: value for name, value in used.items() if isinstance(value, _GLOBALS)}
        return [self.digest(part) for part in (code, around, function.__defaults__, known)]


def _names(code: types.CodeType) -> list[str]:
    """Returns the global names that code looks up, that of the functions inside it included."""
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _names(const)]
    return [*code.co_names, *inner]


def _is_empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _attributes(value: Any) -> list[tuple[str, Any]]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    named = {name: getattr(value, name) for name in slots if hasattr(value, name)}
    return [(name, one) for name, one in {**named, **getattr(value, "__dict__", {})}.items()]


def _hashed(*parts: Any) -> bytes:
    made = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        made.update(len(data).to_bytes(8, "little"))
        made.update(data)
    return made.digest()
