"""Datasets that are made of tensors of a graph: placeholders for arrays, names of files, the size of batches.

They have elements once the tensors have values, which the initializer of their iterator gets: it makes them anew.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.compat.first.fed_datasets_functions import Captured, Capturing
from dovetail.data.dataset import Dataset
from dovetail.data.node import UNKNOWN, Node
from dovetail.data.sources import Described
from dovetail.graph.hand_variable import GraphVariable
from dovetail.graph.replay import DisconnectedError, Graph
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import enter_scope

# Methods of datasets whose numbers may be tensors of a graph.
_METHODS = ("batch", "padded_batch", "repeat", "shard", "shuffle", "skip", "take")


def _parts(node: Any) -> Any:
    """Returns what a step was made of."""
    made_by = getattr(node, "made_by", None)
    return node._made_of if made_by is None else made_by[1]


def tensors_of(dataset: Any) -> list[SymbolicTensor]:
    """Returns the tensors of a graph that a dataset is made of, each once."""
    parts = _all_parts(dataset)
    tensors = [leaf for leaf in parts if isinstance(leaf, SymbolicTensor)]
    for function in parts:
        if isinstance(function, Captured):
            tensors += function.tensors
    return list({id(tensor): tensor for tensor in tensors}.values())


def variables_of(dataset: Any) -> list[GraphVariable]:
    """Returns the variables of a graph that functions of a dataset use, each once."""
    functions = [leaf for leaf in _all_parts(dataset) if isinstance(leaf, Captured)]
    return list({id(v): v for function in functions for v in function.variables}.values())


def _all_parts(dataset: Any) -> list:
    """Returns the tensors and functions among what all steps of a dataset were made of."""
    found: list = []
    seen: set[int] = set()
    stack = [dataset]
    while stack:
        for leaf in nest.flat(stack.pop()):
            if isinstance(leaf, SymbolicTensor | Captured):
                found.append(leaf)
            elif isinstance(leaf, Node | Dataset) and id(leaf) not in seen:
                seen.add(id(leaf))
                stack.append(leaf._node if isinstance(leaf, Dataset) else _parts(leaf))
    return found


def with_values(dataset: Any, values: dict[int, Any]) -> Any:
    """Returns a dataset anew, with values for the tensors of a graph that it is made of.

    Args:
        dataset: a dataset, or a structure with datasets, tensors and functions in it.
        values: by the ids of the tensors.
    """
    done: dict[int, Any] = {}

    def again(leaf: Any) -> Any:
        if isinstance(leaf, SymbolicTensor):
            return values[id(leaf)]
        if isinstance(leaf, Captured):
            return leaf.with_values([values[id(tensor)] for tensor in leaf.tensors])
        if isinstance(leaf, Dataset):
            return Dataset(again(leaf._node))
        if not isinstance(leaf, Node):
            return leaf
        if id(leaf) not in done:
            done[id(leaf)] = _made_again(leaf, again) if _all_parts(leaf) else leaf
        return done[id(leaf)]

    return nest.mapped(again, dataset)


def _made_again(node: Any, again: Callable) -> Node:
    made_by = getattr(node, "made_by", None)
    if made_by is None:
        args, kwargs = nest.mapped(again, node._made_of)
        return type(node)(*args, **kwargs)
    made = made_by[0](*nest.mapped(again, made_by[1]))
    return made._node if isinstance(made, Dataset) else made


def with_constants(dataset: Any) -> Any:
    """Returns a dataset with the values of the constants of a graph that it is made of.

    Raises:
        ValueError: it is made of placeholders.
    """
    tensors = tensors_of(dataset)
    try:
        with enter_scope(None):
            found = Graph([], tensors).run([])
    except DisconnectedError as error:
        raise ValueError(
            "make_one_shot_iterator: the dataset is made of a placeholder, which has no value then. Use "
            f"make_initializable_iterator, and feed the placeholder to its initializer{at_user_location()}"
        ) from error
    return with_values(dataset, dict(zip(map(id, tensors), found, strict=True)))


def _taking_tensors(method: Callable, name: str) -> Callable:
    """Returns a method of datasets that takes tensors of a graph for its numbers."""

    @functools.wraps(method, updated=())  # errors are told by the method itself
    def taking(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(leaf, SymbolicTensor) for leaf in (*args, *kwargs.values())):
            return method(self, *args, **kwargs)
        examples = [_of_ones(self, size, args, kwargs) for size in (1, 2)]
        specs = [_common(one, other) for one, other in zip(*[e._node.specs for e in examples], strict=True)]
        made_by = (lambda source, given, named: method(source, *given, **named), (self, args, kwargs))
        return Dataset(Described(examples[0]._node.tree, tuple(specs), UNKNOWN, made_by))

    def _of_ones(source: Any, size: int, args: tuple, kwargs: dict) -> Any:
        given, named = nest.mapped(lambda x: size if isinstance(x, SymbolicTensor) else x, (args, kwargs))
        return method(source, *given, **named)

    return taking


def _common(one: TensorSpec, other: TensorSpec) -> TensorSpec:
    return TensorSpec(one.shape.most_specific_compatible_shape(other.shape), one.dtype)


def give_methods(kind: Any) -> None:
    """Lets the methods of datasets take tensors of a graph."""
    for name in _METHODS:
        setattr(kind, name, _taking_tensors(getattr(kind, name), name))
    Capturing(tensors_of, with_values).give_methods(kind)
