"""The fields of extension types: which annotations there are, and how values are brought to them."""

from __future__ import annotations

import collections.abc
import enum
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec, TypeSpec
from dovetail.tensor.tensor import Tensor, TensorLike

NO_DEFAULT = object()
_PLAIN = (int, float, str, bytes, bool, type(None))
_ANNOTATIONS = (
    "tf.Tensor, tf.TensorSpec(...), composite tensors (tf.RaggedTensor, an ExtensionType, ...) and their specs, int, "
    "float, bool, str, bytes, None, tf.DType, tf.TensorShape, an Enum, typing.Tuple, typing.Mapping, typing.Union and "
    "typing.Optional of these"
)


class Field(NamedTuple):
    """One field of an extension type: its name, annotation and default."""

    name: str
    annotation: Any
    default: Any


class FrozenDict(Mapping):
    """What a field of type Mapping holds: a dict that does not change."""

    __slots__ = ("_items",)

    def __init__(self, items: Any) -> None:
        self._items = dict(items)

    def __getitem__(self, key: Any) -> Any:
        return self._items[key]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._items[name]
        except KeyError:
            raise AttributeError(f"there is no item {name!r}") from None

    def __iter__(self) -> Iterator:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._items)))

    def __repr__(self) -> str:
        return f"ImmutableDict({self._items!r})"


def fields_of(kind: type, base: type) -> list[Field]:
    """Returns the fields of a class: its annotations and those of its bases below `base`.

    Raises:
        TypeError: an annotation that no field can have, or a default that does not fit.
    """
    hints = _hints(kind)
    names: dict[str, None] = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, base) and each is not base:
            names |= dict.fromkeys(each.__dict__.get("__annotations__", {}))
    found = []
    for name in names:
        if name.startswith("_tf_extension_type") or name in ("Spec", "__name__"):
            raise ValueError(f"{kind.__name__}: the field name {name!r} is reserved")
        check_annotation(hints[name], f"{kind.__name__}.{name}")
        default = getattr(kind, name, NO_DEFAULT)
        if default is not NO_DEFAULT:
            default = convert(default, hints[name], f"default value for {kind.__name__}.{name}")
        found.append(Field(name, hints[name], default))
    return found


def _hints(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, localns={kind.__name__: kind})
    except NameError as error:
        raise TypeError(f"{kind.__name__}: cannot resolve a field's annotation: {error}") from None


def check_annotation(annotation: Any, where: str) -> None:
    """Raises TypeError for an annotation that no field can have."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None:
        if isinstance(annotation, TypeSpec):
            return
        if isinstance(annotation, type) and issubclass(
            annotation, (*_PLAIN, Tensor, CompositeTensor, dt.DType, TensorShape, enum.Enum)
        ):
            return
    elif origin is tuple and arguments:
        for each in arguments:
            if each is not Ellipsis:
                check_annotation(each, where)
        return
    elif origin is collections.abc.Mapping:
        if arguments[0] not in (str, int, bool, bytes):
            raise TypeError(f"{where}: the keys of a Mapping must be str, int, bool or bytes: {annotation}")
        check_annotation(arguments[1], where)
        return
    elif origin in (typing.Union, types.UnionType):
        for each in arguments:
            check_annotation(each, where)
        return
    raise TypeError(f"{where}: unsupported type annotation {annotation!r}; expected {_ANNOTATIONS}")


def convert(value: Any, annotation: Any, where: str, spec: bool = False) -> Any:
    """Returns a value as its field holds it.

    Args:
        value: what the user gave.
        annotation: the field's type.
        where: the field, for messages; elements are named "field[0]".
        spec: the field is one of a Spec, and takes specs in place of tensors.

    Raises:
        TypeError, ValueError: it is none of that type.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, arguments, where, spec)
    if origin is tuple:
        return _tuple(value, arguments, where, spec)
    if origin is collections.abc.Mapping:
        return _mapping(value, arguments, where, spec)
    if isinstance(annotation, TypeSpec):
        return _of_spec(value, annotation, where, spec)
    if issubclass(annotation, Tensor):
        return _tensor(value, where, spec)
    if issubclass(annotation, CompositeTensor):
        return _composite(value, annotation, where, spec)
    if issubclass(annotation, TensorShape | dt.DType):
        return _static(value, annotation, where)
    if not isinstance(value, annotation) or (isinstance(value, bool) and annotation in (int, float)):
        raise _wrong(where, annotation, value)
    return value


def _wrong(where: str, annotation: Any, value: Any) -> TypeError:
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return TypeError(f"{where}: expected {name}, received {value!r:.80} of type {type(value).__name__}")


def _static(value: Any, annotation: Any, where: str) -> Any:
    make: Callable = TensorShape if annotation is TensorShape else dt.as_dtype
    try:
        return make(value)
    except (TypeError, ValueError):
        raise _wrong(where, annotation, value) from None


def _tensor(value: Any, where: str, spec: bool) -> Any:
    if spec:
        if not isinstance(value, TensorSpec):
            raise _wrong(where, TensorSpec, value)
        return value
    if isinstance(value, TensorLike | TensorSpec):
        return value
    try:
        return convert_to_tensor(value)
    except (TypeError, ValueError):
        raise _wrong(where, "tf.Tensor", value) from None


def _composite(value: Any, annotation: type, where: str, spec: bool) -> Any:
    if spec:
        if not isinstance(value, TypeSpec) or not issubclass(_value_type(value), annotation | Tensor):
            raise _wrong(where, f"a spec of {annotation.__name__}", value)
        return value
    if not isinstance(value, annotation):
        raise _wrong(where, annotation, value)
    return value


def _value_type(spec: TypeSpec) -> type:
    return spec.value_type


def _of_spec(value: Any, wanted: TypeSpec, where: str, spec: bool) -> Any:
    if spec and isinstance(value, TypeSpec):
        if wanted.is_compatible_with(value):
            return value
        raise _wrong(where, wanted, value)
    if isinstance(wanted, TensorSpec) and not isinstance(value, TensorLike):
        try:
            value = convert_to_tensor(value, wanted.dtype)
        except (TypeError, ValueError):
            raise _wrong(where, wanted, value) from None
    if not wanted.is_compatible_with(value):
        raise _wrong(where, wanted, value)
    return value


def _one_of(value: Any, choices: tuple, where: str, spec: bool) -> Any:
    """Takes the first type that fits: those that `value` is already before those it converts to."""
    for each in choices:
        if isinstance(each, type) and isinstance(value, each) and type(value) is not bool:
            return convert(value, each, where, spec)
    for each in choices:
        try:
            return convert(value, each, where, spec)
        except (TypeError, ValueError):
            continue
    names = ", ".join(each.__name__ if isinstance(each, type) else str(each) for each in choices)
    raise _wrong(where, f"one of {names}", value)


def _tuple(value: Any, kinds: tuple, where: str, spec: bool) -> tuple:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a tuple", value)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if kinds == ((),):
        kinds = ()
    if len(kinds) != len(value):
        raise TypeError(f"{where}: expected {len(kinds)} elements, received {len(value)}: {value!r:.80}")
    return tuple(
        convert(item, kind, f"{where}[{i}]", spec)
        for i, (item, kind) in enumerate(zip(value, kinds, strict=True))
    )


def _mapping(value: Any, kinds: tuple, where: str, spec: bool) -> FrozenDict:
    if not isinstance(value, Mapping):
        raise _wrong(where, "a mapping", value)
    for key in value:
        if not isinstance(key, kinds[0]):
            raise _wrong(f"{where}: key", kinds[0], key)
    return FrozenDict(
        {key: convert(item, kinds[1], f"{where}[{key!r}]", spec) for key, item in value.items()}
    )


# ---- the tensors in fields --------------------------------------------------------------------------------------


def walk(value: Any, change: Callable[[Any], Any]) -> Any:
    """Returns a field's value with `change` applied to all that is in it."""
    if isinstance(value, tuple):
        return tuple(walk(item, change) for item in value)
    if isinstance(value, Mapping):
        return FrozenDict({key: walk(value[key], change) for key in sorted(value)})
    return change(value)


def is_component(value: Any) -> bool:
    """True for what makes up a value: tensors and composite tensors (and specs, in values that only describe)."""
    return isinstance(value, TensorLike | CompositeTensor | TensorSpec)


def as_spec(value: Any) -> Any:
    """Returns the spec of a component; what else is in fields stays."""
    if isinstance(value, CompositeTensor):
        return value._type_spec
    return TensorSpec(value.shape, value.dtype) if isinstance(value, TensorLike) else value
