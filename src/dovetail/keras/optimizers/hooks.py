"""What rules that users write call and override: `build` and `update_step` of Keras 3 and of tf.keras since 2.11."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.engine import host, is_tracer, xla
from dovetail.keras.optimizers import custom, gradients, state
from dovetail.keras.optimizers.rate import Rate
from dovetail.keras.optimizers.weight_decay import Undecayed
from dovetail.ops import arithmetic
from dovetail.tensor import dtype as dt
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


class Hooks:
    """The methods of an optimizer that a user's rule needs; they ask the parts that the optimizer holds.

    Attributes:
        slot_attributes: name of a slot -> attribute under which Keras 3 shows the list of these slots.
    """

    slot_attributes: ClassVar[dict[str, str]] = {}
    name: str
    weight_decay: float | None
    _state: state.State
    _rate: Rate
    _undecayed: Undecayed

    # ---- creating and assigning variables

    def add_variable(
        self,
        shape: Any,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str | None = None,
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Creates a variable of the optimizer.

        Args:
            shape: sizes, all known.
            initializer: initializer or its name, or the value.
            dtype: `floatx` when None.
            aggregation, layout: accepted for compatibility; variables are not distributed one by one.
            name: name.
        """
        kind = dt.numpy_dtype("int64" if dtype in ("int", int) else dtype or settings.floatx)
        return self._state.new(state.initial(initializer, tuple(shape), kind), name or "variable")

    def add_weight(
        self,
        name: str,
        shape: Any = (),
        dtype: Any = None,
        initializer: Any = "zeros",
        trainable: bool | None = None,
    ) -> Variable:
        """Keras 2's name of `add_variable`; the state of an optimizer is never trainable."""
        return self.add_variable(shape, initializer, dtype, name=name)

    def add_variable_from_reference(
        self,
        reference_variable: Variable | None = None,
        name: str | None = None,
        initializer: Any = "zeros",
        shape: Any = None,
        model_variable: Variable | None = None,
        variable_name: str | None = None,
        initial_value: Any = None,
    ) -> Variable:
        """Creates a variable with the shape and dtype of another.

        Args:
            reference_variable: the other one; tf.keras' keyword is `model_variable`.
            name: ending of the name; tf.keras' keyword is `variable_name`.
            initializer: initializer or its name, or the value; tf.keras' keyword for a value is `initial_value`.
            shape: another shape.
        """
        reference = reference_variable if reference_variable is not None else model_variable
        if reference is None:
            raise TypeError(f"add_variable_from_reference: pass reference_variable{at_user_location()}")
        sizes = tuple(reference._array.shape) if shape is None else tuple(shape)
        first = initializer if initial_value is None else initial_value
        value = state.initial(first, sizes, reference._numpy_dtype)
        return self._state.new_like(reference, name or variable_name or "var", value)

    def add_optimizer_variables(
        self, trainable_variables: list, name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Creates one variable (or, for several names, one each) like each of the given ones.

        Returns:
            a list of variables, or a tuple of lists when `name` is a list.
        """
        names = [name] if isinstance(name, str) else list(name)
        given = initializer if isinstance(initializer, list | tuple) else [initializer] * len(names)
        if len(given) != len(names):
            raise ValueError(
                f"add_optimizer_variables: {len(names)} names and {len(given)} initializers{at_user_location()}"
            )
        made: tuple[list, ...] = tuple([] for _ in names)
        for variable in trainable_variables:
            for target, ending, first in zip(made, names, given):
                target.append(self.add_variable_from_reference(variable, ending, first))
        return made[0] if isinstance(name, str) else made

    def assign(self, variable: Variable, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        variable.assign_sub(value)

    # ---- the pieces of a step, on tensors

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any = None) -> None:
        """Applies the rule to one variable.  Overrides take `(gradient, variable, learning_rate)`, or the first two."""
        custom.apply_rule(self, gradient, variable, learning_rate)

    def _clip_gradients(self, grads: list) -> list:
        """Clips gradients as `clipnorm`, `clipvalue` and `global_clipnorm` say."""
        return gradients.clipped(self, grads)

    def _apply_weight_decay(self, variables: list) -> None:
        """Subtracts `variable * weight_decay * learning_rate` from the variables that decay."""
        for variable in variables:
            factor = self._weight_decay_of(variable)  # type: ignore[attr-defined]
            if factor is not None and self._use_weight_decay(variable):
                rate = self._decayed_lr(variable.dtype)
                variable.assign_sub(variable._plain() * factor * rate)

    def _update_shared_variables(self, finished: Any) -> None:
        shared = self._state.shared
        if shared:
            arrays = tuple(v._plain()._value for v in shared)
            xp = xla() if is_tracer(finished) or any(map(is_tracer, arrays)) else host
            number = (finished + 1).astype(arrays[0].dtype)
            for variable, array in zip(shared, self.update_shared(xp, arrays, number)):  # type: ignore[attr-defined]
                variable.assign(Tensor(array))

    # ---- weight decay

    def exclude_from_weight_decay(
        self, var_list: Iterable | None = None, var_names: Iterable | None = None
    ) -> None:
        """Switches weight decay off for some variables.

        Args:
            var_list: the variables.
            var_names: regular expressions; variables in whose name or path one is found.
        """
        self._undecayed = Undecayed(var_list, var_names)
        self._forget_plans()  # type: ignore[attr-defined]

    def _use_weight_decay(self, variable: Variable) -> bool:
        return not self._undecayed.has(variable)

    # ---- what tf.keras' rules look up

    @property
    def _trainable_variables(self) -> list[Variable]:
        return self._state.trainable

    @property
    def _trainable_variables_indices(self) -> dict[int, int]:
        return self._state.places

    @property
    def _index_dict(self) -> dict[int, int]:
        """tf.keras' name of the table from `_var_key(variable)` to the position of its state."""
        return self._state.places

    @property
    def _iterations(self) -> Variable:
        return self._state.iterations

    def _var_key(self, variable: Variable) -> int:
        return variable._unique_id

    def _get_variable_index(self, variable: Variable) -> int:
        return self._state.place(variable)

    @property
    def _learning_rate(self) -> Any:
        """The learning rate as it was given: a variable, a schedule or a function."""
        return self._rate.given

    @_learning_rate.setter
    def _learning_rate(self, value: Any) -> None:
        if value is not self._rate.given:
            self._build_learning_rate(value)

    def _build_learning_rate(self, value: Any) -> Any:
        """tf.keras: `self._learning_rate = self._build_learning_rate(learning_rate)` in a subclass' `__init__`."""
        self._rate.use(value)
        self._forget_plans()  # type: ignore[attr-defined]
        return self._rate.given

    @property
    def _initial_decay(self) -> float:
        """Keras 2's `decay`, a number."""
        return self._rate.time_decay

    @_initial_decay.setter
    def _initial_decay(self, value: float) -> None:
        self._rate.time_decay = value

    def _decayed_lr(self, dtype: Any = "float32") -> Any:
        """Returns the learning rate of this step: the schedule's, with `decay`."""
        rate = self._rate.in_force(self.learning_rate)  # type: ignore[attr-defined]
        return arithmetic.cast(rate, dtype=dt.numpy_dtype(dtype))
