"""`tf.cond`, `tf.switch_case` and `tf.while_loop` on symbolic tensors, as nodes with graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.wording import described
from dovetail.graph.construct import merged, record_construct, settled, spec_of
from dovetail.graph.recording import FunctionGraph, recording, trace
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import Tensor, TensorLike


def record_cond(cond: Callable, pred: Any, true_fn: Callable, false_fn: Callable) -> Any:
    """Records both branches of a `tf.cond`."""
    graphs = [trace(true_fn, name="true_fn"), trace(false_fn, name="false_fn")]
    arguments = {"pred": convert_to_tensor(pred), "true_fn": graphs[0], "false_fn": graphs[1]}
    return record_construct(cond, "tf.cond", arguments, _common(graphs, "tf.cond"))


def record_switch(switch_case: Callable, arguments: dict) -> Any:
    """Records the branches of a `tf.switch_case`."""
    pairs = [(key, trace(function, name=f"branch_{key}")) for key, function in arguments["branch_fns"]]
    default = trace(arguments["default"], name="default")
    graphs = [*(graph for _, graph in pairs), default]
    arguments = {
        "branch_index": convert_to_tensor(arguments["branch_index"]),
        "branch_fns": pairs,
        "default": default,
    }
    return record_construct(switch_case, "tf.switch_case", arguments, _common(graphs, "tf.switch_case"))


def _common(graphs: list[FunctionGraph], label: str) -> Any:
    """Returns what the branches have in common: the structure with the most special specs that fit all."""
    structures = [nest.flatten_spec(nest.mapped(_spec_or_none, g.structured_outputs)) for g in graphs]
    leaves, spec = structures[0]
    for other, other_spec in structures[1:]:
        kinds = [[leaf and leaf.dtype for leaf in found] for found in (leaves, other)]
        if other_spec != spec or kinds[0] != kinds[1]:
            raise TypeError(
                f"{label}: the branches return different things: {_listed(leaves)} and {_listed(other)}. They must "
                f"agree in structure and dtypes{at_user_location()}"
            )
        leaves = [one and merged(one, two) for one, two in zip(leaves, other, strict=True)]
    return nest.unflatten(spec, leaves)


def _spec_or_none(leaf: Any) -> TensorSpec | None:
    return spec_of(leaf) if isinstance(leaf, TensorLike) else None


def _listed(specs: list) -> str:
    return (
        ", ".join("None" if spec is None else f"{spec.shape} {spec.dtype.name}" for spec in specs)
        or "nothing"
    )


def record_loop(
    while_loop: Callable,
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    invariants: Any,
    limit: Any,
    back_prop: bool,
) -> Any:
    """Records a `tf.while_loop`: sizes that the body changes are unknown after it, unless an invariant states them."""
    leaves, spec = nest.flatten_spec(loop_vars)
    bodies: list[FunctionGraph] = []

    def step(specs: list) -> list:
        bodies[:] = [trace(lambda *v: after_step(body, v), nest.unflatten(spec, specs), name="body")]
        return [spec_of(tensor) for tensor in bodies[0].outputs]

    try:
        specs = settled(step, [spec_of(leaf) for leaf in leaves], _shapes(invariants, len(leaves)))
    except TypeError as error:
        raise TypeError(f"tf.while_loop: loop {error}{at_user_location()}") from None
    _check_growth(loop_vars, specs, invariants)
    variables = nest.unflatten(spec, specs)
    going = trace(cond, variables, name="cond")
    if len(going.outputs) != 1 or not going.outputs[0].dtype.is_bool:
        raise TypeError(
            f"cond must return a boolean scalar, it returned {described(going.structured_outputs)}"
        )
    arguments = {
        "cond": going,
        "body": bodies[0],
        "loop_vars": loop_vars,
        "shape_invariants": invariants,
        "maximum_iterations": limit,
        "back_prop": back_prop,
    }
    return record_construct(while_loop, "tf.while_loop", arguments, variables)


def _check_growth(loop_vars: Any, specs: list, invariants: Any) -> None:
    """Raises ValueError where a graph that a program writes changes a shape in a loop and does not say so.

    A `tf.TensorArray` and its like may grow.
    """
    around = recording()
    if invariants is not None or around is None or not around.by_hand:
        return
    given = [(whole, part) for whole in nest.flatten(loop_vars) for part in nest.flat(whole)]
    for position, ((whole, leaf), spec) in enumerate(zip(given, specs, strict=True)):
        if whole is not leaf:
            continue
        if leaf.shape.is_fully_defined() and not spec.shape.is_fully_defined():
            raise ValueError(
                f"tf.while_loop: loop variable {position} has shape {leaf.shape} before the loop, and another after a "
                f"step. State the sizes that stay with shape_invariants{at_user_location()}"
            )


def after_step(body: Callable, loop_vars: Any) -> list:
    """Returns the loop variables after a step, flat; plain numbers get the dtypes that the variables had.

    Raises:
        ValueError: the body returned more or fewer than it was given.
    """
    leaves, before = nest.flat(body(*loop_vars)), nest.flat(loop_vars)
    if len(leaves) != len(before):
        raise ValueError(
            f"tf.while_loop: body returned {len(leaves)} tensors for {len(before)} loop variables{at_user_location()}"
        )
    return [
        new if type(new) is Tensor else convert_to_tensor(new, dtype_hint=old.dtype)
        for new, old in zip(leaves, before, strict=True)
    ]


def _shapes(invariants: Any, count: int) -> list | None:
    """Returns the shapes of shape invariants, flat: given as shapes or as specs."""
    if invariants is None:
        return None
    shapes = [getattr(leaf, "shape", leaf) for leaf in nest.flat(invariants)]
    if len(shapes) != count:
        raise ValueError(
            f"tf.while_loop: {len(shapes)} shape_invariants for {count} loop variables{at_user_location()}"
        )
    return shapes
