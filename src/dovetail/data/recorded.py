"""A user's function on the elements of a dataset, recorded once as a graph: what it does to many, or in another way."""

from __future__ import annotations

from typing import Any

from dovetail.data.functions import UserFunction
from dovetail.data.structure import flatten, rebuilder, tensor_of
from dovetail.data.vectorized import apart
from dovetail.function.autograph.gate import converted
from dovetail.graph.recording import FunctionGraph, trace
from dovetail.tensor import TensorSpec


def recorded(function: UserFunction) -> tuple[FunctionGraph, Any] | None:
    """Returns the graph of a function of dense tensors, and how the leaves of its result nest.

    None where it cannot be recorded: then it works one element at a time, or raises what is wrong by itself.
    """
    trees: list = []

    def run(*tensors: Any) -> list:
        element = rebuilder(function.source.tree)(tensors)
        body = converted(function.function)
        value = body(*element) if type(element) is tuple else body(element)
        leaves, tree = flatten(tuple(value) if isinstance(value, list) else value)
        trees.append(tree)
        return [tensor_of(leaf) for leaf in leaves]

    try:
        with apart():
            graph = trace(run, [TensorSpec(spec.shape, spec.dtype) for spec in function.source.specs])
    except Exception:  # noqa: BLE001  what a user's function raises on tensors without values may be anything
        return None
    return graph, trees[-1]
