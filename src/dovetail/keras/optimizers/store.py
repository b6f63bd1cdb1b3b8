"""The state of an optimizer as variables: created when they are first needed, named and ordered as in Keras 3."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.optimizers.checks import label
from dovetail.keras.optimizers.creation import Creation
from dovetail.tensor.variable import Variable


class VariableList(list):
    """A list of variables.  Callable, because tf.keras spells `optimizer.variables()`, Keras `optimizer.variables`."""

    def __call__(self) -> VariableList:
        return self


class Store(Creation):
    """Mixin of Optimizer: its variables, their creation, and their values as weights."""

    name: str
    slot_attributes: ClassVar[dict[str, str]] = {}

    def _start_store(self) -> None:
        self._own_variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._trainable_variables_indices: dict[int, int] = {}
        self._slot_lists: dict[str, list[Variable]] = {}
        self._shared: list[Variable] = []
        self._moving_averages: list[Variable] = []
        self._gradient_sums: list[Variable] = []
        self._named_slots: dict[tuple[int, str], Variable] = {}
        self._hyper: dict[str, Any] = {}
        self._undecayed_ids: set[int] = set()
        self._undecayed_pattern: re.Pattern | None = None
        self.built = False
        self._iterations = self._new_variable(np.zeros((), np.int64), "iteration")

    # ---- what there is

    @property
    def iterations(self) -> Any:
        """Number of steps done, an int64 variable (with gradient accumulation: the number of updates, a tensor)."""
        steps = getattr(self, "gradient_accumulation_steps", None)
        return self._iterations // steps if steps else self._iterations

    @iterations.setter
    def iterations(self, variable: Variable) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(
                f"{self.name}.iterations: expected a Variable, received {type(variable).__name__}. To set the count, "
                f"write optimizer.iterations.assign(value){at_user_location()}"
            )
        self._own_variables = [variable if v is self._iterations else v for v in self._own_variables]
        self._iterations = variable

    @property
    def variables(self) -> VariableList:
        """All variables of the optimizer: iterations, learning rate, then the state of each variable."""
        return VariableList(self._own_variables)

    @property
    def weights(self) -> VariableList:
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
        if not self.built:
            raise ValueError(
                f"{self.name}.set_weights: the optimizer has no state yet; call optimizer.build(variables) first"
                f"{at_user_location()}"
            )
        variables = self.variables
        if len(weights) != len(variables):
            raise ValueError(
                f"{self.name}.set_weights: expected {len(variables)} arrays ({', '.join(v.name for v in variables)}), "
                f"received {len(weights)}{at_user_location()}"
            )
        for variable, weight in zip(variables, weights):
            if tuple(np.shape(weight)) != tuple(variable.shape):
                raise ValueError(
                    f"{self.name}.set_weights: {label(variable)} has shape {tuple(variable.shape)}, received "
                    f"{tuple(np.shape(weight))}{at_user_location()}"
                )
        for variable, weight in zip(variables, weights):
            variable.assign(weight)

    def save_own_variables(self, store: Any) -> None:
        """Writes the values into `store[index]`, for weights files."""
        for index, variable in enumerate(self.variables):
            store[str(index)] = np.asarray(variable._plain()._value)

    def load_own_variables(self, store: Any) -> None:
        """Reads what `save_own_variables` wrote; warns and reads nothing when the number of variables differs."""
        variables = self.variables
        if len(store.keys()) != len(variables):
            hint = "" if self.built else " It has not been built: call optimizer.build(variables) first."
            warnings.warn(
                f"{self.name}: its saved state has {len(store.keys())} variables, it has {len(variables)}; the state "
                f"is not loaded.{hint}",
                stacklevel=2,
            )
            return
        for index, variable in enumerate(variables):
            variable.assign(np.asarray(store[str(index)]))

    # ---- copies

    def __getstate__(self) -> dict[str, Any]:
        # Ids of variables differ in the copy, so what is kept by id travels by position.
        facts = dict(self.__dict__)
        places = self._trainable_variables_indices
        facts["_plans"], facts["_trainable_variables_indices"] = {}, None
        facts["_named_slots"] = {(places[key], name): slot for (key, name), slot in self._named_slots.items()}
        facts["_undecayed_ids"] = {places[key] for key in self._undecayed_ids if key in places}
        return facts

    def __setstate__(self, facts: dict[str, Any]) -> None:
        self.__dict__.update(facts)
        keys = [self._var_key(variable) for variable in self._trainable_variables]
        self._trainable_variables_indices = {key: index for index, key in enumerate(keys)}
        self._named_slots = {
            (keys[index], name): slot for (index, name), slot in facts["_named_slots"].items()
        }
        self._undecayed_ids = {keys[index] for index in facts["_undecayed_ids"]}

    # ---- creating it

    def build(self, variables: Iterable) -> None:
        """Creates the state of the variables that have none yet."""
        new = [v for v in {id(v): v for v in variables}.values() if not self._knows(v)]
        for variable in new:
            self._trainable_variables_indices[self._var_key(variable)] = len(self._trainable_variables)
            self._trainable_variables.append(variable)
        self._create_state(new)
        self.built = True

    def _create_state(self, variables: list) -> None:
        if self.use_ema:  # type: ignore[attr-defined]
            self._moving_averages += [
                self._slot_variable(v, "average", np.array(v._array)) for v in variables
            ]
        if self.gradient_accumulation_steps:  # type: ignore[attr-defined]
            self._gradient_sums += [
                self._slot_variable(v, "gradient_accumulator", np.zeros(v._array.shape, v._numpy_dtype))
                for v in variables
            ]
        self._create_slot_groups()
        if not self._shared and variables:
            arrays = self.new_shared(variables[0]._numpy_dtype)  # type: ignore[attr-defined]
            self._shared = [self._new_variable(array, "variable") for array in arrays]
        self._create_slots(variables)  # type: ignore[attr-defined]

    def _create_slot_groups(self) -> None:
        """Creates the slots that are missing: those of new variables, or of a hyperparameter that was set later."""
        for group in self.slot_groups():  # type: ignore[attr-defined]
            for name in group:
                if name not in self._slot_lists:
                    self._slot_lists[name] = []
                    if name in self.slot_attributes:
                        object.__setattr__(self, self.slot_attributes[name], self._slot_lists[name])
            for index, variable in enumerate(self._trainable_variables):
                for name in group:
                    if index >= len(self._slot_lists[name]):
                        shape, dtype = variable._array.shape, variable._numpy_dtype
                        array = self.new_slot(name, shape, dtype)  # type: ignore[attr-defined]
                        self._slot_lists[name].append(self._slot_variable(variable, name, array))

    def _build_for(self, variables: list) -> None:
        """Builds when there are variables without state.

        Raises:
            ValueError: they are new, and a user's `build` has made the state already.
        """
        unknown = [v for v in variables if not self._knows(v)]
        if not unknown:
            self._create_slot_groups()
            return
        if self.built and type(self).build is not Store.build:
            raise ValueError(
                f"Unknown variable: {label(unknown[0])}. {self.name} was built for other variables; create a new "
                f"optimizer, or call build() with all variables at first{at_user_location()}"
            )
        self.build(variables)
        Store.build(self, variables)  # for a user's build() that does not call super().build()

    def _knows(self, variable: Variable) -> bool:
        return self._var_key(variable) in self._trainable_variables_indices

    def _state_of(self, variable: Variable, names: list[str]) -> list[Variable]:
        """Returns slots, moving average and accumulated gradient of a variable."""
        index = self._get_variable_index(variable)
        found = [self._slot_lists[name][index] for name in names]
        if self.use_ema:  # type: ignore[attr-defined]
            found.append(self._moving_averages[index])
        if self.gradient_accumulation_steps:  # type: ignore[attr-defined]
            found.append(self._gradient_sums[index])
        return found

    def _averages_of(self, variables: Iterable) -> list[Variable]:
        found = []
        for variable in variables:
            if not self._knows(variable):
                raise ValueError(
                    f"{self.name}.finalize_variable_values: there is no average of {label(variable)}: the optimizer "
                    f"was not built for it{at_user_location()}"
                )
            found.append(self._moving_averages[self._get_variable_index(variable)])
        return found

    def _free_variables(self) -> list[Variable]:
        """Returns the variables that a user's rule created for itself."""
        sorted_ones = [*self._shared, *self._moving_averages, *self._gradient_sums, self._iterations]
        for slots in self._slot_lists.values():
            sorted_ones += slots
        ids = {id(variable) for variable in sorted_ones} | {id(getattr(self, "_learning_rate", None))}
        return [variable for variable in self._own_variables if id(variable) not in ids]

    def _var_key(self, variable: Variable) -> int:
        return variable._unique_id

    def _get_variable_index(self, variable: Variable) -> int:
        return self._trainable_variables_indices[self._var_key(variable)]

    @property
    def _index_dict(self) -> dict[int, int]:
        """tf.keras' name of the table from `_var_key(variable)` to the position of its state."""
        return self._trainable_variables_indices

    # ---- weight decay

    def exclude_from_weight_decay(
        self, var_list: Iterable | None = None, var_names: Iterable | None = None
    ) -> None:
        """Switches weight decay off for some variables.

        Args:
            var_list: the variables.
            var_names: regular expressions; variables in whose name or path one is found.
        """
        self._undecayed_ids = {self._var_key(variable) for variable in var_list or ()}
        names = sorted(set(var_names or ()))
        self._undecayed_pattern = re.compile("|".join(names)) if names else None
        self._forget_plans()  # type: ignore[attr-defined]

    def _use_weight_decay(self, variable: Variable) -> bool:
        if self._var_key(variable) in self._undecayed_ids:
            return False
        pattern = self._undecayed_pattern
        return pattern is None or not (pattern.search(variable.name) or pattern.search(label(variable)))
