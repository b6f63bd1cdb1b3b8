"""Adam and its relatives: AdamW, Adamax, Nadam, Lamb."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["Adam", "AdamW", "Adamax", "Lamb", "Nadam"]


class Adam(Optimizer):
    """Steps of the size of the learning rate, from running means of the gradient and of its square.

        m += (g - m) * (1 - beta_1);   v += (g**2 - v) * (1 - beta_2)
        w -= rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)

    Args:
        learning_rate: see `Optimizer`.
        beta_1, beta_2: decay of the two means, in [0, 1).
        epsilon: the "epsilon hat" of the paper; None: `keras.backend.epsilon()`.
        amsgrad: divide by the largest `v` so far.
        adaptive_epsilon: epsilon is multiplied by `sqrt(1 - beta_2**t)`, which makes it the paper's (tf_keras has it).
        name, common: see `Optimizer`.

    Source: Kingma and Ba, 2014, Adam: A Method for Stochastic Optimization; Reddi et al., 2018, On the Convergence of
    Adam and Beyond (amsgrad).
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon", "amsgrad")
    adaptive_epsilon = False
    slot_attributes = {"momentum": "_momentums", "velocity": "_velocities", "velocity_hat": "_velocity_hats"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        *,
        adaptive_epsilon: bool = False,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.beta_1, self.beta_2, self.amsgrad = beta_1, beta_2, bool(amsgrad)
        self.adaptive_epsilon = bool(adaptive_epsilon)
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"), *((("velocity_hat",),) if self.amsgrad else ()))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | ({"adaptive_epsilon": True} if self.adaptive_epsilon else {})

    def _common_factor(self, xp: Any, step: Any) -> Any:
        return _correction(xp, step, self.beta_1, self.beta_2)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        epsilon = self.epsilon
        if self.adaptive_epsilon:
            epsilon = epsilon * xp.sqrt(1 - xp.power(self.beta_2, hyper.step))
        return self.rule(xp, gradient, value, slots, hyper, (self.beta_1, self.beta_2, epsilon))

    @staticmethod
    def rule(
        xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any, factors: tuple
    ) -> tuple[Any, tuple]:
        """Returns `(new value, new slots)`; `factors` are the two betas and epsilon, a third slot is amsgrad's."""
        beta_1, beta_2, epsilon = factors
        momentum, velocity, largest = (*slots, None)[:3]
        correction = hyper.common
        if correction is None:
            correction = _correction(xp, hyper.step, beta_1, beta_2)
        numbers = (1 - beta_1, 1 - beta_2, hyper.rate * correction, epsilon)
        arrays = (gradient, value, momentum, velocity, largest, *numbers)
        new, *kept = xp.by_kernel("adam", functools.partial(moved, xp), arrays, {})
        return new, tuple(kept)


def _correction(xp: Any, step: Any, beta_1: Any, beta_2: Any) -> Any:
    """Returns the factor of the learning rate for means that began with zero."""
    return xp.sqrt(1 - xp.power(beta_2, step)) / (1 - xp.power(beta_1, step))


def moved(xp: Any, gradient: Any, value: Any, momentum: Any, velocity: Any, largest: Any, slow: Any, slower: Any,
           rate: Any, epsilon: Any) -> list:  # fmt: skip
    """Returns Adam's new value and slots; `largest` is amsgrad's slot or None, `slow` and `slower` are 1 - beta."""
    momentum = momentum + (gradient - momentum) * slow
    velocity = velocity + (xp.square(gradient) - velocity) * slower
    kept = [momentum, velocity]
    if largest is not None:
        velocity = xp.maximum(largest, velocity)
        kept.append(velocity)
    return [value - momentum * rate / (xp.sqrt(velocity) + epsilon), *kept]


class AdamW(Adam):
    """Adam with decoupled weight decay: `w -= w * weight_decay * rate` before each update.

    Args:
        learning_rate: see `Optimizer`.
        weight_decay: the factor.
        beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        name, common: see `Optimizer`.

    Source: Loshchilov and Hutter, 2019, Decoupled Weight Decay Regularization.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, name=name, **common
        )


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the root mean square.

        m += (g - m) * (1 - beta_1);   u = max(beta_2 * u, |g|)
        w -= rate * m / ((1 - beta_1**t) * (u + epsilon))

    Args:
        learning_rate: see `Optimizer`.
        beta_1, beta_2: decay of the mean and of the maximum.
        epsilon: keeps the denominator from 0; None: `keras.backend.epsilon()`.
        name, common: see `Optimizer`.

    Source: Kingma and Ba, 2014, Adam: A Method for Stochastic Optimization, section 7.
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon")
    slot_attributes = {"momentum": "_m", "norm": "_u"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "norm"),)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        momentum = slots[0] + (gradient - slots[0]) * (1 - self.beta_1)
        norm = xp.maximum(self.beta_2 * slots[1], xp.abs(gradient))
        unbiased = 1 - xp.power(self.beta_1, hyper.step)
        return value - hyper.rate * momentum / (unbiased * (norm + self.epsilon)), (momentum, norm)


class Nadam(Optimizer):
    """Adam with Nesterov momentum.

        u_t = beta_1 * (1 - 0.96**t / 2);   p_t = u_1 * ... * u_t
        m += (g - m) * (1 - beta_1);   v += (g**2 - v) * (1 - beta_2)
        m' = u_{t+1} * m / (1 - p_{t+1}) + (1 - u_t) * g / (1 - p_t);   v' = v / (1 - beta_2**t)
        w -= rate * m' / (sqrt(v') + epsilon)

    Args:
        learning_rate: see `Optimizer`.
        beta_1, beta_2: decay of the two means.
        epsilon: keeps the denominator from 0; None: `keras.backend.epsilon()`.
        name, common: see `Optimizer`.

    Source: Dozat, 2015, Incorporating Nesterov Momentum into Adam.
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon")
    slot_attributes = {"momentum": "_momentums", "velocity": "_velocities"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def new_shared(self, dtype: np.dtype) -> tuple[np.ndarray, ...]:
        return (np.ones((), dtype),)

    schedule_decay: float = 1

    def _weight(self, xp: Any, step: Any) -> Any:
        """Returns u at a step."""
        return self.beta_1 * (1 - 0.5 * xp.power(0.96, step * self.schedule_decay))

    def update_shared(self, xp: Any, shared: tuple, step: Any) -> tuple:
        return (shared[0] * self._weight(xp, step),)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        momentum = slots[0] + (gradient - slots[0]) * (1 - self.beta_1)
        velocity = slots[1] + (xp.square(gradient) - slots[1]) * (1 - self.beta_2)
        product = hyper.shared[0].astype(value.dtype)
        now, after = self._weight(xp, hyper.step), self._weight(xp, hyper.step + 1)
        mean = after * momentum / (1 - product * after) + (1 - now) * gradient / (1 - product)
        square = velocity / (1 - xp.power(self.beta_2, hyper.step))
        return value - mean * hyper.rate / (xp.sqrt(square) + self.epsilon), (momentum, velocity)


class Lamb(Optimizer):
    """Adam whose step has, layer by layer, the length of the weights times the learning rate.

        u = m / (1 - beta_1**t) / (sqrt(v / (1 - beta_2**t)) + epsilon)
        w -= rate * |w| / |u| * u                            (the ratio is 1 where a norm is 0)

    Args:
        learning_rate: see `Optimizer`.
        beta_1, beta_2: decay of the two means.
        epsilon: keeps the denominator from 0; None: `keras.backend.epsilon()`.
        name, common: see `Optimizer`.

    Source: You et al., 2020, Large Batch Optimization for Deep Learning: Training BERT in 76 minutes.
    """

    hyperparameters = ("beta_1", "beta_2", "epsilon")
    slot_attributes = {"momentum": "_momentums", "velocity": "_velocities"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        *,
        name: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **common)
        self.beta_1, self.beta_2 = beta_1, beta_2
        self.epsilon = settings.epsilon if epsilon is None else epsilon

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        momentum = slots[0] + (gradient - slots[0]) * (1 - self.beta_1)
        velocity = slots[1] + (xp.square(gradient) - slots[1]) * (1 - self.beta_2)
        mean = momentum / (1 - xp.power(self.beta_1, hyper.step))
        change = mean / (xp.sqrt(velocity / (1 - xp.power(self.beta_2, hyper.step))) + self.epsilon)
        length, step_length = xp.sqrt(xp.sum(xp.square(value))), xp.sqrt(xp.sum(xp.square(change)))
        both = (length > 0) & (step_length > 0)
        ratio = xp.where(both, length / xp.where(both, step_length, 1), 1)
        return value - ratio.astype(value.dtype) * hyper.rate * change, (momentum, velocity)
