"""`tf.map_fn`, `tf.scan` and the folds on symbolic tensors: nodes that hold the function's graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.construct import CONSTRUCTS, is_recorded, record_construct, settled, spec_of
from dovetail.graph.recording import FunctionGraph, trace
from dovetail.ops.mapping import foldl, foldr, map_fn, scan, use_recorder
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec


def record_mapped(function: Callable, name: str, arguments: dict) -> Any:
    """Records a call of a function that applies `arguments["fn"]` along the first axis of `arguments["elems"]`."""
    arguments = arguments | {"elems": nest.mapped(convert_to_tensor, arguments["elems"])}
    rows, size = _rows(name, arguments["elems"])
    if "initializer" not in arguments:
        graph = trace(arguments["fn"], (rows,), name="fn")
        described = nest.mapped(
            lambda leaf: _stacked(spec_of(convert_to_tensor(leaf)), size), graph.structured_outputs
        )
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
    leaves = nest.flat(elems)
    sizes = {None if leaf.shape.rank is None else leaf.shape[0] if leaf.shape.rank else -1 for leaf in leaves}
    known = sizes - {None}
    if -1 in known or len(known) > 1:
        shapes = ", ".join(str(leaf.shape) for leaf in leaves)
        raise ValueError(
            f"{name}: the tensors in elems need first axes of one size, received shapes {shapes}{at_user_location()}"
        )
    rows = nest.mapped(lambda x: TensorSpec(None if x.shape.rank is None else x.shape[1:], x.dtype), elems)
    return rows, known.pop() if known else None


def _stacked(spec: TensorSpec, size: int | None) -> TensorSpec:
    return TensorSpec(None if spec.shape.rank is None else [size, *spec.shape], spec.dtype)


CONSTRUCTS.update({"tf.map_fn": map_fn, "tf.scan": scan, "tf.foldl": foldl, "tf.foldr": foldr})
use_recorder(is_recorded, record_mapped)
