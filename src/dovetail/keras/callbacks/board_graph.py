"""What TensorBoard's graph tab shows of a model: its layers as nodes, and its configuration."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail import summary
from dovetail.wire.messages import GraphDef, NodeDef, SummaryMetadata

_PLUGIN = SummaryMetadata(plugin_data={"plugin_name": "graph_keras_model", "content": b"1"})


def write(writer: Any, model: Any) -> None:
    """Writes the configuration and the graph of a model; a subclassed model has neither."""
    if getattr(model, "_graph", None) is None:
        return
    with writer.as_default(), summary.record_if(True):
        try:
            config = model.to_json()
        except Exception as error:  # noqa: BLE001 - a layer without a config is no reason not to train
            warnings.warn(f"TensorBoard: the model's configuration is not written: {error}", stacklevel=4)
        else:
            summary.write("keras", config, step=0, metadata=_PLUGIN)
        summary.graph(graph_of(model))


def graph_of(model: Any) -> GraphDef:
    """Returns the graph of a functional model: a node a layer call or op, named by the layers."""
    made = GraphDef(versions={"producer": 1})
    names: dict[int, str] = {}
    taken: set[str] = set()
    for tensor in model._graph.inputs:
        names[id(tensor)] = name = _free(model._members.name_of(tensor), taken)
        made.node.append(NodeDef(name=name, op="Placeholder"))
    for node in model._graph.nodes:
        if not node.inputs:
            continue
        name = _free(str(node.operation.name), taken)
        sources = [names[id(tensor)] for tensor in node.inputs if id(tensor) in names]
        made.node.append(NodeDef(name=name, op=node.type, input=sources))
        for index, tensor in enumerate(node.outputs):
            names[id(tensor)] = f"{name}:{index}" if index else name
    return made


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
