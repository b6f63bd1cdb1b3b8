"""What programs for Keras 1 and 2 ask of a model, besides what Keras 3 has."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras import serialization
from dovetail.keras.layers.machinery.in_graphs import Updates
from dovetail.keras.training.arrays import as_numpy


class OfKeras2:
    """Names of Keras 1 and 2, and functions and configs of the compiled model.  Only `Trainer` derives from it."""

    _executors: dict
    _compile_config: dict
    compiled: bool
    steps_per_execution: int
    fit: Any
    evaluate: Any
    predict: Any
    compile: Any
    optimizer: Any
    built: bool
    name: str
    weights: Any
    _flatten_layers: Any
    _trained_weights: Any
    _reset_programs: Any

    # ---- generators

    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, **kwargs: Any) -> Any:
        """Keras 1's name of `fit` on a generator."""
        _say("fit_generator", "fit")
        return self.fit(generator, steps_per_epoch=steps_per_epoch, **kwargs)

    def evaluate_generator(self, generator: Any, steps: int | None = None, **kwargs: Any) -> Any:
        """Keras 1's name of `evaluate` on a generator."""
        _say("evaluate_generator", "evaluate")
        return self.evaluate(generator, steps=steps, **{"verbose": 0} | kwargs)

    def predict_generator(self, generator: Any, steps: int | None = None, **kwargs: Any) -> Any:
        """Keras 1's name of `predict` on a generator."""
        _say("predict_generator", "predict")
        return self.predict(generator, steps=steps, **{"verbose": 0} | kwargs)

    # ---- the compiled steps as functions

    def make_train_function(self, force: bool = False) -> Callable:
        """Returns `f(iterator) -> logs`, which runs one step of training (or `steps_per_execution`) on what it gives.

        Args:
            force: forget the compiled steps, for when `train_step` has changed.
        """
        return self._step_function("train", force)

    def make_test_function(self, force: bool = False) -> Callable:
        """Returns `f(iterator) -> logs`, which runs one step of evaluation; see `make_train_function`."""
        return self._step_function("test", force)

    def make_predict_function(self, force: bool = False) -> Callable:
        """Returns `f(iterator) -> outputs`, which runs one step of prediction; see `make_train_function`."""
        return self._step_function("predict", force)

    def _step_function(self, kind: str, force: bool) -> Callable:
        if force:
            self._reset_programs()

        def run(iterator: Any) -> Any:
            result = None
            for _ in range(self.steps_per_execution):
                leaves, spec = nest.flatten_spec(next(iterator))
                arrays = [None if leaf is None else as_numpy(leaf) for leaf in leaves]
                result = self._executors[kind].once(arrays, spec)
            return result

        return run

    # ---- the arguments of `compile`

    def get_compile_config(self) -> dict:
        """Returns the arguments of `compile` as configs, for `compile_from_config`; {} before it was called."""
        if not self.compiled:
            return {}
        return {
            name: serialization.serialize_keras_object(value) for name, value in self._compile_config.items()
        }

    def compile_from_config(self, config: dict) -> None:
        """Compiles the model as the one whose `get_compile_config` this is; a built one gets a built optimizer."""
        given = {
            name: value for name, value in config.items() if value is not None
        }  # Keras 2 writes defaults so
        self.compile(**{name: serialization.deserialize_keras_object(value) for name, value in given.items()})
        if self.built and self.optimizer is not None:
            self.optimizer.build(self._trained_weights())

    # ---- what is always so here

    state_updates = Updates()

    @property
    def dynamic(self) -> bool:
        """False: every model can be compiled."""
        return False

    @property
    def stateful(self) -> bool:
        """Whether a layer keeps its state from batch to batch."""
        return any(vars(layer).get("stateful", False) for layer in self._flatten_layers(include_self=False))

    @property
    def autotune_steps_per_execution(self) -> bool:
        """False: steps that nobody watches run many per dispatch anyway."""
        return False

    def get_weight_paths(self) -> dict[str, Any]:
        """Returns `{"layer.kernel": variable}` of all weights, by the attributes that lead to them."""
        found: dict[str, Any] = {}
        for layer in self._flatten_layers(include_self=False):
            for weight in getattr(layer, "_own_weights", None) or layer.weights:
                path = str(getattr(weight, "path", None) or weight.name).removesuffix(":0")
                found.setdefault(path.removeprefix(f"{self.name}/").replace("/", "."), weight)
        return found

    def to_yaml(self, **kwargs: Any) -> NoReturn:
        """Raises RuntimeError, as in Keras 2: reading YAML can run code."""
        raise RuntimeError(f"{self.name}.to_yaml was removed: use to_json{at_user_location()}")


def _say(name: str, instead: str) -> None:
    warnings.warn(f"{name} is deprecated; use {instead}", DeprecationWarning, stacklevel=3)
