"""Layers whose arguments are rows: one row is parameter of the constructor, check, attribute and config entry.

A weight's initializer, regularizer and constraint are rows that follow from the weight's name (`weights`), so that a
layer with five weights does not write fifteen parameters four times.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from dovetail.keras import activations, constraints, initializers, regularizers
from dovetail.keras.binding import bound
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.tensor.variable import Variable

REQUIRED = inspect.Parameter.empty
# What an argument stands for -> the module that knows its names: `get` reads it, `serialize` writes it.
_MODULES = (
    ("activation", activations),
    ("_initializer", initializers),
    ("_regularizer", regularizers),
    ("_constraint", constraints),
)
_PASSED_ON = frozenset({"activity_regularizer"})  # every layer has it: `Layer` keeps and writes it


class Argument(NamedTuple):
    """One argument of a layer.

    Attributes:
        name: of the parameter, the attribute and the config entry.
        default: REQUIRED where it must be given.
        read: `f(layer, name, value)` checks the value and returns the attribute; None: by the end of the name
            (`_initializer`, ...), and as it is.
        hint: the annotation in the signature.
        kept: False where it is just checked: no attribute, nothing in the config.
        attribute: the attribute's name, where it is not the argument's.
    """

    name: str
    default: Any = REQUIRED
    read: Callable[[Any, str, Any], Any] | None = None
    hint: str = "Any"
    kept: bool = True
    attribute: str = ""


class Weight(NamedTuple):
    """A weight whose first value users choose.

    Attributes:
        role: what its arguments begin with, such as "kernel".
        initializer: the default.
        penalized: whether it has a regularizer and a constraint too.
    """

    role: str
    initializer: str
    penalized: bool = True


def weights(*roles: Weight, activity: bool = False) -> tuple[Argument, ...]:
    """Returns the arguments of some weights in Keras' order: initializers, regularizers, then constraints.

    Args:
        roles: the weights.
        activity: `activity_regularizer` comes after the other regularizers.
    """
    penalized = [weight.role for weight in roles if weight.penalized]
    return (
        *(Argument(f"{weight.role}_initializer", weight.initializer) for weight in roles),
        *(Argument(f"{role}_regularizer", None) for role in penalized),
        *((Argument("activity_regularizer", None),) if activity else ()),
        *(Argument(f"{role}_constraint", None) for role in penalized),
    )


class Declared(Layer):
    """A layer that tells its arguments as rows, from which `__init__` and `get_config` follow.

    Example:
        >>> class Scale(Declared):
        ...     _arguments = (Argument("by", 1.0), *weights(Weight("gamma", "ones")))
        ...     def build(self, input_shape):
        ...         self.gamma = self._add("gamma", input_shape[-1:])
        ...     def call(self, inputs):
        ...         return inputs * self.gamma * self.by
        >>> Scale(by=2.0, gamma_initializer="zeros").get_config()["by"]
        2.0
    """

    _arguments: ClassVar[tuple[Argument, ...]] = ()

    if TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "_arguments" in cls.__dict__ and "__init__" not in cls.__dict__:
            cls.__init__ = _constructor(cls._arguments, f"{cls.__qualname__}.__init__")  # type: ignore[method-assign]

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns what `Layer` is told: what the rows do not name, and the activity regularizer."""
        return kwargs | {name: given[name] for name in _PASSED_ON if name in given}

    def _begin(self) -> None:
        """Called when the arguments are attributes: checks how they go together, and sets what else there is."""

    def _add(self, role: str, shape: Any, name: str | None = None, **more: Any) -> Variable:
        """Creates the weight whose arguments begin with `role`.

        Args:
            role: see `Weight`.
            shape: of the weight.
            name: the role when None.
            more: further arguments of `add_weight`.
        """
        return self.add_weight(
            name=name or role,
            shape=shape,
            initializer=getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer", None),
            constraint=getattr(self, f"{role}_constraint", None),
            **more,
        )

    def get_config(self) -> dict:
        named = {
            row.name: getattr(self, row.attribute or row.name) for row in self._arguments if _is_written(row)
        }
        return super().get_config() | {name: _written(name, value) for name, value in named.items()}


def _constructor(rows: tuple[Argument, ...], label: str) -> Callable:
    """Returns the `__init__` of a class with such arguments; all but those go to the classes above."""
    kinds = inspect.Parameter
    parameters = [
        kinds("self", kinds.POSITIONAL_OR_KEYWORD),
        *(kinds(r.name, kinds.POSITIONAL_OR_KEYWORD, default=r.default, annotation=r.hint) for r in rows),
        kinds("kwargs", kinds.VAR_KEYWORD, annotation="Any"),
    ]
    names = [row.name for row in rows]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        values = bound(label, names, args, kwargs)
        given = {row.name: values.get(row.name, row.default) for row in rows}
        needed = [repr(name) for name, value in given.items() if value is REQUIRED]
        if needed:
            raise TypeError(
                f"{label}() missing {len(needed)} required positional arguments: {' and '.join(needed)}"
            )
        super(Declared, self).__init__(**self._passed_on(given, kwargs))
        for row in rows:
            if row.name not in _PASSED_ON:
                _take(self, row, given[row.name])
        self._begin()

    __init__.__qualname__ = label
    __init__.__signature__ = inspect.Signature(parameters, return_annotation="None")  # type: ignore[attr-defined]
    return __init__


def _take(layer: Any, row: Argument, value: Any) -> None:
    if row.read is not None:
        value = row.read(layer, row.name, value)
    else:
        module = _module_of(row.name)
        value = value if module is None else module.get(value)
    if row.kept:
        setattr(layer, row.attribute or row.name, value)


def _module_of(name: str) -> Any:
    return next((module for ending, module in _MODULES if name.endswith(ending)), None)


def _is_written(row: Argument) -> bool:
    return row.kept and row.name not in _PASSED_ON


def _written(name: str, value: Any) -> Any:
    module = _module_of(name)
    return value if module is None else module.serialize(value)
