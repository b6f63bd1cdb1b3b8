"""The state of an optimizer as variables: created when they are first needed, named and ordered as in Keras 3."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.graph.by_hand import apart
from dovetail.keras import initializers
from dovetail.keras.idiom import slot_name, state_name
from dovetail.keras.optimizers.checks import label
from dovetail.tensor import dtype as dt
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class VariableList(list):
    """A list of variables.  Callable, because tf.keras spells `optimizer.variables()`, Keras `optimizer.variables`."""

    def __call__(self) -> VariableList:
        return self


class State:
    """The variables that an optimizer holds.

    Args:
        owner: name of the optimizer, which the paths of the variables begin with.

    Attributes:
        variables: all of them: iterations, learning rate, then what belongs to the variables that are updated.
        iterations: number of steps done.
        trainable: the variables that are updated, as they were first met; `places` has the position of each by its id.
        slots: for each name of `Optimizer.slot_groups`, one variable for each of `trainable`; None where it has none.
        averages, sums: the same for moving averages, and for accumulated gradients.
        shared: what belongs to no variable.
        named: `add_slot`'s, by id and name.
        scoped: whether a step creates them, whose names begin with the optimizer's in Keras 2.
    """

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.scoped = False
        self.variables: list[Variable] = []
        self.trainable: list[Variable] = []
        self.places: dict[int, int] = {}
        self.slots: dict[str, list[Variable | None]] = {}
        self.averages: list[Variable] = []
        self.sums: list[Variable] = []
        self.shared: list[Variable] = []
        self.named: dict[tuple[int, str], Variable] = {}
        self.iterations = self.new(np.zeros((), np.int64), "iteration")

    # ---- creating variables

    @contextlib.contextmanager
    def in_scope(self) -> Iterator[None]:
        """Says that what is created in the `with` block is created by a step."""
        before, self.scoped = self.scoped, True
        try:
            yield
        finally:
            self.scoped = before

    def new(self, initial: Any, name: str, position: int | None = None) -> Variable:
        with apart():
            variable: Any = Variable(initial, trainable=False, name=state_name(name))
        variable.path = f"{self.owner}/{name}"
        self.variables.insert(len(self.variables) if position is None else position, variable)
        return variable

    def new_like(self, reference: Variable, name: str, initial: Any) -> Variable:
        """Creates a variable named after another one, laid out over devices like it."""
        path = getattr(reference, "path", None) or str(reference.name).replace(":0", "").replace(":", "_")
        variable = self.new(initial, slot_name(self.owner, self.scoped, name, reference, path))
        if reference._layout is not None and variable.shape == reference.shape:
            variable._lay_out(reference._layout)
        return variable

    def extend(self, optimizer: Any, variables: Iterable) -> None:
        """Creates the state of the variables that have none yet, as the optimizer's rule wants it."""
        new = [v for v in {id(v): v for v in variables}.values() if not self.knows(v)]
        for variable in new:
            self.places[variable._unique_id] = len(self.trainable)
            self.trainable.append(variable)
        if optimizer.use_ema:
            self.averages += [self.new_like(v, "average", np.array(v._array)) for v in new]
        if optimizer.gradient_accumulation_steps:
            self.sums += [
                self.new_like(v, "gradient_accumulator", np.zeros(v._array.shape, v._numpy_dtype))
                for v in new
            ]
        self.fill_slots(optimizer)
        if not self.shared and new:
            self.shared = [self.new(array, "variable") for array in optimizer.new_shared(new[0]._numpy_dtype)]
        optimizer._create_slots(new)

    def fill_slots(self, optimizer: Any) -> None:
        """Creates the slots that are missing: those of new variables, or of a hyperparameter that was set later."""
        for group in optimizer.slot_groups():
            for name in group:
                if name not in self.slots:
                    self.slots[name] = []
                    if name in optimizer.slot_attributes:
                        object.__setattr__(optimizer, optimizer.slot_attributes[name], self.slots[name])
            for index, variable in enumerate(self.trainable):
                own = optimizer.slots_of(variable)
                for name in group:
                    if index >= len(self.slots[name]):
                        first = _first_value(optimizer, name, variable) if name in own else None
                        self.slots[name].append(
                            None if first is None else self.new_like(variable, name, first)
                        )

    # ---- finding them

    def knows(self, variable: Variable) -> bool:
        return variable._unique_id in self.places

    def place(self, variable: Variable) -> int:
        return self.places[variable._unique_id]

    def of(self, variable: Variable, names: list[str], averaged: bool, accumulating: bool) -> list[Variable]:
        """Returns slots, moving average and accumulated gradient of a variable."""
        index = self.place(variable)
        found: list = [self.slots[name][index] for name in names]
        return [
            *found,
            *([self.averages[index]] if averaged else ()),
            *([self.sums[index]] if accumulating else ()),
        ]

    def averages_of(self, variables: Iterable) -> list[Variable]:
        found = []
        for variable in variables:
            if not self.knows(variable):
                raise ValueError(
                    f"{self.owner}.finalize_variable_values: there is no average of {label(variable)}: the optimizer "
                    f"was not built for it{at_user_location()}"
                )
            found.append(self.averages[self.place(variable)])
        return found

    def free(self, rate: Any) -> list[Variable]:
        """Returns the variables that a user's rule created for itself.

        Args:
            rate: the learning rate, which is not one of them where it is a variable.
        """
        sorted_ones = [*self.shared, *self.averages, *self.sums, self.iterations, rate]
        for slots in self.slots.values():
            sorted_ones += [slot for slot in slots if slot is not None]
        ids = {id(variable) for variable in sorted_ones}
        return [variable for variable in self.variables if id(variable) not in ids]

    def replace_iterations(self, variable: Any) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(
                f"{self.owner}.iterations: expected a Variable, received {type(variable).__name__}. To set the count, "
                f"write optimizer.iterations.assign(value){at_user_location()}"
            )
        self.variables = [variable if v is self.iterations else v for v in self.variables]
        self.iterations = variable

    # ---- copies

    def __getstate__(self) -> dict[str, Any]:
        # Ids of variables differ in the copy, so what is kept by id travels by position.
        named = {(self.places[key], name): slot for (key, name), slot in self.named.items()}
        return self.__dict__ | {"places": None, "named": named}

    def __setstate__(self, facts: dict[str, Any]) -> None:
        self.__dict__.update(facts)
        keys = [variable._unique_id for variable in self.trainable]
        self.places = {key: index for index, key in enumerate(keys)}
        self.named = {(keys[index], name): slot for (index, name), slot in facts["named"].items()}


def _first_value(optimizer: Any, name: str, variable: Variable) -> np.ndarray:
    if name in optimizer.copies:
        return np.array(variable._array)
    return optimizer.new_slot(name, variable._array.shape, variable._numpy_dtype)


def assign_all(optimizer: Any, variables: list, weights: list) -> None:
    """Assigns values to the variables of an optimizer, in order; all of them, or none.

    Raises:
        ValueError: the optimizer has not been built, or a number or shape of weights does not fit.
    """
    if not optimizer.built:
        raise ValueError(
            f"{optimizer.name}.set_weights: the optimizer has no state yet; call optimizer.build(variables) first"
            f"{at_user_location()}"
        )
    if len(weights) != len(variables):
        raise ValueError(
            f"{optimizer.name}.set_weights: expected {len(variables)} arrays ({', '.join(v.name for v in variables)}), "
            f"received {len(weights)}{at_user_location()}"
        )
    for variable, weight in zip(variables, weights):
        if tuple(np.shape(weight)) != tuple(variable.shape):
            raise ValueError(
                f"{optimizer.name}.set_weights: {label(variable)} has shape {tuple(variable.shape)}, received "
                f"{tuple(np.shape(weight))}{at_user_location()}"
            )
    for variable, weight in zip(variables, weights):
        variable.assign(weight)


def read_all(optimizer: Any, variables: list, stored: Any) -> None:
    """Reads the values that a weights file has; warns and reads nothing when the number of variables differs."""
    if len(stored.keys()) != len(variables):
        hint = "" if optimizer.built else " It has not been built: call optimizer.build(variables) first."
        warnings.warn(
            f"{optimizer.name}: its saved state has {len(stored.keys())} variables, it has {len(variables)}; the state "
            f"is not loaded.{hint}",
            stacklevel=3,
        )
        return
    for index, variable in enumerate(variables):
        variable.assign(np.asarray(stored[str(index)]))


def initial(initializer: Any, shape: tuple, dtype: np.dtype) -> Any:
    """Returns the initial value of a variable, or a function that makes it."""
    if initializer is None or initializer in ("zeros", "ones") and isinstance(initializer, str):
        return np.full(shape, 1 if initializer == "ones" else 0, dtype)
    if isinstance(initializer, TensorLike | np.ndarray | np.generic | int | float):
        if isinstance(initializer, TensorLike):
            return initializer
        return np.broadcast_to(np.asarray(initializer, dtype), shape)
    function = initializers.get(initializer)
    return lambda: function(shape, dtype=dt.from_numpy(dtype))
