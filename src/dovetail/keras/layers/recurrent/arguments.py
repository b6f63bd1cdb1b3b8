"""Arguments that recurrent layers and their cells share, as rows."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument, Weight, weights

UNITS = Argument("units", read=count, hint="int")
ACTIVATION = Argument("activation", "tanh")
RECURRENT_ACTIVATION = Argument("recurrent_activation", "sigmoid")
USE_BIAS = Argument("use_bias", True, hint="bool")
FORGET_BIAS = Argument("unit_forget_bias", True, hint="bool")
RESET_AFTER = Argument("reset_after", True, hint="bool")
_KERNELS = (Weight("kernel", "glorot_uniform"), Weight("recurrent", "orthogonal"), Weight("bias", "zeros"))


def _rate(layer: Any, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(
            f"{type(layer).__name__}: {name} must be a number from 0 to 1, received {value!r}{at_user_location()}"
        )
    return value


def _way(layer: Any, name: str, value: Any) -> int:
    if value not in (0, 1, 2):
        raise ValueError(
            f"{type(layer).__name__}: implementation must be 0, 1 or 2, received {value!r}{at_user_location()}"
        )
    return value


def _cudnn(layer: Any, name: str, value: Any) -> Any:
    if value not in ("auto", True, False):
        raise ValueError(
            f"{type(layer).__name__}: use_cudnn must be 'auto', True or False, received {value!r}{at_user_location()}"
        )
    return value


DROPOUT = (Argument("dropout", 0.0, _rate, "float"), Argument("recurrent_dropout", 0.0, _rate, "float"))
SEED = Argument("seed", None)
IMPLEMENTATION = Argument("implementation", 2, _way, "int")
SEQUENCES = tuple(
    Argument(name, False, hint="bool")
    for name in ("return_sequences", "return_state", "go_backwards", "stateful")
)
UNROLL = Argument("unroll", False, hint="bool")
USE_CUDNN = Argument("use_cudnn", "auto", _cudnn)
BY_KEYWORD = tuple(Argument(name, False, hint="bool") for name in ("zero_output_for_mask", "time_major"))


def kernels(activity: bool, forget: bool = False) -> tuple[Argument, ...]:
    """Returns the rows of initializers, regularizers and constraints in Keras' order."""
    rows = weights(*_KERNELS, activity=activity)
    return (*rows[:3], *((FORGET_BIAS,) if forget else ()), *rows[3:])
