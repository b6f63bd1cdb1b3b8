"""Nodes: one application of an operation (a layer, or an op of the table) to symbolic tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import user_location
from dovetail.base.settings import state
from dovetail.ops.core import Op
from dovetail.ops.table import op_named
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable


class Operation:
    """What makes tensors of a graph, by name and type (`tf.Operation`).

    Attributes:
        graph: the graph that records it, None outside of one.
        name: its name in that graph.
        type: what it does, by TensorFlow's name, such as "MatMul".
        inputs, outputs: symbolic tensors.
        control_inputs: the operations of the graph that it waits for, besides those that make its inputs.
    """

    __slots__ = ()

    device = ""
    graph: Any
    name: Any
    type: Any
    inputs: Any
    outputs: list[SymbolicTensor]
    control_inputs: list

    def values(self) -> tuple:
        return tuple(self.outputs)

    def run(self, feed_dict: Any = None, session: Any = None) -> None:
        """Runs it in a session, the default one when None; for operations of a `tf.Graph`."""
        (session or self.graph.default_session("Operation.run")).run(self, feed_dict)

    def __repr__(self) -> str:
        return f"<tf.Operation {self.name!r} type={self.type}>"


class Node(Operation):
    """One call in the graph.

    Attributes:
        operation: a callable with a `name`: a Keras layer or an `OpCall`.
        args, kwargs: what it was called with; symbolic tensors anywhere inside.
        outputs: the symbolic tensors it gives, flat.
        structure: how the outputs are packed.
        name: its name in the graph that records it, None outside of one.
        where: "file.py:12" of the user's line.
    """

    __slots__ = (
        *("__weakref__", "args", "control_inputs", "graph", "kwargs", "name"),
        *("operation", "outputs", "structure", "where"),
    )

    def __init__(self, operation: Any, args: tuple, kwargs: dict) -> None:
        self.operation, self.args, self.kwargs = operation, args, kwargs
        self.outputs: list[SymbolicTensor] = []
        self.structure: Any = None
        self.name: str | None = None
        self.graph: Any = None
        self.control_inputs: list = []
        self.where = user_location()

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic tensors among the arguments, in order."""
        return [leaf for leaf in nest.flat((self.args, self.kwargs)) if isinstance(leaf, SymbolicTensor)]

    @property
    def device(self) -> str:  # type: ignore[override]
        """The device that the program names for it, "" when it names none."""
        return getattr(self.graph, "devices", {}).get(id(self), "")

    @property
    def type(self) -> str:
        """What it does, by TensorFlow's name, such as "MatMul"."""
        return getattr(self.operation, "type", None) or type(self.operation).__name__

    @property
    def parents(self) -> list[Node]:
        return [tensor.node for tensor in self.inputs if tensor.node is not None]

    def __repr__(self) -> str:
        if self.graph is not None:
            return super().__repr__()
        return f"<Node {getattr(self.operation, 'name', self.operation)} at {self.where}>"


class OpCall:
    """An op of the table as the operation of a node.

    Attributes:
        op: the op.
        function: the public function that was called, such as `tf.where`.
        promote: mixed dtypes are promoted (`keras.ops`) instead of refused.
        name: a readable name; models make it unique ("tf.where_1").
    """

    is_input = False

    def __init__(self, op: Op, promote: bool) -> None:
        self.op, self.promote = op, promote
        self.function: Callable = op.public or op
        published = getattr(self.function, "published", None) or f"tf.{op.name}"
        self.name = published if published.startswith("tf.") else f"tf.{published}"

    @property
    def type(self) -> str:
        return type_of_op(self.op.name)

    def __reduce__(self) -> tuple:
        return _op_call, (self.op.name, self.promote)

    def __call__(self, *args: Any, **attributes: Any) -> Any:
        return self.op.call(args, attributes, self.promote)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def _op_call(name: str, promote: bool) -> OpCall:
    op = op_named(name)
    if op is None:
        raise ValueError(f"there is no op {name!r}")
    return OpCall(op, promote)


class FunctionCall:
    """A Python function over tensors as the operation of a node, such as `tf.print`.

    Args:
        function: called each time the graph runs.
        name: shown in summaries.
        effect: it is called for what it does; its result is dropped.
        changes: the variables that it reads and assigns, where that is all it does.
    """

    is_input = False

    def __init__(
        self, function: Callable, name: str, effect: bool = False, changes: Iterable[Variable] = ()
    ) -> None:
        self.function, self.name, self.effect, self.changes = function, name, effect, tuple(changes)

    @property
    def type(self) -> str:
        return type_of_op(self.name.rsplit(".", 1)[-1])

    @property
    def gives_rows(self) -> bool:
        """Whether what it gives may be `tf.IndexedSlices`, though a graph describes it as dense."""
        return self.name.startswith("tf.GradientTape.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.function(*args, **kwargs)
        return () if self.effect else result


class _Read:
    """Reads a variable, in the dtype that it has."""

    name, type = "tf.Variable.read_value", "ReadVariableOp"
    is_input = False

    def __reduce__(self) -> str:
        return "READ"

    def __call__(self, variable: Variable) -> Any:
        saved, state.autocast = state.autocast, None
        try:
            return variable._tensor()
        finally:
            state.autocast = saved


class _Write:
    """Assigns a variable."""

    name, type = "tf.Variable.assign", "AssignVariableOp"
    is_input = False

    def __reduce__(self) -> str:
        return "WRITE"

    def __call__(self, variable: Variable, value: Any) -> tuple:
        variable.assign(value)
        return ()


READ, WRITE = _Read(), _Write()


class _Nothing:
    """Does nothing; what it waits for is done before."""

    type = "NoOp"
    is_input = False

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple:
        return NOTHING.get, (self.name,)

    def __call__(self) -> tuple:
        return ()


class _Constant:
    """Gives the value that its node holds."""

    type = name = "Const"
    is_input = False

    def __reduce__(self) -> str:
        return "CONSTANT"

    def __call__(self, value: Any) -> Any:
        return value


CONSTANT = _Constant()
NOTHING = {name: _Nothing(name) for name in ("tf.no_op", "tf.group")}

# TensorFlow's types of ops whose table names do not spell them.
_TYPES = {
    "add": "AddV2",
    "subtract": "Sub",
    "multiply": "Mul",
    "divide": "RealDiv",
    "matmul": "MatMul",
    "reduce_sum": "Sum",
    "reduce_mean": "Mean",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "negative": "Neg",
    "concat": "ConcatV2",
    "stack": "Pack",
    "unstack": "Unpack",
    "where": "SelectV2",
    "gather": "GatherV2",
    "expand_dims": "ExpandDims",
    "strided_slice": "StridedSlice",
    "batch_matmul": "BatchMatMulV2",
    "reduce_prod": "Prod",
    "reduce_any": "Any",
    "reduce_all": "All",
    "floordiv": "FloorDiv",
    "floormod": "FloorMod",
    "getitem": "StridedSlice",
    "argmax": "ArgMax",
    "argmin": "ArgMin",
    "reverse": "ReverseV2",
    "largest_entries": "TopKV2",
    "contraction": "Einsum",
    "convolution": "Conv2D",
    "band_part": "MatrixBandPart",
    "random_normal": "RandomStandardNormal",
    "while_loop": "While",
    "cond": "If",
    "switch_case": "Case",
    "print": "PrintV2",
    "py_function": "EagerPyFunc",
    "numpy_function": "PyFunc",
}


def type_of_op(name: str) -> str:
    """Returns TensorFlow's type of an op: "MatMul" for "matmul", "LogSoftmax" for "log_softmax"."""
    return _TYPES.get(name) or "".join(part[:1].upper() + part[1:] for part in name.split("_"))
