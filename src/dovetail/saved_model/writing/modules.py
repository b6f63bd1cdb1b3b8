"""Writing operations that TensorFlow does not have: as what XLA compiles, which its `XlaCallModule` runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.engine import dtypes, modules
from dovetail.engine.platforms import USUAL_PLATFORMS
from dovetail.graph.walking import Written
from dovetail.ops.random import Drawing
from dovetail.saved_model.writing.nodes import shape_message
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.symbolic import SymbolicTensor


def write_as_module(w: Any, node: Any) -> list[Written]:
    """Writes an op as the StableHLO module of its body.

    Raises:
        NotImplementedError: it works on the host, or its sizes depend on values.
    """
    op = node.operation.op
    if isinstance(op, Drawing):
        raise w.not_written(f"{node.operation.name!r}")
    named = f"the operation {node.operation.name!r} (at {node.where})"
    held = [one for one in node.kwargs.values() if isinstance(one, SymbolicTensor)]
    if op.engine == "host" or held:
        raise w.not_written(named)
    places = [i for i, one in enumerate(node.args) if one is not None]
    inputs = [w.ref(node.args[i]) for i in places]
    if any(not is_numeric(one.dtype) for one in (*inputs, *node.outputs)):
        raise w.not_written(named)
    body, count = op.bind(node.kwargs).inline, len(node.args)

    def run(*arrays: Any) -> list:
        values: list[Any] = [None] * count
        for place, array in zip(places, arrays, strict=True):
            values[place] = array
        found = body(*values)
        return list(found) if isinstance(found, list | tuple) else [found]

    try:
        return call_module(w, run, inputs, node.outputs)
    except NotImplementedError as error:
        raise w.not_written(f"{named}: {error}") from error


def is_numeric(dtype: Any) -> bool:
    """Whether modules take and give tensors of a dtype."""
    return not isinstance(dtype, int) and not dtypes.is_host_only(np.dtype(as_dtype(dtype).numpy_dtype))


def call_module(w: Any, run: Callable, inputs: list[Written], outputs: list) -> list[Written]:
    """Writes a call of what a function of arrays is compiled to.

    Args:
        run: the function; returns a list of arrays.
        inputs: what it gets.
        outputs: what has the shapes and dtypes of its results.
    """
    kinds = [np.dtype(one.dtype.numpy_dtype) for one in inputs]
    shapes, made = _made(run, inputs, kinds)
    types = [one.dtype for one in outputs]
    return w.ops(
        "XlaCallModule",
        {"output": types},
        inputs,
        version=made.version,
        module=made.content,
        Tin=[one.dtype for one in inputs],
        Tout=types,
        Sout=[shape_message(one.shape) for one in outputs],
        platforms=[name.upper() for name in USUAL_PLATFORMS],
        dim_args_spec=[],
        disabled_checks=[],
        function_list=[],
        has_token_input_output=False,
        _shapes=shapes,
        _results=list(made.results),
        _kept=list(made.kept),
    )


def _made(run: Callable, inputs: list[Written], kinds: list) -> tuple[list[str], Any]:
    """Returns the module of a function, with the shapes of its inputs as texts.

    Sizes that are not known have nothing to do with each other; where the function needs some to be equal, the first
    axes are, and where it needs more, those of one axis.
    """
    for equal in (_none, _first, _same):
        shapes = [_sizes(one.shape, equal(place)) for place, one in enumerate(inputs)]
        try:
            return shapes, modules().as_module(run, shapes, kinds)
        except NotImplementedError as found:
            error = found
    raise error


def _none(place: int) -> Callable:
    return lambda axis: f"n{place}_{axis}"


def _first(place: int) -> Callable:
    return lambda axis: f"n{place}_{axis}" if axis else "d0"


def _same(place: int) -> Callable:
    return lambda axis: f"d{axis}"


def _sizes(shape: Any, label: Callable[[int], str]) -> str:
    """Returns a shape as text: sizes that are not known have names."""
    if shape is None or shape.rank is None:
        raise NotImplementedError("it works on a tensor of an unknown rank")
    return ", ".join(label(axis) if size is None else str(size) for axis, size in enumerate(shape))
