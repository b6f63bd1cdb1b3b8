"""Small numerical helpers: one-hot labels, unit vectors, seeds."""

from __future__ import annotations

import random as python_random
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.base.told import told_function
from dovetail.ops import arithmetic, create, math, random_keys, reduction, shapes
from dovetail.tensor.tensor import TensorLike

_MISSING: Any = object()


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy's global generator and Dovetail's: the program then repeats exactly.

    Args:
        seed: integer in [0, 2**32).

    Raises:
        ValueError: anything else.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 32:
        raise ValueError(
            f"set_random_seed: expected an integer in [0, 2**32), received {seed!r}{at_user_location()}"
        )
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    random_keys.set_seed(int(seed))


@told_function("keras.utils.to_categorical")
def to_categorical(
    x: Any = _MISSING, num_classes: int | None = None, dtype: Any = "float32", y: Any = _MISSING
) -> Any:
    """Returns one-hot vectors for class numbers.

    Args:
        x: integers of shape (...,) or (..., 1); a tensor gives a tensor, anything else a NumPy array.
        num_classes: length of the vectors; default: the largest class + 1.
        dtype: of the result.  Keras 2's default; Keras 3 returns float64.
        y: what Keras 2 calls `x`.

    Raises:
        ValueError: a class outside [0, num_classes).

    Example:
        >>> to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    if (x is _MISSING) == (y is _MISSING):
        raise TypeError("pass the classes, as x= (in Keras 2, y=)")
    x = y if x is _MISSING else x
    if isinstance(x, TensorLike):
        x = shapes.squeeze(x, axis=-1) if len(x.shape) > 1 and x.shape[-1] == 1 else x
        count = int(np.max(np.asarray(x))) + 1 if num_classes is None else num_classes
        return create.one_hot(x, count, dtype=dtype)
    given = np.asarray(x)
    classes = given.astype(np.int64)
    if given.dtype.kind == "f" and not np.array_equal(classes, given):
        raise ValueError(f"the classes must be whole numbers, received {given.reshape(-1)[:5].tolist()}")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    largest = int(classes.max(initial=-1))
    count = num_classes or largest + 1
    if classes.size and (largest >= count or classes.min() < 0):
        bad = largest if largest >= count else int(classes.min())
        raise ValueError(f"to_categorical: the class {bad} is outside of [0, {count}){at_user_location()}")
    result = np.zeros((classes.size, count), dtype)
    result[np.arange(classes.size), classes.reshape(-1)] = 1
    return result.reshape(*classes.shape, count)


@told_function("keras.utils.normalize")
def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Scales vectors along `axis` to norm 1; zeros stay zeros.

    Args:
        x: array, or tensor (then the result is one, too).
        axis: along which a vector runs.
        order: of the norm; 2 is the Euclidean one.
    """
    if not isinstance(x, TensorLike):
        x = np.asarray(x)
        norm = np.linalg.norm(x, order, axis, keepdims=True)
        return x / np.where(norm == 0, 1, norm)
    size = math.abs_(x)
    if order == np.inf:
        norm = reduction.reduce_max(size, axis=axis, keepdims=True)
    elif order == 1:
        norm = reduction.reduce_sum(size, axis=axis, keepdims=True)
    else:
        powers = reduction.reduce_sum(arithmetic.pow_(size, float(order)), axis=axis, keepdims=True)
        norm = arithmetic.pow_(powers, 1.0 / order)
    return x / arithmetic.maximum(norm, settings.epsilon)


@told_function("keras.utils.to_ordinal")
def to_ordinal(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """Returns ordered classes as vectors of how many thresholds they pass: class k is k ones, then zeros.

    Args:
        y: integers of shape (...,) or (..., 1).
        num_classes: number of classes; default: the largest class + 1.
        dtype: of the result.

    Returns:
        Array of shape (..., num_classes - 1).

    Example:
        >>> to_ordinal([0, 2])
        array([[0., 0.],
               [1., 1.]], dtype=float32)
    """
    classes = np.asarray(y).astype(np.int64)
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    count = num_classes or int(classes.max(initial=-1)) + 1
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise ValueError(f"the classes must be in [0, {count}), received {classes.reshape(-1)[:5].tolist()}")
    return (classes[..., None] > np.arange(count - 1)).astype(dtype)
