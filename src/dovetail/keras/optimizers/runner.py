"""Running steps of an optimizer: plans, one for each list of variables, and the way a step runs.

A step of the built-in optimizers runs in one of three ways, from the same lines (`step.py`): inlined into a surrounding
trace, compiled into one call, or, when all variables together are small, on NumPy.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dovetail.base.interrupts import hold_interrupts
from dovetail.base.settings import state as thread_state
from dovetail.engine import host, is_tracer, xla
from dovetail.engine.placement import group_runs_on_host
from dovetail.keras.optimizers import checks, step
from dovetail.keras.optimizers.rows import on_values, values_of
from dovetail.ops.indexed_slices import Rows
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.transaction import stored_as_one
from dovetail.tensor.variable import WRITING

_ndarray = np.ndarray
_HOST_ELEMENTS = 4096  # up to so many elements in all variables, NumPy is as fast as a compiled call
_MAX_PLANS = 32


class Plans:
    """The plans of one optimizer, by the variables that they update.

    Attributes:
        num_changes: how often all were forgotten; a wrapper's plans hold as long as it stays the same.
    """

    def __init__(self) -> None:
        self.found: dict[tuple, step.Plan] = {}
        self.num_changes = 0

    def of(self, variables: list) -> step.Plan | None:
        return self.found.get(tuple([id(v) for v in variables]))

    def keep(self, variables: list, plan: step.Plan) -> step.Plan:
        if len(self.found) >= _MAX_PLANS:
            self.found.clear()
        self.found[tuple([id(v) for v in variables])] = plan
        return plan

    def forget(self) -> None:
        self.found.clear()
        self.num_changes += 1

    def __getstate__(self) -> dict[str, Any]:
        return {"found": {}, "num_changes": self.num_changes}  # ids of variables differ in the copy


def run(optimizer: Any, plan: step.Plan, gradients: list) -> None:
    """Runs a step on raw gradients, and stores what it gives."""
    values: Any = [v._plain()._value for v in plan.variables]
    checks.shapes(gradients, values, plan)
    rate = optimizer._rate_in_force().array()
    # Only inside a scope can a variable hold a traced value.
    by_rows = Rows in map(type, gradients)
    arrays = list(map(values_of, gradients)) if by_rows else gradients
    traced = any(map(is_tracer, arrays if thread_state.scope is None else [*arrays, *values]))
    on_host = optimizer._runs_op_by_op() or group_runs_on_host(values, plan.size, _HOST_ELEMENTS)
    if thread_state.scope is None and not traced and not on_host:
        values = None if by_rows else values  # held by nobody else, they may be given away
        _run_compiled(optimizer, plan, gradients, values, rate)
        return
    state = [v._plain()._value for v in plan.state]
    if traced or not on_host or any(map(is_tracer, state)):
        values, state = optimizer._pure_step(plan, xla(), gradients, values, state, rate)
    else:
        values, state = _on_host(optimizer, plan, gradients, values, state, rate)
    _stored(plan, values, state)


def _run_compiled(optimizer: Any, plan: step.Plan, gradients: list, values: list | None, rate: Any) -> None:
    """Runs the compiled step, which reuses the memory of the optimizer's own state.

    Values are None when gradients are rows: the step then reuses the memory of the variables as well, where
    nobody else holds it, and costs what the rows cost.
    """
    compiled = _compiled(optimizer, plan)
    by_rows, split = values is None, len(plan.variables)

    def run(*arrays: Any) -> list:
        given = arrays[:split] if values is None else values
        update = plan.compiled_by_rows if by_rows else compiled
        new_values, new_state = update(gradients, list(given), list(arrays[-len(plan.state) :]), rate)
        return [*new_values, *new_state]

    if not plan.constrained:
        plan.transaction(by_rows).run(run)
        return
    with WRITING, hold_interrupts():
        plan.transaction(by_rows).run(run)
        _constrain(plan)


def _stored(plan: step.Plan, values: list, state: list) -> None:
    """Stores what a step gives; other threads and Ctrl-C see all of it or nothing."""
    if thread_state.scope is not None:
        _store(plan, values, state)
    elif plan.constrained or not stored_as_one([*plan.variables, *plan.state], [*values, *state]):
        with WRITING, hold_interrupts():
            _store(plan, values, state)


def _store(plan: step.Plan, values: list, state: list) -> None:
    for variable, array in zip(plan.variables, values):
        variable._store(Tensor(array))
    for variable, array in zip(plan.state, state):
        variable._store(Tensor(array))
    _constrain(plan)


def _constrain(plan: step.Plan) -> None:
    for variable in plan.constrained:
        variable.assign(variable.constraint(variable._plain()))


def _on_host(optimizer: Any, plan: step.Plan, gradients: list, values: list, state: list, rate: Any) -> tuple:
    if not optimizer._runs_op_by_op():
        gradients = [_numpy_gradient(g) for g in gradients]
        values, state = ([np.asarray(a) for a in group] for group in (values, state))
    with np.errstate(all="ignore"):
        values, state = optimizer._pure_step(plan, host, gradients, values, state, rate)
    return [_array(a) for a in values], [_array(a) for a in state]


def _numpy_gradient(gradient: Any) -> Any:
    found = on_values(np.asarray, gradient)
    return Rows(found.values, np.asarray(found.indices)) if type(found) is Rows else found


def _compiled(optimizer: Any, plan: step.Plan) -> Any:
    facts = optimizer._rate_in_force().facts()
    if plan.compiled is None or plan.facts != facts:
        namespace = xla(f"an update of {plan.size} numbers by {optimizer.name}")
        whole = functools.partial(optimizer._pure_step, plan, namespace)
        plan.compiled = namespace.jit(namespace.leaving_values(whole), donate_argnums=2)
        plan.compiled_by_rows = namespace.jit(whole, donate_argnums=(1, 2))
        plan.facts = facts
    return plan.compiled


def _array(value: Any) -> Any:
    return value if type(value) is _ndarray or not isinstance(value, np.generic) else np.asarray(value)
