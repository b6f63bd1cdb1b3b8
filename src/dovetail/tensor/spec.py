"""`tf.TypeSpec`: what a value is, and how it is made of tensors; `tf.TensorSpec` is the spec of a dense tensor.

All that takes values apart (functions, loops, datasets, `tf.nest`) speaks this protocol; see `tensor/composite.py` for
the values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor, stacked
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Tensor, TensorLike


class TypeSpec:
    """What the values of one type have in common: shapes, dtypes, static facts.  Users subclass it.

    A subclass defines `value_type`, `_serialize`, `_component_specs`, `_to_components` and `_from_components`.  Specs
    are equal when their classes and what `_serialize` returns are; so its result must hold the arguments of
    `__init__` in order, in tuples, and nothing but shapes, dtypes, specs and hashable Python values.
    """

    __slots__ = ()

    # Whether machinery that looks for tensors finds the specs of the components in place of this one.
    _has_components = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls._has_components:
            nest.register_composite(cls, lambda spec: ((spec._component_specs,), spec), put_together)

    @property
    def value_type(self) -> type:
        """The class of the values."""
        raise NotImplementedError(f"{type(self).__name__}: define the property value_type")

    def _serialize(self) -> tuple:
        """Returns the arguments that make an equal spec."""
        raise NotImplementedError(f"{type(self).__name__}: define _serialize()")

    @property
    def _component_specs(self) -> Any:
        """The specs of the components, in any structure."""
        raise NotImplementedError(f"{type(self).__name__}: define the property _component_specs")

    def _to_components(self, value: Any) -> Any:
        """Returns the tensors (or composites) that `value` is made of, in the structure of `_component_specs`."""
        raise NotImplementedError(f"{type(self).__name__}: define _to_components(value)")

    def _from_components(self, components: Any) -> Any:
        """Returns the value that is made of `components`."""
        raise NotImplementedError(f"{type(self).__name__}: define _from_components(components)")

    @classmethod
    def _deserialize(cls, serialization: Any) -> TypeSpec:
        return cls(*serialization)

    # ---- how specs compare

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True when some value fits both this spec and the other one (or is the value)."""
        other = spec_or_value
        if not isinstance(other, TypeSpec):
            try:
                other = type_spec_from_value(other)
            except (TypeError, ValueError):
                return False
        return type(self) is type(other) and _compatible(self._serialize(), other._serialize())

    def is_subtype_of(self, other: Any) -> bool:
        """True when every value that fits this spec fits the other one."""
        return type(self) is type(other) and _is_part(self._serialize(), other._serialize())

    def most_specific_common_supertype(self, others: Sequence[Any]) -> Any:
        """Returns the tightest spec that this one and all the others are subtypes of, or None."""
        if any(type(other) is not type(self) for other in others):
            return None
        try:
            found = functools.reduce(_join, [spec._serialize() for spec in (self, *others)])
        except _NothingInCommonError:
            return None
        return self._deserialize(found)

    def most_specific_compatible_type(self, other: Any) -> Any:
        """Returns the tightest spec that both fit.

        Raises:
            ValueError: they have nothing in common.
        """
        found = self.most_specific_common_supertype([other])
        if found is None:
            raise ValueError(f"no type is compatible with both {self} and {other}{at_user_location()}")
        return found

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _key(self) == _key(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_key(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._serialize()!r}"

    def __reduce__(self) -> tuple:
        return _again, (type(self), self._serialize())


class Placeholder:
    """Base of what stands for a tensor that is put in its place later."""

    __slots__ = ()


def put_together(spec: TypeSpec, children: tuple) -> Any:
    """Returns the value of a spec with the given components; of specs and placeholders, what describes the value."""
    parts = children[0]
    if any(isinstance(part, TypeSpec | Described | Placeholder) for part in _flat(parts)):
        return spec if _flat(parts) == _specs(spec) else Described(spec, parts)
    return spec._from_components(parts)


class BatchableTypeSpec(TypeSpec):
    """A spec whose values can be batched: by `tf.data`, `tf.map_fn` and the like.

    A subclass defines `_batch` and `_unbatch`.  Stacking is done component by component; a type whose components do
    not simply stack (a ragged tensor's) defines `_stack` and `_unstack` too.
    """

    __slots__ = ()

    def _batch(self, batch_size: int | None) -> TypeSpec:
        """Returns the spec of `batch_size` values (None: any number) in one."""
        raise NotImplementedError(f"{type(self).__name__}: define _batch(batch_size)")

    def _unbatch(self) -> TypeSpec:
        """Returns the spec of one of the values that are batched in a value of this spec."""
        raise NotImplementedError(f"{type(self).__name__}: define _unbatch()")

    def _stack(self, values: Sequence[Any]) -> Any:
        """Returns the values, each of this spec, as one batch."""
        rows = [_parts(self, value) for value in values]
        columns = [
            stack_values(spec, column)
            for spec, column in zip(_specs(self), zip(*rows, strict=True), strict=True)
        ]
        whole = self._batch(len(rows))
        return whole._from_components(_packed(whole._component_specs, columns))

    def _unstack(self, value: Any) -> list:
        """Returns the values that are batched in `value`, which is of this spec."""
        columns = [
            unstack_value(spec, part) for spec, part in zip(_specs(self), _parts(self, value), strict=True)
        ]
        one = self._unbatch()
        return [
            one._from_components(_packed(one._component_specs, list(row)))
            for row in zip(*columns, strict=True)
        ]


class OfOneTensor:
    """Mixin of specs whose values are one tensor, in whatever form: it has a shape and a dtype."""

    __slots__ = ()
    _shape: TensorShape
    _dtype: dt.DType

    @property
    def shape(self) -> TensorShape:
        """The whole tensor's shape, None where unknown."""
        return self._shape

    @property
    def dtype(self) -> dt.DType:
        """The elements' dtype."""
        return self._dtype

    @property
    def rank(self) -> int | None:
        """The number of axes, None when unknown."""
        return self._shape.rank

    def _shape_of_batch(self, batch_size: int | None) -> TensorShape:
        return TensorShape([batch_size]).concatenate(self._shape)

    def _shape_of_row(self) -> TensorShape:
        """Returns the shape without the first axis.

        Raises:
            ValueError: there are no axes.
        """
        if self._shape.rank == 0:
            raise ValueError(f"a scalar holds no batch: {self!r}{at_user_location()}")
        return TensorShape(None) if self._shape.rank is None else self._shape[1:]


class TensorSpec(OfOneTensor, BatchableTypeSpec):
    """Describes a dense tensor: `tf.TensorSpec(shape=[None, 3], dtype=tf.float32)`."""

    __slots__ = ("_dtype", "_name", "_shape")
    _has_components = False

    def __init__(self, shape: Any, dtype: Any = dt.float32, name: str | None = None) -> None:
        self._shape, self._dtype, self._name = TensorShape(shape), dt.as_dtype(dtype), name

    @property
    def name(self) -> str | None:
        return self._name

    @property
    def value_type(self) -> type:
        return Tensor

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        return cls(tensor.shape, tensor.dtype, name)

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        return cls(spec.shape, spec.dtype, name or spec.name)

    def _serialize(self) -> tuple:
        return (self._shape, self._dtype, self._name)

    @property
    def _component_specs(self) -> TensorSpec:
        return self

    def _to_components(self, value: Any) -> Any:
        return value if isinstance(value, TensorLike) else convert_to_tensor(value, self._dtype)

    def _from_components(self, components: Any) -> Any:
        return components

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True when a tensor (or spec) has this dtype and a compatible shape."""
        other = spec_or_value
        if not hasattr(other, "shape") or not hasattr(other, "dtype"):
            try:
                other = convert_to_tensor(other, dtype_hint=self._dtype)
            except (TypeError, ValueError):
                return False
        if isinstance(other, TypeSpec) and not isinstance(other, TensorSpec):
            return False
        return self._dtype == other.dtype and self._shape.is_compatible_with(other.shape)

    def is_subtype_of(self, other: Any) -> bool:
        return (
            isinstance(other, TensorSpec)
            and self._dtype == other._dtype
            and _is_part(self._shape, other._shape)
            and other._name in (None, self._name)
        )

    def most_specific_common_supertype(self, others: Sequence[Any]) -> TensorSpec | None:
        if any(not isinstance(other, TensorSpec) or other._dtype != self._dtype for other in others):
            return None
        shape = functools.reduce(
            TensorShape.most_specific_compatible_shape, [s._shape for s in others], self._shape
        )
        same_name = all(other._name == self._name for other in others)
        return TensorSpec(shape, self._dtype, self._name if same_name else None)

    def _batch(self, batch_size: int | None) -> TensorSpec:
        return TensorSpec(self._shape_of_batch(batch_size), self._dtype)

    def _unbatch(self) -> TensorSpec:
        return TensorSpec(self._shape_of_row(), self._dtype)

    def _stack(self, values: Sequence[Any]) -> Any:
        if not values:
            sizes = [] if self._shape.rank is None else [size or 0 for size in self._shape]
            return Tensor(np.zeros((0, *sizes), self._dtype.numpy_dtype))
        return stacked(list(values))

    def _unstack(self, value: Any) -> list:
        return [value[i] for i in range(value.shape[0])]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self._shape, self._dtype, self._name) == (
            other._shape,
            other._dtype,
            other._name,
        )

    def __hash__(self) -> int:
        return hash((self._shape, self._dtype, self._name))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self._shape}, dtype={self._dtype!r}, name={self._name!r})"


# ---- composites of specs -----------------------------------------------------------------------------------------


class Described:
    """A composite tensor of which there are only specs, other ones than its own spec says, or placeholders."""

    __slots__ = ("parts", "spec")

    def __init__(self, spec: TypeSpec, parts: Any) -> None:
        self.spec, self.parts = spec, parts

    def __repr__(self) -> str:
        return f"<{self.spec!r} of {self.parts!r}>"


def _components_of_described(described: Described) -> tuple:
    return (described.parts,), described.spec


nest.register_composite(Described, _components_of_described, put_together)


# ---- the spec of a value ----------------------------------------------------------------------------------------

_describers: list[tuple[type, Callable[[Any], TypeSpec]]] = []


def register_type_spec(kind: type, describe: Callable[[Any], TypeSpec]) -> None:
    """Makes `describe(value)` the spec of instances of `kind`, for values that are no composite tensors."""
    _describers.append((kind, describe))


def type_spec_from_value(value: Any) -> TypeSpec:
    """Returns the spec of a value: of a tensor, a composite tensor, a dataset, or anything that makes a tensor.

    Of a variable it is that of its value.

    Raises:
        TypeError: the value has none.
    """
    if isinstance(value, TensorLike):
        return TensorSpec(value.shape, value.dtype)
    own = getattr(value, "_type_spec", None)
    if isinstance(own, TypeSpec):
        return own
    for kind, describe in _describers:
        if isinstance(value, kind):
            return describe(value)
    try:
        tensor = convert_to_tensor(value)
    except (TypeError, ValueError):
        raise TypeError(
            f"Could not build a TypeSpec for {value!r:.80} of type {type(value).__name__}; expected a tensor, a "
            f"composite tensor, a dataset, or something that converts to a tensor{at_user_location()}"
        ) from None
    return TensorSpec(tensor.shape, tensor.dtype)


def with_shapes(spec: TypeSpec, change: Callable[[TensorShape], TensorShape]) -> TypeSpec:
    """Returns the spec with `change` applied to every shape in it, those of its components as well."""

    def changed(part: Any) -> Any:
        if isinstance(part, TensorShape):
            return change(part)
        if isinstance(part, TypeSpec):
            return with_shapes(part, change)
        if isinstance(part, dict):
            return {key: changed(item) for key, item in part.items()}
        return tuple(map(changed, part)) if isinstance(part, list | tuple) else part

    return spec._deserialize(changed(spec._serialize()))


def value_of(spec: TypeSpec, make: Callable[[TensorSpec], Any]) -> Any:
    """Returns a value of the spec in which every tensor is what `make` returns for its own spec."""
    if isinstance(spec, TensorSpec):
        return make(spec)
    parts = [value_of(part, make) for part in _specs(spec)]
    return spec._from_components(_packed(spec._component_specs, parts))


# ---- batches ----------------------------------------------------------------------------------------------------


def stack_values(spec: Any, values: Sequence[Any]) -> Any:
    """Returns values of one spec as one batch.

    Raises:
        TypeError: values of this type cannot be batched.
    """
    return batchable(spec)._stack(values)


def unstack_value(spec: Any, value: Any) -> list:
    """Returns the values that are batched in one."""
    return batchable(spec)._unstack(value)


def join_batches(values: Sequence[Any]) -> Any:
    """Returns several batches of composite tensors of one type as one batch."""
    specs = [batchable(value._type_spec) for value in values]
    rows = [row for spec, value in zip(specs, values, strict=True) for row in spec._unstack(value)]
    return stack_values(specs[0]._unbatch(), rows)


def batchable(spec: Any) -> Any:
    """Returns a spec whose values can be batched; raises TypeError for another one."""
    if not isinstance(spec, BatchableTypeSpec):
        raise TypeError(f"values of type {spec} cannot be batched or unbatched{at_user_location()}")
    return spec


def _specs(spec: TypeSpec) -> list:
    """Returns the specs of the components, flat."""
    return _flat(spec._component_specs)


def _parts(spec: TypeSpec, value: Any) -> list:
    return _flat(spec._to_components(value))


def _flat(structure: Any) -> list:
    if isinstance(structure, dict):
        return [leaf for key in sorted(structure) for leaf in _flat(structure[key])]
    if isinstance(structure, list | tuple) and not isinstance(structure, TensorShape):
        return [leaf for item in structure for leaf in _flat(item)]
    return [structure]


def _packed(structure: Any, flat: list) -> Any:
    """Returns `structure` with its leaves taken from the front of `flat`."""
    if isinstance(structure, dict):
        made = {key: _packed(structure[key], flat) for key in sorted(structure)}
        return {key: made[key] for key in structure}
    if isinstance(structure, list | tuple):
        items = [_packed(item, flat) for item in structure]
        kind = type(structure)
        return kind(*items) if hasattr(kind, "_fields") else kind(items)
    return flat.pop(0)


# ---- comparing serializations -----------------------------------------------------------------------------------


class _NothingInCommonError(Exception):
    """Two specs differ in something that has no common supertype."""


def _again(kind: type, serialization: Any) -> Any:
    return kind._deserialize(serialization)  # type: ignore[attr-defined]


def _key(spec: TypeSpec) -> tuple:
    return (type(spec), _hashable(spec._serialize()))


def _hashable(value: Any) -> Any:
    """Returns something that hashes and is equal for equal serializations; 1, 1.0 and True differ."""
    if isinstance(value, TensorShape):
        return ("shape", None if value.rank is None else tuple(value))
    if isinstance(value, dict):
        return (dict, *((key, _hashable(item)) for key, item in sorted(value.items())))
    if isinstance(value, list | tuple):
        return (tuple, *map(_hashable, value))
    return (type(value), value) if isinstance(value, bool | int | float) else value


def _compatible(a: Any, b: Any) -> bool:
    return _pairwise(a, b, _compatible, _compatible_leaf)


def _compatible_leaf(a: Any, b: Any) -> bool:
    if isinstance(a, TensorShape | TypeSpec):
        return a.is_compatible_with(b)
    return a == b


def _is_part(a: Any, b: Any) -> bool:
    return _pairwise(a, b, _is_part, _is_part_leaf)


def _is_part_leaf(a: Any, b: Any) -> bool:
    if isinstance(a, TensorShape):
        if b.rank is None:
            return True
        return a.rank == b.rank and all(y is None or x == y for x, y in zip(a, b, strict=True))
    return a.is_subtype_of(b) if isinstance(a, TypeSpec) else a == b


def _pairwise(a: Any, b: Any, recurse: Callable, leaf: Callable) -> bool:
    """Compares two serializations part by part."""
    if isinstance(a, TensorShape) and isinstance(b, TensorShape):
        return leaf(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(recurse(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(recurse(x, y) for x, y in zip(a, b, strict=True))
    if type(a) is not type(b):
        return False
    return leaf(a, b)


def _join(a: Any, b: Any) -> Any:
    """Returns the tightest serialization that covers both.

    Raises:
        _NothingInCommonError: there is none.
    """
    if isinstance(a, TensorShape) and isinstance(b, TensorShape):
        return a.most_specific_compatible_shape(b)
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return {key: _join(a[key], b[key]) for key in a}
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return tuple(_join(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, TypeSpec) and type(a) is type(b):
        found = a.most_specific_common_supertype([b])
        if found is not None:
            return found
    elif type(a) is type(b) and a == b:
        return a
    raise _NothingInCommonError
