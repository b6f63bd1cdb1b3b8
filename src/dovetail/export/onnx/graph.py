"""Writing recorded functions as ONNX graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.export.onnx.table import WRITERS
from dovetail.graph.construct import Construct, graphs_in
from dovetail.graph.node import OpCall
from dovetail.graph.walking import Names, Walker, Written
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

INT64, INT32, BOOL, FLOAT32 = (as_dtype(name) for name in ("int64", "int32", "bool", "float32"))
LAST = np.iinfo(np.int64).max
_MOST_SHARED = 64
# Constructs that only call a function: what they do is written out.
_CALLED = {"tf.function": ("function", "args"), "tf.custom_gradient": ("forward", "inputs")}
CONSTRUCTS: dict[str, Callable] = {}


def package() -> Any:
    """Returns the package onnx."""
    return optional("onnx", "an ONNX file", "onnx")


class GraphWriter(Walker):
    """Writes one graph.

    Args:
        opset: the version of the operators.
        parent: what writes the graph around it, whose values it may use; None for that of the file.

    Attributes:
        nodes, initializers: messages.
        opset: as given.
    """

    def __init__(self, opset: int, parent: GraphWriter | None = None) -> None:
        super().__init__()
        self.opset, self.parent = opset, parent
        self.nodes: list[Any] = []
        self.root: GraphWriter = self if parent is None else parent.root
        self.initializers: list[Any] = []
        self.names: Names = Names() if parent is None else parent.names
        self._helper = package().helper
        self._weights: dict[int, Written] = {}
        self._constants: dict[tuple, Written] = {}

    # ---- errors

    def not_written(self, what: str = "") -> Exception:
        """Returns the error for an op, or a way of calling it, that has no row."""
        node = self._current()
        operation = getattr(node, "operation", None)
        name = getattr(operation, "name", None) or type(operation).__name__
        place = f" of {node.name!r}" if node is not None and node.name else ""
        where = f" (at {node.where})" if node is not None and node.where else at_user_location()
        return NotImplementedError(
            f"export: ONNX: the operation {name}{place} {what or 'has no form in ONNX here'}. Write the model with "
            "format='tf_saved_model' or 'stablehlo', export the part before this operation, or make it of others"
            f"{where}"
        )

    def _current(self) -> Any:
        return self.node if self.node is not None or self.parent is None else self.parent._current()

    # ---- graphs

    def input(self, name: str, dtype: Any, shape: Any, stands_for: Any = None) -> Written:
        """Returns an input under a name of its own."""
        made = Written(self.names.unique(name), dtype, shape)
        if stands_for is not None:
            self._note(stands_for, made)
        return made

    def inner(self, inputs: list[Written], write: Callable[[GraphWriter, list[Written]], list]) -> Any:
        """Returns the message of a graph within a node.

        Args:
            inputs: what has the dtypes and shapes of its inputs.
            write: `write(writer, inputs) -> outputs`.
        """
        made = GraphWriter(self.opset, self)
        given = [made.input("value", one.dtype, one.shape) for one in inputs]
        results = [made.op("Identity", [one]) for one in write(made, given)]
        return self._helper.make_graph(
            made.nodes,
            self.names.unique("graph"),
            [made.described(one) for one in given],
            [made.described(one) for one in results],
            made.initializers,
        )

    def described(self, value: Written, sizes: Any = None) -> Any:
        """Returns the message of an input or output."""
        shape = sizes
        if shape is None and value.shape is not None and value.shape.rank is not None:
            shape = [
                f"{value.name}_{axis}" if size is None else size for axis, size in enumerate(value.shape)
            ]
        return self._helper.make_tensor_value_info(value.name, kind_of(value.dtype), shape)

    def _fitted(self, value: Any, tensor: Any) -> Written:
        found = self.ref(value)
        if found.dtype != tensor.dtype:
            found = self.cast(found, tensor.dtype)
        return found._replace(shape=tensor.shape)

    def _by_form(self, node: Any, operation: Any) -> Any:
        if type(operation) is OpCall and operation.op.name in WRITERS:
            return WRITERS[operation.op.name](self, *node.args, **node.kwargs)
        if type(operation) is Construct and operation.name in _CALLED:
            function, args = _CALLED[operation.name]
            arguments, captures = node.args
            return self.inline(arguments[function], nest.flat(arguments[args]), captures[0])
        if type(operation) is Construct and operation.name in CONSTRUCTS:
            arguments, captures = node.args
            held = {id(graph): one for graph, one in zip(graphs_in(arguments), captures, strict=True)}
            return CONSTRUCTS[operation.name](self, arguments, held)
        raise self.not_written()

    # ---- values

    def ref(self, value: Any, dtype: Any = None) -> Written:
        """Returns the value for a tensor of the graph, a variable, or a constant."""
        if isinstance(value, Written):
            return value
        if isinstance(value, SymbolicTensor):
            return self._known(value)
        if isinstance(value, Variable):
            return self.root.weight(value)
        tensor = value if isinstance(value, TensorLike) else convert_to_tensor(value, dtype)
        return self.constant(np.asarray(tensor._value), tensor.dtype)  # type: ignore[attr-defined]

    def _known(self, tensor: Any) -> Written:
        writer: GraphWriter | None = self
        while writer is not None:
            if id(tensor) in writer._values:
                return writer._values[id(tensor)]
            writer = writer.parent
        raise self.not_written("uses a tensor of another function")

    def weight(self, variable: Variable) -> Written:
        """Returns the initializer that a variable becomes."""
        found = self._weights.get(id(variable))
        if found is None:
            label = str(getattr(variable, "path", variable.name)).partition(":")[0]
            found = self._initializer(
                label, np.asarray(variable._plain()._value), as_dtype(variable._numpy_dtype)
            )
            self._weights[id(variable)] = found
        return found

    def constant(self, array: Any, dtype: Any = None) -> Written:
        """Returns a constant; small ones are shared."""
        array = np.asarray(array)
        kind = as_dtype(array.dtype) if dtype is None else as_dtype(dtype)
        array = np.asarray(array, kind.numpy_dtype)
        key = (kind.name, array.shape, array.tobytes()) if array.size <= _MOST_SHARED else None
        found = self.root._constants.get(key) if key is not None else None
        if found is None:
            found = self.root._initializer("constant", array, kind)
            if key is not None:
                self.root._constants[key] = found
        return found

    def _initializer(self, label: str, array: np.ndarray, dtype: Any) -> Written:
        if array.dtype.hasobject:
            raise self.not_written(
                "has a constant of texts, which would be written as what they are in memory"
            )
        made = Written(self.names.unique(label), dtype, convert_shape(array.shape))
        plain = np.ascontiguousarray(array).reshape(array.shape)
        message = package().TensorProto()
        message.name, message.data_type = made.name, kind_of(dtype)
        message.dims.extend(array.shape)
        message.raw_data = plain.tobytes()
        self.initializers.append(message)
        return made

    def ints(self, values: Any) -> Written:
        """Returns a constant vector (or number) of int64, which is what ONNX takes for sizes and axes."""
        return self.constant(np.asarray(values, np.int64))

    def sizes(self, shape: Any) -> Written:
        """Returns a shape as a vector of int64: known sizes and tensors."""
        if isinstance(shape, SymbolicTensor | Written):
            return self.cast(shape, INT64)
        parts = list(shape) if isinstance(shape, list | tuple) or hasattr(shape, "__iter__") else [shape]
        if not any(isinstance(one, TensorLike | Written) for one in parts):
            return self.ints([-1 if one is None else int(one) for one in parts])
        rows = [
            self.reshaped(self.cast(one, INT64), [1])
            if isinstance(one, TensorLike | Written)
            else self.ints([one])
            for one in parts
        ]
        return self.op("Concat", rows, axis=0)

    def cast(self, value: Any, dtype: Any) -> Written:
        """Returns a value in another dtype."""
        found, kind = self.ref(value), as_dtype(dtype)
        return found if found.dtype == kind else self.op("Cast", [found], dtype=kind, to=kind_of(kind))

    def reshaped(self, value: Any, shape: Any) -> Written:
        """Returns a value in another shape: known sizes, -1 and tensors."""
        sizes = shape if isinstance(shape, Written) else self.sizes(shape)
        return self.op("Reshape", [value, sizes], allowzero=int(_has_zero(shape)))

    def transposed(self, value: Any, order: Any) -> Written:
        """Returns a value with its axes in another order."""
        order = list(order)
        return self.ref(value) if order == sorted(order) else self.op("Transpose", [value], perm=order)

    def z(self, kind: str, x: Any, y: Any, dtype: Any = None) -> Written:
        """Writes an operator with two operands of one dtype."""
        common = self.common(x, y) if dtype is None else dtype
        return self.op(kind, [self.ref(x, common), self.ref(y, common)], dtype=common)

    def op(self, kind: str, inputs: list, dtype: Any = None, **attributes: Any) -> Written:
        """Writes a node, and returns its output, which has the dtype of the first input where none is given."""
        refs = [None if one is None else self.ref(one) for one in inputs]
        made = dtype if dtype is not None else refs[0].dtype if refs and refs[0] is not None else None
        return self.ops(kind, refs, [made], **attributes)[0]

    def ops(self, kind: str, inputs: list, dtypes: list, **attributes: Any) -> list[Written]:
        """Writes a node with several outputs, and returns them."""
        label = f"{self._prefix or kind}/{kind}".lstrip("/")
        made = [
            Written(self.names.unique(f"{label}:{place}" if place else label), one)
            for place, one in enumerate(dtypes)
        ]
        names = ["" if one is None else self.ref(one).name for one in inputs]
        self.nodes.append(
            self._helper.make_node(kind, names, [one.name for one in made], made[0].name, **attributes)
        )
        return made


def _has_zero(shape: Any) -> bool:
    return isinstance(shape, list | tuple) and any(isinstance(one, int) and one == 0 for one in shape)


def convert_shape(shape: Any) -> Any:
    """Returns a `TensorShape`."""
    return TensorSpec(shape, FLOAT32).shape


def kind_of(dtype: Any) -> int:
    """Returns ONNX' number of a dtype.

    Raises:
        NotImplementedError: it has none.
    """
    proto = package().TensorProto
    names = {"float32": "FLOAT", "float64": "DOUBLE", "half": "FLOAT16"}
    name = as_dtype(dtype).name
    label = names.get(name, name.upper())
    if label not in proto.DataType.keys():  # noqa: SIM118 - it is no dict
        raise NotImplementedError(f"export: ONNX has no {name} tensors{at_user_location()}")
    return int(proto.DataType.Value(label))
