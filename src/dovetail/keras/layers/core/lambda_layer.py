"""`keras.layers.Lambda`: any function as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.tensor.symbolic import SymbolicTensor

__all__ = ["Lambda"]


class Lambda(Layer):
    """Applies a function of tensors.

    Args:
        function: takes the inputs, then `arguments`; and `mask` and `training` when it has parameters of these names.
        output_shape: sizes of the output without the batch axis, or a function from the input shape to the full output
            shape; needed only when the function cannot run on symbolic tensors.
        mask: the mask of the outputs, or a function `(inputs, mask) -> mask`.
        arguments: keyword arguments for the function.

    Variables that the function uses are not weights of the layer: for those, subclass `Layer`.

    A lambda expression stays in `get_config` as it is.  Files hold it as bytecode, which is read only with
    `safe_mode=False`; a named function that is registered with `keras.saving.register_keras_serializable` is better.
    """

    def __init__(
        self,
        function: Callable,
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda: expected a function, received {function!r:.60}{at_user_location()}")
        self.function = function
        self.arguments = dict(arguments or {})
        self.mask = mask
        self.supports_masking = mask is not None
        self._output_shape = output_shape
        self._takes = _parameter_names(function)

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        further = dict(self.arguments)
        if "mask" in self._takes and "mask" not in further:
            further["mask"] = mask
        if "training" in self._takes and "training" not in further:
            further["training"] = training
        return self.function(inputs, **further)

    def compute_output_spec(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if self._output_shape is None:
            return super().compute_output_spec(inputs, *args, **kwargs)
        shapes = nest.map_structure(lambda tensor: tuple(tensor.shape), inputs)
        if callable(self._output_shape):
            given = tuple(self._output_shape(shapes))
        else:
            given = (nest.flatten(inputs)[0].shape[0], *self._sizes())
        return SymbolicTensor(given, self.compute_dtype)

    def _sizes(self) -> tuple:
        shape = self._output_shape
        return (shape,) if isinstance(shape, int) else tuple(shape)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask

    def get_config(self) -> dict:
        return super().get_config() | {
            "function": self.function,
            "output_shape": self._output_shape,
            "mask": self.mask,
            "arguments": self.arguments,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None, safe_mode: Any = None) -> Lambda:
        rebuilt = {
            key: deserialize_keras_object(value, custom_objects, safe_mode) if _is_config(value) else value
            for key, value in _as_keras_3(config).items()
        }
        return cls(**rebuilt)


def _is_config(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") in ("function", "__lambda__", "__tuple__")


def _as_keras_3(config: dict) -> dict:
    """Returns a config of Keras 2, which says beside each function what kind it is, as one of Keras 3."""
    result = {
        name: value for name, value in config.items() if not name.endswith("_type") and "module" not in name
    }
    for name in ("function", "output_shape"):
        kind = config.get(f"{name}_type")
        if kind == "lambda":
            result[name] = {"class_name": "__lambda__", "config": {"value": config[name]}}
        elif kind == "function":
            result[name] = {"class_name": "function", "config": config[name]}
    return result


def _parameter_names(function: Callable) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # functions written in C have no signature
        return frozenset()
