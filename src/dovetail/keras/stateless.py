"""`keras.StatelessScope`, `keras.SymbolicScope`, `keras.device`: what code inside sees and where it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.scopes import device
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.variable import DescribeScope, Scope, Variable, enter_scope
from dovetail.tensor.variable import StatelessScope as _Values

__all__ = ["StatelessScope", "SymbolicScope", "device"]


@declare
class StatelessScope:
    """Variables hold given values in the `with` block, and what is assigned to them stays inside.

    Args:
        state_mapping: pairs `(variable, value)`.
        collect_losses: keep what `add_loss` is given.
        initialize_variables: taken as Keras has it; variables have values from the start here.

    Attributes:
        losses: the collected losses.

    Raises:
        ValueError: a key that is no variable, or a value of another shape.

    Example:
        >>> v = keras.Variable([0.0])
        >>> with keras.StatelessScope([(v, [1.0])]) as scope:
        ...     v.assign_add([2.0])
        >>> float(scope.get_current_value(v)[0]), float(v[0])
        (3.0, 0.0)
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        self.collect_losses, self.initialize_variables = collect_losses, initialize_variables
        self.losses: list[Any] = []
        self._given = [(variable, _fitting(variable, value)) for variable, value in state_mapping or ()]
        self._scope: _Values | None = None
        self._entered: list[enter_scope] = []

    def __enter__(self) -> StatelessScope:
        self._scope = _Values(state.scope, self._given)
        self._entered.append(enter_scope(self._scope))
        self._entered[-1].__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered.pop().__exit__(*exc)

    def add_loss(self, loss: Any) -> None:
        self.losses.append(loss)

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Takes `(variable, value)`: what the variable holds from here on."""
        variable, value = update
        self._values().assign(variable, _fitting(variable, value))

    def get_current_value(self, variable: Variable) -> Any:
        """Returns what the variable holds in the scope; None when it was neither given nor assigned."""
        return self._values().tensors.get(id(variable))

    def _values(self) -> _Values:
        if self._scope is None:
            self._scope = _Values(state.scope, self._given)
        return self._scope


def _fitting(variable: Any, value: Any) -> Any:
    if not isinstance(variable, Variable):
        raise ValueError(
            f"StatelessScope: expected pairs (variable, value), received {variable!r:.60} for a variable"
            f"{at_user_location()}"
        )
    tensor = convert_to_tensor(value, dtype=variable.dtype)
    if tuple(tensor.shape) != tuple(variable.shape):
        raise ValueError(
            f"StatelessScope: {variable.name!r} has shape {tuple(variable.shape)}, the value given for it "
            f"{tuple(tensor.shape)}{at_user_location()}"
        )
    return tensor


@declare
class SymbolicScope:
    """What layers compute in the `with` block only tells shapes and dtypes: nothing is assigned."""

    def __init__(self) -> None:
        self._entered: list[enter_scope] = []

    def __enter__(self) -> SymbolicScope:
        scope: Scope = DescribeScope(state.scope)
        self._entered.append(enter_scope(scope))
        self._entered[-1].__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._entered.pop().__exit__(*exc)
