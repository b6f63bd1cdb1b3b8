"""The base class of losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.settings import settings
from dovetail.base.told import Told
from dovetail.function.autograph.gate import user_code
from dovetail.keras import checks
from dovetail.keras.losses.reduce import checked_reduction, converted, reduce_weighted, same_rank
from dovetail.keras.masks import mask_of
from dovetail.keras.naming import to_snake_case, unique_name
from dovetail.keras.registration import own_name
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.tensor.tensor import TensorLike

__all__ = ["Loss", "LossFunctionWrapper"]


class Loss(Told):
    """A function of targets and predictions that training makes small.  Subclasses define `call(y_true, y_pred)`.

    Args:
        name: shown in logs; default: the class's name in snake case.
        reduction: "sum_over_batch_size" (or "mean", "auto"): the mean over all values; "sum"; "none" (or None): values
            stay as they are; "mean_with_sample_weight": the sum divided by the sum of the weights.
        dtype: to compute in; default: `keras.config.floatx()`.

    Example:
        >>> class Cubic(keras.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return tf.reduce_mean(tf.abs(y_true - y_pred) ** 3, axis=-1)
    """

    _told_methods = ("__init__", "__call__")
    # Whether integer targets are cast to the loss's dtype before `call` sees them, as in Keras 3.
    casts_labels = True

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if name in _REDUCTION_NAMES and reduction == "sum_over_batch_size":
            name, reduction = None, name  # Keras 2's order of arguments: Loss(reduction, name)
        self.name = checks.text(name, "name") or unique_name(to_snake_case(type(self).__name__))
        self.reduction = checked_reduction(reduction)
        self._dtype = checks.dtype_name(dtype, settings.floatx)

    @property
    def dtype(self) -> str:
        return self._dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the reduced loss.

        Args:
            y_true: targets, or a structure of them.
            y_pred: predictions of shape (batch, ...); a mask on them (`_keras_mask`) counts.
            sample_weight: weight a sample, or a value.
        """
        mask = mask_of(y_pred)
        y_pred = _converted(y_pred, self._dtype)
        y_true = _converted(y_true, self._dtype, self.casts_labels)
        values = user_code(self.call)(y_true, y_pred)
        own_mask = mask_of(values)
        if own_mask is not None:
            mask = own_mask if mask is None else mask & own_mask
        return reduce_weighted(values, sample_weight, mask, self.reduction, self._dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the losses an element, of shape (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} must define call(y_true, y_pred)")

    def get_config(self) -> dict:
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict) -> Loss:
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.get_config()}>"


_REDUCTION_NAMES = ("auto", "none", "sum", "sum_over_batch_size")


def _converted(value: Any, dtype: str, integers: bool = True) -> Any:
    """Converts a tensor, or the tensors of a structure, to `dtype`."""
    if isinstance(value, dict) or (isinstance(value, list | tuple) and any(map(_is_array, value))):
        return nest.map_structure(lambda item: _converted(item, dtype, integers), value)
    if (
        not integers
        and _is_array(value)
        and np.dtype(getattr(value.dtype, "numpy_dtype", value.dtype)).kind in "iu"
    ):
        return value
    return converted(value, dtype)


def _is_array(value: Any) -> bool:
    return isinstance(value, TensorLike | np.ndarray)


class LossFunctionWrapper(Loss):
    """A loss made of a function `fn(y_true, y_pred, **kwargs)`.

    Args:
        fn: returns losses of shape (batch, ...).
        reduction, name, dtype: see `Loss`.
        kwargs: passed on to `fn`.
    """

    def __init__(
        self,
        fn: Callable,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        if hasattr(y_true, "shape") and hasattr(y_pred, "shape"):
            y_true, y_pred = same_rank(y_true, y_pred)
        return user_code(self.fn)(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict:
        config = {**super().get_config(), **serialize_keras_object(self._fn_kwargs)}
        if type(self) is LossFunctionWrapper or own_name(type(self)) is None:
            config["fn"] = serialize_keras_object(self.fn)
        return config

    @classmethod
    def from_config(cls, config: dict) -> Loss:
        if own_name(cls) is not None and isinstance(
            config.get("fn"), str
        ):  # as Keras 2 writes its own losses
            config = {key: value for key, value in config.items() if key != "fn"}
        return cls(**{key: _rebuilt(value) for key, value in config.items()})


def _rebuilt(value: Any) -> Any:
    """Rebuilds a function or an array from its config; plain values, tuples too, stay as they are."""
    return deserialize_keras_object(value) if isinstance(value, dict) else value
