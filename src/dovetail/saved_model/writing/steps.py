"""Writing steps of optimizers: what they make of variables is compiled, and assigned by TensorFlow's operations."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.trackable import unique
from dovetail.saved_model.writing.modules import call_module, is_numeric
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import StatelessScope, enter_scope


def write_step(w: Any, node: Any) -> list:
    """Writes a call that says which variables it changes, and does nothing else.

    Raises:
        NotImplementedError: what it does depends on values or sizes.
    """
    operation, variables = node.operation, unique(list(node.operation.changes))
    leaves, spec = nest.flatten_spec(node.args)
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, SymbolicTensor)]
    inputs = [w.ref(leaves[place]) for place in places]
    inputs += [w.read(one)._replace(shape=one.shape) for one in variables]
    named = f"the step of {operation.name!r} (at {node.where})"
    if not all(is_numeric(one.dtype) for one in inputs):
        raise w.not_written(f"{named}, which changes what has no numbers,")

    def run(*arrays: Any) -> list:
        tensors, filled = list(map(Tensor, arrays)), list(leaves)
        for place, tensor in zip(places, tensors, strict=False):
            filled[place] = tensor
        scope = StatelessScope(values=zip(variables, tensors[len(places) :], strict=True))
        with enter_scope(scope):
            operation.function(*nest.unflatten(spec, filled))
        return [scope.tensors[id(one)]._value for one in variables]

    try:
        found = call_module(w, run, inputs, inputs[len(places) :])
    except NotImplementedError as error:
        raise w.not_written(f"{named}: {error}") from error
    for variable, value in zip(variables, found, strict=True):
        w.assign(variable, value)
    return []
