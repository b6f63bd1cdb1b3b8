"""Muon."""

from __future__ import annotations

import math
import re
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import checks as argument_checks
from dovetail.keras.optimizers.adam import Adam
from dovetail.keras.optimizers.checks import label
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["Muon"]


class Muon(Optimizer):
    """Steps along the momentum of matrices made orthogonal; variables that are no matrices take AdamW's steps.

        m = momentum * m + g;   o = orthogonal(g + momentum * m)
        w -= rate * rms_rate * sqrt(max(rows, columns)) * o

    `orthogonal` scales to a norm of 1 and repeats `x = a * x + (b * y + c * y @ y) @ x`, `y = x @ x.T`, which brings
    all singular values near 1.

    Args:
        learning_rate: see `Optimizer`.
        adam_beta_1, adam_beta_2: decay of the means of AdamW.
        adam_weight_decay: weight decay of the variables that take AdamW's steps; None: none.
        epsilon: keeps AdamW's denominator from 0.
        weight_decay: of the matrices.
        exclude_layers: regular expressions; matrices in whose path one is found take AdamW's steps.
        exclude_embeddings: so do matrices with "embedding" in their path.
        muon_a, muon_b, muon_c: see above.
        adam_lr_ratio: AdamW's learning rate, relative to the other.
        momentum: decay of the momentum.
        ns_steps: how often the iteration is repeated.
        nesterov: look ahead: `g + momentum * m` in place of `m`.
        rms_rate: scale of the step, so that learning rates for Adam fit; None: the step is `rate * o`.
        name, common: see `Optimizer`.

    Source: K. Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks"; J. Liu et al., 2025,
    "Muon is scalable for LLM training" (`rms_rate`).
    """

    hyperparameters = (
        *("adam_beta_1", "adam_beta_2", "epsilon", "exclude_layers", "muon_a", "muon_b", "muon_c"),
        *("adam_lr_ratio", "momentum", "ns_steps", "nesterov", "exclude_embeddings", "adam_weight_decay"),
        "rms_rate",
    )
    slot_attributes = {"momentum": "momentums", "velocity": "adam_velocities"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        name: str | None = None,
        exclude_layers: Any = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, name=name, **common)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        self.exclude_layers, self.exclude_embeddings = _patterns(exclude_layers), bool(exclude_embeddings)
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.nesterov, self.rms_rate = momentum, bool(nesterov), rms_rate
        self.ns_steps = argument_checks.count(ns_steps, "ns_steps", 1)

    def slot_groups(self) -> tuple[tuple[str, ...], ...]:
        return (("momentum", "velocity"),)

    def _takes_adam(self, variable: Any) -> bool:
        path = label(variable)
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in path.lower()):
            return True
        return any(re.search(pattern, path) for pattern in self.exclude_layers)

    def slots_of(self, variable: Any) -> list[str]:
        return ["momentum", "velocity"] if self._takes_adam(variable) else ["momentum"]

    def rule_of(self, variable: Any) -> Any:
        return self._adam_step if self._takes_adam(variable) else self.update

    def _weight_decay_of(self, variable: Any) -> float | None:
        return self.adam_weight_decay if self._takes_adam(variable) else self.weight_decay

    def _adam_step(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        return Adam.rule(
            xp,
            gradient,
            value,
            slots,
            hyper._replace(rate=hyper.rate * self.adam_lr_ratio),
            (self.adam_beta_1, self.adam_beta_2, self.epsilon),
        )

    def update(self, xp: Any, gradient: Any, value: Any, slots: tuple, hyper: Any) -> tuple[Any, tuple]:
        momentum = slots[0] + (gradient + slots[0] * (self.momentum - 1))
        direction = gradient + self.momentum * momentum if self.nesterov else momentum
        change = hyper.rate * self._orthogonal(xp, direction)
        if self.rms_rate is not None:
            change = change * (math.sqrt(max(value.shape)) * self.rms_rate)
        return value - change, (momentum,)

    def _orthogonal(self, xp: Any, x: Any) -> Any:
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (xp.sqrt(xp.sum(xp.square(x))) + 1e-7)
        for _ in range(self.ns_steps):
            squares = xp.matmul(x, x.T)
            x = self.muon_a * x + xp.matmul(
                self.muon_b * squares + xp.matmul(self.muon_c * squares, squares), x
            )
        return x.T if tall else x


def _patterns(given: Any) -> list[str]:
    """Returns a list of regular expressions."""
    found = [] if given is None else list(given) if isinstance(given, list | tuple) else [given]
    for pattern in found:
        try:
            re.compile(pattern)
        except (TypeError, re.error) as error:
            raise ValueError(
                f"Muon: exclude_layers must be a list of regular expressions, received {given!r:.80} ({error})"
                f"{at_user_location()}"
            ) from None
    return found
