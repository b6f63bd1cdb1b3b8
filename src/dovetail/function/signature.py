"""What makes two calls of a `tf.function` the same: the key of a call, and what changed between two keys."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Reference, Tensor, TensorLike
from dovetail.tensor.variable import Variable


class Call:
    """The arguments of one call, taken apart.

    Attributes:
        leaves: the flat arguments; NumPy arrays have become tensors.
        spec: how they are packed into `(args, kwargs)`.
        tensors: the tensors among the leaves.
        key: hashable; equal keys share a trace.
    """

    __slots__ = ("key", "leaves", "spec", "tensors")

    def __init__(self, args: tuple, kwargs: dict) -> None:
        leaves, self.spec = nest.flatten_spec((args, kwargs))
        tensors: list[Tensor] = []
        parts: list[tuple] = []
        for i, leaf in enumerate(leaves):
            kind = type(leaf)
            if kind is SymbolicTensor:
                parts.append((kind, id(leaf)))
                continue
            if (
                kind is np.ndarray
                or isinstance(leaf, np.generic)
                or (isinstance(leaf, TensorLike) and kind is not Tensor)
            ):
                if isinstance(leaf, Variable):
                    parts.append(("variable", leaf.ref()))
                    continue
                leaf = leaves[i] = _plain(convert_to_tensor(leaf))
                kind = type(leaf)
            if kind is Tensor:
                tensors.append(leaf)
                value = leaf._value
                parts.append((value.shape, value.dtype))
            else:
                parts.append((kind, static_key(leaf)))
        self.leaves, self.tensors = leaves, tensors
        self.key = (self.spec, *parts)

    def rebuild(self, tensors: list) -> tuple[tuple, dict]:
        """Returns `(args, kwargs)` with other tensors in the places of the tensors."""
        given = iter(tensors)
        return nest.unflatten(
            self.spec, [next(given) if type(leaf) is Tensor else leaf for leaf in self.leaves]
        )

    def family(self) -> tuple:
        """Returns the key without sizes: calls of one family differ only in the sizes of their tensors."""
        parts = self.key[1:]
        return (self.spec, *((len(p[0]), p[1]) if isinstance(p[0], tuple) else p for p in parts))


def _plain(tensor: Any) -> Any:
    """Returns a Tensor of the base class for one of a subclass; for tapes they are the same."""
    if not isinstance(tensor, Tensor) or type(tensor) is Tensor:
        return tensor
    plain = Tensor(tensor._value)
    for tape in state.tapes:
        tape.alias(tensor, plain)
    return plain


class Parameters:
    """The parameters of a Python function, to bring equal calls into one form."""

    def __init__(self, python_function: Callable) -> None:
        try:
            parameters = list(inspect.signature(python_function).parameters.values())
        except (TypeError, ValueError):  # a built-in function that does not tell
            parameters = []
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self._positional = [p for p in parameters if p.kind in positional]
        self._keyword_only = [p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]

    @property
    def names(self) -> list[str]:
        return [p.name for p in (*self._positional, *self._keyword_only)]

    def canonical(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Returns the arguments with keywords moved to their positions and defaults filled in.

        Calls that do not fit are left as they are, so that Python says what is wrong with them.
        """
        if not kwargs and not self._keyword_only and len(args) >= len(self._positional):
            return args, kwargs
        full, rest = list(args), dict(kwargs)
        for parameter in self._positional[len(args) :]:
            value = rest.pop(parameter.name, parameter.default)
            if value is inspect.Parameter.empty:
                return args, kwargs
            full.append(value)
        for parameter in self._keyword_only:
            if parameter.default is not inspect.Parameter.empty:
                rest.setdefault(parameter.name, parameter.default)
        return tuple(full), rest


def static_key(value: Any) -> Any:
    """Returns something hashable that is equal for equal Python values."""
    if isinstance(value, TensorSpec):
        return value
    try:
        hash(value)
    except TypeError:
        return ("object", Reference(value))
    return value


def describe_change(python_function: Callable, old: tuple, new: tuple) -> str:
    """Names the argument that differs between two keys, with the old and the new value or shape."""
    if old[0] != new[0]:
        return "the structure of the arguments changed"
    names = argument_names(python_function, new[0])
    for name, before, after in zip(names, old[1:], new[1:], strict=False):
        if before != after:
            return f"argument {name!r} changed from {_shown(before)} to {_shown(after)}"
    return "the arguments changed"


def _shown(part: tuple) -> str:
    if isinstance(part[0], tuple):
        return f"a tensor of shape {part[0]} {part[1]}"
    if part[0] == "variable":
        return "one variable"
    return f"the Python value {part[1]!r}"


def argument_names(python_function: Callable, spec: Any) -> list[str]:
    """Returns a readable name for each leaf of `(args, kwargs)`."""
    try:
        names = list(inspect.signature(python_function).parameters)
    except (TypeError, ValueError):
        names = []
    result = []
    for path in spec.paths():
        root, rest = path[0], path[1:]
        first = names[rest[0]] if root == 0 and rest and rest[0] < len(names) else (rest[0] if rest else "?")
        result.append(str(first) + "".join(f"[{part!r}]" for part in rest[1:]))
    return result


def check_signature(
    signature: tuple, args: tuple, kwargs: dict, python_function: Callable
) -> tuple[tuple, dict]:
    """Converts the arguments to what `input_signature` asks for.

    Raises:
        TypeError: too many or too few arguments, or one that does not fit its `tf.TensorSpec`.
    """
    name = getattr(python_function, "__name__", "function")
    if kwargs:
        try:
            bound = inspect.signature(python_function).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}: {error}{at_user_location()}") from None
        args, kwargs = bound.args, bound.kwargs
    if len(args) != len(signature) or kwargs:
        raise TypeError(
            f"{name}: input_signature describes {len(signature)} arguments, {len(args) + len(kwargs)} were given"
            f"{at_user_location()}"
        )
    converted = [
        _fit(spec, value, name, i) for i, (spec, value) in enumerate(zip(signature, args, strict=True))
    ]
    return tuple(converted), {}


def _fit(spec: Any, value: Any, name: str, position: int) -> Any:
    if nest.is_nested(spec):
        leaves = [_fit(s, v, name, position) for s, v in zip(nest.flat(spec), nest.flat(value), strict=True)]
        return nest.pack(spec, leaves)
    if not isinstance(spec, TensorSpec):
        return value
    tensor = value if type(value) is Tensor else convert_to_tensor(value, dtype_hint=spec.dtype)
    if tensor.dtype != spec.dtype or not TensorShape(spec.shape).is_compatible_with(tensor.shape):
        raise TypeError(
            f"{name}: argument {position} must be {spec.shape} {spec.dtype.name} (input_signature), received "
            f"{tensor.shape} {tensor.dtype.name}{at_user_location()}"
        )
    return tensor
