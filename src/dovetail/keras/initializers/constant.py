"""Initializers without randomness."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.initializers.initializer import Initializer, known_sizes, wanted_dtype
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.tensor.tensor import Tensor

__all__ = [
    "Constant",
    "Identity",
    "IdentityInitializer",
    "Ones",
    "Zeros",
    "constant",
    "identity",
    "one",
    "ones",
    "zero",
    "zeros",
]


class Zeros(Initializer):
    """Zeros, of any dtype."""

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        return Tensor(np.zeros(known_sizes(self, shape), wanted_dtype(self, dtype, kwargs, numeric=True)))


class Ones(Initializer):
    """Ones, of any dtype."""

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        return Tensor(np.ones(known_sizes(self, shape), wanted_dtype(self, dtype, kwargs, numeric=True)))


class Constant(Initializer):
    """One value everywhere, or an array of values.

    Args:
        value: a number, or an array (tensor, nested list) that broadcasts to the shape of the weight.
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        kind, sizes = wanted_dtype(self, dtype, kwargs, numeric=True), known_sizes(self, shape)
        values = np.asarray(self.value).astype(kind)
        try:
            return Tensor(np.broadcast_to(values, sizes).copy())
        except ValueError:
            raise ValueError(
                f"Constant: values of shape {values.shape} do not fit a weight of shape {sizes}{at_user_location()}"
            ) from None

    def get_config(self) -> dict:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict) -> Constant:
        return cls(deserialize_keras_object(config["value"]))


class Identity(Initializer):
    """`gain` on the diagonal of a matrix, zeros elsewhere."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        kind, sizes = wanted_dtype(self, dtype, kwargs), known_sizes(self, shape)
        if len(sizes) != 2:
            raise ValueError(
                f"Identity: expected the shape of a matrix, received {sizes}{at_user_location()}"
            )
        return Tensor((self.gain * np.eye(*sizes)).astype(kind))

    def get_config(self) -> dict:
        return {"gain": self.gain}


zero = zeros = Zeros
one = ones = Ones
constant = Constant
identity = IdentityInitializer = Identity
