"""What every optimizer is: parts that it holds (state, learning rate, plans), a rule, and what training calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas
from dovetail.base.settings import state as thread_state
from dovetail.base.told import Told
from dovetail.base.trackable import attached
from dovetail.keras import checks as argument_checks
from dovetail.keras.idiom import is_keras_2, optimizer_name
from dovetail.keras.optimizers import arguments, checks, custom, gradients, runner, state, step
from dovetail.keras.optimizers.legacy_hooks import LegacyHooks
from dovetail.keras.optimizers.rate import Rate
from dovetail.keras.optimizers.weight_decay import Undecayed
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable, enter_scope

__all__ = ["Optimizer"]


class Optimizer(LegacyHooks, Told):
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
    _held_as = "apart"
    # Names of the arguments that a class adds, all kept as attributes.
    hyperparameters: ClassVar[tuple[str, ...]] = ()
    # Names of the slots that begin as copies of their variables.
    copies: ClassVar[frozenset[str]] = frozenset()
    use_ema: bool
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None

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
        self._plans = runner.Plans()
        self._warned: set[str] = set()
        time_decay = arguments.time_decay(type(self), kwargs)
        common = {
            "weight_decay": weight_decay,
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
            "use_ema": use_ema,
            "ema_momentum": ema_momentum,
            "ema_overwrite_frequency": ema_overwrite_frequency,
            "loss_scale_factor": loss_scale_factor,
            "gradient_accumulation_steps": gradient_accumulation_steps,
        }
        for argument, value in common.items():
            setattr(self, argument, value)
        arguments.check(type(self), common)
        self.name = argument_checks.text(name, "name") if name is not None else optimizer_name(type(self))
        self._overridden = custom.overridden(type(self), Optimizer)
        self._takes_repeated_rows = "_resource_apply_sparse_duplicate_indices" in self._overridden
        self._hyper: dict[str, Any] = {}
        self._undecayed = Undecayed()
        self.built = False
        self._state = state.State(self.name)
        self._rate = Rate(self._state, type(self).__name__, time_decay)
        self._rate.use(kwargs["lr"] if kwargs.get("lr") is not None else learning_rate)

    def __setattr__(self, name: str, value: Any) -> None:
        # A hyperparameter is a constant of the compiled step, so a new value needs a new one.
        if name[0] != "_" and "_plans" in self.__dict__ and name not in ("learning_rate", "lr", "built"):
            self._forget_plans()
        if name in self.hyperparameters and not isinstance(value, bool | list) and not callable(value):
            argument_checks.number_or_none(value, name)
        if name == "name" and "_state" in self.__dict__:
            self._state.owner = value
        object.__setattr__(self, name, value)

    def _forget_plans(self) -> None:
        self._plans.forget()

    # ---- the learning rate

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a Variable to assign to, or what the schedule gives at this step."""
        return self._rate.read()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._rate.replace(value)
        self._forget_plans()

    @property
    def lr(self) -> Any:
        """Keras 2's name of `learning_rate`."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    @property
    def decay(self) -> Any:
        """Keras 2's time decay: the rate is divided by `1 + decay * iterations`.  0 when it was not given."""
        return Tensor(np.asarray(self._rate.time_decay, np.float32))

    def _rate_in_force(self) -> Rate:
        """Returns the rate that steps take: a wrapper's is that of the optimizer inside."""
        return self._rate

    # ---- the state

    @property
    def iterations(self) -> Any:
        """Number of steps done, an int64 variable (with gradient accumulation: the number of updates, a tensor)."""
        steps = getattr(self, "gradient_accumulation_steps", None)
        return self._state.iterations // steps if steps else self._state.iterations

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        self._state.replace_iterations(variable)

    @property
    def variables(self) -> state.VariableList:
        """All variables: iterations, learning rate (not in Keras 2's idiom), then the state of each variable."""
        rate = self._rate.given if is_keras_2() else None
        return state.VariableList(variable for variable in self._state.variables if variable is not rate)

    def __children__(self) -> list[tuple[str, Any]]:
        return [(str(index), variable) for index, variable in enumerate(self._state.variables)]

    def __saved_children__(self) -> list[tuple[str, Any]]:
        """Returns the state by the names that checkpoints of Keras 2 have for it."""
        rate = self._rate.given
        variables = [variable for variable in self._state.variables if variable is not rate]
        known = [("_variables", variables), ("_iterations", self._state.iterations)]
        return [*known, ("_learning_rate", rate)] if isinstance(rate, Variable) else known

    @property
    def weights(self) -> state.VariableList:
        """The same as `variables`."""
        return self.variables

    def get_weights(self) -> list[np.ndarray]:
        """Returns the values of `variables`."""
        return [np.array(variable._plain()._value) for variable in self.variables]

    def set_weights(self, weights: list) -> None:
        """Assigns to `variables`, in order.

        Raises:
            ValueError: the optimizer has not been built, or a number or shape of weights does not fit.
        """
        state.assign_all(self, self.variables, weights)

    def save_own_variables(self, store: Any) -> None:
        """Writes the values into `store[index]`, for weights files."""
        known = self.without_shared(self.variables) if is_keras_2() else self.variables
        for index, variable in enumerate(known):
            store[str(index)] = np.asarray(variable._plain()._value)

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote; warns and reads nothing when the number of variables differs."""
        rate = self._rate.given  # which files of Keras 3 have, and those of Keras 2 have not
        known = list(self.variables)  # those of an optimizer inside, too
        without = [variable for variable in known if variable is not rate]
        least = self.without_shared(without)
        if len(store.keys()) == len(least) < len(without):
            state.read_all(self, least, store)
            self.catch_up()
            return
        state.read_all(self, without if len(store.keys()) == len(without) else known, store)

    def without_shared(self, variables: Iterable[Variable]) -> list[Variable]:
        """Returns variables without the state that belongs to none of them, which files of Keras 2 do not have."""
        shared = {id(variable) for variable in self._state.shared}
        return [variable for variable in variables if id(variable) not in shared]

    def catch_up(self) -> None:
        """Computes the state that belongs to no variable from the number of steps, where a file does not have it."""
        if not self._state.shared:
            return
        found = self.new_shared(self._state.shared[0]._numpy_dtype)
        for number in range(1, int(self.iterations.numpy()) + 1):
            before, found = found, self.update_shared(np, found, np.float64(number))
            if all(np.array_equal(*pair) for pair in zip(before, found, strict=True)):
                break  # such as a product that has come to 0
        for variable, value in zip(self._state.shared, found, strict=True):
            variable.assign(np.asarray(value, variable._numpy_dtype))

    def build(self, variables: Iterable) -> None:
        """Creates the state of the variables that have none yet."""
        self._state.extend(self, variables)
        self.built = True
        attached(self)

    def _build_for(self, variables: list) -> None:
        """Builds when there are variables without state.

        Raises:
            ValueError: they are new, and a user's `build` has made the state already.
        """
        unknown = [v for v in variables if not self._state.knows(v)]
        if not unknown:
            self._state.fill_slots(self)
            return
        if self.built and type(self).build is not Optimizer.build:
            raise ValueError(
                f"Unknown variable: {checks.label(unknown[0])}. {self.name} was built for other variables; create a "
                f"new optimizer, or call build() with all variables at first{at_user_location()}"
            )
        with self._state.in_scope():
            self.build(variables)
            Optimizer.build(self, variables)  # for a user's build() that does not call super().build()

    # ---- configs

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for `from_config`; the state is in `variables`."""
        config = arguments.config_of(self) | {"learning_rate": self._rate.config()}
        return config | ({"decay": self._rate.time_decay} if self._rate.time_decay else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Returns an optimizer with the arguments of a config."""
        return cls(**arguments.with_schedule(config, custom_objects))

    # ---- the rule

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        """Returns the names of the state kept for each variable, in groups.

        The variables of a group are created together, variable by variable; one group after the other.
        """
        return ()

    def slots_of(self, variable: Any) -> list[str]:
        """Returns the names of the state that a variable has: all, where the rule is one for all variables."""
        return [name for group in self.slot_groups() for name in group]

    def rule_of(self, variable: Any) -> Any:
        """Returns what updates a variable: `update`, where the rule is one for all variables."""
        return self.update

    def _weight_decay_of(self, variable: Any) -> float | None:
        return self.weight_decay

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
        grads, variables = checks.pairs(grads_and_vars)
        if among_replicas():
            summed = experimental_aggregate_gradients and not skip_gradients_aggregation
            thread_state.replica.update_once(self.apply, list(grads), list(variables), summed)
        else:
            self.apply(grads, variables)
        return self.iterations

    def apply(self, grads: Iterable, trainable_variables: Iterable | None = None) -> None:
        """Updates the variables, given one gradient each.

        Args:
            grads: gradients, in the order of the variables.
            trainable_variables: the variables; None: those the optimizer was built with.
        """
        given = grads if type(grads) is list else list(grads)
        if not given:
            return
        variables = self._given_variables(trainable_variables)
        checks.lengths(given, variables)
        if thread_state.scope is not None and thread_state.scope.graph is not None:
            self._record(given, variables)
            return
        try:
            arrays = [g._value for g in given]
        except AttributeError:  # a None, an array, a variable
            arrays = None
        if arrays is None:
            self._build_for(variables)
            given, variables = checks.present(given, variables, self._warned)
            arrays = [g._value for g in given]
        plan = self._plans.of(variables)
        runner.run(self, plan if plan is not None else self._planned(variables), arrays)

    def _record(self, given: list, variables: list) -> None:
        """Adds the step to the graph of the function that is being recorded."""
        with enter_scope(None):
            self._build_for(variables)
        if all(gradient is None for gradient in given):
            checks.present(given, variables, self._warned)
        scope = thread_state.scope
        changed = [*variables, *self.variables]
        scope.graph.call(
            lambda grads: self.apply(grads, variables), f"{self.name}.apply", (given,), changes=changed
        )
        scope.changed(changed)

    def _given_variables(self, variables: Iterable | None) -> list:
        if variables is not None:
            return variables if type(variables) is list else list(variables)
        if not self.built:
            raise ValueError(
                f"{self.name}.apply: without variables, the optimizer must have been built: call "
                f"optimizer.build(variables) first, or pass them{at_user_location()}"
            )
        return self._state.trainable

    def _planned(self, variables: list) -> step.Plan:
        """Makes the plan for a list of variables, creating the state of those that are new."""
        self._build_for(variables)
        return self._plans.keep(variables, self._make_plan(variables))

    def _make_plan(self, variables: list) -> step.Plan:
        unique = {id(v): v for v in variables}
        position = {key: index for index, key in enumerate(unique)}
        names = {key: self.slots_of(variable) for key, variable in unique.items()}
        averaged, accumulating = bool(self.use_ema), bool(self.gradient_accumulation_steps)
        free = self._state.free(self._rate.given) if self._overridden else ()
        shared = [*self._state.shared, *free]
        owned = [self._state.iterations, *shared]
        for variable in unique.values():
            owned += self._state.of(variable, names[id(variable)], averaged, accumulating)
        decayed = [self._weight_decay_of(v) if self._use_weight_decay(v) else None for v in unique.values()]
        plan = step.Plan(list(unique.values()), [position[id(v)] for v in variables], owned, decayed)
        plan.num_shared, plan.slot_counts = len(shared), [len(slots) for slots in names.values()]
        plan.rules = [self.rule_of(variable) for variable in unique.values()]
        plan.averaged, plan.accumulating = averaged, accumulating
        return plan

    def _runs_op_by_op(self) -> bool:
        return bool(self._overridden)

    def _pure_step(self, plan: Any, xp: Any, gradients: list, values: list, state: list, rate: Any) -> tuple:
        """Returns `(values, state)` after one step; all are lists of arrays."""
        rate = self._rate.at(xp, rate, state[0])
        return step.run(self, plan, xp, gradients, values, state, rate)

    def _common_factor(self, xp: Any, step: Any) -> Any:
        """Returns what `update` takes of the step for every variable, as `hyper.common`; None: nothing."""
        return None

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
        if len(optimizer_variables) != len(own) or len(trainable_variables) != len(self._state.trainable):
            raise ValueError(
                f"{self.name}.stateless_apply: expected {len(own)} optimizer values and "
                f"{len(self._state.trainable)} variable values, received {len(optimizer_variables)} and "
                f"{len(trainable_variables)}{at_user_location()}"
            )
        known = [*own, *self._state.trainable]
        arrays = [convert_to_tensor(v)._value for v in (*optimizer_variables, *trainable_variables)]
        tensors = custom.run_bound(known, arrays, lambda: self.apply(list(grads)))
        return tensors[len(own) :], tensors[: len(own)]

    def finalize_variable_values(self, var_list: list) -> None:
        """Overwrites the variables with their moving averages, when `use_ema` is set."""
        if self.use_ema:
            for variable, average in zip(var_list, self._state.averages_of(var_list)):
                variable.assign(average._plain())

    # ---- from a loss to an update

    def minimize(
        self, loss: Any, var_list: Any, grad_loss: Any = None, name: str | None = None, tape: Any = None
    ) -> Any:
        """Computes gradients and applies them.

        Args:
            loss: function without arguments that returns the loss; or the loss itself, with the tape that recorded it.
            var_list: variables to update, or a function that returns them (called after the loss).
            grad_loss: factors of the loss' elements; ones when None.
            name: accepted for compatibility; names nothing.
            tape: the tape, when `loss` is a tensor.

        Returns:
            `iterations`, after the step.

        Example:
            >>> w = tf.Variable(2.0)
            >>> keras.optimizers.SGD(0.1).minimize(lambda: w * w, [w])
            >>> float(w)
            1.6
        """
        return self.apply_gradients(gradients.of_loss(loss, var_list, grad_loss, tape, self._loss_factor()))

    def compute_gradients(
        self, loss: Any, var_list: Any, tape: Any = None, grad_loss: Any = None
    ) -> list[tuple]:
        """Returns `(gradient, variable)` pairs; see `minimize`."""
        return gradients.of_loss(loss, var_list, grad_loss, tape, None)

    def _loss_factor(self) -> Any:
        """Returns the factor of the loss that `apply` divides the gradients by, or None."""
        return self.loss_scale_factor

    def scale_loss(self, loss: Any) -> Any:
        """Multiplies the loss by `loss_scale_factor`; `apply` divides the gradients by it."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor
