"""`tf.experimental.ExtensionType`: types of users, made of annotated fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from dovetail.base import nest
from dovetail.base.errors import at_user_location, suggest
from dovetail.experimental.extension_fields import (
    NO_DEFAULT,
    Field,
    as_spec,
    convert,
    fields_of,
    is_component,
    walk,
)
from dovetail.ops.table import NAMESPACES
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import BatchableTypeSpec, TypeSpec, stack_values, unstack_value

_BUILDING = "_tf_extension_type_building"
_tf = NAMESPACES["tf"]


class _Frozen:
    """What extension types and their specs have in common: fields that are set once, by the constructor."""

    _tf_extension_type_fields: ClassVar[tuple[Field, ...]] = ()
    _holds_specs: ClassVar[bool] = False

    def __setattr__(self, name: str, value: Any) -> None:
        if _BUILDING in self.__dict__ and name in {field.name for field in self._tf_extension_type_fields}:
            self.__dict__[name] = value
            return
        raise AttributeError(
            f"{type(self).__name__}.{name} cannot be set: extension types do not change. Make a new value"
            f"{at_user_location()}"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(
            f"{type(self).__name__}.{name} cannot be deleted: extension types do not change{at_user_location()}"
        )

    def __repr__(self) -> str:
        shown = ", ".join(f"{f.name}={self.__dict__[f.name]!r}" for f in self._tf_extension_type_fields)
        return f"{type(self).__qualname__.rpartition('<locals>.')[2]}({shown})"

    def _fill(self, values: dict) -> None:
        """Sets fields to what they hold, without conversion."""
        self.__dict__.update(values)

    def _convert_fields(self) -> None:
        """Brings the fields to their types.

        Raises:
            TypeError: a field is missing, or its value is of another type.
        """
        values = self.__dict__
        for field in self._tf_extension_type_fields:
            if field.name not in values and field.default is not NO_DEFAULT:
                values[field.name] = field.default
            if field.name not in values:
                raise TypeError(f"{type(self).__name__}: the constructor sets no field {field.name!r}")
            where = f"{type(self).__name__}.{field.name}"
            values[field.name] = convert(values[field.name], field.annotation, where, self._holds_specs)


def _parameters(fields: Sequence[Field]) -> list[inspect.Parameter]:
    """Returns `self` and a parameter for each field; without a default behind one with: keyword-only."""
    found, seen_default = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)], False
    for field in fields:
        given = field.default is not NO_DEFAULT
        late = seen_default and not given
        kind: Any = inspect.Parameter.KEYWORD_ONLY if late else inspect.Parameter.POSITIONAL_OR_KEYWORD
        seen_default = seen_default or given
        default = field.default if given else inspect.Parameter.empty
        found.append(inspect.Parameter(field.name, kind, default=default))
    return sorted(found, key=lambda parameter: parameter.kind)


def _constructor(fields: Sequence[Field], label: str) -> Callable:
    """Returns an `__init__` that sets a field for each argument."""
    names = [field.name for field in fields]
    parameters = _parameters(fields)
    positional = [p.name for p in parameters[1:] if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(positional):
            raise TypeError(
                f"{label} takes {len(positional)} positional arguments, {len(args)} were given{at_user_location()}"
            )
        values = dict(zip(positional, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise TypeError(f"{label} has no field {name!r}.{suggest(name, names)}{at_user_location()}")
            if name in values:
                raise TypeError(f"{label}: two values for the field {name!r}{at_user_location()}")
            values[name] = value
        missing = [f.name for f in fields if f.name not in values and f.default is NO_DEFAULT]
        if missing:
            raise TypeError(f"{label}: missing the fields {', '.join(missing)}{at_user_location()}")
        self.__dict__.update(values)

    __init__.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    __init__._is_made = True  # type: ignore[attr-defined]
    return __init__


def _building(init: Callable) -> Callable:
    """Returns a constructor that may set fields; the outermost one converts and checks them in the end."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if _BUILDING in self.__dict__:  # called by the constructor of a subclass
            init(self, *args, **kwargs)
            return
        self.__dict__[_BUILDING] = True
        try:
            init(self, *args, **kwargs)
        finally:
            del self.__dict__[_BUILDING]
        try:
            self._convert_fields()
        except (TypeError, ValueError) as error:
            raise type(error)(f"{error}{at_user_location()}") from None
        self.__validate__()

    __init__.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
    __init__.__doc__ = init.__doc__
    __init__._is_building = True  # type: ignore[attr-defined]
    __init__._is_made = getattr(init, "_is_made", False)  # type: ignore[attr-defined]
    return __init__


def _give_constructor(kind: Any, fields: Sequence[Field], label: str) -> None:
    own = kind.__dict__.get("__init__")
    if own is None and getattr(kind.__init__, "_is_building", False) and not kind.__init__._is_made:
        return  # the constructor that a base class wrote
    if own is None and kind.__init__ is not object.__init__ and not hasattr(kind.__init__, "_is_building"):
        own = kind.__init__  # one of a class beside it, such as a user's Spec
    kind.__init__ = _building(_constructor(fields, label) if own is None else own)


class ExtensionType(_Frozen, CompositeTensor):
    """Base of users' types: a subclass annotates its fields, and gets a constructor, equality, a `Spec` and more.

    Fields are tensors (anything that converts to one is accepted), composite tensors, Python values, and tuples and
    mappings of them.  Values do not change, compare field by field, and go wherever tensors go: into functions, loops,
    datasets.

    `__validate__` may be defined: it runs after construction and raises when the fields do not go together.

    Example:
        >>> class Masked(tf.experimental.ExtensionType):
        ...     values: tf.Tensor
        ...     mask: tf.Tensor
        >>> Masked([1.0, 2.0], [True, False]).values.dtype
        tf.float32
    """

    Spec: ClassVar[type]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("_tf_extension_type_do_not_transform_this_class"):
            return
        cls._tf_extension_type_fields = tuple(fields_of(cls, ExtensionType))
        _give_constructor(cls, cls._tf_extension_type_fields, cls.__name__)
        cls.Spec = _make_spec(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError("tf.experimental.ExtensionType is a base class: annotate fields in a subclass")

    __init__._is_building = __init__._is_made = True  # type: ignore[attr-defined]

    def __validate__(self) -> None:
        """Checks that the fields go together; a subclass raises when they do not."""

    @property
    def _type_spec(self) -> Any:
        fields = {f.name: walk(self.__dict__[f.name], as_spec) for f in self._tf_extension_type_fields}
        return _filled(self.Spec, fields)

    def __eq__(self, other: object) -> Any:
        if type(self) is not type(other) or self._type_spec != other._type_spec:  # type: ignore[attr-defined]
            return False
        pairs = zip(nest.flat(self), nest.flat(other), strict=True)
        same = [_tf["reduce_all"](_tf["equal"](a, b)) for a, b in pairs]
        return _tf["reduce_all"](_tf["stack"](same)) if same else True

    def __ne__(self, other: object) -> Any:
        same = self.__eq__(other)
        return not same if isinstance(same, bool) else _tf["logical_not"](same)

    __hash__ = None  # type: ignore[assignment]


def _filled(kind: Any, fields: dict) -> Any:
    """Returns an object with fields that are what they must be: no constructor, no checks."""
    made = object.__new__(kind)
    made._fill(fields)
    return made


class ExtensionTypeSpec(_Frozen, TypeSpec):
    """Describes the values of an extension type: a spec for each tensor, the value itself for everything else."""

    _holds_specs = True
    _of: ClassVar[Any] = None

    @property
    def value_type(self) -> type:
        return self._of

    @classmethod
    def from_value(cls, value: Any) -> Any:
        """Returns the spec of a value."""
        return value._type_spec

    def __validate__(self) -> None:
        """Specs need no further check."""

    def _items(self) -> list[tuple[str, Any]]:
        return [(f.name, self.__dict__[f.name]) for f in self._tf_extension_type_fields]

    def _serialize(self) -> tuple:
        return tuple((name, _plain(value)) for name, value in self._items())

    @classmethod
    def _deserialize(cls, serialization: Any) -> Any:
        return _filled(cls, {name: walk(value, lambda part: part) for name, value in serialization})

    @property
    def _component_specs(self) -> tuple:
        found: list[Any] = []
        for _, value in self._items():
            walk(value, lambda part: found.append(part) if isinstance(part, TypeSpec) else None)
        return tuple(found)

    def _to_components(self, value: Any) -> tuple:
        found: list[Any] = []
        for field in self._tf_extension_type_fields:
            walk(value.__dict__[field.name], lambda part: found.append(part) if is_component(part) else None)
        return tuple(found)

    def _from_components(self, components: Any) -> Any:
        parts = iter(components)
        fields = {
            name: walk(value, lambda part: next(parts) if isinstance(part, TypeSpec) else part)
            for name, value in self._items()
        }
        return _filled(self._of, fields)

    def __eq__(self, other: object) -> bool:
        return TypeSpec.__eq__(self, other)  # type: ignore[arg-type]

    def __hash__(self) -> int:
        return TypeSpec.__hash__(self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._items())
        return f"{self._of.__name__}.Spec({shown})"


def _plain(value: Any) -> Any:
    """Returns a field's value with plain dicts, which specs compare."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return {key: _plain(value[key]) for key in value} if isinstance(value, Mapping) else value


class ExtensionTypeBatchEncoder:
    """Says how values of a batchable extension type are put into a batch, and taken out of it.

    A subclass, given as `__batch_encoder__` of a `BatchableExtensionType`, changes what the default does: each field
    by itself.
    """

    def batch(self, spec: Any, batch_size: int | None) -> Any:
        """Returns the spec of `batch_size` values in one."""
        return _each_field(spec, lambda part: _batched(part, batch_size))

    def unbatch(self, spec: Any) -> Any:
        """Returns the spec of one of the values of a batch."""
        return _each_field(spec, _unbatched)

    def encode(self, spec: Any, value: Any, minimum_rank: int = 0) -> Any:
        """Returns a structure of tensors that says all of `value`; those of several values are stacked one by one."""
        return spec._to_components(value)

    def decode(self, spec: Any, encoded_value: Any) -> Any:
        """Returns the value that `encode` took apart."""
        return spec._from_components(encoded_value)

    def encoding_specs(self, spec: Any) -> Any:
        """Returns the specs of what `encode` returns."""
        return spec._component_specs


def _each_field(spec: Any, change: Callable[[Any], Any]) -> Any:
    return _filled(type(spec), {name: walk(value, change) for name, value in spec._items()})


def _batched(part: Any, size: int | None) -> Any:
    if isinstance(part, BatchableTypeSpec):
        return part._batch(size)
    return TensorShape([size]).concatenate(part) if isinstance(part, TensorShape) else part


def _unbatched(part: Any) -> Any:
    if isinstance(part, BatchableTypeSpec):
        return part._unbatch()
    return part[1:] if isinstance(part, TensorShape) and part.rank != 0 else part


class BatchableExtensionTypeSpec(ExtensionTypeSpec, BatchableTypeSpec):
    """The spec of a batchable extension type."""

    @property
    def _encoder(self) -> ExtensionTypeBatchEncoder:
        return self._of.__batch_encoder__

    def _batch(self, batch_size: int | None) -> Any:
        return self._encoder.batch(self, batch_size)

    def _unbatch(self) -> Any:
        return self._encoder.unbatch(self)

    def _stack(self, values: Sequence[Any]) -> Any:
        specs = nest.flatten(self._encoder.encoding_specs(self))
        rows = [self._encoder.encode(self, value) for value in values]
        columns = zip(*map(nest.flatten, rows), strict=True)
        stacked = [stack_values(spec, column) for spec, column in zip(specs, columns, strict=True)]
        return self._encoder.decode(self._batch(len(rows)), nest.pack_sequence_as(rows[0], stacked))

    def _unstack(self, value: Any) -> list:
        specs = nest.flatten(self._encoder.encoding_specs(self))
        whole = self._encoder.encode(self, value, minimum_rank=1)
        columns = [unstack_value(spec, part) for spec, part in zip(specs, nest.flatten(whole), strict=True)]
        one = self._unbatch()
        return [
            self._encoder.decode(one, nest.pack_sequence_as(whole, row)) for row in zip(*columns, strict=True)
        ]


class BatchableExtensionType(ExtensionType):
    """An extension type whose values can be batched: by `tf.data`, `tf.map_fn`, Keras.

    Attributes:
        __batch_encoder__: says how; each field by itself by default.
    """

    _tf_extension_type_do_not_transform_this_class = True
    __batch_encoder__ = ExtensionTypeBatchEncoder()


def _make_spec(kind: Any) -> type:
    """Returns the class of the specs of an extension type; a class Spec that the user wrote in it goes first."""
    base = BatchableExtensionTypeSpec if issubclass(kind, BatchableExtensionType) else ExtensionTypeSpec
    users = kind.__dict__.get("Spec")
    fields = tuple(
        Field(f.name, f.annotation, f.default if f.default is NO_DEFAULT else walk(f.default, as_spec))
        for f in kind._tf_extension_type_fields
    )
    facts = {"_of": kind, "_tf_extension_type_fields": fields, "__module__": kind.__module__}
    facts["__qualname__"] = f"{kind.__qualname__}.Spec"
    made: Any = type("Spec", (base,) if users is None else (users, base), facts)
    _give_constructor(made, fields, f"{kind.__name__}.Spec")
    return made


def as_dict(value: ExtensionType) -> dict:
    """Returns the fields of an extension type as a dict (`tf.experimental.extension_type.as_dict`)."""
    return {field.name: getattr(value, field.name) for field in value._tf_extension_type_fields}
