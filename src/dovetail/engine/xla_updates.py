"""Steps of Adam in one custom call: for small variables, and with gradients that are sums over the rows of a batch.

A step of training is one program, in which most custom calls and loops are over in a microsecond, as long as XLA takes
from one to the next.  And a gradient that is a product over few rows can be taken while it is in registers: it need not
go through memory.  Which gradients are such products is known when the program has been traced.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import jax

from dovetail.engine import jax_private
from dovetail.engine.xla_native import FEWEST_MOVED, FLOAT32, ROWS, standing_for

_STEP, _PRODUCT, _MANY = "dovetail_adam", "dovetail_over_few_rows", "dovetail_adam_of_rows"


class _Step(NamedTuple):
    """A step of one variable.

    Attributes:
        equation: the custom call, of (gradient, value, two means, numbers).
        source: the equation whose result the gradient is, and which nothing else uses; None: it is an array.
        in_place: pairs of an operand and the result that takes its memory.
    """

    equation: Any
    source: Any
    in_place: tuple

    @property
    def matrices(self) -> list:
        """What the gradient is made of, or the gradient."""
        return self.equation.invars[:1] if self.source is None else list(self.source.invars)

    @property
    def operands(self) -> list:
        """What the call of many steps is given for this one."""
        _, *state, numbers = self.equation.invars
        return [numbers, *self.matrices, *state]

    def results(self, operands: list) -> list:
        """Computes the step the long way."""
        numbers, *matrices, value, momentum, velocity = operands
        made = matrices if self.source is None else jax_private.evaluated(self.source, matrices)
        return jax_private.evaluated(self.equation, [made[0], value, momentum, velocity, numbers])


def with_steps_as_one(closed: Any) -> Any:
    """Returns a traced program with such steps of Adam as calls of many steps: each before its first result is used."""
    equations = closed.jaxpr.eqns
    targets = [jax_private.custom_call_of(equation) or {} for equation in equations]
    if not any(each.get("target_name") == _STEP for each in targets):
        return closed
    sources = _sources(closed.jaxpr, targets)
    kept: list = []
    group: list[_Step] = []
    replaced: set[int] = set()
    for equation, target in zip(equations, targets, strict=True):
        given = {out for step in group for out in step.equation.outvars}
        if given.intersection(jax_private.variables(equation.invars)):
            kept += _as_one(group, replaced)
            group = []
        step = _step_of(equation, target, sources)
        if step is None:
            kept.append(equation)
        else:
            group.append(step)
    kept += _as_one(group, replaced)
    return jax_private.with_equations(closed, [each for each in kept if id(each) not in replaced])


def _step_of(equation: Any, target: dict, sources: dict) -> _Step | None:
    """Returns an equation as a step that may be one of many, None for all others."""
    if target.get("target_name") != _STEP:
        return None
    gradient, value = equation.invars[:2]
    source = sources.get(gradient)
    if source is not None and value.aval.ndim != len(source.invars):
        source = None
    if source is None and value.aval.size >= FEWEST_MOVED:
        return None
    return _Step(equation, source, tuple(target["input_output_aliases"]))


def _sources(jaxpr: Any, targets: list) -> dict:
    """Returns the equations that sum over few rows, by their result, where that is used once."""
    uses = Counter(jax_private.variables([v for equation in jaxpr.eqns for v in equation.invars]))
    uses.update(jax_private.variables(jaxpr.outvars))
    return {
        equation.outvars[0]: equation
        for equation, target in zip(jaxpr.eqns, targets, strict=True)
        if (target.get("target_name") == _PRODUCT or _sums_rows(equation)) and uses[equation.outvars[0]] == 1
    }


def _sums_rows(equation: Any) -> bool:
    """True for the sum over the first axis of a matrix."""
    if equation.primitive.name != "reduce_sum" or tuple(equation.params["axes"]) != (0,):
        return False
    matrix = equation.invars[0].aval
    return matrix.ndim == 2 and matrix.dtype == FLOAT32 and matrix.shape[0] in ROWS


def _as_one(group: list[_Step], replaced: set[int]) -> list:
    """Returns the equations of a group of steps; notes in `replaced` those that are needed no more."""
    if len(group) == 1 and group[0].source is None:
        return [group[0].equation]
    if not group:
        return []
    steps = sorted(group, key=lambda step: -len(step.operands))
    operands = [operand for step in steps for operand in step.operands]
    outputs = [out for step in steps for out in step.equation.outvars]
    equation = jax_private.equation_of(_call(steps), operands, outputs, None)
    if equation is None:
        return [step.equation for step in group]
    replaced.update(id(step.source) for step in steps if step.source is not None)
    return [equation]


def _call(steps: list[_Step]) -> Any:
    """Returns the custom call as a function of the operands of all steps."""
    starts, aliases, end = [], {}, 0
    for i, step in enumerate(steps):
        starts.append(end)
        end += len(step.operands)
        for operand, result in step.in_place:  # the value is the first of the last three
            aliases[end - 4 + operand] = 3 * i + result

    def one_by_one(*operands: Any) -> tuple:
        bounds = zip(steps, starts, [*starts[1:], end], strict=True)
        return tuple(out for step, a, b in bounds for out in step.results(list(operands[a:b])))

    kinds = [jax.ShapeDtypeStruct(out.aval.shape, FLOAT32) for step in steps for out in step.equation.outvars]
    return standing_for(one_by_one, jax.ffi.ffi_call(_MANY, kinds, input_output_aliases=aliases))
