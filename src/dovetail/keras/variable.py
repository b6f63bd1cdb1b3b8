"""`keras.Variable`: Keras 3's way to make a `tf.Variable`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.base.settings import settings, state
from dovetail.keras import initializers
from dovetail.keras.naming import unique_name
from dovetail.tensor import variable as tensor_variable

__all__ = ["Variable"]


class _Variables(type):
    """The class of `Variable`, of which every `tf.Variable` is an instance: those that layers hold as well."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, tensor_variable.Variable)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, tensor_variable.Variable)


@declare
class Variable(metaclass=_Variables):
    """State that layers, metrics and optimizers read and assign.

    Args:
        initializer: the first value: numbers, a tensor; or the name of an initializer or a function `(shape, dtype)`,
            which need `shape`.
        shape: of the variable; that of the value when None.
        dtype: that of the value when None, `keras.config.floatx()` for an initializer.
        trainable: whether optimizers and tapes take it.
        autocast: whether layers in mixed precision read it in their compute dtype.
        aggregation, synchronization: how the values of several replicas become one, as in `tf.Variable`.
        name: "variable", numbered, when None; `path` is the name within the `keras.name_scope`s around.
        layout: a `keras.distribution` layout over the devices of a mesh.

    Raises:
        ValueError: an initializer without a shape, or a name with "/".

    Example:
        >>> keras.Variable("ones", shape=(2,)).assign_add([1.0, 2.0])
    """

    def __new__(  # type: ignore[misc]
        cls,
        initializer: Any = None,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = None,
        synchronization: str | None = "auto",
        name: str | None = None,
        layout: Any = None,
        **older: Any,
    ) -> tensor_variable.Variable:
        if older or initializer is None:  # spelled as tf.Variable is
            first = {} if initializer is None else {"initial_value": initializer}
            given = {"shape": shape, "dtype": dtype, "name": name, "trainable": trainable}
            given |= {"aggregation": aggregation, "synchronization": synchronization, **older, **first}
            return tensor_variable.Variable(
                **{key: value for key, value in given.items() if value is not None}
            )
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(
                f"keras.Variable: name must be a string without '/', received {name!r}{at_user_location()}"
            )
        name = name or unique_name("variable")
        found: Any = tensor_variable.Variable(
            _first_value(initializer, shape, dtype),
            trainable=trainable,
            name=name,
            dtype=dtype,
            aggregation=aggregation,
            synchronization=synchronization,
        )
        found._name = name
        found.path = "/".join([*state.name_scopes[-1:], name]).replace("//", "/")
        found._autocast = found._autocast and autocast
        if layout is not None:
            found._lay_out(layout)
        return found


def _first_value(initializer: Any, shape: Any, dtype: Any) -> Any:
    if not isinstance(initializer, str) and not callable(initializer):
        return initializer
    if shape is None:
        raise ValueError(
            f"keras.Variable: the initializer {initializer!r:.60} needs the shape: pass shape=(...){at_user_location()}"
        )
    found = initializers.get(initializer) if isinstance(initializer, str) else initializer
    return found(tuple(shape), dtype=dtype or settings.floatx)
