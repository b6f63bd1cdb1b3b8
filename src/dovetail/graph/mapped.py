"""`tf.map_fn`, `tf.scan` and the folds on symbolic tensors: nodes that hold the function's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.construct import CONSTRUCTS, is_recorded, record_construct, settled, spec_of
from dovetail.graph.recording import FunctionGraph, trace
from dovetail.ops.mapping import foldl, foldr, map_elements, row_spec, scan, signature_of, use_recorder
from dovetail.tensor.composite import is_composite
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec, batchable, type_spec_from_value


def record_mapped(function: Callable, name: str, arguments: dict) -> Any:
    """Records a call of a function that applies `arguments["fn"]` along the first axis of `arguments["elems"]`."""
    elems = nest.mapped(convert_to_tensor, arguments["elems"])
    arguments = arguments | {"elems": elems}
    rows, size = _rows(name, elems)
    if "initializer" not in arguments:
        graph = trace(arguments["fn"], (rows,), name="fn")
        result = graph.structured_outputs
        specs = signature_of(arguments["fn_output_signature"], elems, result)
        if specs is None:
            specs = nest.map_structure(type_spec_from_value, result)
        described = nest.map_structure(lambda spec: batchable(spec)._batch(size), specs)
        return record_construct(function, name, arguments | {"fn": graph}, described)
    start = arguments["initializer"]
    if start is not None:
        start = arguments["initializer"] = nest.mapped(convert_to_tensor, start)
    leaves, spec = nest.flatten_spec(rows if start is None else nest.mapped(spec_of, start))
    graph, states = _accumulator(name, arguments["fn"], rows, leaves, spec)
    described = [_stacked(leaf, size) for leaf in states] if name == "tf.scan" else states
    return record_construct(function, name, arguments | {"fn": graph}, nest.unflatten(spec, described))


def _accumulator(name: str, fn: Callable, rows: Any, leaves: list, spec: Any) -> tuple[FunctionGraph, list]:
    """Returns the graph of `fn(state, row)`, and the specs of the state that it keeps."""
    graphs: list[FunctionGraph] = []

    def step(specs: list) -> list:
        graphs[:] = [trace(fn, (nest.unflatten(spec, specs), rows), name="fn")]
        return [spec_of(tensor) for tensor in graphs[0].outputs]

    try:
        states = settled(step, leaves)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{name}: fn must return what it accumulates: {error}{at_user_location()}"
        ) from None
    return graphs[0], states


def _rows(name: str, elems: Any) -> tuple[Any, int | None]:
    """Returns the specs of one element, and the size of the first axis, None when it is not known."""
    shapes = [leaf.shape for leaf in nest.flatten(elems) if not is_composite(leaf)]
    sizes = {None if shape.rank is None else shape[0] if shape.rank else -1 for shape in shapes}
    known = sizes - {None}
    if -1 in known or len(known) > 1:
        raise ValueError(
            f"{name}: the tensors in elems need first axes of one size, received shapes "
            f"{', '.join(map(str, shapes))}{at_user_location()}"
        )
    return nest.map_structure(row_spec, elems), known.pop() if known else None


def _stacked(spec: TensorSpec, size: int | None) -> TensorSpec:
    return TensorSpec(None if spec.shape.rank is None else [size, *spec.shape], spec.dtype)


CONSTRUCTS.update({"tf.map_fn": map_elements, "tf.scan": scan, "tf.foldl": foldl, "tf.foldr": foldr})
use_recorder(is_recorded, record_mapped)
