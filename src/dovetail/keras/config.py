"""`keras.config`: settings of Keras that hold for the process."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.base.told import told_function
from dovetail.engine import dtypes
from dovetail.keras import permission
from dovetail.keras.mixed_precision.policy import dtype_policy, set_dtype_policy
from dovetail.keras.utils.messages import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
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


@told_function("keras.config.set_backend")
def set_backend(backend: str) -> None:
    """Does nothing for "tensorflow".

    Raises:
        ValueError: another backend; there is one, whose tensors JAX' and PyTorch's arrays convert to.
    """
    if backend != "tensorflow":
        raise ValueError(
            f"set_backend: expected 'tensorflow', received {backend!r}. Dovetail runs on JAX/XLA under every name"
            f"{at_user_location()}"
        )


def is_nnx_enabled() -> bool:
    """Returns False: layers are not Flax modules."""
    return False


def enable_flash_attention() -> None:
    """Allows attention to use the platform's fused kernels; which ones it uses, XLA chooses."""
    settings.flash_attention = True


def disable_flash_attention() -> None:
    """Takes back what `enable_flash_attention` allows."""
    settings.flash_attention = False


def is_flash_attention_enabled() -> bool | None:
    """Returns what was said last, None when nothing was."""
    return settings.flash_attention


def enable_unsafe_deserialization() -> None:
    """Lets files bring along what is not safe, such as lambdas, for the rest of the process: they can run any code."""
    permission.allow_in_process()


def max_epochs() -> int | None:
    """Returns the most epochs that `fit` runs, None without a limit."""
    return settings.max_epochs


@told_function("keras.config.set_max_epochs")
def set_max_epochs(max_epochs: int | None) -> None:
    """Limits the epochs of every `fit`, for trying a program out; the variable KERAS_MAX_EPOCHS does the same."""
    settings.max_epochs = _limit("max_epochs", max_epochs)


def max_steps_per_epoch() -> int | None:
    """Returns the most steps of an epoch of `fit`, `evaluate` and `predict`, None without a limit."""
    return settings.max_steps_per_epoch


@told_function("keras.config.set_max_steps_per_epoch")
def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limits the steps of every epoch; the variable KERAS_MAX_STEPS_PER_EPOCH does the same."""
    settings.max_steps_per_epoch = _limit("max_steps_per_epoch", max_steps_per_epoch)


def _limit(name: str, value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"{name} must be a positive integer or None, received {value!r:.60}{at_user_location()}")


__all__ = [
    "backend",
    "disable_flash_attention",
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "dtype_policy",
    "enable_flash_attention",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "enable_unsafe_deserialization",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_flash_attention_enabled",
    "is_interactive_logging_enabled",
    "is_nnx_enabled",
    "is_traceback_filtering_enabled",
    "max_epochs",
    "max_steps_per_epoch",
    "set_backend",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_max_epochs",
    "set_max_steps_per_epoch",
]
