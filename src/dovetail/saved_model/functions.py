"""Functions of a SavedModel as Python calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.trackable import unique
from dovetail.function.concrete import ConcreteFunction
from dovetail.function.function import Function
from dovetail.function.signature import SpecCall, structures_fit
from dovetail.saved_model.library import ImportedFunction
from dovetail.saved_model.structures import HandleSpec, is_spec, packed
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

_KINDS = inspect.Parameter
_MOST_SHOWN = 8


class LoadedConcrete(ConcreteFunction):
    """A function of a SavedModel with its signature fixed.

    Args:
        imported: what runs: it takes the tensors among the arguments, then what is captured.
        name: of it.
        arguments: `(args, kwargs)` with a `tf.TensorSpec` for each tensor.
        results: the structure of the result, likewise.
        signature: the parameters of the function as it was written.
        captured: called for the objects that it uses.
    """

    def __init__(
        self,
        imported: ImportedFunction,
        name: str,
        arguments: tuple[tuple, dict],
        results: Any,
        signature: inspect.Signature,
        captured: Callable[[], list],
    ) -> None:
        self._imported, self._results, self._captured = imported, results, captured
        places = [i for i, leaf in enumerate(nest.flat(arguments)) if is_spec(leaf)]

        def run(*args: Any, **kwargs: Any) -> Any:
            leaves = nest.flat((args, kwargs))
            return packed(results, imported(*[leaves[i] for i in places], *captured()))

        run.__name__ = run.__qualname__ = name
        run.__signature__ = signature  # type: ignore[attr-defined]
        owner = Function(run, autograph=False)
        if imported.has_strings:
            owner.keep_op_by_op()
        super().__init__(owner, SpecCall(*arguments), None)

    @property
    def structured_outputs(self) -> Any:
        return self._results

    @property
    def outputs(self) -> list:
        return [leaf for leaf in nest.flat(self._results) if is_spec(leaf)]

    @property
    def variables(self) -> tuple:
        return tuple(one for one in self._captured() if isinstance(one, Variable))

    @property
    def captured_inputs(self) -> list:
        return list(self._captured())

    @property
    def arguments(self) -> tuple[tuple, dict]:
        return self.structured_input_signature

    def matched(self, args: tuple, kwargs: dict, convert: bool) -> tuple | None:
        """Returns the arguments as this function takes them, None where they are not of its kind.

        Args:
            convert: numbers and arrays may stand for tensors.
        """
        wanted, spec = nest.flatten_spec(self.arguments)
        given, given_spec = nest.flatten_spec((args, kwargs))
        if given_spec != spec and not structures_fit(spec, given_spec):
            return None
        found = [_fitted(one, value, convert) for one, value in zip(wanted, given, strict=True)]
        return None if any(one is _OTHER for one in found) else nest.unflatten(given_spec, found)


_OTHER = object()


def _fitted(wanted: Any, value: Any, convert: bool) -> Any:
    """Returns an argument as a leaf of a signature wants it, `_OTHER` where it is another one."""
    if isinstance(wanted, HandleSpec):
        return _OTHER if isinstance(value, TensorLike) else value
    if not is_spec(wanted):
        plain = not isinstance(value, TensorLike | np.ndarray)
        return value if plain and type(value) is type(wanted) and value == wanted else _OTHER
    if isinstance(value, Variable):
        value = value.read_value()
    if not isinstance(value, TensorLike):
        if is_spec(value):
            return value if value.is_subtype_of(wanted) else _OTHER
        if not convert or value is None or isinstance(value, bool) != wanted.dtype.is_bool:
            return _OTHER
        try:
            value = convert_to_tensor(value, wanted.dtype)
        except (TypeError, ValueError):
            return _OTHER
    fits = value.dtype == wanted.dtype and wanted.shape.is_compatible_with(value.shape)
    return value if fits else _OTHER


class LoadedFunction:
    """A `tf.function` of a SavedModel: the traces that were saved, of which the arguments choose one.

    Args:
        concrete: the traces.
        signature: the parameters of the function as it was written.
        name: of it.
    """

    def __init__(self, concrete: list[LoadedConcrete], signature: inspect.Signature, name: str) -> None:
        self.concrete_functions = concrete
        self.__signature__, self.__name__ = signature, name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the trace that the arguments fit.

        Raises:
            ValueError: they fit none.
        """
        chosen, (args, kwargs) = self._chosen(args, kwargs)
        return chosen(*args, **kwargs)

    def get_concrete_function(self, *args: Any, **kwargs: Any) -> LoadedConcrete:
        """Returns the trace that the arguments, or specs of them, fit; without arguments the only one.

        Raises:
            ValueError: they fit none.
        """
        if not args and not kwargs and len(self.concrete_functions) == 1:
            return self.concrete_functions[0]
        return self._chosen(args, kwargs)[0]

    @property
    def variables(self) -> tuple:
        """The variables that its traces use."""
        return tuple(unique(variable for one in self.concrete_functions for variable in one.variables))

    @property
    def trainable_variables(self) -> tuple:
        return tuple(variable for variable in self.variables if variable.trainable)

    def _list_all_concrete_functions_for_serialization(self) -> list[LoadedConcrete]:
        return list(self.concrete_functions)

    def _chosen(self, args: tuple, kwargs: dict) -> tuple[LoadedConcrete, tuple]:
        calls = list(self._calls(args, kwargs))
        for convert in (False, True):
            for call in calls:
                for one in self.concrete_functions:
                    found = one.matched(call[0], call[1], convert)
                    if found is not None:
                        return one, found
        raise ValueError(self._refusal(args, kwargs))

    def _calls(self, args: tuple, kwargs: dict) -> Any:
        """Yields the arguments as they may stand in a signature: in their places, and as they were given."""
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError:
            yield args, kwargs
            return
        bound.apply_defaults()
        yield bound.args, bound.kwargs
        yield args, kwargs

    def _refusal(self, args: tuple, kwargs: dict) -> str:
        shown = nest.mapped(_described, (args, kwargs))
        options = [f"  {one.structured_input_signature}" for one in self.concrete_functions[:_MOST_SHOWN]]
        return (
            f"{self.__name__}: the SavedModel has no trace for these arguments. Received: {shown}. A loaded "
            "function runs what was traced before it was saved, for these arguments:\n"
            + "\n".join(options)
            + at_user_location()
        )

    def __repr__(self) -> str:
        return f"<function {self.__name__} of a SavedModel, with {len(self.concrete_functions)} traces>"


def _described(leaf: Any) -> Any:
    shape = getattr(leaf, "shape", None)
    return leaf if shape is None else f"{getattr(leaf.dtype, 'name', leaf.dtype)}{list(shape)}"


def signature_of(spec: Any) -> inspect.Signature:
    """Returns the parameters of a function, from what a file holds of them; anything goes where that is nothing.

    Args:
        spec: its `fullargspec`, a named tuple, or None.
    """
    if spec is None:
        return inspect.Signature(
            [_KINDS("args", _KINDS.VAR_POSITIONAL), _KINDS("kwargs", _KINDS.VAR_KEYWORD)]
        )
    defaults = list(spec.defaults or ())
    names = list(spec.args)
    filled = [_KINDS.empty] * (len(names) - len(defaults)) + defaults
    parameters = [
        _KINDS(name, _KINDS.POSITIONAL_OR_KEYWORD, default=default)
        for name, default in zip(names, filled, strict=True)
    ]
    if spec.varargs:
        parameters.append(_KINDS(spec.varargs, _KINDS.VAR_POSITIONAL))
    named = spec.kwonlydefaults or {}
    parameters += [
        _KINDS(name, _KINDS.KEYWORD_ONLY, default=named.get(name, _KINDS.empty)) for name in spec.kwonlyargs
    ]
    if spec.varkw:
        parameters.append(_KINDS(spec.varkw, _KINDS.VAR_KEYWORD))
    return inspect.Signature(parameters)
