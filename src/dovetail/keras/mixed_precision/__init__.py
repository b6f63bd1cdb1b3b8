"""Mixed precision: computing in 16 bits on variables of 32."""

from __future__ import annotations

from dovetail.keras.mixed_precision import experimental
from dovetail.keras.mixed_precision.policy import (
    DTypePolicy,
    Policy,
    dtype_policy,
    get,
    global_policy,
    set_dtype_policy,
    set_global_policy,
)
from dovetail.keras.optimizers.loss_scale_optimizer import LossScaleOptimizer

__all__ = [
    "DTypePolicy",
    "LossScaleOptimizer",
    "Policy",
    "dtype_policy",
    "experimental",
    "get",
    "global_policy",
    "set_dtype_policy",
    "set_global_policy",
]
