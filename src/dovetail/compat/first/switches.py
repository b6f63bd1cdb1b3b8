"""The default graph, and the switches between TensorFlow 1 and 2."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.graph.by_hand import HandWritten, new_default_graph
from dovetail.graph.order import no_op
from dovetail.graph.recording import recording


class _Behavior:
    """What has been switched off."""

    eager = True
    resource_variables = True
    control_flow_v2 = True


def _is_default(graph: Any) -> bool:
    return graph is not None and getattr(graph, "is_default", False)


def _record_from_here(graph: HandWritten) -> None:
    graph.is_default = True
    state.scope = graph.scope_class(graph, None)


def disable_eager_execution() -> None:
    """From here on what the program states goes into the default graph, which sessions run.

    Raises:
        ValueError: it is called while a graph records.
    """
    if not _Behavior.eager:
        return
    if recording() is not None:
        raise ValueError(f"disable_eager_execution must be called at program startup{at_user_location()}")
    _Behavior.eager = False
    _record_from_here(new_default_graph())


def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Ends what `disable_eager_execution` began."""
    if not _Behavior.eager:
        _Behavior.eager = True
        state.scope = None


def disable_v2_behavior() -> None:
    """Switches to TensorFlow 1's ways: a default graph in place of eager execution."""
    disable_eager_execution()
    _Behavior.resource_variables = _Behavior.control_flow_v2 = False


def enable_v2_behavior() -> None:
    """Ends what `disable_v2_behavior` began."""
    enable_eager_execution()
    _Behavior.resource_variables = _Behavior.control_flow_v2 = True


def reset_default_graph() -> None:
    """Begins an empty default graph.

    Raises:
        AssertionError: inside of `with graph.as_default()`.
    """
    around = recording()
    if around is not None and not _is_default(around):
        raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs.")
    graph = new_default_graph()
    if not _Behavior.eager:
        _record_from_here(graph)


def disable_resource_variables() -> None:
    """Notes the wish: there is one kind of variable."""
    _Behavior.resource_variables = False


def disable_control_flow_v2() -> None:
    """Notes the wish: there is one kind of control flow."""
    _Behavior.control_flow_v2 = False


def disable_tensor_equality() -> None:
    """Warns: variables of graphs are compared by identity in any case, tensors by their elements."""
    warnings.warn(
        "tf.compat.v1.disable_tensor_equality: `==` of tensors compares their elements; use `is` for identity",
        stacklevel=2,
    )


def disable_v2_tensorshape() -> None:
    """Warns: the elements of a `tf.TensorShape` are ints or None, its `dims` are `tf.compat.v1.Dimension`s."""
    warnings.warn(
        "tf.compat.v1.disable_v2_tensorshape: elements of shapes stay ints or None; `x.shape.dims[0].value` works",
        stacklevel=2,
    )


def resource_variables_enabled() -> bool:
    return _Behavior.resource_variables


def control_flow_v2_enabled() -> bool:
    return _Behavior.control_flow_v2


def executing_eagerly_outside_functions() -> bool:
    return _Behavior.eager and not getattr(recording(), "by_hand", False)


def tables_initializer(name: str | None = None) -> Any:
    """Returns an operation that does nothing, None where there is no graph: tables are filled when they are made."""
    return no_op()
