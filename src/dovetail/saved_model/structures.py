"""Python structures as SavedModels hold them: arguments and results of functions, with specs for the tensors."""

from __future__ import annotations

import inspect
from collections import namedtuple
from typing import Any

from dovetail.base import nest
from dovetail.ops.protos import make_ndarray
from dovetail.ops.table import find
from dovetail.saved_model.library import dtype_of, shape_of
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.variable_spec import VariableSpec

# The classes of specs by their numbers.
_SPECS = {
    1: lambda: find("tf", "SparseTensorSpec"),
    2: lambda: find("tf", "IndexedSlicesSpec"),
    3: lambda: find("tf", "RaggedTensorSpec"),
    4: lambda: find("tf", "TensorArraySpec"),
    9: lambda: VariableSpec,
}


def class_number(spec: Any) -> int:
    """Returns the number of a spec's class, 0 for one that files do not know."""
    return next((number for number, kind in _SPECS.items() if type(spec) is kind()), 0)


def decoded(message: Any) -> Any:
    """Returns the structure that a `StructuredValue` holds."""
    kind = message.WhichOneof("kind")
    if kind is None or kind == "none_value":
        return None
    return _DECODERS[kind](getattr(message, kind))


def _signed(number: int) -> int:
    """Returns the number whose sign is in the lowest bit."""
    return (number >> 1) ^ -(number & 1)


class HandleSpec:
    """Stands for the handle of a resource, or another value that is no tensor here.

    Args:
        kind: "resource", "variant", or the name of a class that is not known here.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"<{self.kind}>"


def _spec(message: Any) -> Any:
    dtype = dtype_of(message.dtype)
    if isinstance(dtype, str):
        return HandleSpec(dtype)
    return TensorSpec(shape_of(message.shape), dtype, message.name or None)


_NAMED_TUPLES = {"FullArgSpec": inspect.FullArgSpec}


def _named_tuple(message: Any) -> Any:
    values = {pair.key: decoded(pair.value) for pair in message.values}
    return (_NAMED_TUPLES.get(message.name) or namedtuple(message.name, values))(**values)


def _type_spec(message: Any) -> Any:
    found = _SPECS.get(message.type_spec_class)
    if found is None:  # only who calls the function that takes or gives it needs to know
        return HandleSpec(message.type_spec_class_name or str(message.type_spec_class))
    return found()._deserialize(decoded(message.type_state))


_DECODERS = {
    "float64_value": float,
    "int64_value": _signed,
    "string_value": str,
    "bool_value": bool,
    "tensor_shape_value": shape_of,
    "tensor_dtype_value": dtype_of,
    "tensor_spec_value": _spec,
    "bounded_tensor_spec_value": _spec,
    "type_spec_value": _type_spec,
    "list_value": lambda message: [decoded(one) for one in message.values],
    "tuple_value": lambda message: tuple([decoded(one) for one in message.values]),
    "dict_value": lambda message: {key: decoded(one) for key, one in message.entries.items()},
    "named_tuple_value": _named_tuple,
    "tensor_value": lambda message: convert_to_tensor(make_ndarray(message)),
    "numpy_value": make_ndarray,
}


def is_spec(leaf: Any) -> bool:
    """Returns whether a leaf stands for a tensor."""
    return isinstance(leaf, TensorSpec | HandleSpec)


def packed(structure: Any, tensors: list) -> Any:
    """Returns the structure with tensors in the places of the specs."""
    leaves, spec = nest.flatten_spec(structure)
    given = iter(tensors)
    return nest.unflatten(spec, [next(given) if is_spec(leaf) else leaf for leaf in leaves])
