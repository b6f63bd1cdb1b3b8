"""`tf.train.ExponentialMovingAverage`: averages of variables over the steps of training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.arithmetic import astype, minimum
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.variable import Variable


class ExponentialMovingAverage:
    """Keeps moving averages of variables: `average = decay * average + (1 - decay) * variable` in each step.

    Args:
        decay: how much of an average is kept in a step.
        num_updates: the number of steps so far, with which the first ones keep less.
        zero_debias: of averages of tensors, which there are only in graphs of TensorFlow 1.
        name: of the averages.

    Example:
        >>> ema = tf.train.ExponentialMovingAverage(0.99)
        >>> ema.apply(model.trainable_variables)  # after each step
        >>> ema.average(model.trainable_variables[0])
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay, self._num_updates, self._name = decay, num_updates, name
        self._zero_debias, self._averages = zero_debias, {}  # type: bool, dict[int, tuple[Any, Any]]

    @property
    def name(self) -> str:
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Any:
        """Takes the values of variables into their averages, which begin with them.

        Args:
            var_list: floating-point variables; None: none, as eager programs have no collection of variables.

        Raises:
            TypeError: one is no variable, or not of floating point.
        """
        chosen = self._chosen(var_list)
        for variable in chosen:
            self._make(variable)
        decay = self._decay_now()
        return self._done([self._step(variable, decay) for variable in chosen])

    def _chosen(self, var_list: Iterable[Any] | None) -> list[Any]:
        chosen = [] if var_list is None else list(var_list)
        for one in chosen:
            if not isinstance(one, Variable):
                raise TypeError(
                    f"tf.train.ExponentialMovingAverage: expected variables, received {one!r:.80}{at_user_location()}"
                )
            if not one.dtype.is_floating:
                raise TypeError(
                    f"tf.train.ExponentialMovingAverage: expected floating-point variables, {one.name!r} is "
                    f"{one.dtype.name}{at_user_location()}"
                )
        return chosen

    def _decay_now(self) -> Any:
        decay = convert_to_tensor(self._decay, dtype_hint="float32")
        if self._num_updates is None:
            return decay
        count = astype(self._num_updates, "float32")
        return minimum(decay, (1.0 + count) / (10.0 + count))

    def _make(self, variable: Any) -> None:
        """Makes the average of a variable, where there is none yet."""
        if id(variable) not in self._averages:
            name = f"{self._name_of(variable)}/{self._name}"
            made = Variable(variable.read_value(), trainable=False, name=name)
            self._averages[id(variable)] = variable, made  # the variable, too: no other gets its id

    def _step(self, variable: Any, decay: Any) -> Any:
        average = self.average(variable)
        kept = astype(decay, average.dtype)
        return average.assign_sub((1 - kept) * (average - convert_to_tensor(variable)))

    def _done(self, steps: list[Any]) -> Any:
        """Returns what `apply` returns."""
        return None

    def average(self, var: Any) -> Any:
        """Returns the variable that holds the average of another one, None when there is none."""
        return self._averages.get(id(var), (None, None))[1]

    def average_name(self, var: Any) -> str:
        """Returns the name under which the average is saved."""
        found = self.average(var)
        return self._name_of(found) if found is not None else f"{self._name_of(var)}/{self._name}"

    def variables_to_restore(self, moving_avg_variables: Iterable[Any] | None = None) -> dict[str, Any]:
        """Returns variables by the names under which a `Saver` finds their averages, and the others by their own.

        Args:
            moving_avg_variables: those whose averages are wanted; None: all that have one, or can be trained.
        """
        averaged = list(self._trained() if moving_avg_variables is None else moving_avg_variables)
        found = {self.average_name(variable): variable for variable in averaged}
        known = {id(variable) for variable in averaged}
        rest = [v for v in self._all() if id(v) not in known and self._name_of(v) not in found]
        return found | {self._name_of(variable): variable for variable in rest}

    def _name_of(self, variable: Any) -> str:
        return variable.name.removesuffix(":0")

    def _trained(self) -> list[Any]:
        return [variable for variable, _ in self._averages.values()]

    def _all(self) -> list[Any]:
        """Returns the variables that are restored by their own names, too."""
        return []
