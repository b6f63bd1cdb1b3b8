"""`keras.initializers`: the first values of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.keras.initializers.constant import *
from dovetail.keras.initializers.constant import Constant
from dovetail.keras.initializers.initializer import *
from dovetail.keras.initializers.initializer import Initializer
from dovetail.keras.initializers.random import *
from dovetail.keras.initializers.transform import *
from dovetail.keras.kinds import exchange
from dovetail.keras.registration import own
from dovetail.tensor.tensor import TensorLike

_NAMES = own(
    "keras.initializers",
    {
        name: value
        for name, value in globals().items()
        if isinstance(value, type) and issubclass(value, Initializer)
    },
)

__all__ = sorted([*_NAMES, "deserialize", "get", "serialize"])  # noqa: PLE0605 - a list

serialize, deserialize, _get = exchange(__name__, "initializer", _NAMES)


def get(identifier: Any) -> Any:
    """Returns the initializer for a name, a config, a class, an instance, a function or an array of values.

    Example:
        >>> get("glorot_uniform")
        GlorotUniform(seed=None, input_axes=None, output_axes=None)
    """
    if isinstance(identifier, TensorLike | np.ndarray | np.generic):
        return Constant(identifier)
    return _get(identifier)
