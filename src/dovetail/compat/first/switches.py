"""The default graph, and the switches between TensorFlow 1 and 2."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import ARRAY_LIBRARIES, at_user_location, is_framework_file
from dovetail.base.settings import state
from dovetail.compat.first.keys import GraphKeys, get_collection
from dovetail.graph.by_hand import new_default_graph, record_from_here, records_by_default
from dovetail.graph.order import group, no_op
from dovetail.graph.recording import recording
from dovetail.tensor.dimension import Dimension
from dovetail.tensor.shape import TensorShape


class _Behavior:
    """What has been switched off."""

    eager = True
    resource_variables = True
    control_flow_v2 = True


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
    record_from_here(new_default_graph())


def enable_eager_execution(config: Any = None, device_policy: Any = None, execution_mode: Any = None) -> None:
    """Ends what `disable_eager_execution` began."""
    if not _Behavior.eager:
        _Behavior.eager = True
        state.scope = None


def disable_v2_behavior() -> None:
    """Switches to TensorFlow 1's ways: a default graph in place of eager execution."""
    disable_eager_execution()
    disable_v2_tensorshape()
    _Behavior.resource_variables = _Behavior.control_flow_v2 = False


def enable_v2_behavior() -> None:
    """Ends what `disable_v2_behavior` began."""
    enable_eager_execution()
    enable_v2_tensorshape()
    _Behavior.resource_variables = _Behavior.control_flow_v2 = True


def reset_default_graph() -> None:
    """Begins an empty default graph.

    Raises:
        AssertionError: inside of `with graph.as_default()`.
    """
    around = recording()
    if around is not None and not records_by_default(around):
        raise AssertionError("Do not use tf.reset_default_graph() to clear nested graphs.")
    graph = new_default_graph()
    if not _Behavior.eager:
        record_from_here(graph)


def disable_resource_variables() -> None:
    """Makes the variables of graphs such as `use_resource=False` asks for, for which optimizers have other hooks."""
    _Behavior.resource_variables = False


def enable_resource_variables() -> None:
    """Ends what `disable_resource_variables` began."""
    _Behavior.resource_variables = True


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
    """Makes the elements of shapes `tf.compat.v1.Dimension`s where code of the program asks for them."""
    TensorShape.__getitem__ = _element  # type: ignore[method-assign, assignment]
    TensorShape.__iter__ = _elements  # type: ignore[method-assign]


def enable_v2_tensorshape() -> None:
    """Ends what `disable_v2_tensorshape` began."""
    TensorShape.__getitem__, TensorShape.__iter__ = _GET, _ITERATE  # type: ignore[method-assign]


_GET, _ITERATE = TensorShape.__getitem__, TensorShape.__iter__


def _asked_by_program() -> bool:
    """Whether the function that calls was called by code of a program, not by ours or that of arrays."""
    name = sys._getframe(2).f_code.co_filename
    return not is_framework_file(name) and not any(part in name for part in _NOT_OF_PROGRAMS)


_NOT_OF_PROGRAMS = (*ARRAY_LIBRARIES, "_collections_abc")


def _element(shape: TensorShape, key: Any) -> Any:
    found = _GET(shape, key)
    return found if isinstance(found, TensorShape) or not _asked_by_program() else Dimension(found)


def _elements(shape: TensorShape) -> Iterator:
    return map(Dimension, _ITERATE(shape)) if _asked_by_program() else _ITERATE(shape)


def resource_variables_enabled() -> bool:
    return _Behavior.resource_variables


def control_flow_v2_enabled() -> bool:
    return _Behavior.control_flow_v2


def executing_eagerly_outside_functions() -> bool:
    return _Behavior.eager and not getattr(recording(), "by_hand", False)


def tables_initializer(name: str | None = None) -> Any:
    """Returns the operation that runs what stands in the graph's collection of initializers of tables.

    None where there is no graph.  Tables themselves are filled when they are made.
    """
    initializers = get_collection(GraphKeys.TABLE_INITIALIZERS) if recording() is not None else []
    return group(*initializers, name=name) if initializers else no_op(name)
