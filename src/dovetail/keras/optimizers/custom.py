"""Rules that users write on variables: `update_step` of Keras 3 and of tf.keras, `_resource_apply_dense` before.

Such a rule reads and assigns variables.  A scope turns that into a function of arrays, so that the rest of the step
(accumulation, averages, loss scaling, tracing) is the same as for the built-in rules.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.autodiff.tape import paused_recording
from dovetail.base.settings import state
from dovetail.engine import host, is_tracer, xla
from dovetail.keras.optimizers import rows, step
from dovetail.ops.indexed_slices import IndexedSlices, Rows
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Scope, Variable, enter_scope

_OF_OLD = ("_resource_apply_dense", "_resource_apply_sparse", "_resource_apply_sparse_duplicate_indices")
HOOKS = ("update_step", *_OF_OLD, "_apply_weight_decay", "_clip_gradients")


class BoundScope(Scope):
    """Holds given values for given variables; everything else comes from the scope around it."""

    def __init__(self, outer: Scope | None, variables: list, arrays: list) -> None:
        super().__init__()
        self.outer = outer
        self.may_create = outer is None or outer.may_create
        self.tensors = {id(variable): Tensor(array) for variable, array in zip(variables, arrays)}

    def first_read(self, variable: Variable) -> Tensor:
        with enter_scope(self.outer):
            return variable._plain()

    def created(self, variable: Variable) -> None:
        if self.outer is not None:
            self.outer.created(variable)


def overridden(kind: type, base: type) -> frozenset[str]:
    """Returns the hooks that `kind` overrides."""
    return frozenset(name for name in HOOKS if getattr(kind, name) is not getattr(base, name))


def update_all(
    optimizer: Any,
    plan: step.Plan,
    gradients: list,
    values: list,
    shared: tuple,
    slots: list,
    rate: Any,
    finished: Any,
) -> tuple[list, tuple, list]:
    """Runs the user's hooks on every gradient; returns `(values, shared, slots)`, as `step.update_all` does.

    Args:
        optimizer: has at least one of `HOOKS` overridden.
        plan: see `step.Plan`.
        gradients, values, shared, slots: arrays.
        rate: learning rate.
        finished: number of steps done.
    """
    owners = plan.split(plan.state)
    known = [*plan.variables, *owners.shared, *itertools.chain(*owners.slots)]
    scope = BoundScope(state.scope, known, [*values, *shared, *itertools.chain(*slots)])
    with enter_scope(scope), paused_recording():
        given = [rows.as_slices(g, values[i]) for g, i in zip(gradients, plan.order)]
        tensors = optimizer._clip_gradients(given)
        if not optimizer._takes_repeated_rows:
            tensors = [_summed(g, values[i]) for g, i in zip(tensors, plan.order)]
        optimizer._apply_weight_decay(plan.variables)
        optimizer._update_shared_variables(finished)
        apply = _entry(optimizer, plan, Tensor(rate))
        for gradient, index in zip(tensors, plan.order):
            apply(gradient, plan.variables[index])
    _store_others(scope, known)
    arrays = iter([scope.tensors[id(variable)]._value for variable in known])
    return (
        list(itertools.islice(arrays, len(values))),
        tuple(itertools.islice(arrays, len(shared))),
        [tuple(itertools.islice(arrays, count)) for count in plan.slot_counts],
    )


def run_bound(known: list, arrays: list, function: Callable[[], Any]) -> list[Tensor]:
    """Runs `function` with the given values in the variables `known`; returns what they hold then, changing none."""
    scope = BoundScope(state.scope, known, arrays)
    with enter_scope(scope):
        function()
    return [scope.tensors[id(variable)] for variable in known]


def _store_others(scope: BoundScope, known: list) -> None:
    """Passes on what was assigned to variables that are not part of the step."""
    ids = {id(variable) for variable in known}
    for key, variable in scope.written.items():
        if key not in ids:
            variable._store(scope.tensors[key])


def apply_rule(optimizer: Any, gradient: Any, variable: Variable, learning_rate: Any) -> None:
    """Applies the optimizer's built-in rule to one variable, in place."""
    names = optimizer.slots_of(variable)
    slot_variables = optimizer._state.of(variable, names, averaged=False, accumulating=False)
    slots = tuple(v._plain()._value for v in slot_variables)
    value = variable._plain()._value
    rate = optimizer._decayed_lr() if learning_rate is None else learning_rate
    gradient, rate = _arrays_of(gradient), convert_to_tensor(rate)._value
    finished = convert_to_tensor(optimizer.iterations)._value
    shared = tuple(v._plain()._value for v in optimizer._state.shared)
    traced = any(map(is_tracer, (rows.values_of(gradient), value, rate, finished, *slots, *shared)))
    xp = xla() if traced else host
    hyper = step.Hyper(rate.astype(value.dtype), (finished + 1).astype(value.dtype), shared)
    gradient = rows.on_values(lambda x: x.astype(value.dtype), gradient)
    if type(gradient) is Rows:
        new, new_slots = rows.update(
            optimizer, optimizer.rule_of(variable), xp, rows.summed(xp, gradient, value), value, slots, hyper
        )
    else:
        new, new_slots = optimizer.rule_of(variable)(xp, gradient, value, slots, hyper)
    for target, array in zip((variable, *slot_variables), (new, *new_slots)):
        target.assign(Tensor(array if traced else np.asarray(array, target._numpy_dtype)))


def _arrays_of(gradient: Any) -> Any:
    return (gradient if isinstance(gradient, IndexedSlices) else convert_to_tensor(gradient))._value


def _summed(gradient: Any, value: Any) -> Any:
    """Returns an `IndexedSlices` with each place once; a tensor as it is."""
    if not isinstance(gradient, IndexedSlices):
        return gradient
    xp = xla() if any(map(is_tracer, (*gradient._value, value))) else host
    return rows.as_slices(rows.summed(xp, gradient._value, value), value)


def summed_slices(values: Any, indices: Any, variable: Variable) -> tuple[Any, Any]:
    """Returns the rows at each place added up, and the places, each once.

    Compiled code has as many as before: rows left over are zeros, at a place past the end, where no update lands.
    """
    given = Rows(convert_to_tensor(values)._value, convert_to_tensor(indices)._value)
    table = variable._plain()._value
    xp = xla() if any(map(is_tracer, (*given, table))) else host
    found = rows.summed(xp, given, table)
    return Tensor(found.values), Tensor(found.indices)


def _entry(optimizer: Any, plan: step.Plan, rate: Tensor) -> Callable[[Any, Any], Any]:
    """Returns `f(gradient, variable)` that calls the user's rule the way its signature asks for."""
    if "update_step" not in optimizer._overridden and not optimizer._overridden.isdisjoint(_OF_OLD):
        return _entry_of_old(optimizer, plan)
    rule = optimizer.update_step
    if len(_parameters(rule)) >= 3 or _takes_any_positional(rule):
        return lambda gradient, variable: rule(gradient, variable, rate)
    return rule


def _entry_of_old(optimizer: Any, plan: step.Plan) -> Callable[[Any, Any], Any]:
    prepared = {"apply_state": optimizer._prepare(plan.variables)}
    dense, sparse = optimizer._resource_apply_dense, optimizer._resource_apply_sparse
    repeated = optimizer._resource_apply_sparse_duplicate_indices
    dense_state, sparse_state = (prepared if takes_apply_state(rule) else {} for rule in (dense, sparse))

    def apply(gradient: Any, variable: Any) -> Any:
        if not isinstance(gradient, IndexedSlices):
            return dense(gradient, variable, **dense_state)
        rule = repeated if optimizer._takes_repeated_rows else sparse
        return rule(gradient.values, variable, gradient.indices, **sparse_state)

    return apply


def takes_apply_state(rule: Callable) -> bool:
    """True when a rule of tf.keras before 2.11 takes what `_prepare` notes."""
    return "apply_state" in _parameters(rule) or _takes_any_keyword(rule)


def _parameters(function: Callable) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, p in inspect.signature(function).parameters.items() if p.kind in kinds]


def _takes_any_keyword(function: Callable) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def _takes_any_positional(function: Callable) -> bool:
    return any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(function).parameters.values())
