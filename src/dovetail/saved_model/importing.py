"""`tf.import_graph_def`: the operations of a `GraphDef` in a graph that a program writes."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.recording import recording
from dovetail.saved_model.library import ImportedFunction, Library, dtype_of, reference, shape_of
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor

_FED = ("Placeholder", "PlaceholderV2")


def import_graph_def(
    graph_def: Any,
    input_map: Any = None,
    return_elements: Any = None,
    name: str | None = None,
    producer_op_list: Any = None,
) -> Any:
    """Puts the operations of a graph in the one that is being written.

    Args:
        graph_def: message.
        input_map: tensors by names of the message, such as "x:0": what takes those takes these.
        return_elements: names of tensors, "y:0", and operations, "y".
        name: a prefix of all names, "import" when None, none for "".
        producer_op_list: accepted for TensorFlow's sake.

    Returns:
        the `return_elements`, a list; None without them.

    Raises:
        RuntimeError: no graph is being written.
        ValueError: `input_map` or `return_elements` name what is not there.
        UnimplementedError: an operation is not known here.
    """
    graph = recording()
    if graph is None or not graph.by_hand:
        raise RuntimeError(
            "tf.import_graph_def: write a graph, in `with tf.Graph().as_default():`, or wrap the call by "
            f"tf.compat.v1.wrap_function{at_user_location()}"
        )
    prefix = "import" if name is None else name
    full = graph.names.scope_name(prefix) if prefix else graph.names.scope
    with graph.names.entered(full):
        made = GraphImport(graph, graph_def, dict(input_map or {}))
        made.run()
    return None if return_elements is None else [made.element(one) for one in return_elements]


class GraphImport:
    """Operations on their way into a graph.

    Attributes:
        values: what the nodes give, by their names; constants as they are, which may be axes and sizes.
        shown: the same, all as tensors of the graph.
        operations: what the nodes became.
    """

    def __init__(self, graph: Any, graph_def: Any, given: dict) -> None:
        self._graph, self._nodes = graph, {node.name: node for node in graph_def.node}
        self._given = {reference(key): convert_to_tensor(value) for key, value in given.items()}
        unknown = [ref.node for ref in self._given if ref.node not in self._nodes]
        if unknown:
            raise ValueError(
                f"tf.import_graph_def: input_map names {unknown}, not in the graph{at_user_location()}"
            )
        self._fed = [node for node in graph_def.node if node.op in _FED]
        library = Library(graph_def.library.function, "tf.import_graph_def")
        names = [node.name for node in self._fed]
        self._part = self.part(library, "graph", graph_def.node, names, list(self._nodes), [])
        self._rows: dict[str, Any] = {}
        self.values: dict[str, list] = {}
        self.shown: dict[str, list] = {}
        self.operations: dict[str, Any] = {}

    def part(self, *args: Any) -> ImportedFunction:
        """Returns what looks the operations up."""
        return ImportedFunction(*args)

    def run(self) -> None:
        """Adds all operations, each after those that it waits for."""
        for node in self._fed:
            shape = shape_of(node.attr["shape"].shape) if "shape" in node.attr else None
            tensor = self._graph.placeholder(shape, dtype_of(node.attr["dtype"].type), node.name)
            self._graph.inputs.append(tensor)
            self.values[node.name] = self.shown[node.name] = [tensor]
            self.operations[node.name] = tensor.op
        for step in self._part._ordered():
            inputs = [self._value(ref) for ref in step.inputs]
            waits = [text[1:] for text in self._nodes[step.name].input if text.startswith("^")]
            with self._graph.control_dependencies([self.operations[one] for one in waits]):
                self._add(step, inputs)

    def _add(self, step: Any, inputs: list) -> None:
        before = len(self._graph.get_operations())
        found = self._graph.named(step.name, self._run, step, inputs)
        made = self._graph.get_operations()[before:]
        symbolic = [leaf for leaf in nest.flat(found) if isinstance(leaf, SymbolicTensor)]
        self.operations[step.name] = symbolic[-1].op if symbolic else made[-1] if made else None

    def _run(self, step: Any, inputs: list) -> list:
        self.values[step.name], self._rows[step.name] = list(step.row.run(inputs, step.attributes)), step.row
        self.shown[step.name] = [self._inside(value) for value in self.values[step.name]]
        return self.shown[step.name]

    def _inside(self, value: Any) -> Any:
        """Returns a value as a tensor of the graph."""
        return self._graph.constant(value) if isinstance(value, Tensor) else value

    def _value(self, ref: Any) -> Any:
        given = self._given.get(ref)
        if given is not None:
            return given
        found = self._part._value(ref, self.values, self._rows)
        if isinstance(found, Tensor) and any(text.startswith("^") for text in self._nodes[ref.node].input):
            return self.shown[ref.node][ref.place]  # a constant that waits for something
        return found

    def element(self, text: str) -> Any:
        """Returns what a name of the message has become."""
        ref = reference(text)
        if ref.node not in self._nodes:
            raise ValueError(
                f"tf.import_graph_def: return_elements name {text!r}, not in the graph{at_user_location()}"
            )
        return self.shown[ref.node][ref.place] if ":" in text else self.operations[ref.node]
