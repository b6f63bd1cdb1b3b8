"""Loss scaling: keeps the gradients of a float16 model away from zero, and skips the steps in which they overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import serialization
from dovetail.keras.optimizers import rows, step
from dovetail.keras.optimizers.optimizer import Optimizer
from dovetail.keras.optimizers.rate import Rate
from dovetail.ops import arithmetic
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.tensor.tensor import Tensor

__all__ = ["LossScaleOptimizer"]

_DEFAULT_SCALE = 2.0**15
_DEFAULT_GROWTH_STEPS = 2000


class LossScaleOptimizer(Optimizer):
    """Wraps an optimizer: the loss is multiplied by a scale, the gradients are divided by it.

    With a dynamic scale, a step whose gradients are not all finite changes nothing but the scale, which is halved
    (below 1 as well); after `dynamic_growth_steps` finite steps in a row it is doubled.

    Both idioms work, and gradients are divided once in either:

        loss = opt.scale_loss(loss)                    # Keras 3: apply divides
        opt.apply_gradients(zip(tape.gradient(loss, vars), vars))

        loss = opt.get_scaled_loss(loss)               # tf.keras: the caller divides
        grads = opt.get_unscaled_gradients(tape.gradient(loss, vars))
        opt.apply_gradients(zip(grads, vars))

    Which one is meant is known from what was called last: after `get_scaled_loss` or `get_unscaled_gradients`,
    gradients count as divided; after `scale_loss`, and before any of them was called, they do not.

    Args:
        inner_optimizer: the optimizer.
        initial_scale: scale at the beginning.  tf.keras had `dynamic` in this place: True and "dynamic" are understood.
        dynamic_growth_steps: finite steps after which the scale is doubled.
        name: name.
        dynamic: False: the scale stays, and no step is skipped.
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: Any = None,
        dynamic_growth_steps: int | None = None,
        name: str | None = None,
        dynamic: bool = True,
    ) -> None:
        if isinstance(initial_scale, bool) or initial_scale == "dynamic":
            dynamic, initial_scale = bool(initial_scale), None
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise TypeError(
                "LossScaleOptimizer: inner_optimizer must be an Optimizer without loss scaling, received "
                f"{inner_optimizer!r:.80}{at_user_location()}"
            )
        if not dynamic and initial_scale is None:
            raise ValueError(f"LossScaleOptimizer: dynamic=False needs initial_scale{at_user_location()}")
        self._inner = inner_optimizer
        super().__init__(0.0, name=name)
        self.dynamic = bool(dynamic)
        self.initial_scale = float(_DEFAULT_SCALE if initial_scale is None else initial_scale)
        self.dynamic_growth_steps = int(dynamic_growth_steps or _DEFAULT_GROWTH_STEPS)
        if not self.initial_scale > 0:
            raise ValueError(
                f"LossScaleOptimizer: initial_scale must be > 0, received {initial_scale!r}{at_user_location()}"
            )
        inner_optimizer.loss_scale_factor = None
        self.step_counter = self._state.new(np.zeros((), np.int64), "step_counter")
        self.dynamic_scale = self._state.new(np.asarray(self.initial_scale, np.float32), "dynamic_scale")
        self._caller_unscales = False
        self._inner_changes = inner_optimizer._plans.num_changes

    @property
    def inner_optimizer(self) -> Optimizer:
        return self._inner

    # ---- scaling

    @property
    def loss_scale(self) -> Tensor:
        """The scale now, a float32 scalar."""
        return self.dynamic_scale.read_value()

    @property
    def dynamic_counter(self) -> Any:
        """Number of finite steps since the scale changed; None when it is fixed."""
        return self.step_counter if self.dynamic else None

    def _scale_mode(self, caller_unscales: bool) -> None:
        if self._caller_unscales != caller_unscales:
            self._caller_unscales = caller_unscales
            self._forget_plans()

    def _scaled(self, loss: Any) -> Any:
        if callable(loss) and not hasattr(loss, "dtype"):
            return lambda: self._scaled(loss())
        if not hasattr(loss, "dtype"):
            return self.loss_scale * loss
        return loss * arithmetic.cast(self.loss_scale, dtype=loss.dtype)

    def scale_loss(self, loss: Any) -> Any:
        """Multiplies the loss by the scale; `apply` divides the gradients by it."""
        self._scale_mode(caller_unscales=False)
        return self._scaled(loss)

    def get_scaled_loss(self, loss: Any) -> Any:
        """Multiplies the loss (or the result of a function) by the scale; divide with `get_unscaled_gradients`."""
        self._scale_mode(caller_unscales=True)
        return self._scaled(loss)

    def get_unscaled_gradients(self, grads: list) -> list:
        """Divides gradients by the scale, in their own dtype; None stays None."""
        self._scale_mode(caller_unscales=True)
        # The reciprocal fits into float16 where the scale, from 2**16 on, does not.
        factor = 1.0 / self.loss_scale  # type: ignore[operator]
        return [None if g is None else _times(g, arithmetic.cast(factor, dtype=g.dtype)) for g in grads]

    def _loss_factor(self) -> Any:
        self._scale_mode(caller_unscales=False)
        return self.loss_scale

    # ---- the step

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Updates the variables, or skips the step; see `Optimizer.apply`."""
        if self._inner_changes != self._inner._plans.num_changes:
            self._inner_changes = self._inner._plans.num_changes
            self._forget_plans()
        super().apply(grads, trainable_variables)

    def _make_plan(self, variables: list) -> step.Plan:
        inner = self._inner._make_plan(variables)
        own = [self.dynamic_scale, self.step_counter]
        plan = step.Plan(inner.variables, inner.order, [*own, *inner.state], inner.decayed)
        plan.inner = inner
        return plan

    def _build_for(self, variables: list) -> None:
        self._inner._build_for(variables)
        Optimizer.build(self, variables)

    def build(self, variables: Any) -> None:
        variables = list(variables)
        if not self._inner.built:
            self._inner.build(variables)
        super().build(variables)

    def _runs_op_by_op(self) -> bool:
        return self._inner._runs_op_by_op()

    def _rate_in_force(self) -> Rate:
        return self._inner._rate_in_force()

    def _pure_step(self, plan: Any, xp: Any, gradients: list, values: list, state: list, rate: Any) -> tuple:
        scale, counter = state[:2]
        if not self._caller_unscales:
            gradients = [rows.on_values(lambda x: _divided(x, scale), g) for g in gradients]
        new_values, new_inner = self._inner._pure_step(plan.inner, xp, gradients, values, state[2:], rate)
        if not self.dynamic:
            return new_values, [scale, counter, *new_inner]
        finite = xp.all(xp.stack([xp.all(xp.isfinite(rows.values_of(g))) for g in gradients]))
        new_values = step.select(xp, finite, new_values, values)
        iterations, *_ = new_inner
        new_inner = step.select(xp, finite, new_inner, state[2:])
        if self._caller_unscales:  # tf.keras counts the steps that are left out
            new_inner[0] = iterations
        grown = finite & (counter >= self.dynamic_growth_steps - 1)
        doubled = xp.where(xp.isfinite(scale * 2), scale * 2, scale)
        new_scale = xp.where(finite, xp.where(grown, doubled, scale), scale * 0.5)
        new_counter = xp.where(finite & ~grown, counter + 1, xp.zeros_like(counter))
        return new_values, [new_scale, new_counter, *new_inner]

    # ---- what the inner optimizer answers

    @property
    def learning_rate(self) -> Any:
        return self._inner.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._inner.learning_rate = value

    @property
    def iterations(self) -> Any:
        """Number of steps that were not skipped; in tf.keras' idiom, of all."""
        return self._inner.iterations

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        self._inner.iterations = variable

    def __children__(self) -> list[tuple[str, Any]]:
        return [*super().__children__(), ("inner_optimizer", self._inner)]

    @property
    def variables(self) -> Any:
        """Its own variables (iterations, learning rate, counter, scale), then the inner optimizer's."""
        own = super().variables
        own.extend(self._inner.variables)
        return own

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        self._inner.exclude_from_weight_decay(var_list, var_names)
        self._forget_plans()

    def finalize_variable_values(self, var_list: list) -> None:
        self._inner.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        config = {
            "name": self.name,
            "inner_optimizer": serialization.serialize_keras_object(self._inner),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }
        return config if self.dynamic else config | {"dynamic": False}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        config = dict(config)
        inner = config.pop("inner_optimizer")
        if isinstance(inner, dict):
            inner = serialization.deserialize_keras_object(inner, custom_objects=custom_objects)
        return cls(inner, **config)


def _times(gradient: Any, factor: Any) -> Any:
    if isinstance(gradient, IndexedSlices):
        return gradient._with_values(gradient.values * factor)
    return gradient * factor


def _divided(gradient: Any, scale: Any) -> Any:
    """Divides in float32, where a small float16 gradient does not vanish."""
    if gradient.dtype.itemsize < 4:
        gradient = gradient.astype(np.float32)
    return gradient / scale.astype(gradient.dtype)
