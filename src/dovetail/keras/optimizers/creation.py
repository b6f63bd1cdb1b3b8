"""Creating and assigning the variables of an optimizer; what a user's `build` and `update_step` call."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras import initializers
from dovetail.tensor import dtype as dt
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class Creation:
    """Mixin of Optimizer."""

    name: str
    _own_variables: list[Variable]

    def _slot_variable(self, reference: Variable, name: str, initial: Any) -> Variable:
        path = getattr(reference, "path", None) or str(reference.name).replace(":0", "").replace(":", "_")
        variable = self._new_variable(initial, f"{path.replace('/', '_')}_{name}")
        if reference._layout is not None and variable.shape == reference.shape:
            variable._lay_out(reference._layout)
        return variable

    def _new_variable(self, initial: Any, name: str, position: int | None = None) -> Variable:
        variable = Variable(initial, trainable=False, name=name)
        variable.path = f"{self.name}/{name}"  # type: ignore[attr-defined]
        self._own_variables.insert(len(self._own_variables) if position is None else position, variable)
        return variable

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
        return self._new_variable(_initial(initializer, tuple(shape), kind), name or "variable")

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
        initial = _initial(
            initializer if initial_value is None else initial_value, sizes, reference._numpy_dtype
        )
        return self._slot_variable(reference, name or variable_name or "var", initial)

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


def _initial(initializer: Any, shape: tuple, dtype: np.dtype) -> Any:
    """Returns the initial value of a variable, or a function that makes it."""
    if initializer is None or initializer in ("zeros", "ones") and isinstance(initializer, str):
        return np.full(shape, 1 if initializer == "ones" else 0, dtype)
    if isinstance(initializer, TensorLike | np.ndarray | np.generic | int | float):
        if isinstance(initializer, TensorLike):
            return initializer
        return np.broadcast_to(np.asarray(initializer, dtype), shape)
    function = initializers.get(initializer)
    return lambda: function(shape, dtype=dt.from_numpy(dtype))
