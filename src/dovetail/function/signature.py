"""What makes two calls of a `tf.function` the same: the key of a call, and what changed between two keys."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.settings import among_replicas, state
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import Described, TensorSpec, TypeSpec, with_shapes
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Reference, Tensor, TensorLike
from dovetail.tensor.variable import Variable

# Functions that tell what a trace depends on besides its arguments, or None: the training flag of layers, say.
SURROUNDINGS: list[Callable[[], Any]] = []


def _surroundings() -> tuple:
    """Returns what the code around a call sets for what it calls, as parts of a key: none in most calls."""
    parts: tuple = ()
    if state.autocast is not None:
        parts += (("around", state.autocast),)
    if state.trainable_of is not None:
        parts += (("around", state.trainable_of),)
    if state.replica is not None and among_replicas():
        parts += (("around", "replica"),)
    for told in SURROUNDINGS:
        found = told()
        if found is not None:
            parts += (("around", found),)
    return parts


class Call:
    """The arguments of one call, taken apart.

    Attributes:
        leaves: the flat arguments; NumPy arrays have become tensors.
        spec: how they are packed into `(args, kwargs)`.
        tensors: the tensors among the leaves.
        places: their positions.
        has_arrays: whether leaves have become tensors that were none, or tensors of another class.
        is_symbolic: whether there are symbolic tensors among the leaves.
        key: hashable; equal keys share a trace.  For each tensor it holds `(shape, dtype)`; after the parts for the
            leaves come those for the surroundings.
    """

    __slots__ = ("has_arrays", "is_symbolic", "key", "leaves", "places", "spec", "tensors")
    tensors: list[Any]

    def __init__(self, args: tuple, kwargs: dict) -> None:
        leaves, self.spec = nest.flatten_spec((args, kwargs))
        tensors: list[Any] = []
        places: list[int] = []
        parts: list[tuple] = []
        self.is_symbolic = self.has_arrays = False
        for i, leaf in enumerate(leaves):
            kind = type(leaf)
            if kind is SymbolicTensor:
                parts.append((kind, id(leaf)))
                self.is_symbolic = True
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
                self.has_arrays = True
            if kind is Tensor:
                tensors.append(leaf)
                places.append(i)
                value = leaf._value
                parts.append((value.shape, value.dtype))
            else:
                parts.append((kind, static_key(leaf)))
        self.leaves, self.tensors, self.places = leaves, tensors, places
        self.key = (self.spec, *parts, *_surroundings())

    def rebuild(self, tensors: list) -> tuple[tuple, dict]:
        """Returns `(args, kwargs)` with other tensors in the places of the tensors."""
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        return nest.unflatten(self.spec, leaves)

    def family(self) -> tuple:
        """Returns the key without sizes: calls of one family differ only in the sizes of their tensors."""
        parts = self.key[1:]
        return (_loose(self.spec), *((len(p[0]), p[1]) if isinstance(p[0], tuple) else p for p in parts))

    @property
    def shapes(self) -> list:
        """The tensors' shapes as they are in the key: None for an unknown rank, None among the sizes."""
        return [self.key[1 + place][0] for place in self.places]

    def kind(self) -> tuple:
        """Returns the key without shapes: one trace with unknown sizes can serve all calls of a kind."""
        parts: list = [_loose(self.spec), *self.key[1:]]
        for place in self.places:
            parts[1 + place] = ("tensor", parts[1 + place][1])
        return tuple(parts)

    def opened(self) -> list | None:
        """Returns the shapes without the sizes that the specs of composite tensors leave open; None when none does."""
        known = open_sizes(self.spec)
        if known is None:
            return None
        return [
            shape if known[place] is None else _opened(shape, known[place])
            for place, shape in zip(self.places, self.shapes, strict=True)
        ]

    def widened(self, shapes: list) -> SpecCall:
        """Returns the call with specs of other shapes in the places of the tensors."""
        dtypes = [self.key[1 + place][1] for place in self.places]
        specs = [TensorSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        return SpecCall(*self.rebuild(specs))


class SpecCall(Call):
    """A call described by `tf.TensorSpec`s in the places of tensors; `tensors` holds the specs."""

    __slots__ = ()

    def __init__(self, args: tuple, kwargs: dict) -> None:
        super().__init__(args, kwargs)
        parts, places = list(self.key), []
        tensors: list[Any] = []
        given = dict(zip(self.places, self.tensors, strict=True))
        for i, leaf in enumerate(self.leaves):
            if isinstance(leaf, TensorSpec):
                sizes = None if leaf.shape.rank is None else tuple(leaf.shape)
                parts[1 + i] = (sizes, leaf.dtype.numpy_dtype)
            elif i in given:
                leaf = TensorSpec(given[i].shape, given[i].dtype)
            else:
                continue
            places.append(i)
            tensors.append(leaf)
        self.key, self.places, self.tensors = tuple(parts), places, tensors

    def joined(self, other: SpecCall) -> SpecCall:
        """Returns the call that both fit; the other one when their composite tensors have nothing in common."""
        before, tree = nest.closed(self.rebuild(self.tensors))
        pairs = zip(before, nest.closed(other.rebuild(other.tensors))[0], strict=True)
        found = [(one, _common(one, two)) for one, two in pairs]
        if any(common is None and one is not None for one, common in found):
            return other
        return SpecCall(*nest.unflatten(tree, [common for _, common in found]))

    @property
    def is_exact(self) -> bool:
        """Whether every size is known."""
        return all(shape is not None and None not in shape for shape in self.shapes)


def fits(wide: tuple, call: tuple) -> bool:
    """True when a trace for the key `wide` serves a call with the key `call`."""
    return (
        len(wide) == len(call)
        and (wide[0] == call[0] or structures_fit(wide[0], call[0]))
        and all(map(_part_fits, wide[1:], call[1:]))
    )


def _common(one: Any, two: Any) -> Any:
    """Returns the spec that two specs fit, or two equal Python values; what has no spec is taken apart."""
    one, two = (leaf.spec if isinstance(leaf, Described) else leaf for leaf in (one, two))
    if isinstance(one, TypeSpec):
        return one.most_specific_common_supertype([two])
    leaves, spec = nest.flatten_spec(one)
    if spec.is_leaf():
        return one
    return nest.unflatten(spec, [_common(a, b) for a, b in zip(leaves, nest.flat(two), strict=True)])


_MARK = TensorSpec(None)


def _outline(spec: Any) -> tuple[list, Any]:
    """Returns the specs of the composite tensors of a structure (a mark for every tensor beside them), and its tree."""
    leaves, tree = nest.closed(nest.unflatten(spec, [_MARK] * spec.num_leaves))
    specs = [leaf.spec if isinstance(leaf, Described) else leaf for leaf in leaves]
    return [spec if isinstance(spec, TypeSpec) else _MARK for spec in specs], tree


@functools.lru_cache(maxsize=512)
def structures_fit(wide: Any, call: Any) -> bool:
    """True when the composite tensors of a call are of the specs, or of narrower ones than, a trace was made for."""
    (wanted, wide_tree), (given, call_tree) = _outline(wide), _outline(call)
    return wide_tree == call_tree and all(
        one == other or (isinstance(one, TypeSpec) and one.is_subtype_of(other))
        for one, other in zip(given, wanted, strict=True)
    )


@functools.lru_cache(maxsize=512)
def open_sizes(spec: Any) -> tuple | None:
    """Returns a shape a leaf of a structure: as the spec of its composite tensor says it, None for leaves beside those.

    None for a structure in which no spec leaves a size open.
    """
    shapes: list = []
    for one in _outline(spec)[0]:
        shapes += [None] if one is _MARK else [part.shape for part in nest.flat(one)]
    is_open = any(shape is not None and (shape.rank is None or None in tuple(shape)) for shape in shapes)
    return tuple(shapes) if is_open else None


def _opened(shape: tuple | None, known: TensorShape) -> tuple | None:
    if shape is None or known.rank != len(shape):
        return shape
    return tuple([None if size is None else own for own, size in zip(shape, known, strict=True)])


@functools.lru_cache(maxsize=512)
def _loose(spec: Any) -> tuple:
    """Returns what structures have in common that differ only in the sizes of their composite tensors."""
    specs, tree = _outline(spec)
    return tree, tuple(None if one is _MARK else with_shapes(one, _without_sizes) for one in specs)


def _without_sizes(shape: TensorShape) -> TensorShape:
    return shape if shape.rank is None else TensorShape([None] * shape.rank)


def _part_fits(wide: tuple, part: tuple) -> bool:
    if wide == part:
        return True
    if not is_shape(wide[0]) or not is_shape(part[0]) or wide[1] != part[1]:
        return False
    if wide[0] is None or part[0] is None:
        return wide[0] is None
    return len(wide[0]) == len(part[0]) and all(
        a is None or a == b for a, b in zip(wide[0], part[0], strict=True)
    )


def is_shape(first: Any) -> bool:
    """Tells the parts of a key that stand for tensors: they begin with a shape, or with None for an unknown rank."""
    return first is None or isinstance(first, tuple)


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
    """Returns something hashable that is equal for equal Python values; zeros of both signs are not."""
    if isinstance(value, TensorSpec):
        return value
    if type(value) is float and not value:
        return str(value)
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
    if is_shape(part[0]):
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
