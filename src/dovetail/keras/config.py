"""`keras.config`: settings of Keras that hold for the process."""

from __future__ import annotations

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.base.told import told_function
from dovetail.engine import dtypes
from dovetail.keras.mixed_precision.policy import dtype_policy, set_dtype_policy
from dovetail.tensor import dtype as dt

_LAYOUTS = ("channels_last", "channels_first")


def backend() -> str:
    """Returns "tensorflow": the API that programs which ask are written for."""
    return "tensorflow"


def floatx() -> str:
    """Returns the name of the floating dtype that is used where none is given."""
    return settings.floatx


@told_function("keras.config.set_floatx")
def set_floatx(value: str) -> None:
    """Sets the floating dtype that is used where none is given.

    Args:
        value: "float16", "bfloat16", "float32" or "float64".
    """
    name = dt.as_dtype(value).name
    if not dtypes.is_floating(dt.numpy_dtype(name)):
        raise ValueError(f"set_floatx: expected a floating dtype, received {value!r}{at_user_location()}")
    settings.floatx = name


def epsilon() -> float:
    """Returns the small number that keeps denominators and logarithms away from 0."""
    return settings.epsilon


@told_function("keras.config.set_epsilon")
def set_epsilon(value: float) -> None:
    """Sets what `epsilon` returns."""
    settings.epsilon = float(value)


def image_data_format() -> str:
    """Returns "channels_last" or "channels_first": the layout of images where none is given."""
    return settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the layout of images where none is given."""
    name = str(data_format).lower()
    if name not in _LAYOUTS:
        raise ValueError(
            f"set_image_data_format: expected one of {_LAYOUTS}, received {data_format!r}{at_user_location()}"
        )
    settings.image_data_format = name


def enable_traceback_filtering() -> None:
    """Hides the framework's frames from errors (the default)."""
    settings.traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Shows the framework's frames in errors."""
    settings.traceback_filtering = False


def is_traceback_filtering_enabled() -> bool:
    return settings.traceback_filtering


__all__ = [
    "backend",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_traceback_filtering",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_traceback_filtering_enabled",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]
