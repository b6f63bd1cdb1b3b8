"""Collections of graphs by their keys, and the operations over the variables in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.debugging import Assert
from dovetail.graph.by_hand import written_graph
from dovetail.graph.hand_variable import GraphVariable, host_call
from dovetail.graph.order import group
from dovetail.graph.recording import recording
from dovetail.ops.array import stack_values as stack
from dovetail.ops.reduction import reduce_all
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import Tensor


class GraphKeys:
    """The keys of the collections that TensorFlow's own functions put values in."""

    GLOBAL_VARIABLES = "variables"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    TRAINABLE_VARIABLES = "trainable_variables"
    SUMMARIES = "summaries"
    QUEUE_RUNNERS = "queue_runners"
    TABLE_INITIALIZERS = "table_initializer"
    ASSET_FILEPATHS = "asset_filepaths"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    CONCATENATED_VARIABLES = "concatenated_variables"
    SAVERS = "savers"
    WEIGHTS = "weights"
    BIASES = "biases"
    ACTIVATIONS = "activations"
    UPDATE_OPS = "update_ops"
    LOSSES = "losses"
    SAVEABLE_OBJECTS = "saveable_objects"
    RESOURCES = "resources"
    LOCAL_RESOURCES = "local_resources"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    READY_OP = "ready_op"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    SUMMARY_OP = "summary_op"
    GLOBAL_STEP = "global_step"
    EVAL_STEP = "eval_step"
    TRAIN_OP = "train_op"
    COND_CONTEXT = "cond_context"
    WHILE_CONTEXT = "while_context"
    VARIABLES = "variables"


def add_to_collection(name: Any, value: Any) -> None:
    """Appends a value to a collection of the default graph."""
    written_graph().add_to_collection(name, value)


def add_to_collections(names: Any, value: Any) -> None:
    """Appends a value to several collections of the default graph."""
    written_graph().add_to_collections(names, value)


def get_collection(key: Any, scope: str | None = None) -> list:
    """Returns a copy of a collection of the default graph; with `scope`, what has a name that matches it."""
    return written_graph().get_collection(key, scope)


def get_collection_ref(key: Any) -> list:
    """Returns a collection of the default graph itself."""
    return written_graph().get_collection_ref(key)


def global_variables(scope: str | None = None) -> list:
    """Returns the variables that are saved and shared."""
    return get_collection(GraphKeys.GLOBAL_VARIABLES, scope)


def local_variables(scope: str | None = None) -> list:
    """Returns the variables that are not saved, such as those of metrics."""
    return get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def model_variables(scope: str | None = None) -> list:
    """Returns the variables that are needed for inference, of those who put them there."""
    return get_collection(GraphKeys.MODEL_VARIABLES, scope)


def moving_average_variables(scope: str | None = None) -> list:
    """Returns the variables that moving averages are kept of."""
    return get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list:
    """Returns the variables that optimizers change."""
    return get_collection(GraphKeys.TRAINABLE_VARIABLES, scope)


def variables_initializer(var_list: list, name: str = "init") -> Any:
    """Returns an operation that gives variables their initial values."""
    found = [variable.initializer for variable in var_list if isinstance(variable, GraphVariable)]
    return _grouped(found, name)


def _grouped(operations: list, name: str) -> Any:
    graph = recording()
    return None if graph is None else graph.named(name, group, *operations)


def global_variables_initializer() -> Any:
    """Returns an operation that initializes all global variables; None where there is no graph."""
    return variables_initializer(global_variables(), "init") if recording() is not None else None


def local_variables_initializer() -> Any:
    """Returns an operation that initializes all local variables; None where there is no graph."""
    return variables_initializer(local_variables(), "init") if recording() is not None else None


def is_variable_initialized(variable: Any) -> Any:
    """Returns whether a variable has a value, as a tensor."""
    return variable.is_initialized()


def report_uninitialized_variables(
    var_list: list | None = None, name: str = "report_uninitialized_variables"
) -> Any:
    """Returns the names of the variables that have no value, as a tensor of strings."""
    variables = [*global_variables(), *local_variables()] if var_list is None else list(var_list)

    def missing() -> list:
        names = [v.op.name for v in variables if isinstance(v, GraphVariable) and not v.has_value]
        return [Tensor(np.array([name.encode() for name in names], object))]

    return host_call(missing, "ReportUninitializedVariables", (), [TensorSpec([None], "string")])[0]


def assert_variables_initialized(var_list: list | None = None) -> Any:
    """Returns an operation that fails where a variable has no value."""
    variables = global_variables() if var_list is None else list(var_list)
    flags = stack([convert_to_tensor(v.is_initialized()) for v in variables])
    return Assert(reduce_all(flags), ["variables have no values"])
