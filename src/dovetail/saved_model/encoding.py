"""Arguments and results of functions as messages of SavedModels; `structures` reads them."""

from __future__ import annotations

import inspect
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function.function import Function
from dovetail.saved_model.functions import LoadedFunction
from dovetail.saved_model.structures import class_number
from dovetail.saved_model.writing.nodes import RESOURCE, shape_message
from dovetail.tensor.dtype import DType
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec, TypeSpec
from dovetail.wire.saved_model import StructuredValue


def encoded(value: Any) -> StructuredValue:
    """Returns a structure as a message; see `structures.decoded`."""
    made = StructuredValue()
    if value is None or value is inspect.Parameter.empty:
        made.none_value.SetInParent()
    elif isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int64_value = (value << 1) ^ (value >> 63)
    elif isinstance(value, float):
        made.float64_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, DType):
        made.tensor_dtype_value = value.as_datatype_enum
    elif isinstance(value, TensorShape):
        made.tensor_shape_value.CopyFrom(shape_message(value))
    elif isinstance(value, TensorSpec):
        made.tensor_spec_value.dtype = value.dtype.as_datatype_enum
        made.tensor_spec_value.name = value.name or ""
        made.tensor_spec_value.shape.CopyFrom(shape_message(value.shape))
    elif isinstance(value, dict):
        made.dict_value.SetInParent()
        for key, one in value.items():
            made.dict_value.entries[str(key)].CopyFrom(encoded(one))
    elif isinstance(value, list | tuple):
        into = made.list_value if isinstance(value, list) else made.tuple_value
        into.SetInParent()
        into.values.extend([encoded(one) for one in value])
    elif isinstance(value, TypeSpec) and class_number(value):
        spec = made.type_spec_value
        spec.type_spec_class = class_number(value)
        spec.type_spec_class_name = type(value).__name__
        spec.type_state.CopyFrom(encoded(value._serialize()))
        spec.num_flat_components = len(nest.flat(value))
    else:
        raise NotImplementedError(
            f"tf.saved_model.save: a function takes or gives {value!r:.80}, which is not written{at_user_location()}"
        )
    return made


def state_parameters(function: Any, into: Any) -> None:
    """Writes the parameters of a function."""
    kinds = inspect.Parameter
    is_loaded = isinstance(function, LoadedFunction)
    stated = function.__signature__ if is_loaded else inspect.signature(function.python_function)
    input_signature = None if is_loaded else function.input_signature
    parameters = list(stated.parameters.values())
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if input_signature is not None:  # nobody can pass what it does not state
        places, named = places[: len(input_signature)], []
    rest = {p.kind: p.name for p in parameters}
    facts = {
        "args": [p.name for p in places],
        "varargs": rest.get(kinds.VAR_POSITIONAL),
        "varkw": rest.get(kinds.VAR_KEYWORD),
        "defaults": tuple(p.default for p in places if p.default is not p.empty) or None,
        "kwonlyargs": [p.name for p in named],
        "kwonlydefaults": {p.name: p.default for p in named if p.default is not p.empty} or None,
        "annotations": {},
    }
    made = into.fullargspec.named_tuple_value
    made.name = "FullArgSpec"
    for key, value in facts.items():
        made.values.add(key=key, value=encoded(value))
    into.input_signature.CopyFrom(encoded(input_signature))


def state_no_parameters(into: Any) -> None:
    """Writes those of a function that takes nothing."""
    state_parameters(Function(lambda: None, input_signature=[]), into)


def _handle_spec() -> StructuredValue:
    made = StructuredValue()
    made.tensor_spec_value.dtype = RESOURCE
    made.tensor_spec_value.shape.SetInParent()
    return made


HANDLE = _handle_spec()  # what makes a table gives it


def named_spec(leaf: Any, labels: Any) -> Any:
    """Returns the spec of an argument with the name of the input that it becomes."""
    if isinstance(leaf, TensorSpec):
        return TensorSpec(leaf.shape, leaf.dtype, next(labels))
    if isinstance(leaf, TypeSpec):
        for _ in nest.flat(leaf):
            next(labels)
    return leaf
