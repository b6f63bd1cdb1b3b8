"""Composite tensors: values made of tensors.

A ragged tensor, a sparse one, an `IndexedSlices`, a user's `ExtensionType` is a composite tensor, and its `TypeSpec`
says how it is taken apart and put together.  To add one:

1. A class that derives from `CompositeTensor` and holds its tensors as attributes.  Its constructor must take symbolic
   and traced tensors: no look at values unless they are known.
2. A spec, `class MySpec(BatchableTypeSpec)`: `value_type`, `_serialize` (the arguments of `__init__`, hashable),
   `_component_specs`, `_to_components(value)`, `_from_components(components)`, `_batch(n)`, `_unbatch()`; and `_stack`,
   `_unstack` where a batch is not the batch of each component.
3. `_type_spec` of the class: a property that makes the spec of `self` from its components.

From then on it nests (`tf.nest` with `expand_composites`), goes in and out of `tf.function`, loops, branches, `tf.data`
and tapes.  What ops do with it are rows of the table in `ops/dispatch.py`.
"""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.tensor.spec import TypeSpec, put_together
from dovetail.tensor.tensor import TensorLike


class CompositeTensor:
    """Base of the values that are made of tensors."""

    __slots__ = ()
    __array_priority__ = 100

    # Whether `tf.is_tensor` says yes: the value is a tensor in another form, and no type of a user's own.
    _is_tensor = False

    @property
    def _type_spec(self) -> TypeSpec:
        """The spec of this value."""
        raise NotImplementedError(f"{type(self).__name__}: define the property _type_spec")

    def _shape_invariant_to_type_spec(self, shape: Any) -> TypeSpec:
        """Returns the spec that a loop variable of this kind keeps when its shape is only known to be `shape`.

        Raises:
            NotImplementedError: this kind has no shape that could change.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no shape as a shape invariant; pass its spec")

    def _text(self, summarize: int) -> str:
        """Returns what `tf.print` shows, with `summarize` elements at both ends of each axis (-1: all)."""
        return repr(self)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        nest.register_composite(cls, _take_apart, put_together)


def is_tensor(value: Any) -> bool:
    """True for tensors and variables, and for ragged, sparse and `IndexedSlices` tensors (`tf.is_tensor`)."""
    return isinstance(value, TensorLike) or (isinstance(value, CompositeTensor) and value._is_tensor)


def is_composite(value: Any) -> bool:
    """True for a composite tensor."""
    return isinstance(value, CompositeTensor)


def _take_apart(value: Any) -> tuple:
    spec = value._type_spec
    return (spec._to_components(value),), spec
