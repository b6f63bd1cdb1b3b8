"""Functions of datasets that use tensors of the graph around them: the iterator's initializer gets their values."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.data.dataset import Dataset
from dovetail.data.node import UNKNOWN
from dovetail.data.sources import Described
from dovetail.function.autograph.gate import converted
from dovetail.graph.by_hand import written
from dovetail.graph.hand_variable import GraphVariable, host_call
from dovetail.graph.recording import FunctionGraph
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import enter_scope

# Methods of datasets that take a function of elements, by its name among their arguments.
_METHODS = {"map": "map_func", "flat_map": "map_func", "interleave": "map_func", "filter": "predicate"} | {
    "take_while": "predicate",
    "scan": "scan_func",
    "reduce": "reduce_func",
}


class Captured:
    """A function of elements, recorded, that uses tensors or variables of the graph around it.

    Args:
        graph: the record of it; where it returns a dataset, of the tensors that this is made of.
        made: the dataset that it returns, None where it returns tensors.
        parts: the tensors that `made` is made of.
        filled: `filled(dataset, values by ids)` gives a dataset its tensors' values.
    """

    def __init__(self, graph: FunctionGraph, made: Any, parts: list, filled: Callable) -> None:
        self._graph, self._made, self._parts, self._filled = graph, made, parts, filled
        self.tensors: list[SymbolicTensor] = graph.captures
        self.variables = _variables_in(graph)

    def with_values(self, values: list) -> Callable:
        """Returns the function of elements, for values of `tensors`."""
        bound = self._graph.bound(values)
        if self._made is None:
            return bound
        ids = list(map(id, self._parts))

        def dataset(*element: Any) -> Any:
            return self._filled(self._made, dict(zip(ids, bound(*element), strict=True)))

        return dataset


class Capturing:
    """Lets methods of datasets take functions that use tensors of a graph.

    Args:
        tensors_of: returns the tensors that datasets are made of.
        filled: see `Captured`.
    """

    def __init__(self, tensors_of: Callable[[Any], list], filled: Callable) -> None:
        self._tensors_of, self._filled = tensors_of, filled

    def give_methods(self, kind: Any) -> None:
        """Changes the methods of a class of datasets."""
        for name, parameter in _METHODS.items():
            setattr(kind, name, self._capturing(getattr(kind, name), parameter))

    def _capturing(self, method: Callable, parameter: str) -> Callable:
        signature = inspect.signature(method)
        made = self._reduced if parameter == "reduce_func" else self._described

        @functools.wraps(method, updated=())  # errors are told by the method itself
        def capturing(*args: Any, **kwargs: Any) -> Any:
            if written() is None:
                return method(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            found = self._captured(given[parameter], given)
            if found is not None:
                given = {**given, parameter: found}
            elif parameter != "reduce_func" or not self._tensors_of(given):
                return method(*args, **kwargs)
            return made(method, given, args, kwargs)

        return capturing

    def _captured(self, function: Any, given: dict) -> Captured | None:
        """Records a function; None where it uses nothing of the graph, or needs values."""
        graph = FunctionGraph(str(getattr(function, "__name__", "function")))
        try:
            args = nest.mapped(graph.input_like, _arguments(given))
            with graph.as_default():
                result = converted(function)(*args)
                made = result if isinstance(result, Dataset) else None
                parts = self._tensors_of(made)
                graph.finish(result if made is None else parts)
        except Exception:  # what it raises on tensors without values may be anything
            if graph.captures or _variables_in(graph):  # these have no values whatever element comes
                raise
            return None
        found = Captured(graph, made, parts, self._filled)
        return found if found.tensors or found.variables else None

    def _described(self, method: Callable, given: dict, args: tuple, kwargs: dict) -> Dataset:
        example = method(*args, **kwargs)._node
        made_by = (lambda arguments: method(**arguments), (given,))
        return Dataset(Described(example.tree, example.specs, UNKNOWN, made_by))

    def _reduced(self, method: Callable, given: dict, args: tuple, kwargs: dict) -> Any:
        """Returns the result of a reduction as tensors of the graph."""
        tensors = self._tensors_of(given)
        with enter_scope(None):
            state = nest.map_structure(convert_to_tensor, given["initial_state"])
        leaves, structure = nest.flatten_spec(state)

        def reduce(*values: Any) -> list:
            known = dict(zip(map(id, tensors), values, strict=True))
            return nest.flat(method(**self._filled(given, known)))

        specs = [TensorSpec(leaf.shape, leaf.dtype) for leaf in leaves]
        return nest.unflatten(structure, host_call(reduce, "ReduceDataset", tuple(tensors), specs))


def _variables_in(graph: FunctionGraph) -> list:
    return [one for one in graph.variables if isinstance(one, GraphVariable)]


def _arguments(given: dict) -> tuple:
    """Returns the specs of what a function of elements is called with.

    Raises:
        TypeError: they are no dense tensors.
    """
    element = given["self"].element_spec
    if any(not isinstance(spec, TensorSpec) for spec in nest.flat(element)):
        raise TypeError("only functions of dense tensors are recorded")
    if "initial_state" in given:
        with enter_scope(None):
            state = nest.map_structure(convert_to_tensor, given["initial_state"])
        return nest.map_structure(lambda leaf: TensorSpec(leaf.shape, leaf.dtype), state), element
    return element if type(element) is tuple else (element,)
