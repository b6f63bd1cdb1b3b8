"""Steps of optimizers, behind all that reads the old values: XLA copies variables whose memory is written before that.

A step writes a variable in place. Where nothing says that the product which gives an input its gradient comes before
it, XLA keeps the old value for that product: two copies of each kernel in each step.
"""

from __future__ import annotations

from typing import Any

import jax
from jax import lax

from dovetail.engine import jax_private
from dovetail.engine.xla_native import standing_for

_STEP = "dovetail_adam"
_VIEWS = frozenset({"reshape", "squeeze", "expand_dims"})


def with_updates_last(closed: Any) -> Any:
    """Returns a traced program whose steps of Adam in place come after all that reads the variable."""
    equations = closed.jaxpr.eqns
    calls = {
        place: target
        for place, equation in enumerate(equations)
        if (target := jax_private.custom_call_of(equation) or {}).get("target_name") == _STEP
    }
    if not any(target["input_output_aliases"] for target in calls.values()):
        return closed
    links = jax_private.Links(closed)
    before = _ancestors(equations, links)
    kept: list = []
    for place, equation in enumerate(equations):
        if place in calls and calls[place]["input_output_aliases"]:
            readers = _readers(equation.invars[1], links)
            late = [
                reader
                for reader in readers
                if links.place_of(reader) < place and not before[place] >> links.place_of(reader) & 1
            ]
            kept += _after(equation, calls[place], late)
        else:
            kept.append(equation)
    return jax_private.with_equations(closed, kept)


def _ancestors(equations: list, links: jax_private.Links) -> list[int]:
    """Returns for each equation the equations that it depends on, as the bits of a number."""
    found: list[int] = []
    for equation in equations:
        bits = 0
        for operand in equation.invars:
            made = links.made_by(operand)
            if made is not None:
                bits |= found[links.place_of(made)] | 1 << links.place_of(made)
        found.append(bits)
    return found


def _readers(variable: Any, links: jax_private.Links) -> list:
    """Returns the equations that read a variable, as it is or in another shape."""
    readers = []
    for user in links.users(variable):
        if user is None:
            continue
        if user.primitive.name in _VIEWS:
            readers += _readers(user.outvars[0], links)
        else:
            readers.append(user)
    return readers


def _after(equation: Any, target: dict, late: list) -> list:
    """Returns a step that takes a number out of each result that must come before it, and what gives these numbers."""
    slices, numbers = [], []
    for reader in late:
        made = jax_private.new_equation(_first_number, reader.outvars[0], ("first number",))
        if made is None:
            return [equation]
        slices.append(made)
        numbers.append(made.outvars[0])
    if not slices:
        return [equation]
    kinds = [jax.ShapeDtypeStruct(out.aval.shape, out.aval.dtype) for out in equation.outvars]
    aliases = dict(target["input_output_aliases"])
    call = jax.ffi.ffi_call(_STEP, kinds, input_output_aliases=aliases)
    count = len(equation.invars)
    step = standing_for(lambda *given: tuple(jax_private.evaluated(equation, list(given[:count]))), call)
    kind = (_STEP, *aliases.items())
    new = jax_private.equation_of(step, [*equation.invars, *numbers], list(equation.outvars), kind)
    return [equation] if new is None else [*slices, new]


def _first_number(x: Any) -> Any:
    return lax.slice(x, [0] * x.ndim, [min(size, 1) for size in x.shape])
