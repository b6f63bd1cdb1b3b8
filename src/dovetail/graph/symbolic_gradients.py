"""`tf.gradients` and `tf.hessians`: derivatives of tensors that have no values yet."""

from __future__ import annotations

import functools
from typing import Any

from dovetail.autodiff.tape import UnconnectedGradients
from dovetail.base import nest
from dovetail.base.errors import ArgumentTypeError, GraphNeededError, at_user_location
from dovetail.graph.brought import brought_inside
from dovetail.graph.connected import reached
from dovetail.graph.derivatives import Derivative, use_derivative_recorder
from dovetail.graph.looked_up import look_ups, rows_of_look_ups
from dovetail.graph.node import Node
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import recording
from dovetail.ops.arithmetic import add
from dovetail.ops.create import ones_like, zeros, zeros_like
from dovetail.ops.indexed_slices import IndexedSlices, dense
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


@export("gradients")
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list:
    """Returns the gradient of the sum of `ys` in each of `xs`, as tensors of the graph.

    Args:
        ys: symbolic tensor, or a list of them.
        xs: tensors and variables that `ys` are made of, inputs or intermediate ones; one or a list.
        grad_ys: a tensor like each of `ys`, the factors of its elements; None in their places: ones.
        name: of the operation.
        gate_gradients, aggregation_method: accepted for TensorFlow's sake; they change no value.
        stop_gradients: tensors that count as constants.
        unconnected_gradients: "none" gives None for the `xs` that `ys` do not depend on, "zero" gives zeros.

    Returns:
        a list, one tensor for each of `xs`; a `tf.IndexedSlices` for a variable of which `ys` look up rows only.
        Differs from TensorFlow: for other tensors, and in the graph of a loop or branch, it is dense; inside of a loop
        or branch, variables that were read outside of it have a gradient, too; the elements that `tf.map_fn`,
        `tf.scan` and the folds give to their function are tensors of their own, which do not depend on `elems`.

    Raises:
        RuntimeError: the tensors have values; `tf.GradientTape` is for those.
        NotImplementedError: inside of a loop or branch, what is between was computed outside of it by a Python
            function or a loop that assigns variables: it cannot be computed once more.

    Example:
        >>> @tf.function
        ... def slope(x):
        ...     return tf.gradients(x * x * x, x)[0]
        >>> slope(tf.constant(2.0)).numpy()
        12.0
    """
    targets, sources = _tensors("ys", ys, name), _listed(xs)
    if getattr(recording(), "by_hand", False):
        targets, sources = ([_inside(leaf) for leaf in leaves] for leaves in (targets, sources))
    stops = [_inside(leaf) for leaf in _listed(stop_gradients)] if stop_gradients is not None else []
    factors = _factors(grad_ys, targets)
    zero = UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.ZERO
    _require_graph("tf.gradients", [*targets, *sources])
    return _recorded(Derivative("tf.gradients"), targets, sources, factors, stops, zero, rows=True)


@export("hessians")
def hessians(
    ys: Any, xs: Any, gate_gradients: bool = False, aggregation_method: Any = None, name: str = "hessians"
) -> list:
    """Returns the second derivatives of the sum of `ys` in each of `xs`, as tensors of the graph.

    Args:
        ys, xs, gate_gradients, aggregation_method, name: as in `tf.gradients`.

    Returns:
        a list, one tensor of shape `x.shape + x.shape` for each of `xs`.

    Raises:
        ValueError: `ys` do not depend on one of `xs`.
        RuntimeError: the tensors have values; `tf.GradientTape.jacobian` is for those.
    """
    sources = _listed(xs)
    first = [dense(slope) for slope in gradients(ys, sources)]
    if any(slope is None for slope in first):
        raise ValueError(f"tf.hessians: ys do not depend on all of xs{at_user_location()}")
    pairs = zip(first, sources, strict=True)
    return [_recorded(Derivative("tf.hessians"), [g], [x], None, [], True)[0] for g, x in pairs]


def _recorded(
    derivative: Derivative,
    targets: list,
    sources: list,
    factors: list | None,
    stops: list,
    zero: bool,
    rows: bool = False,
) -> list:
    targets, sources = [_inside(leaf) for leaf in targets], [_inside(leaf) for leaf in sources]
    moved = brought_inside(derivative.name, recording(), targets, sources, stops)
    if moved is None:
        found = _slopes(derivative, targets, sources, factors, stops, rows)
    else:
        targets, groups, stops = moved
        each = iter(
            _slopes(derivative, targets, [leaf for group in groups for leaf in group], factors, stops)
        )
        found = [_total([next(each) for _ in group]) for group in groups]
    return [
        _zeros(source) if zero and slope is None else slope
        for source, slope in zip(sources, found, strict=True)
    ]


def _zeros(source: Any) -> Any:
    """Returns zeros like a tensor, which need no value of it where its shape is known."""
    known = source.shape.is_fully_defined()
    return zeros(tuple(source.shape), source.dtype) if known else zeros_like(source)


def _slopes(
    derivative: Derivative,
    targets: list,
    sources: list,
    factors: list | None,
    stops: list,
    rows: bool = False,
) -> list:
    """Returns a derivative a source, None for those that the targets do not depend on.

    With `rows`, that of a variable of which rows were looked up is made of the derivatives of those.
    """
    live = reached(targets, stops)
    looked_up = [
        look_ups(targets, source) if rows and isinstance(source, Variable) else [] for source in sources
    ]
    parts = [
        [node.outputs[0] for node in nodes] or [source]
        for source, nodes in zip(sources, looked_up, strict=True)
    ]
    wanted = [part for group in parts for part in group if id(part) in live]
    found = iter(_node(derivative, targets, wanted, factors, stops) if wanted else ())
    slopes = [[next(found) if id(part) in live else None for part in group] for group in parts]
    return [
        rows_of_look_ups(source, nodes, group, _inside) if nodes else group[0]
        for source, nodes, group in zip(sources, looked_up, slopes, strict=True)
    ]


def _total(slopes: list) -> Any:
    known = [slope for slope in slopes if slope is not None]
    return functools.reduce(add, known) if known else None


def _node(derivative: Derivative, targets: list, sources: list, factors: list | None, stops: list) -> tuple:
    node = Node(derivative, (targets, sources, factors, stops), {})
    described = [_spec_of(derivative, source) for source in sources]
    return symbolic_outputs(node, described, nest.flatten_spec(tuple(sources))[1])


def _spec_of(derivative: Derivative, source: Any) -> TensorSpec:
    shape = source.shape if derivative.name == "tf.gradients" else source.shape.concatenate(source.shape)
    return TensorSpec(shape, source.dtype)


def _again(derivative: Derivative, targets: list, sources: list, factors: Any, stops: list) -> tuple:
    return tuple(_recorded(derivative, targets, sources, factors, stops, True))


use_derivative_recorder(_again)


# ---- arguments


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def _inside(leaf: Any) -> Any:
    """Returns what stands for a tensor in the graph that records."""
    graph = recording()
    return leaf if graph is None else graph.inside(leaf)


def _tensors(what: str, value: Any, name: str) -> list:
    found = [dense(leaf) if isinstance(leaf, IndexedSlices) else leaf for leaf in _listed(value)]
    for leaf in found:
        if not isinstance(leaf, TensorLike):
            raise ArgumentTypeError(
                f"tf.gradients: expected tensors in {what}, received {leaf!r:.80}{at_user_location()}"
            )
    return found


def _factors(given: Any, targets: list) -> list | None:
    """Returns a factor a target; None when all are ones."""
    factors = [None] * len(targets) if given is None else _listed(given)
    if len(factors) != len(targets):
        raise ValueError(
            f"tf.gradients: length mismatch, {len(factors)} grad_ys for {len(targets)} ys{at_user_location()}"
        )
    if all(factor is None for factor in factors):
        return None
    return [
        ones_like(y) if factor is None else convert_to_tensor(factor, dtype_hint=y.dtype)
        for factor, y in zip(factors, targets, strict=True)
    ]


def _require_graph(name: str, tensors: list) -> None:
    """Raises GraphNeededError outside of graphs, where tensors have values."""
    if recording() is not None or any(isinstance(leaf, SymbolicTensor) for leaf in tensors):
        return
    raise GraphNeededError(
        f"{name} differentiates graphs: symbolic tensors of a functional model, tensors inside tf.function or of a "
        "tf.Graph. These tensors have values: compute inside `with tf.GradientTape() as tape:` and call "
        f"tape.gradient(ys, xs){at_user_location()}"
    )
