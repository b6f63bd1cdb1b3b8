"""`tf.Module`: an object that knows the variables and modules in its attributes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.trackable import AWAITING, CONTAINERS, attached, children, is_transparent
from dovetail.scopes import name_scope
from dovetail.tensor.variable import Variable

__all__ = ["Module"]


class Module:
    """Base class of things that hold variables: in attributes, in lists, tuples and dicts, and in other modules.

    Args:
        name: a Python identifier; made from the name of the class when None ("DenseBlock" -> "dense_block").

    Example:
        >>> class Dense(tf.Module):
        ...     def __init__(self, num_inputs, num_outputs, name=None):
        ...         super().__init__(name=name)
        ...         self.w = tf.Variable(tf.random.normal([num_inputs, num_outputs]), name="w")
        ...         self.b = tf.Variable(tf.zeros([num_outputs]), name="b")
        ...     def __call__(self, x):
        ...         return tf.matmul(x, self.w) + self.b
        >>> [v.name for v in Dense(3, 2).variables]
        ['b:0', 'w:0']
    """

    # Names of attributes that are not searched.
    _TF_MODULE_IGNORED_PROPERTIES: frozenset = frozenset()

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = snake_case(type(self).__name__)
        elif not str(name).isidentifier():
            raise ValueError(
                f"{name!r} is not a valid module name. Module names must be valid Python identifiers (e.g. a valid "
                f"class name){at_user_location()}"
            )
        self._name = name

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if AWAITING in self.__dict__:
            attached(self)

    def __children__(self) -> list[tuple[str, Any]]:
        """Returns the attributes, in the order of their names: see `dovetail.base.trackable`."""
        ignored = self._TF_MODULE_IGNORED_PROPERTIES
        return [
            (name, vars(self)[name])
            for name in sorted(vars(self))
            if name not in ignored and name != AWAITING
        ]

    @property
    def name(self) -> str:
        return self._name

    @property
    def name_scope(self) -> name_scope:
        """A `tf.name_scope` of the module's name."""
        return name_scope(self._name + "/")

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables of this module and of those in it: attributes in the order of their names."""
        return tuple(self._flatten(predicate=_is_variable, expand=_holds_variables))

    @property
    def trainable_variables(self) -> tuple[Variable, ...]:
        return tuple(variable for variable in self.variables if variable.trainable)

    @property
    def non_trainable_variables(self) -> tuple[Variable, ...]:
        return tuple(variable for variable in self.variables if not variable.trainable)

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The modules in this one, and in those, the nearest first."""
        return tuple(self._flatten(predicate=_is_module))

    @classmethod
    def with_name_scope(cls, method: Callable) -> Callable:
        """Decorator: runs a method inside the module's name scope."""

        @functools.wraps(method)
        def in_scope(self: Any, *args: Any, **kwargs: Any) -> Any:
            with self.name_scope:
                return method(self, *args, **kwargs)

        return in_scope

    def _flatten(
        self,
        recursive: bool = True,
        predicate: Callable[[Any], bool] | None = None,
        attribute_traversal_key: Callable | None = None,
        with_path: bool = False,
        expand: Callable[[Any], bool] | None = None,
    ) -> Iterator[Any]:
        """Yields what the attributes hold: this module's own before those of the modules in it, each object once.

        Args:
            recursive: go into modules.
            predicate: which leaves to yield; None: all.
            attribute_traversal_key: sort key of `(attribute name, value)`; None: by name.
            with_path: yield `(path, leaf)` for every path to it, such as `("layers", 0, "w")`.
            expand: which leaves to go into; None: modules.
        """
        seen = {id(self)}
        pending: list[tuple[tuple, Any, tuple]] = [((), self, (self,))]
        for prefix, module, ancestors in pending:
            for path, leaf in _leaves(module, attribute_traversal_key):
                # Every path counts when paths are asked for, but for those that lead round in a circle.
                if (any(leaf is one for one in ancestors)) if with_path else (id(leaf) in seen):
                    continue
                seen.add(id(leaf))
                if predicate is None or predicate(leaf):
                    yield (prefix + path, leaf) if with_path else leaf
                if recursive and (expand or _is_module)(leaf):
                    pending.append((prefix + path, leaf, (*ancestors, leaf)))


def snake_case(name: str) -> str:
    """Returns "conv2_d_block" for "Conv2DBlock", "http_server" for "HTTPServer"."""
    result = ""
    for i, letter in enumerate(name):
        before, after = name[i - 1 : i], name[i + 1 : i + 2]
        begins_word = (
            letter.isupper() and before and (not before.isupper() or after.islower()) and before != "_"
        )
        result += "_" + letter.lower() if begins_word else letter.lower()
    return result


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def _is_module(value: Any) -> bool:
    """True for modules, and for whatever else tells its variables, such as Keras layers."""
    if isinstance(value, Module):
        return True
    kind = type(value)
    return hasattr(kind, "trainable_variables") and hasattr(kind, "variables")


def _holds_variables(value: Any) -> bool:
    return _is_module(value) or is_transparent(value)


def _leaves(module: Any, key: Callable | None) -> Iterator[tuple[tuple, Any]]:
    """Yields `(path, leaf)` of the attributes of one module; Keras layers only tell their variables."""
    if not is_transparent(module):
        for i, variable in enumerate(module.variables):
            yield ("variables", i), variable
        return
    found = children(module)
    for name, value in found if key is None else sorted(found, key=key):
        yield from _inside((name,), value)


def _inside(path: tuple, value: Any) -> Iterator[tuple[tuple, Any]]:
    if not isinstance(value, CONTAINERS):
        yield path, value
        return
    found = children(value)
    if isinstance(value, dict) and _sortable(value):
        found.sort(key=lambda item: (str(type(item[0])), item[0]))
    for name, child in found:
        yield from _inside((*path, name), child)


def _sortable(keys: Any) -> bool:
    return all(isinstance(key, str) for key in keys) or all(isinstance(key, int | float) for key in keys)
