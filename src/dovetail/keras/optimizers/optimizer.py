"""What every optimizer is: state as variables, and a step that is one pure function of arrays.

A step of the built-in optimizers runs in one of three ways, from the same lines (`step.py`): inlined into a surrounding
trace, compiled into one call, or, when all variables together are small, on NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas
from dovetail.base.settings import state as thread_state
from dovetail.base.told import Told
from dovetail.engine import host, is_tracer, xla
from dovetail.engine.placement import group_runs_on_host
from dovetail.keras import checks as argument_checks
from dovetail.keras.naming import auto_name
from dovetail.keras.optimizers import checks, custom, step
from dovetail.keras.optimizers.arguments import Arguments
from dovetail.keras.optimizers.gradients import Gradients
from dovetail.keras.optimizers.legacy_hooks import LegacyHooks
from dovetail.keras.optimizers.rate import Rate
from dovetail.keras.optimizers.rows import on_values, values_of
from dovetail.keras.optimizers.store import Store
from dovetail.ops.indexed_slices import Rows
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import enter_scope

__all__ = ["Optimizer"]

_ndarray = np.ndarray
_HOST_ELEMENTS = 4096  # up to so many elements in all variables, NumPy is as fast as a compiled call
_MAX_PLANS = 32


class Optimizer(Arguments, Rate, Store, Gradients, LegacyHooks, Told):
    """Base of all optimizers.

    A new rule is a pure function on the arrays of one variable, `update`, and the names of the state it keeps:

        class Momentum(Optimizer):
            def slot_groups(self):
                return (("momentum",),)
            def update(self, xp, gradient, value, slots, hyper):
                momentum = 0.9 * slots[0] - hyper.rate * gradient
                return value + momentum, (momentum,)

    Rules on variables work as well: `build(variables)` with `update_step(gradient, variable, learning_rate)` as in
    Keras 3, `update_step(gradient, variable)` as in tf.keras, `_create_slots` with `_resource_apply_dense` as before
    that.  Those run op by op outside of compiled functions.

    Args:
        learning_rate: number, `LearningRateSchedule`, or a function without arguments.
        weight_decay: factor `d` of decoupled decay, `w -= w * d * learning_rate` before each update; None: none.
        clipnorm: largest norm of each gradient; longer ones are scaled down.  None or 0: no limit.
        clipvalue: largest absolute value of each element.
        global_clipnorm: largest norm of all gradients together.
        use_ema: keep an exponential moving average of each variable.
        ema_momentum: weight of the old average.
        ema_overwrite_frequency: overwrite the variables with their averages every so many steps; None: only
            `finalize_variable_values` does it.
        loss_scale_factor: `scale_loss` multiplies by it, `apply` divides the gradients by it.
        gradient_accumulation_steps: update once in so many calls, with the mean of their gradients; >= 2.
        name: name of the optimizer, which the paths of its variables begin with.
        kwargs: spellings of Keras 2: `lr`; `decay`, which divides the learning rate by `1 + decay * iterations`;
            `jit_compile`, which changes nothing, because every step is compiled.

    Raises:
        ValueError: an argument out of its range, or an unknown one.
    """

    _told_methods = ("__init__", "apply_gradients", "apply")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(learning_rate, str) and not self._is_own:
            learning_rate, name = 0.001, learning_rate  # a class in tf.keras' manner: the name comes first
        self._plans: dict[tuple, step.Plan] = {}
        self._num_changes = 0
        self._warned: set[str] = set()
        learning_rate = self._take_legacy_arguments(kwargs, learning_rate)
        self._set_common(
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        self.name = argument_checks.text(name, "name") if name is not None else auto_name(type(self).__name__)
        self._overridden = custom.overridden(type(self), Optimizer)
        self._takes_repeated_rows = "_resource_apply_sparse_duplicate_indices" in self._overridden
        self._start_store()
        self._use_learning_rate(learning_rate)

    def __setattr__(self, name: str, value: Any) -> None:
        # A hyperparameter is a constant of the compiled step, so a new value needs a new one.
        if name[0] != "_" and "_plans" in self.__dict__ and name not in ("learning_rate", "lr", "built"):
            self._forget_plans()
        if name in self.hyperparameters and not isinstance(value, bool) and not callable(value):
            argument_checks.number_or_none(value, name)
        object.__setattr__(self, name, value)

    def _forget_plans(self) -> None:
        self._plans.clear()
        self._num_changes += 1

    # ---- the rule

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Returns the names of the state kept for each variable, in groups.

        The variables of a group are created together, variable by variable; one group after the other.
        """
        return ()

    def new_slot(self, name: str, shape: tuple, dtype: np.dtype) -> np.ndarray:
        """Returns the initial value of a slot."""
        return np.zeros(shape, dtype)

    def new_shared(self, dtype: np.dtype) -> tuple[np.ndarray, ...]:
        """Returns the initial values of state that belongs to no variable."""
        return ()

    def update(
        self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: step.Hyper
    ) -> tuple[Any, tuple]:
        """Returns `(new value, new slots)` of one variable.  Pure: arrays in, arrays out.

        Args:
            xp: array namespace, NumPy's or `jax.numpy`'s.
            gradient, value: arrays of one shape and dtype.
            slots: one array for each name of `slot_groups`.
            hyper: learning rate, step number, shared state.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no rule: define update(self, xp, gradient, value, slots, hyper), or "
            f"update_step(self, gradient, variable, learning_rate){at_user_location()}"
        )

    def _has_rule(self) -> bool:
        return type(self).update is not Optimizer.update

    def update_shared(self, xp: Any, shared: tuple, step: Any) -> tuple:
        """Returns the shared state in the step number `step` (1 is the first)."""
        return shared

    def rests(self) -> bool:
        """True when `update`, defined beside this, may be applied to the rows of a `tf.IndexedSlices` alone.

        That is so if it treats each number by itself, and a gradient of 0 changes neither the value nor the slots.
        """
        return False

    # ---- a step

    def apply_gradients(
        self,
        grads_and_vars: Iterable,
        name: str | None = None,
        skip_gradients_aggregation: bool = False,
        experimental_aggregate_gradients: bool = True,
    ) -> Any:
        """Updates the variables.

        Args:
            grads_and_vars: `(gradient, variable)` pairs; variables whose gradient is None stay as they are.
            name: accepted for compatibility; names nothing.
            skip_gradients_aggregation: in a replica: the gradients are summed over replicas already.
            experimental_aggregate_gradients: False means the same.

        Returns:
            `iterations`, after the step.

        Raises:
            ValueError: no gradient at all, or one of the wrong shape.
        """
        gradients, variables = checks.pairs(grads_and_vars)
        if among_replicas():
            summed = experimental_aggregate_gradients and not skip_gradients_aggregation
            thread_state.replica.update_once(self.apply, list(gradients), list(variables), summed)
        else:
            self.apply(gradients, variables)
        return self.iterations

    def apply(self, grads: Iterable, trainable_variables: Iterable | None = None) -> None:
        """Updates the variables, given one gradient each.

        Args:
            grads: gradients, in the order of the variables.
            trainable_variables: the variables; None: those the optimizer was built with.
        """
        gradients = grads if type(grads) is list else list(grads)
        if not gradients:
            return
        variables = self._given_variables(trainable_variables)
        checks.lengths(gradients, variables)
        if thread_state.scope is not None and thread_state.scope.graph is not None:
            self._record(gradients, variables)
            return
        try:
            arrays = [g._value for g in gradients]
        except AttributeError:  # a None, an array, a variable
            arrays = None
        if arrays is None:
            self._build_for(variables)
            gradients, variables = checks.present(gradients, variables, self._warned)
            arrays = [g._value for g in gradients]
        plan = self._plans.get(tuple([id(v) for v in variables]))
        self._run(plan if plan is not None else self._planned(variables), arrays)

    def _record(self, gradients: list, variables: list) -> None:
        """Adds the step to the graph of the function that is being recorded."""
        with enter_scope(None):
            self._build_for(variables)
        if all(gradient is None for gradient in gradients):
            checks.present(gradients, variables, self._warned)
        scope = thread_state.scope
        scope.graph.call(lambda given: self.apply(given, variables), f"{self.name}.apply", (gradients,))
        scope.changed([*variables, *self.variables])

    def _given_variables(self, variables: Iterable | None) -> list:
        if variables is not None:
            return variables if type(variables) is list else list(variables)
        if not self.built:
            raise ValueError(
                f"{self.name}.apply: without variables, the optimizer must have been built: call "
                f"optimizer.build(variables) first, or pass them{at_user_location()}"
            )
        return self._trainable_variables

    def _planned(self, variables: list) -> step.Plan:
        """Makes the plan for a list of variables, creating the state of those that are new."""
        self._build_for(variables)
        plan = self._make_plan(variables)
        if len(self._plans) >= _MAX_PLANS:
            self._plans.clear()
        self._plans[tuple([id(v) for v in variables])] = plan
        return plan

    def _make_plan(self, variables: list) -> step.Plan:
        unique = {id(v): v for v in variables}
        position = {key: index for index, key in enumerate(unique)}
        names = [name for group in self.slot_groups() for name in group]
        shared = [*self._shared, *(self._free_variables() if self._overridden else ())]
        state = [self._iterations, *shared]
        for variable in unique.values():
            state += self._state_of(variable, names)
        decayed = [self.weight_decay is not None and self._use_weight_decay(v) for v in unique.values()]
        plan = step.Plan(list(unique.values()), [position[id(v)] for v in variables], state, decayed)
        plan.num_shared, plan.num_slots = len(shared), len(names)
        plan.averaged, plan.accumulating = bool(self.use_ema), bool(self.gradient_accumulation_steps)
        return plan

    def _run(self, plan: step.Plan, gradients: list) -> None:
        """Runs a step on raw gradients, and stores what it gives."""
        values: Any = [v._plain()._value for v in plan.variables]
        checks.shapes(gradients, values, plan)
        rate = self._rate_array()
        # Only inside a scope can a variable hold a traced value.
        by_rows = Rows in map(type, gradients)
        arrays = list(map(values_of, gradients)) if by_rows else gradients
        traced = any(map(is_tracer, arrays if thread_state.scope is None else [*arrays, *values]))
        on_host = self._runs_op_by_op() or self._fits_host(plan, values)
        if thread_state.scope is None and not traced and not on_host:
            values = None if by_rows else values  # held by nobody else, they may be given away
            self._run_compiled(plan, gradients, values, rate)
            return
        state = [v._plain()._value for v in plan.state]
        if traced or any(map(is_tracer, state)):
            values, state = self._pure_step(plan, xla(), gradients, values, state, rate)
        elif on_host:
            if not self._runs_op_by_op():
                gradients = [on_values(np.asarray, g) for g in gradients]
                gradients = [
                    Rows(g.values, np.asarray(g.indices)) if type(g) is Rows else g for g in gradients
                ]
                values, state = ([np.asarray(a) for a in group] for group in (values, state))
            values, state = self._on_host(plan, gradients, values, state, rate)
        else:
            values, state = self._pure_step(plan, xla(), gradients, values, state, rate)
        self._stored(plan, values, state)

    def _run_compiled(self, plan: step.Plan, gradients: list, values: list | None, rate: Any) -> None:
        """Runs the compiled step, which reuses the memory of the optimizer's own state.

        Values are None when gradients are rows: the step then reuses the memory of the variables as well, where
        nobody else holds it, and costs what the rows cost.
        """
        compiled = self._compiled(plan)
        by_rows, split = values is None, len(plan.variables)

        def run(*arrays: Any) -> list:
            given = arrays[:split] if values is None else values
            update = plan.compiled_by_rows if by_rows else compiled
            new_values, new_state = update(gradients, list(given), list(arrays[-len(plan.state) :]), rate)
            return [*new_values, *new_state]

        plan.transaction(by_rows).run(run)
        self._constrain(plan)

    def _stored(self, plan: step.Plan, values: list, state: list) -> None:
        for variable, array in zip(plan.variables, values):
            variable._store(Tensor(array))
        for variable, array in zip(plan.state, state):
            variable._store(Tensor(array))
        self._constrain(plan)

    def _constrain(self, plan: step.Plan) -> None:
        for variable in plan.constrained:
            variable.assign(variable.constraint(variable._plain()))

    def _runs_op_by_op(self) -> bool:
        return bool(self._overridden)

    def _on_host(self, plan: step.Plan, gradients: list, values: list, state: list, rate: Any) -> tuple:
        with np.errstate(all="ignore"):
            values, state = self._pure_step(plan, host, gradients, values, state, rate)
        return [_array(a) for a in values], [_array(a) for a in state]

    def _fits_host(self, plan: step.Plan, values: list) -> bool:
        return group_runs_on_host(values, plan.size, _HOST_ELEMENTS)

    def _compiled(self, plan: step.Plan) -> Any:
        facts = self._rate_facts()
        if plan.compiled is None or plan.facts != facts:
            namespace = xla(f"an update of {plan.size} numbers by {self.name}")
            whole = functools.partial(self._pure_step, plan, namespace)
            plan.compiled = namespace.jit(whole, donate_argnums=2)
            plan.compiled_by_rows = namespace.jit(whole, donate_argnums=(1, 2))
            plan.facts = facts
        return plan.compiled

    def _pure_step(self, plan: Any, xp: Any, gradients: list, values: list, state: list, rate: Any) -> tuple:
        """Returns `(values, state)` after one step; all are lists of arrays."""
        rate = self._rate_at(xp, rate, state[0])
        return step.run(self, plan, xp, gradients, values, state, rate)

    def _update_all(self, xp: Any, plan: Any, gradients: list, values: list, shared: tuple, slots: list,
                    rate: Any, finished: Any) -> tuple:  # fmt: skip
        if not self._overridden:
            return step.update_all(self, plan, xp, gradients, values, shared, slots, rate, finished)
        return custom.update_all(self, plan, gradients, values, shared, slots, rate, finished)

    def stateless_apply(self, optimizer_variables: list, grads: list, trainable_variables: list) -> tuple:
        """Returns `(new trainable values, new optimizer values)` and changes no variable (Keras 3).

        Args:
            optimizer_variables: values of `optimizer.variables`, in order.
            grads: gradients.
            trainable_variables: values of the variables the optimizer was built with, in order.
        """
        if not self.built:
            raise ValueError(
                f"{self.name}.stateless_apply: call optimizer.build(variables) first{at_user_location()}"
            )
        own = self.variables
        if len(optimizer_variables) != len(own) or len(trainable_variables) != len(self._trainable_variables):
            raise ValueError(
                f"{self.name}.stateless_apply: expected {len(own)} optimizer values and "
                f"{len(self._trainable_variables)} variable values, received {len(optimizer_variables)} and "
                f"{len(trainable_variables)}{at_user_location()}"
            )
        known = [*own, *self._trainable_variables]
        arrays = [convert_to_tensor(v)._value for v in (*optimizer_variables, *trainable_variables)]
        tensors = custom.run_bound(known, arrays, lambda: self.apply(list(grads)))
        return tensors[len(own) :], tensors[: len(own)]

    def finalize_variable_values(self, var_list: list) -> None:
        """Overwrites the variables with their moving averages, when `use_ema` is set."""
        if self.use_ema:
            for variable, average in zip(var_list, self._averages_of(var_list)):
                variable.assign(average._plain())


def _array(value: Any) -> Any:
    return value if type(value) is _ndarray or not isinstance(value, np.generic) else np.asarray(value)
