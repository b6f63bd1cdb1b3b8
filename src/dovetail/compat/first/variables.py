"""`tf.compat.v1.Variable`, and what assigns variables by function."""

from __future__ import annotations

from typing import Any

from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.scopes import get_variable_scope, of_kind
from dovetail.graph.by_hand import written_graph
from dovetail.graph.recording import recording
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.tensor.variable import Variable


class _Variables(type):
    """The class of `Variable`, of which every variable is an instance."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Variable)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, Variable)


class VariableV1(metaclass=_Variables):
    """A variable, with the arguments in TensorFlow 1's order.

    Args:
        initial_value: a value, a tensor, or a function that returns one.
        trainable: whether optimizers change it.
        collections: keys of the collections that it is put in, that of global variables when None.
        validate_shape: False: its shape may change.
        use_resource: see `get_variable`.
        expected_shape, caching_device, variable_def, import_scope: accepted for TensorFlow's sake.
        others: as in `tf.Variable`.
    """

    def __new__(  # type: ignore[misc]
        cls,
        initial_value: Any = None,
        trainable: bool | None = None,
        collections: Any = None,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: Any = None,
        expected_shape: Any = None,
        import_scope: Any = None,
        constraint: Any = None,
        use_resource: Any = None,
        synchronization: Any = None,
        aggregation: Any = None,
        shape: Any = None,
    ) -> Variable:
        local = collections is not None and GraphKeys.LOCAL_VARIABLES in collections
        facts: dict[str, Any] = {
            "trainable": (not local) if trainable is None else trainable,
            "validate_shape": validate_shape,
        }
        facts |= {"name": name, "dtype": dtype, "constraint": constraint, "shape": shape}
        graph = recording()
        made: Any
        if graph is not None and graph.scope_class.variable_class is not None:
            made = graph.scope_class.variable_class(initial_value, collections=collections, **facts)
            return of_kind(made, get_variable_scope().use_resource if use_resource is None else use_resource)
        made = Variable(initial_value, **facts)
        if recording() is not None:
            written_graph().add_to_collections(collections or [GraphKeys.GLOBAL_VARIABLES], made)
        return made


def assign(
    ref: Any, value: Any, validate_shape: Any = None, use_locking: Any = None, name: str | None = None
) -> Any:
    """Gives a variable a value; returns the new value."""
    return ref.assign(value, name=name)


def assign_add(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """Adds to a variable; returns the new value."""
    return ref.assign_add(value)


def assign_sub(ref: Any, value: Any, use_locking: Any = None, name: str | None = None) -> Any:
    """Subtracts from a variable; returns the new value."""
    return ref.assign_sub(value)


def scatter(method: str) -> Any:
    """Returns the function that changes rows of a variable: `scatter_add(ref, indices, updates)`."""

    def change(
        ref: Any, indices: Any, updates: Any, use_locking: bool = False, name: str | None = None
    ) -> Any:
        if method.startswith("scatter_nd"):
            return getattr(ref, method)(indices, updates)
        return getattr(ref, method)(IndexedSlices(updates, indices))

    change.__name__ = method
    return change
