"""Walking back over a record: reverse-mode differentiation of what a tape saw.

A record is a list of entries `(call, inputs, outputs)`.  `call` is a bound op, or a `Pullback` for calls that bring
their own backward function (custom gradients, control flow).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dovetail.engine import dtypes
from dovetail.ops import create
from dovetail.ops.core import Bound, Joint, Needed
from dovetail.ops.indexed_slices import KEEP_ROWS, IndexedSlices, added, dense, rows_of


class Pullback:
    """A call with its own backward function: `function(output gradients) -> input gradients` (None: there is none)."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[list], Iterable]) -> None:
        self.function = function


SAME = Pullback(lambda gradients: gradients)  # what leads from a tensor to another one of the same value


def passes_gradient(tensor: Any) -> bool:
    """True for tensors of floating or complex dtype."""
    return tensor is not None and tensor._value.dtype in dtypes.DIFFERENTIABLE


def reachable(entries: list, source_ids: set[int]) -> set[int]:
    """Returns the ids of all tensors that depend on the sources."""
    live = set(source_ids)
    for _, inputs, outputs in entries:
        for tensor in inputs:
            if id(tensor) in live:
                live.update(id(out) for out in outputs if passes_gradient(out))
                break
    return live


def walk_back(entries: list, seeds: dict[int, Any], live: set[int]) -> dict[int, Any]:
    """Propagates gradients from the outputs to everything in `live`.

    Args:
        entries: the record, oldest first.
        seeds: gradient of each target, by tensor id; consumed and extended in place.
        live: ids of the tensors whose gradients are wanted.

    Returns:
        gradients by tensor id.
    """
    gradients = seeds
    in_rows = False  # whether a gradient has come as rows
    for call, inputs, outputs in reversed(entries):
        if gradients.keys().isdisjoint(map(id, outputs)):
            continue
        needed = [i for i, tensor in enumerate(inputs) if id(tensor) in live]
        if not needed:
            continue
        incoming = [gradients.get(id(out)) for out in outputs]
        pull = _pulled_back_rows if in_rows else pulled_back
        for position, gradient in zip(needed, pull(call, inputs, outputs, incoming, needed), strict=True):
            if gradient is None:
                continue
            in_rows = in_rows or type(gradient) is IndexedSlices
            key = id(inputs[position])
            before = gradients.get(key)
            gradients[key] = gradient if before is None else added(gradient, before)
    return gradients


def _pulled_back_rows(call: Any, inputs: tuple, outputs: tuple, incoming: list, needed: list[int]) -> list:
    """`pulled_back` for gradients that may be rows, which stay rows where an op works on each number by itself."""
    rows = incoming[0]
    if type(rows) is IndexedSlices and type(call) is Bound and call.op in KEEP_ROWS:
        found = call.op.gradients[0](rows.values, outputs[0], *inputs, **call.attributes)
        return [None if found is None else rows._with_values(found)]
    return pulled_back(
        call, inputs, outputs, incoming if call is SAME else list(map(dense, incoming)), needed
    )


def pulled_back(call: Any, inputs: tuple, outputs: tuple, incoming: list, needed: list[int]) -> list:
    """Returns the gradients of the `needed` inputs of a call; None where there is none.

    Args:
        call, inputs, outputs: an entry of a record.
        incoming: the gradient of each output; None where nothing depends on it.
        needed: positions of inputs.
    """
    if type(call) is Pullback:
        every = list(call.function(incoming))
        return [every[i] for i in needed]
    op, attributes = call.op, call.attributes
    if op.gradients is None:
        return _by_vjp(call, inputs, outputs, incoming, needed)
    if len(outputs) == 1 and not op.several:
        g, out = incoming[0], outputs[0]
    else:
        g, out = tuple(filled(incoming, outputs)), outputs
    rules = op.gradients
    if type(rules[0]) is Needed:
        return rules[0].rule(needed, g, out, *inputs, **attributes)
    if op.variadic:
        every = list(rules[0](g, out, *inputs, **attributes))
        return [every[i] for i in needed]
    if type(rules[0]) is Joint:
        every = list(rules[0].rule(g, out, *inputs, **attributes))
        return [every[i] for i in needed]
    return [rules[i](g, out, *inputs, **attributes) if rules[i] is not None else None for i in needed]


def filled(incoming: list, outputs: tuple) -> list:
    """Gives outputs that nothing depends on a zero gradient."""
    return [create.zeros_like(out) if g is None else g for g, out in zip(incoming, outputs, strict=True)]


def _by_vjp(call: Bound, inputs: tuple, outputs: tuple, incoming: list, needed: list[int]) -> list:
    op = call.op
    live = op.connected([i for i, g in enumerate(incoming) if g is not None])
    if live is not None and not live.issuperset(needed):
        there = [i for i in needed if i in live]
        found = iter(_by_vjp(call, inputs, outputs, incoming, there) if there else [])
        return [next(found) if i in live else None for i in needed]
    by_rows = op.row_gradients(tuple(needed))
    if by_rows is not None:
        gradient, looked_up = by_rows
        return with_rows(gradient.call((*inputs, *filled(incoming, outputs)), {}), needed, looked_up, inputs)
    quiet = op.quiet  # without the prints, which the forward pass has made
    gradient = (call if quiet is None else quiet.bind({})).vjp_op(tuple(needed), len(inputs))
    return list(gradient.call((*inputs, *filled(incoming, outputs)), {}))


def with_rows(found: tuple, needed: list[int], looked_up: list[int], inputs: tuple) -> list:
    """Sorts what a program's gradient by rows gives: dense gradients first, then rows and places of each look-up."""
    dense_ones = [i for i in needed if i not in looked_up]
    gradients: dict[int, Any] = dict(zip(dense_ones, found, strict=False))
    rest = iter(found[len(dense_ones) :])
    for position in looked_up:
        rows = rows_of(next(rest), next(rest), tuple(inputs[position].shape))
        gradients[position] = added(gradients[position], rows) if position in gradients else rows
    return [gradients[i] for i in needed]
