"""`keras.mixed_precision.experimental`: the names of TensorFlow 2.1 to 2.3."""

from __future__ import annotations

from dovetail.keras.mixed_precision.policy import Policy, global_policy, set_global_policy
from dovetail.keras.optimizers.loss_scale_optimizer import LossScaleOptimizer

set_policy = set_global_policy

__all__ = ["LossScaleOptimizer", "Policy", "global_policy", "set_policy"]
