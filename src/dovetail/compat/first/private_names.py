"""What programs' own optimizers import from TensorFlow's private modules: see `compat/private.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.compat.first.applied import RULES
from dovetail.compat.first.optimizers_base import _deduplicate_indexed_slices, _var_key, operations

_NAMES = {
    "ApplyAdagrad": "apply_adagrad",
    "ApplyAdam": "apply_adam",
    "ApplyGradientDescent": "apply_gradient_descent",
    "ApplyMomentum": "apply_momentum",
    "ApplyRMSProp": "apply_rms_prop",
}


def _applying(rule: Callable, gives: bool) -> Callable:
    """Returns the function that takes one step of a rule.

    Args:
        rule: see `applied`.
        gives: the function returns the variable's new value, else an operation.
    """

    def apply(*inputs: Any, use_locking: bool = False, name: str | None = None, **given: Any) -> Any:
        done = tf.group(*[variable.assign(value) for variable, value in rule(*inputs, **given)], name=name)
        if not gives:
            return done
        with tf.control_dependencies(operations([done])):
            return inputs[0].read_value()

    return apply


def resource_scatter_add(resource: Any, indices: Any, updates: Any, name: str | None = None) -> Any:
    """Adds rows to a variable; returns what waits for it."""
    return resource.scatter_add(tf.IndexedSlices(updates, indices))


_STEPS = {name: _applying(RULES[kind][0], True) for kind, name in _NAMES.items()}
_STEPS |= {f"resource_{name}": _applying(RULES[kind][0], False) for kind, name in _NAMES.items()}


def _public(path: str, names: str) -> dict[str, Any]:
    """Returns what stands below `tf.compat.v1`, by name."""
    module = tf.compat.v1.train if path == "train" else tf.compat.v1
    return {name: getattr(module, name) for name in names.split()}


_OPTIMIZERS = {
    "adadelta": "AdadeltaOptimizer",
    "adagrad": "AdagradOptimizer",
    "adam": "AdamOptimizer",
    "ftrl": "FtrlOptimizer",
    "gradient_descent": "GradientDescentOptimizer",
    "momentum": "MomentumOptimizer",
    "optimizer": "Optimizer",
    "proximal_adagrad": "ProximalAdagradOptimizer",
    "rmsprop": "RMSPropOptimizer",
}
TABLES: dict[str, dict[str, Any]] = {
    **{f"training.{module}": _public("train", name) for module, name in _OPTIMIZERS.items()},
    "training.training_ops": _STEPS,
    "training.gen_training_ops": _STEPS,
    "ops.resource_variable_ops": {"resource_scatter_add": resource_scatter_add},
    "ops.state_ops": _public("", "assign assign_add assign_sub scatter_add scatter_sub scatter_update"),
    "ops.variable_scope": _public(
        "", "get_variable get_variable_scope variable_scope VariableScope AUTO_REUSE"
    )
    | {"variable": tf.compat.v1.Variable},
    "framework.ops": _public(
        "",
        "GraphKeys add_to_collection colocate_with get_collection get_default_graph "
        "executing_eagerly_outside_functions",
    ),
}
TABLES["training.optimizer"] |= {
    "_deduplicate_indexed_slices": _deduplicate_indexed_slices,
    "_var_key": _var_key,
}
