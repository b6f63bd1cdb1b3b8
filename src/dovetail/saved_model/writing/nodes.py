"""What nodes of TensorFlow's graphs are made of: outputs, and attributes as messages."""

from __future__ import annotations

from typing import Any

from dovetail.graph.walking import Names
from dovetail.ops.protos import make_tensor_proto
from dovetail.tensor.dtype import DType, as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.wire.messages import AttrValue, TensorProto, TensorShapeProto

RESOURCE, VARIANT = 20, 21  # the numbers of the dtypes of handles, and of lists of tensors
INT32, INT64, BOOL, STRING = (as_dtype(name) for name in ("int32", "int64", "bool", "string"))


class FunctionName(str):
    """The name of a function, as the attribute of a node that calls it."""


def number_of(dtype: Any) -> int:
    """Returns the number of a dtype."""
    return dtype if isinstance(dtype, int) else as_dtype(dtype).as_datatype_enum


def shape_message(shape: Any) -> TensorShapeProto:
    """Returns a shape as a message; None is one of an unknown rank."""
    made = TensorShapeProto()
    if shape is None or shape.rank is None:
        made.unknown_rank = True
    else:
        made.SetInParent()
        for size in shape:
            made.dim.add(size=-1 if size is None else size)
    return made


def attribute(value: Any) -> AttrValue:
    """Returns an attribute of a node as a message.

    Raises:
        TypeError: it is none.
    """
    made = AttrValue()
    if isinstance(value, list):
        made.list.SetInParent()
        for one in value:
            name, stated = _stated(one)
            getattr(made.list, name).append(stated)
        return made
    name, stated = _stated(value)
    if name in ("func", "shape", "tensor"):
        getattr(made, name).CopyFrom(stated)
    else:
        setattr(made, name, stated)
    return made


def state_attributes(node: Any, attributes: dict) -> None:
    """Gives a node attributes."""
    for name, value in attributes.items():
        node.attr[name].CopyFrom(attribute(value))


def _stated(value: Any) -> tuple[str, Any]:
    """Returns the field that holds a value, and what it holds."""
    if isinstance(value, FunctionName):
        made = AttrValue()
        made.func.name = str(value)
        return "func", made.func
    for kind, name, stated in _KINDS:
        if isinstance(value, kind):
            return name, stated(value)
    raise TypeError(f"{value!r:.80} is no attribute of a node")


class Kind(int):
    """The number of a dtype that no tensor here has, as an attribute."""


_KINDS: tuple[tuple[Any, str, Any], ...] = (
    (DType, "type", lambda value: value.as_datatype_enum),
    (Kind, "type", int),
    (bool, "b", bool),
    (int, "i", int),
    (float, "f", float),
    (str, "s", lambda value: value.encode()),
    (bytes, "s", bytes),
    (TensorShape, "shape", shape_message),
    (TensorShapeProto, "shape", lambda value: value),
    (TensorProto, "tensor", lambda value: value),
)


def kinds(values: Any) -> list:
    """Returns the dtypes of outputs as the attribute of a node."""
    return [Kind(one.dtype) if isinstance(one.dtype, int) else one.dtype for one in values]


def shapes(values: Any) -> list:
    """Returns the shapes of outputs as the attribute of a node."""
    return [shape_message(one.shape) for one in values]


class GrowingGraph:
    """A `GraphDef` that nodes are added to.

    Attributes:
        message: as given.
        names: of its nodes.
    """

    def __init__(self, message: Any) -> None:
        self.message = message
        self.names = Names(node.name for node in message.node)

    def add(self, name: str, kind: str, inputs: Any = (), **attributes: Any) -> str:
        """Adds a node, and returns its name: the one that is wanted, with a number where it is taken."""
        return self.add_as(self.names.unique(name), kind, inputs, **attributes)

    def add_as(self, name: str, kind: str, inputs: Any = (), **attributes: Any) -> str:
        """Adds a node under a name that `names` gave."""
        node = self.message.node.add(name=name, op=kind)
        node.input.extend(inputs)
        state_attributes(node, attributes)
        return name

    def constant(self, name: str, value: Any) -> str:
        """Adds a constant, and returns its name."""
        tensor = make_tensor_proto(value)
        return self.add(name, "Const", dtype=Kind(tensor.dtype), value=tensor)
