"""Going over recorded functions to write them in another form: what all such forms have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dovetail.base import nest
from dovetail.graph.node import CONSTANT, NOTHING, READ, FunctionCall
from dovetail.graph.recording import FunctionGraph, trace
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike

# Calls of functions over tensors alone, by name: they look at sizes, so that what they do is recorded once more.
INLINED = frozenset({"K.rnn"})


class Written(NamedTuple):
    """A value in the other form: an output of a node that was written, an input, or a constant.

    Attributes:
        name: as the nodes of the other form name it.
        dtype: of it, or the number of a dtype that no tensor here has.
        shape: of it, None where nobody knows it.
    """

    name: str
    dtype: Any
    shape: Any = None


class Names:
    """Gives each thing in a file a name of its own.

    Args:
        taken: names that are given already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def copy(self) -> Names:
        return Names(self._taken)

    def unique(self, wanted: str) -> str:
        """Returns the name that is wanted, with a number where it is taken."""
        found, count = wanted, 0
        while found in self._taken:
            count += 1
            found = f"{wanted}_{count}"
        self._taken.add(found)
        return found


def table() -> tuple[dict[str, Callable], Callable[..., Callable]]:
    """Returns a table of what writes ops, by name, and the decorator that enters a function in it under some names.

    A writer is called with the `Walker`, the arguments of the op by their places and its attributes by their names.
    It returns what the op gives in the other form, or a list of that.
    """
    writers: dict[str, Callable] = {}

    def writes(*names: str) -> Callable[[Callable], Callable]:
        def decorate(function: Callable) -> Callable:
            writers.update(dict.fromkeys(names, function))
            return function

        return decorate

    return writers, writes


class Walker:
    """Base of what writes recorded functions, node by node.

    Subclasses define `ref`, `not_written` and `_by_form`.

    Attributes:
        node, outputs, output_shape, kind: the node being written, what it gives, and TensorFlow's name of what it does.
    """

    def __init__(self) -> None:
        self.node: Any = None
        self.outputs: list = []
        self.output_shape: Any = None
        self.kind = ""
        self._prefix = ""
        self._values: dict[int, Any] = {}
        self._kept: list[Any] = []  # what `_values` knows by its id stays alive

    def ref(self, value: Any, dtype: Any = None) -> Written:
        """Returns what stands for a tensor of the graph, a variable, or a constant."""
        raise NotImplementedError

    def not_written(self, what: str = "") -> Exception:
        """Returns the error for what the other form, or its writer, has not."""
        raise NotImplementedError

    def _by_form(self, node: Any, operation: Any) -> Any:
        """Writes a node in the other form, and returns its output or outputs."""
        raise NotImplementedError

    # ---- graphs

    def write(self, graph: FunctionGraph, captures: list | None = None) -> None:
        """Writes the nodes of a graph whose inputs are there already.

        Args:
            captures: what stands for the tensors of other graphs that it uses.
        """
        for tensor, value in zip(graph.captured, captures or [], strict=True):
            self._note(tensor, self.ref(value))
        around = (self.node, self.outputs, self.output_shape, self.kind, self._prefix)
        try:
            for node in graph.nodes:
                self._write(node)
        finally:
            self.node, self.outputs, self.output_shape, self.kind, self._prefix = around

    def inline(self, function: Callable | FunctionGraph, inputs: list, captures: list | None = None) -> list:
        """Writes what a Python function, or a graph, does to some inputs, and returns what that gives, flat.

        Args:
            function: over tensors; of other tensors it may use those of the function that is being written.
        """
        refs = [self.ref(one) for one in inputs]
        if isinstance(function, FunctionGraph):
            graph = function
        else:
            graph = trace(function, [TensorSpec(one.shape, one.dtype) for one in refs])
            captures = graph.captures
        for tensor, one in zip(graph.inputs, refs, strict=True):
            self._note(tensor, one)
        self._kept.append(graph)
        self.write(graph, captures)
        return [self.ref(one) for one in graph.outputs]

    def _note(self, tensor: Any, value: Any) -> None:
        self._values[id(tensor)] = value
        self._kept.append(tensor)

    def _begin(self, node: Any) -> None:
        self.node, self.outputs, self.kind = node, node.outputs, node.type
        self._prefix = node.name or getattr(node.operation, "name", "")
        self.output_shape = node.outputs[0].shape if node.outputs else None

    def _write(self, node: Any) -> None:
        self._begin(node)
        found = self._found(node, node.operation)
        results = found if isinstance(found, list) else [] if found is None else [found]
        if len(results) < len(node.outputs):
            raise self.not_written()
        for tensor, one in zip(node.outputs, results, strict=False):
            self._note(tensor, self._fitted(one, tensor))

    def _fitted(self, value: Any, tensor: Any) -> Any:
        """Returns what a node was found to give as what stands for its output."""
        return value._replace(shape=tensor.shape) if isinstance(value, Written) else value

    def _found(self, node: Any, operation: Any) -> Any:
        if operation is READ or operation is CONSTANT:
            return self.ref(node.args[0])
        if operation in NOTHING.values():
            return []
        if type(operation) is FunctionCall and operation.name in INLINED:
            return self._written_out(operation.function, node.args)
        return self._by_form(node, operation)

    def _written_out(self, function: Callable, args: tuple) -> list:
        """Writes what a Python function over structures of tensors does."""
        leaves, spec = nest.flatten_spec(args)
        places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, TensorLike)]

        def run(*tensors: Any) -> Any:
            filled = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor
            return function(*nest.unflatten(spec, filled))

        return self.inline(run, [leaves[place] for place in places])

    # ---- what writers use

    def dtype(self, value: Any) -> Any:
        """Returns the dtype of a value."""
        if isinstance(value, SymbolicTensor | Written):
            return self.ref(value).dtype
        return (value if isinstance(value, TensorLike) else convert_to_tensor(value)).dtype

    def common(self, *values: Any) -> Any:
        """Returns the dtype of operands of one dtype: that of a tensor among them, where there is one."""
        tensors = [one for one in values if isinstance(one, TensorLike | Written)]
        return self.dtype((tensors or values)[0])
