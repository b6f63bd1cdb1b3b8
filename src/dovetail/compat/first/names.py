"""What each namespace below `tf.compat.v1` gets from this package: tables from names to values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dovetail.compat.first import (
    arrays,
    configs,
    coordination,
    fetches,
    flags,
    graph_tools,
    hooks,
    images,
    initializers,
    iterators,
    keys,
    layers,
    losses,
    meta_graphs,
    metrics,
    metrics_at,
    misc,
    nn,
    optimizers,
    optimizers_base,
    overrides,
    rnn,
    rnn_cells,
    rnn_raw,
    saved,
    saver,
    schedules,
    scopes,
    session,
    summaries,
    switches,
    templates,
    variables,
    wrapped,
)
from dovetail.compat.views import View
from dovetail.graph import by_hand
from dovetail.tensor.dimension import Dimension

_SCATTERS = ("add", "div", "max", "min", "mul", "sub", "update", "nd_add", "nd_sub", "nd_update")

_INITIALIZERS: dict[str, Any] = {
    "constant": initializers.Constant,
    "glorot_normal": initializers.GlorotNormal,
    "glorot_uniform": initializers.GlorotUniform,
    "he_normal": initializers.he_normal,
    "he_uniform": initializers.he_uniform,
    "identity": initializers.Identity,
    "lecun_normal": initializers.lecun_normal,
    "lecun_uniform": initializers.lecun_uniform,
    "ones": initializers.Ones,
    "orthogonal": initializers.Orthogonal,
    "random_normal": initializers.RandomNormal,
    "random_uniform": initializers.RandomUniform,
    "truncated_normal": initializers.TruncatedNormal,
    "uniform_unit_scaling": initializers.UniformUnitScaling,
    "variance_scaling": initializers.VarianceScaling,
    "zeros": initializers.Zeros,
}
_VARIABLE_OPERATIONS: dict[str, Any] = {
    "global_variables": keys.global_variables_initializer,
    "local_variables": keys.local_variables_initializer,
    "tables_initializer": switches.tables_initializer,
    "variables": keys.variables_initializer,
}


def _public(module: Any, names: str) -> dict[str, Any]:
    return {name: getattr(module, name) for name in names.split()}


def _functions_of(module: Any, *others: str) -> dict[str, Any]:
    """Returns the public functions that a module defines."""
    found = {
        name: value
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__
    }
    public = {name: value for name, value in found.items() if not name.startswith("_") and callable(value)}
    named = {name: value for name, value in public.items() if not isinstance(value, type)}
    return named | _public(module, " ".join(others))


TABLES: dict[str, Mapping[str, Any]] = {
    "": {
        **_public(session, "InteractiveSession Session get_default_session"),
        **_public(fetches, "IndexedSlicesValue"),
        **_public(
            keys,
            "GraphKeys add_to_collection add_to_collections assert_variables_initialized get_collection "
            "get_collection_ref global_variables global_variables_initializer is_variable_initialized local_variables "
            "local_variables_initializer model_variables moving_average_variables report_uninitialized_variables "
            "trainable_variables variables_initializer",
        ),
        "tables_initializer": switches.tables_initializer,
        "initialize_all_tables": switches.tables_initializer,
        "all_variables": keys.global_variables,
        "initialize_all_variables": keys.global_variables_initializer,
        "initialize_local_variables": keys.local_variables_initializer,
        "initialize_variables": keys.variables_initializer,
        **_public(
            scopes,
            "AUTO_REUSE VariableScope get_local_variable get_variable get_variable_scope no_regularizer "
            "variable_op_scope variable_scope",
        ),
        **_public(initializers, "get_seed set_random_seed"),
        **{
            f"{name}_initializer": value
            for name, value in _INITIALIZERS.items()
            if not name.startswith(("he", "le"))
        },
        **_public(variables, "assign assign_add assign_sub"),
        **{f"scatter_{kind}": variables.scatter(f"scatter_{kind}") for kind in _SCATTERS},
        "Variable": variables.VariableV1,
        "Dimension": Dimension,
        **nn.NAMES,
        **misc.NAMES,
        **configs.NAMES,
        **arrays.NAMES,
        **overrides.NAMES,
        **templates.NAMES,
        "extract_image_patches": images.extract_image_patches,
        "wrap_function": wrapped.wrap_function,
        "get_default_graph": by_hand.default_graph,
        **_public(
            switches,
            "disable_control_flow_v2 disable_eager_execution disable_resource_variables disable_tensor_equality "
            "disable_v2_behavior disable_v2_tensorshape control_flow_v2_enabled enable_eager_execution "
            "enable_resource_variables enable_v2_behavior enable_v2_tensorshape executing_eagerly_outside_functions "
            "reset_default_graph "
            "resource_variables_enabled",
        ),
    },
    "losses": _functions_of(losses, "Reduction"),
    "metrics": {**_functions_of(metrics), **metrics_at.NAMES},
    "nn": {
        **nn.NN,
        **rnn.NAMES,
        "raw_rnn": rnn_raw.raw_rnn,
        **{name: arrays.NAMES[name] for name in ("depth_to_space", "space_to_depth")},
        "rnn_cell": View("tensorflow.compat.v1.nn.rnn_cell", (), rnn_cells.NAMES),
    },
    "image": images.NAMES,
    "graph_util": graph_tools.NAMES,
    "saved_model": {
        **saved.NAMES,
        **{
            name: View(f"tensorflow.compat.v1.saved_model.{name}", (), names)
            for name, names in {
                "builder": {"SavedModelBuilder": saved.SavedModelBuilder},
                "constants": saved.CONSTANTS,
                "loader": {"load": saved.load, "maybe_saved_model_directory": saved.contains_saved_model},
                "main_op": {"main_op": saved.main_op},
                "signature_constants": saved.CONSTANTS,
                "signature_def_utils": saved.SIGNATURES,
                "tag_constants": saved.CONSTANTS,
                "utils": saved.INFOS,
            }.items()
        },
    },
    "flags": flags.AbslNames("flags"),
    "app": flags.APP,
    "layers": layers.NAMES,
    "data": iterators.NAMES,
    "summary": summaries.NAMES,
    "math": {
        name: nn.NAMES[name]
        for name in nn.NAMES
        if not name.startswith(("assert", "where", "squeeze", "expand"))
    },
    "debugging": {name: nn.NAMES[name] for name in nn.NAMES if name.startswith("assert")},
    **{name: {} for name in ("linalg", "manip", "sets")},
    "initializers": {**_INITIALIZERS, **_VARIABLE_OPERATIONS},
    "random": {
        "set_random_seed": initializers.set_random_seed,
        "get_seed": initializers.get_seed,
        "multinomial": arrays.multinomial,
    },
    "train": {
        **{
            f"{name}Optimizer": getattr(optimizers, f"{name}Optimizer")
            for name in [
                "Adadelta",
                "Adagrad",
                "Adam",
                "Ftrl",
                "GradientDescent",
                "Momentum",
                "ProximalAdagrad",
                "ProximalGradientDescent",
                "RMSProp",
            ]
        },
        "Optimizer": optimizers_base.Optimizer,
        **_public(
            schedules,
            "ExponentialMovingAverage assert_global_step cosine_decay cosine_decay_restarts create_global_step "
            "exponential_decay get_global_step get_or_create_global_step global_step inverse_time_decay "
            "natural_exp_decay piecewise_constant polynomial_decay",
        ),
        **_public(
            saver,
            "Saver checkpoint_exists get_checkpoint_mtimes import_meta_graph init_from_checkpoint "
            "remove_checkpoint update_checkpoint_state",
        ),
        **_public(
            hooks,
            "CheckpointSaverHook ChiefSessionCreator FeedFnHook FinalOpsHook LoggingTensorHook MonitoredSession "
            "MonitoredTrainingSession NanLossDuringTrainingError NanTensorHook Scaffold SessionRunArgs "
            "SessionRunContext SessionRunHook SessionRunValues SingularMonitoredSession StepCounterHook StopAtStepHook",
        ),
        "piecewise_constant_decay": schedules.piecewise_constant,
        **coordination.NAMES,
        **meta_graphs.NAMES,
    },
}
