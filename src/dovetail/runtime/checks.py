"""How an assertion becomes an error: at once, or when the compiled program that holds it has run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.engine import effects, is_tracer
from dovetail.graph.record import record_call
from dovetail.graph.recording import recording
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike


def in_dry_run() -> bool:
    """True while a model is built: values are stand-ins then, so only shapes and dtypes are checked."""
    scope = state.scope
    while scope is not None:
        if scope.describes:
            return True
        scope = getattr(scope, "parent", None)
    return False


def verify(condition: Any, explain: Callable[..., str], *tensors: Any) -> None:
    """Raises InvalidArgumentError unless the scalar `condition` holds.

    Args:
        condition: bool tensor of rank 0.
        explain: `explain(*arrays) -> message`, called with the values of `tensors` when it does not hold.
        tensors: what the message is made of.
    """
    if in_dry_run():
        return
    if recording() is not None:
        record_call(verify, "tf.debugging.Assert", (condition, explain, *tensors), {})
        return
    if isinstance(condition, SymbolicTensor):
        return
    where = at_user_location()
    values = [tensor._value for tensor in tensors]

    def failure(holds: Any, *arrays: Any) -> Exception | None:
        return None if holds else InvalidArgumentError(explain(*map(np.asarray, arrays)) + where)

    if any(is_tracer(value) for value in (condition._value, *values)):
        effects.check(failure, condition._value, *values)
        return
    error = failure(bool(condition._value), *values)
    if error is not None:
        raise error


def with_prefix(message: Any, text: str) -> str:
    """Returns the text after the user's message."""
    return f"{message}\n{text}" if message else text


def tensor_of(value: Any, like: Any = None) -> Any:
    """Returns `value` as a tensor, numbers in the dtype of the tensor `like`."""
    if isinstance(value, Tensor | SymbolicTensor):
        return value
    hint = like.dtype if isinstance(like, TensorLike) else None
    return convert_to_tensor(value, dtype_hint=hint)
