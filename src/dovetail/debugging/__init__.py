"""`tf.debugging`: assertions that work eagerly, inside compiled functions, and (shapes and dtypes) on symbolic tensors.

An assertion about values that fails inside a compiled function raises InvalidArgumentError when the call returns;
variables that the call would have written keep their values.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import settings
from dovetail.engine.text.shown import format_array
from dovetail.ops.dispatch import dispatchable
from dovetail.runtime.checks import tensor_of, verify
from dovetail.runtime.comparisons import (
    assert_equal,
    assert_greater,
    assert_greater_equal,
    assert_less,
    assert_less_equal,
    assert_near,
    assert_negative,
    assert_non_negative,
    assert_non_positive,
    assert_none_equal,
    assert_positive,
)
from dovetail.runtime.numerics import (
    assert_all_finite,
    check_numerics,
    disable_check_numerics,
    enable_check_numerics,
    get_log_device_placement,
    set_log_device_placement,
)
from dovetail.runtime.structure import (
    assert_integer,
    assert_proper_iterable,
    assert_rank,
    assert_rank_at_least,
    assert_rank_in,
    assert_same_float_dtype,
    assert_scalar,
    assert_shapes,
    assert_type,
    is_numeric_tensor,
)

__all__ = [
    "Assert",
    "assert_all_finite",
    "assert_equal",
    "assert_greater",
    "assert_greater_equal",
    "assert_integer",
    "assert_less",
    "assert_less_equal",
    "assert_near",
    "assert_negative",
    "assert_non_negative",
    "assert_non_positive",
    "assert_none_equal",
    "assert_positive",
    "assert_proper_iterable",
    "assert_rank",
    "assert_rank_at_least",
    "assert_rank_in",
    "assert_same_float_dtype",
    "assert_scalar",
    "assert_shapes",
    "assert_type",
    "check_numerics",
    "disable_check_numerics",
    "disable_traceback_filtering",
    "enable_check_numerics",
    "enable_traceback_filtering",
    "get_log_device_placement",
    "is_numeric_tensor",
    "is_traceback_filtering_enabled",
    "set_log_device_placement",
]


@dispatchable("tf.debugging.Assert")
def Assert(condition: Any, data: Any, summarize: int | None = None, name: str | None = None) -> None:
    """Raises InvalidArgumentError, showing `data`, unless `condition` holds.

    Args:
        condition: scalar bool tensor.
        data: list of tensors and strings that the message shows.
        summarize: how many elements of each tensor it shows (3).
    """
    condition = tensor_of(condition)
    if condition.shape.num_elements() not in (None, 1):
        raise ValueError(
            f"tf.Assert: the condition must be a scalar, received shape {condition.shape}; use tf.reduce_all"
            f"{at_user_location()}"
        )
    if not condition.dtype.is_bool:
        raise InvalidArgumentError(f"tf.Assert: the condition must be bool, received {condition.dtype.name}")
    shown = 3 if summarize is None else summarize

    def explain(*arrays: Any) -> str:
        return "Assertion failed: " + " ".join(format_array(array, shown, quoted=False) for array in arrays)

    verify(condition, explain, *[tensor_of(item) for item in data])


def enable_traceback_filtering() -> None:
    """Hides the frames of the framework in errors (the default)."""
    settings.traceback_filtering = True


def disable_traceback_filtering() -> None:
    """Shows the frames of the framework, and the original errors, to debug the framework itself."""
    settings.traceback_filtering = False


def is_traceback_filtering_enabled() -> bool:
    """True when frames of the framework are hidden."""
    return settings.traceback_filtering
