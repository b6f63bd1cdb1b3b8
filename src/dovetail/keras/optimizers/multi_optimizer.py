"""Several optimizers in one model, each for the variables that are given to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import serialization
from dovetail.keras.optimizers import checks, state
from dovetail.keras.optimizers.loss_scale_optimizer import LossScaleOptimizer
from dovetail.keras.optimizers.optimizer import Optimizer

__all__ = ["MultiOptimizer", "OptimizerMap"]


class OptimizerMap(MutableMapping):
    """Which optimizer a variable has, by its path: a dict whose keys may be regular expressions.

    Args:
        default_optimizer: for the variables whose path no key matches as a whole.
        optimizer_map: `{path or regular expression: optimizer}`.

    Example:
        >>> chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(), {"encoder/.*": keras.optimizers.Adam()})
        >>> chosen["encoder/dense/kernel"].name[:4]
        'adam'
    """

    def __init__(self, default_optimizer: Any, optimizer_map: dict | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                f"OptimizerMap: default_optimizer must be an optimizer, received {default_optimizer!r:.80}"
                f"{at_user_location()}"
            )
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(
                f"OptimizerMap: optimizer_map must be a dict, received {optimizer_map!r:.80}{at_user_location()}"
            )
        self._default = default_optimizer
        self._by_key: dict[str, Any] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    @property
    def default_optimizer(self) -> Any:
        return self._default

    def __getitem__(self, key: str) -> Any:
        """Returns the optimizer of a path: that of the key equal to it, or of the one key that matches it."""
        if key in self._by_key:
            return self._by_key[key]
        matching = [pattern for pattern in self._by_key if re.fullmatch(pattern, key)]
        if len(matching) > 1:
            raise ValueError(
                f"OptimizerMap: several keys match the variable {key!r}: {matching}{at_user_location()}"
            )
        return self._by_key[matching[0]] if matching else self._default

    def __setitem__(self, key: str, optimizer: Any) -> None:
        if not isinstance(key, str) or key in self._by_key:
            raise ValueError(
                f"OptimizerMap: a key must be a string that is not there yet, received {key!r}{at_user_location()}"
            )
        self._by_key[key] = _plain(optimizer, f"for the key {key!r}")

    def __delitem__(self, key: str) -> None:
        del self._by_key[key]

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key)

    def __call__(self, variable: Any) -> Any:
        """Returns the optimizer of a variable."""
        return self[checks.label(variable).removesuffix(":0")]

    def get_config(self) -> dict[str, Any]:
        return {
            "default_optimizer": serialization.serialize_keras_object(self._default),
            "optimizer_map": serialization.serialize_keras_object(self._by_key),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        made = {
            name: serialization.deserialize_keras_object(value, custom_objects=custom_objects)
            for name, value in config.items()
        }
        return cls(**made)


def _plain(optimizer: Any, where: str) -> Any:
    """Returns an optimizer that may stand inside of a `MultiOptimizer`."""
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer, LossScaleOptimizer | MultiOptimizer):
        raise ValueError(
            f"MultiOptimizer: expected an optimizer {where}, none that wraps others, received {optimizer!r:.80}"
            f"{at_user_location()}"
        )
    return optimizer


class MultiOptimizer(Optimizer):
    """Gives each variable to an optimizer of its own.

    Args:
        optimizer_map: an `OptimizerMap`, or a function of a variable that returns its optimizer.
        loss_scale_factor: takes the place of that of the optimizers.
        name: name.

    It has no learning rate: each of `optimizers` has one.

    Attributes:
        optimizers: those that are known: of a map, all; of a function, those it has returned.
    """

    _scale: float | None = None

    def __init__(
        self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None
    ) -> None:
        self._optimizers: list[Any] = []
        self._by_variable: dict[int, int] = {}
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self._chosen: Callable | OptimizerMap = optimizer_map
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._place_of(optimizer)
        elif not callable(optimizer_map):
            raise TypeError(
                "MultiOptimizer: optimizer_map must be an OptimizerMap or a function of a variable, received "
                f"{optimizer_map!r:.80}{at_user_location()}"
            )

    def _place_of(self, optimizer: Any) -> int:
        for place, known in enumerate(self._optimizers):
            if known is optimizer:
                return place
        _plain(optimizer, "for each variable").loss_scale_factor = self.loss_scale_factor
        self._optimizers.append(optimizer)
        return len(self._optimizers) - 1

    @property
    def optimizers(self) -> list[Any]:
        return self._optimizers

    def __children__(self) -> list[tuple[str, Any]]:
        inner = [(f"optimizer_{i}", optimizer) for i, optimizer in enumerate(self._optimizers)]
        return [*super().__children__(), *inner]

    # ---- what the optimizers have in common

    @property
    def learning_rate(self) -> Any:
        raise AttributeError(
            f"{self.name}: a MultiOptimizer has no learning rate; each of its `optimizers` has one"
            f"{at_user_location()}"
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            f"{self.name}: a MultiOptimizer has no learning rate; set those of its `optimizers`{at_user_location()}"
        )

    @property
    def loss_scale_factor(self) -> float | None:
        return self._scale

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._scale = value
        for optimizer in self._optimizers:
            optimizer.loss_scale_factor = value

    @property
    def iterations(self) -> Any:
        return self._state.iterations

    @iterations.setter
    def iterations(self, variable: Any) -> None:
        self._state.replace_iterations(variable)

    @property
    def variables(self) -> state.VariableList:
        """Its own variables (iterations, learning rate), then those of the optimizers."""
        own = super().variables
        for optimizer in self._optimizers:
            own.extend(optimizer.variables)
        return own

    def build(self, variables: Iterable) -> None:
        groups: dict[int, list] = {}
        known = list(variables)
        for variable in known:
            place = self._place_of(self._chosen(variable))
            self._by_variable[variable._unique_id] = place
            groups.setdefault(place, []).append(variable)
        for place, group in groups.items():
            self._optimizers[place].build(group)
        self.use_ema = False
        super().build(known)
        self.use_ema = any(optimizer.use_ema for optimizer in self._optimizers)

    def _split(self, variables: Iterable, *columns: Iterable) -> Iterator[tuple]:
        """Yields `(optimizer, its variables, its part of each column)`."""
        rows = list(zip(variables, *columns, strict=True))
        for place, optimizer in enumerate(self._optimizers):
            own = [row for row in rows if self._by_variable[row[0]._unique_id] == place]
            if own:
                yield optimizer, *map(list, zip(*own, strict=True))

    def apply(self, grads: Iterable, trainable_variables: Iterable | None = None) -> None:
        """Updates the variables, each by its optimizer; see `Optimizer.apply`."""
        given = list(grads)
        if not given:
            return
        variables = self._given_variables(trainable_variables)
        checks.lengths(given, variables)
        self._build_for(variables)
        for optimizer, own, gradients in self._split(variables, given):
            optimizer.apply(gradients, own)
        self._state.iterations.assign_add(1)

    def finalize_variable_values(self, var_list: list) -> None:
        for optimizer, own in self._split(var_list):
            optimizer.finalize_variable_values(own)

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        for optimizer in self._optimizers:
            optimizer.exclude_from_weight_decay(var_list, var_names)

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialization.serialize_keras_object(self._chosen),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        chosen = serialization.deserialize_keras_object(
            config["optimizer_map"], custom_objects=custom_objects
        )
        return cls(**config | {"optimizer_map": chosen})
