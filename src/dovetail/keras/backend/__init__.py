"""`keras.backend`, the K of Keras 2 programs: the op table under Keras' names, and functions that are not ops.

from dovetail.keras import backend as K
K.eval(K.mean(K.square(K.constant([1.0, 2.0]))))
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import suggest
from dovetail.keras.backend import experimental
from dovetail.keras.backend.dtypes import dtype, is_float_dtype, is_int_dtype, result_type, standardize_dtype
from dovetail.keras.backend.graphs import function, gradients, is_keras_tensor, placeholder
from dovetail.keras.backend.network import (
    batch_normalization,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    local_conv1d,
    local_conv2d,
    normalize_batch_in_training,
    resize_images,
    resize_volumes,
    separable_conv2d,
    sparse_categorical_crossentropy,
)
from dovetail.keras.backend.phases import (
    in_test_phase,
    in_train_phase,
    learning_phase,
    learning_phase_scope,
    set_learning_phase,
    switch,
)
from dovetail.keras.backend.recurrence import rnn
from dovetail.keras.backend.session import (
    clear_session,
    get_session,
    manual_variable_initialization,
    set_session,
)
from dovetail.keras.backend.variables import (
    batch_get_value,
    batch_set_value,
    count_params,
    eval,
    get_value,
    is_sparse,
    moving_average_update,
    print_tensor,
    random_normal_variable,
    random_uniform_variable,
    set_value,
    to_dense,
    update,
    update_add,
    update_sub,
    variable,
)
from dovetail.keras.config import (
    backend,
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from dovetail.keras.naming import get_uid, reset_uids
from dovetail.ops import table
from dovetail.ops.views import contents
from dovetail.scopes import name_scope
from dovetail.tensor import is_tensor

_OPS = contents("keras.backend")
_LATE = table.late_names("keras.backend")
globals().update(_OPS)

__all__ = [  # noqa: PLE0604 - the names of the op table are strings
    "backend",
    "batch_get_value",
    "batch_normalization",
    "batch_set_value",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "clear_session",
    "count_params",
    "dtype",
    "epsilon",
    "eval",
    "experimental",
    "floatx",
    "function",
    "get_session",
    "get_uid",
    "get_value",
    "gradients",
    "image_data_format",
    "in_test_phase",
    "in_train_phase",
    "is_float_dtype",
    "is_int_dtype",
    "is_keras_tensor",
    "is_sparse",
    "is_tensor",
    "learning_phase",
    "learning_phase_scope",
    "local_conv1d",
    "local_conv2d",
    "manual_variable_initialization",
    "moving_average_update",
    "name_scope",
    "normalize_batch_in_training",
    "placeholder",
    "print_tensor",
    "random_normal_variable",
    "random_uniform_variable",
    "reset_uids",
    "resize_images",
    "resize_volumes",
    "result_type",
    "rnn",
    "separable_conv2d",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_learning_phase",
    "set_session",
    "set_value",
    "sparse_categorical_crossentropy",
    "standardize_dtype",
    "switch",
    "to_dense",
    "update",
    "update_add",
    "update_sub",
    "variable",
    *_OPS,
    *_LATE,
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        found = globals()[name] = table.find("keras.backend", name)
        return found
    raise AttributeError(
        f"module 'dovetail.keras.backend' has no attribute {name!r}.{suggest(name, __all__)}"
    )


def __dir__() -> list[str]:
    return sorted(__all__)
