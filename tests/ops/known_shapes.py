"""The shapes that TensorFlow and Keras infer for a row whose first size is unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.ops.case import Case, arrays, flat, mapped


def shapes_of_reference(case: Case) -> list[tuple | None] | None:
    """Returns the shape of each output (None: of unknown rank); None when the reference does not infer them."""
    try:
        function = case.reference()
    except AttributeError:
        return None  # a name that the reference has not
    infer = _of_keras if (case.tf or case.name).startswith("ops.") else _of_tensorflow
    try:
        outputs = infer(function, case)
    except Exception:  # noqa: BLE001 - whatever it says, it infers nothing
        return None
    return [_sizes(one.shape) for one in outputs]


def _sizes(shape: Any) -> tuple | None:
    return None if getattr(shape, "rank", 0) is None else tuple(shape)


def _given(case: Case, make: Callable) -> tuple:
    """Returns the arguments and keyword arguments with `make(shape, array)` in place of the arrays."""
    inputs = case.inputs()
    batch = next((array.shape[:1] for array in arrays(inputs)), ())

    def convert(array: np.ndarray) -> Any:
        unknown = array.shape[:1] == batch != ()
        return make((None, *array.shape[1:]) if unknown else array.shape, array)

    return mapped(inputs, convert), mapped(case.kwargs, convert)


def _of_keras(function: Callable, case: Case) -> list:
    import keras

    args, kwargs = _given(case, lambda shape, array: keras.KerasTensor(shape, str(array.dtype)))
    return flat(function(*args, **kwargs))


def _of_tensorflow(function: Callable, case: Case) -> list:
    import tensorflow as tf

    with tf.Graph().as_default():
        args, kwargs = _given(case, lambda shape, array: tf.compat.v1.placeholder(array.dtype, shape))
        return flat(function(*args, **kwargs))
