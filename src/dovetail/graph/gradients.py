"""Functions with their own gradient on symbolic tensors: nodes with the function's graph and its gradient's.

The gradient's graph computes the function once more, for what it needs of the inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autodiff.custom import custom_gradient, use_recorder
from dovetail.base import nest
from dovetail.graph.construct import CONSTRUCTS, is_recorded, record_construct, spec_of, spec_or_leaf
from dovetail.graph.recording import FunctionGraph, trace
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike


def call_with_gradient(forward: Callable, backward: Callable, inputs: list, variables: list) -> Any:
    """Returns `forward(*inputs)`; its gradient is `backward(*inputs, *output gradients)`.

    Args:
        variables: the variables whose gradients `backward` returns after those of the inputs.
    """

    def function(*values: Any) -> tuple:
        def gradient(*incoming: Any, variables: Any = None) -> Any:
            found = backward(*values, *incoming)
            own, rest = list(found[: len(values)]), found[len(values) :]
            if variables is None:
                return own
            by_id = {id(variable): g for variable, g in zip(known, rest, strict=True)}
            return own, [by_id.get(id(variable)) for variable in variables]

        return forward(*values), gradient

    known = variables
    return custom_gradient(function)(*inputs)


def record_with_gradient(function: Callable, args: tuple, kwargs: dict) -> Any:
    """Records a call of a function that returns `(result, gradient function)`."""
    leaves, spec = nest.flatten_spec(args)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, TensorLike)]
    inputs = [convert_to_tensor(leaves[i]) for i in places]

    def call(values: tuple) -> tuple:
        filled = list(leaves)
        for i, value in zip(places, values, strict=True):
            filled[i] = value
        return function(*nest.unflatten(spec, filled), **kwargs)

    forward = trace(lambda *values: call(values)[0], [spec_of(t) for t in inputs], name="forward")
    variables = [variable for variable in forward.variables if variable.trainable]
    backward = _gradient_graph(call, forward, inputs, variables)
    described = nest.mapped(spec_or_leaf, forward.structured_outputs)
    arguments = {"forward": forward, "backward": backward, "inputs": inputs, "variables": variables}
    return record_construct(call_with_gradient, "tf.custom_gradient", arguments, described)


def _gradient_graph(call: Callable, forward: FunctionGraph, inputs: list, variables: list) -> FunctionGraph:
    count = len(inputs)

    def gradients(*values: Any) -> list:
        gradient = call(values[:count])[1]
        if not variables:
            return _listed(gradient(*values[count:]))
        own, rest = gradient(*values[count:], variables=variables)
        return [*_listed(own), *rest]

    return trace(gradients, [spec_of(t) for t in (*inputs, *forward.outputs)], name="backward")


def _listed(gradients: Any) -> list:
    return list(gradients) if isinstance(gradients, list | tuple) else [gradients]


CONSTRUCTS["tf.custom_gradient"] = call_with_gradient
use_recorder(is_recorded, record_with_gradient)
