"""`tf.compat.v1.graph_util`: parts of `GraphDef`s, and graphs whose variables have become constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.protos import make_tensor_proto
from dovetail.saved_model.importing import import_graph_def
from dovetail.tensor.shape import TensorShape
from dovetail.wire.messages import GraphDef

_HANDLES = ("VarHandleOp", "Variable", "VariableV2")
_READS = ("ReadVariableOp",)


def _node_of(text: str) -> str:
    return text.removeprefix("^").partition(":")[0]


def _own(graph_def: Any) -> GraphDef:
    return (
        graph_def if isinstance(graph_def, GraphDef) else GraphDef.FromString(graph_def.SerializeToString())
    )


def extract_sub_graph(graph_def: Any, dest_nodes: Iterable[str]) -> GraphDef:
    """Returns the part of a graph that some nodes are made of.

    Raises:
        TypeError: `dest_nodes` is a string.
        AssertionError: a node is not there.
    """
    if isinstance(dest_nodes, str):
        raise TypeError(f"dest_nodes must be an iterable of strings{at_user_location()}")
    source = _own(graph_def)
    nodes = {node.name: node for node in source.node}
    wanted, stack = set(), list(dest_nodes)
    for name in stack:
        if name not in nodes:
            raise AssertionError(f"{name} is not in graph")
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(_node_of(text) for text in nodes[name].input)
    made = GraphDef()
    made.library.CopyFrom(source.library)
    made.versions.CopyFrom(source.versions)
    made.node.extend([node for node in source.node if node.name in wanted])
    return made


def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: list[str],
    variable_names_whitelist: Any = None,
    variable_names_blacklist: Any = None,
) -> GraphDef:
    """Returns the part of a graph that some nodes are made of, with the values of a session in place of variables.

    Args:
        sess: holds the values.
        input_graph_def: the graph, `sess.graph_def`.
        output_node_names: names of operations.
        variable_names_whitelist: these variables only become constants.
        variable_names_blacklist: these do not.
    """
    part = extract_sub_graph(input_graph_def, output_node_names)
    chosen, left = variable_names_whitelist, set(variable_names_blacklist or ())
    names = [node.name for node in part.node if node.op in _HANDLES]
    frozen = [name for name in names if (chosen is None or name in chosen) and name not in left]
    found = sess.run([f"{name}:0" for name in frozen])
    values = dict(zip(frozen, found, strict=True))
    made = GraphDef()
    made.library.CopyFrom(part.library)
    made.versions.CopyFrom(part.versions)
    for node in part.node:
        copy = made.node.add()
        copy.CopyFrom(node)
        if node.name in values:
            _become_constant(copy, np.asarray(values[node.name]))
        elif node.op in _READS and _node_of(node.input[0]) in values:
            kind = node.attr["dtype"].type
            copy.op = "Identity"
            copy.attr.clear()
            copy.attr["T"].type = kind
    return made


def _become_constant(node: Any, value: np.ndarray) -> None:
    kind = node.attr["dtype"].type
    node.op = "Const"
    node.attr.clear()
    node.attr["dtype"].type = kind
    node.attr["value"].tensor.CopyFrom(make_tensor_proto(value))


def remove_training_nodes(input_graph: Any, protected_nodes: Any = None) -> GraphDef:
    """Returns a graph without the operations that only matter in training: checks, and identities of one use."""
    source = _own(input_graph)
    kept = set(protected_nodes or ())
    waited = {_node_of(text) for node in source.node for text in node.input if text.startswith("^")}
    skipped = {
        node.name: node.input[0]
        for node in source.node
        if node.op in ("CheckNumerics", "Identity", "StopGradient")
        and node.name not in kept | waited
        and len(node.input) == 1
    }
    used = {_node_of(text) for node in source.node for text in node.input}
    skipped = {name: text for name, text in skipped.items() if name in used}

    def source_of(text: str) -> str:
        while text in skipped:
            text = skipped[text]
        return text

    made = GraphDef()
    made.library.CopyFrom(source.library)
    made.versions.CopyFrom(source.versions)
    for node in source.node:
        if node.name in skipped:
            continue
        copy = made.node.add()
        copy.CopyFrom(node)
        inputs = [source_of(text) for text in node.input]
        del copy.input[:]
        copy.input.extend(inputs)
    return made


def tensor_shape_from_node_def_name(graph: Any, input_name: str) -> TensorShape:
    """Returns the shape of what an operation of a graph gives, by its name."""
    name = input_name if ":" in input_name else f"{input_name}:0"
    return graph.get_tensor_by_name(name).shape


def must_run_on_cpu(node: Any, pin_variables_on_cpu: bool = False) -> bool:
    """Returns whether a node works on strings, or holds a variable where those are pinned."""
    kinds = [value.type for value in node.attr.values() if value.WhichOneof("value") == "type"]
    return 7 in kinds or (pin_variables_on_cpu and node.op in _HANDLES)


NAMES: dict[str, Any] = {
    f.__name__: f
    for f in (
        *(convert_variables_to_constants, extract_sub_graph, import_graph_def, must_run_on_cpu),
        *(remove_training_nodes, tensor_shape_from_node_def_name),
    )
}
