"""Training or inference, and the choice between two expressions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.function import cond
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.layers.machinery.in_graphs import phase
from dovetail.ops import indexing, shapes
from dovetail.ops.arithmetic import cast
from dovetail.ops.shapes import as_tensor
from dovetail.tensor.tensor import TensorLike


def learning_phase() -> Any:
    """Returns 1 in training, 0 otherwise.

    Inside a layer's call it is the `training` flag of that call, outside what `set_learning_phase` said, 0 by default;
    in a graph of TensorFlow 1 a tensor that may be fed.
    """
    flag = calls.training if calls.training is not None else calls.learning_phase
    flag = phase() if flag is None else flag
    if isinstance(flag, TensorLike):
        return flag
    return int(bool(flag))


def set_learning_phase(value: Any) -> None:
    """Sets the `training` flag of layer calls that are not given one.

    Args:
        value: 0 or 1.
    """
    calls.learning_phase = _phase("K.set_learning_phase", value)


@contextlib.contextmanager
def learning_phase_scope(value: Any) -> Iterator[None]:
    """Sets the learning phase for a `with` block."""
    before, calls.learning_phase = calls.learning_phase, _phase("K.learning_phase_scope", value)
    try:
        yield
    finally:
        calls.learning_phase = before


def _phase(function: str, value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(f"{function}: expected 0 or 1, received {value!r}{at_user_location()}")
    return bool(value)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Returns `x` in training and `alt` otherwise.

    Args:
        x, alt: tensors, or functions without arguments that return one.
        training: the flag; inside a layer's call that call's, outside the learning phase by default.
    """
    flag = learning_phase() if training is None else training
    if isinstance(flag, TensorLike):
        return switch(flag, x, alt)
    return _evaluated(x if flag else alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Returns `alt` in training and `x` otherwise."""
    return in_train_phase(alt, x, training)


def _evaluated(expression: Any) -> Any:
    return expression() if callable(expression) and not isinstance(expression, TensorLike) else expression


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """Returns `then_expression` where the condition is true, `else_expression` where it is not.

    Args:
        condition: scalar, or a tensor that chooses element by element; it may have fewer axes than the expressions,
            and is then repeated along their last ones.
        then_expression, else_expression: tensors, or functions that return one; under a scalar condition that has a
            value only the chosen function is called.

    Raises:
        ValueError: the condition has more axes than the expressions.

    Example:
        >>> K.eval(K.switch(K.constant([1.0, -1.0]) > 0, K.constant([5.0, 5.0]), K.constant([0.0, 0.0])))
        array([5., 0.], dtype=float32)
    """
    condition = as_tensor(condition)
    if not condition.dtype.is_bool:
        condition = cast(condition, dtype="bool")
    rank = len(condition.shape)
    if not rank:
        return cond(condition, lambda: _evaluated(then_expression), lambda: _evaluated(else_expression))
    then, otherwise = as_tensor(_evaluated(then_expression)), as_tensor(_evaluated(else_expression))
    wanted = len(then.shape)
    if rank > wanted:
        raise ValueError(
            f"K.switch: the condition has {rank} axes (shape {condition.shape}), the expressions have {wanted} "
            f"(shape {then.shape}). It may have as many or fewer{at_user_location()}"
        )
    return indexing.where(_aligned(condition, then, rank, wanted), then, otherwise)


def _aligned(condition: Any, then: Any, rank: int, wanted: int) -> Any:
    """Gives the condition the expressions' rank: new axes at its end."""
    if rank == wanted or (rank == 1 and condition.shape[0] == then.shape[-1]):
        return condition
    for _ in range(wanted - rank):
        condition = shapes.expand_dims(condition, axis=-1)
    return condition
