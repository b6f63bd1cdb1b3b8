"""`keras.utils.model_to_dot`: a model's graph in Graphviz' language."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.base.told import told_function
from dovetail.keras.utils.plotting import boxes_of

_FORMATS = ("dot", "raw", "png", "svg", "pdf", "jpg")


class _Attributed:
    """What nodes, edges and graphs have in common."""

    def __init__(self, **attributes: Any) -> None:
        self._attributes = attributes

    def get_attributes(self) -> dict[str, Any]:
        return dict(self._attributes)

    def get(self, name: str) -> Any:
        return self._attributes.get(name)

    def _suffix(self) -> str:
        listed = ", ".join(f"{name}={_quoted(value)}" for name, value in self._attributes.items())
        return f" [{listed}]" if listed else ""


@declare
class DotNode(_Attributed):
    """A node: a layer."""

    def __init__(self, name: str, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._name = name

    def get_name(self) -> str:
        return self._name

    def get_label(self) -> str:
        return str(self._attributes.get("label", ""))

    def to_string(self) -> str:
        return f"{self._name}{self._suffix()};"


@declare
class DotEdge(_Attributed):
    """An edge: a tensor that goes from one layer to another."""

    def __init__(self, source: str, destination: str, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._source, self._destination = source, destination

    def get_source(self) -> str:
        return self._source

    def get_destination(self) -> str:
        return self._destination

    def to_string(self) -> str:
        return f"{self._source} -> {self._destination}{self._suffix()};"


@declare
class Dot(_Attributed):
    """A graph, with the methods of pydot's that programs use; pydot is not needed.

    Args:
        name: of the graph.
        kind: "digraph", or "subgraph" in another one.
        attributes: of the graph.
    """

    def __init__(self, name: str = "G", kind: str = "digraph", **attributes: Any) -> None:
        super().__init__(**attributes)
        self._name, self._kind = name, kind
        self._nodes: list[DotNode] = []
        self._edges: list[DotEdge] = []
        self._subgraphs: list[Dot] = []

    def get_name(self) -> str:
        return self._name

    def get_type(self) -> str:
        return self._kind

    def add_node(self, node: Any) -> None:
        self._nodes.append(node)

    def add_edge(self, edge: Any) -> None:
        self._edges.append(edge)

    def add_subgraph(self, graph: Any) -> None:
        self._subgraphs.append(graph)

    def get_nodes(self) -> list:
        return list(self._nodes)

    get_node_list = get_nodes

    def get_edges(self) -> list:
        return list(self._edges)

    get_edge_list = get_edges

    def get_subgraphs(self) -> list:
        return list(self._subgraphs)

    def get_node(self, name: str) -> list:
        """Returns the nodes of a name: one, or none."""
        return [node for node in self._nodes if node.get_name() == name]

    def set(self, name: str, value: Any) -> None:
        self._attributes[name] = value

    def to_string(self) -> str:
        """Returns the graph in Graphviz' language."""
        own = [f"{name}={_quoted(value)};" for name, value in self._attributes.items()]
        parts = [node.to_string() for node in self._nodes]
        parts += [graph.to_string() for graph in self._subgraphs]
        parts += [edge.to_string() for edge in self._edges]
        return "\n".join([f"{self._kind} {self._name} {{", *own, *parts, "}"]) + "\n"

    __str__ = to_string

    def create(self, prog: str = "dot", format: str = "png") -> bytes:
        """Returns the picture of the graph, drawn by Graphviz.

        Raises:
            FileNotFoundError: Graphviz is not installed.
        """
        if format in ("raw", "dot"):
            return self.to_string().encode()
        program = shutil.which(prog)
        if program is None:
            raise FileNotFoundError(
                f"Dot.create: the program {prog!r} of Graphviz is not installed; keras.utils.plot_model draws without "
                f"it{at_user_location()}"
            )
        drawn = subprocess.run(
            [program, f"-T{format}"], input=self.to_string().encode(), capture_output=True, check=True
        )
        return drawn.stdout

    def write(self, path: Any, prog: str = "dot", format: str = "raw") -> bool:
        """Writes the text of the graph ("raw", "dot") or its picture ("png", "svg", ...) into a file."""
        pathlib.Path(os.fspath(path)).write_bytes(self.create(prog, format))
        return True

    def __getattr__(self, name: str) -> Any:
        verb, _, format = name.partition("_")
        if verb in ("write", "create") and format in _FORMATS:
            method = getattr(self, verb)
            return lambda *args, **kwargs: method(*args, format=format, **kwargs)
        raise AttributeError(f"a graph has no attribute {name!r}")


def _quoted(value: Any) -> str:
    text = str(value)
    if text.replace("_", "").isalnum():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@told_function("keras.utils.model_to_dot")
def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    layer_range: Any = None,
) -> Dot:
    """Returns the graph of a model: a node for each layer, an edge for each tensor between two.

    Args:
        model: a built model.
        rankdir: "TB": from top to bottom, "LR": from left to right.
        expand_nested: show the layers of models inside the model, each in a subgraph of its own.
        dpi: dots an inch of pictures.
        subgraph: return a part for another graph, a cluster.
        splines: how Graphviz draws edges: "ortho", "curved", "polyline", "spline", "line".

    The others are as in `plot_model`.  `to_string()` of the result is text in Graphviz' language; `write` and `create`
    draw it where Graphviz is installed.  Neither pydot nor Graphviz is needed for the text.

    Raises:
        ValueError: the model is not built.
    """
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ValueError(f"rankdir must be 'TB', 'LR', 'BT' or 'RL', received {rankdir!r}")
    options = (show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable)
    boxes = boxes_of(model, options, expand_nested, layer_range, "model_to_dot")
    if subgraph:
        graph = Dot(f"cluster_{model.name}", "subgraph", label=model.name, style="dashed")
    else:
        graph = Dot("G", rankdir=rankdir, concentrate="true", dpi=dpi, splines=splines)
    names = {id(box): f"layer_{number}" for number, box in enumerate(boxes)}
    parts: dict[tuple, Dot] = {}
    for box in boxes:
        node = DotNode(names[id(box)], label="\n".join(box.lines), shape="box")
        _part_for(graph, parts, box.within).add_node(node)
    for box in boxes:
        for source in box.sources:
            graph.add_edge(DotEdge(names[id(source)], names[id(box)]))
    return graph


def _part_for(graph: Dot, parts: dict[tuple, Dot], within: tuple[str, ...]) -> Dot:
    """Returns the subgraph of a nested model, given the names of the models around its layers."""
    if not within:
        return graph
    if within not in parts:
        parts[within] = Dot("cluster_" + "_".join(within), "subgraph", label=within[-1], style="dashed")
        _part_for(graph, parts, within[:-1]).add_subgraph(parts[within])
    return parts[within]
