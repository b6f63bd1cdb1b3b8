"""Bringing the arguments of a call into the form that a signature asks for."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function.signature import Parameters
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec, TypeSpec
from dovetail.tensor.tensor import Tensor, TensorLike


def fitted(
    signature: tuple, parameters: Parameters, name: str, args: tuple, kwargs: dict
) -> tuple[tuple, dict]:
    """Converts the arguments to what `input_signature` asks for; defaults count as arguments.

    Raises:
        TypeError: too many or too few arguments, or one that does not fit its `tf.TensorSpec`.
    """
    if kwargs or len(args) != len(signature):
        args, kwargs = _positional(len(signature), args, kwargs, parameters)
    if len(args) != len(signature) or kwargs:
        unknown = f" ({', '.join(kwargs)} by name)" if kwargs else ""
        raise TypeError(
            f"{name}: input_signature describes {len(signature)} arguments, {len(args) + len(kwargs)} were given"
            f"{unknown}{at_user_location()}"
        )
    where = f"{name}: argument "
    return tuple(
        [
            fit(spec, value, where + str(i))
            for i, (spec, value) in enumerate(zip(signature, args, strict=True))
        ]
    ), {}


def _positional(count: int, args: tuple, kwargs: dict, parameters: Parameters) -> tuple[tuple, dict]:
    """Moves arguments to their positions; leaves out defaults that the signature does not describe."""
    full, rest = parameters.canonical(args, kwargs)
    names = parameters.names
    beyond = [*names[count : len(full)], *rest]
    if len(args) <= count and not any(name in kwargs for name in beyond):
        return full[:count], {key: value for key, value in rest.items() if key in kwargs}
    return full, {key: value for key, value in rest.items() if key in kwargs}


def fit(spec: Any, value: Any, where: str) -> Any:
    """Converts a value to what a spec (or a structure of specs) describes; `where` begins the error."""
    if nest.is_nested(spec):
        return _fit_nested(spec, value, where)
    if not isinstance(spec, TypeSpec) or value is spec:
        return value
    if not isinstance(spec, TensorSpec):
        if not spec.is_compatible_with(value):
            raise TypeError(
                f"{where} must be {spec!r} (input_signature), received {value!r:.80}{at_user_location()}"
            )
        return value
    if isinstance(value, TensorSpec):
        return value if _fits(spec, value) else _refuse(spec, value, where)
    tensor = value if type(value) is Tensor else as_tensor(spec, value, where)
    return tensor if _fits(spec, tensor) else _refuse(spec, tensor, where)


def _fit_nested(spec: Any, value: Any, where: str) -> Any:
    try:
        values = _values_for(spec, value)
    except (TypeError, ValueError):
        raise TypeError(
            f"{where} must have the structure {spec!r:.200} (input_signature), received {value!r:.200}"
            f"{at_user_location()}"
        ) from None
    pairs = zip(nest.flatten(spec), values, strict=True)
    return nest.pack_sequence_as(spec, [fit(one, leaf, where) for one, leaf in pairs])


def _values_for(spec: Any, value: Any) -> list:
    """Returns what stands in a value where the specs stand in their structure; a list may stand for one tensor.

    Raises:
        ValueError: the structures differ.
    """
    if not nest.is_nested(spec):
        return [value]
    if isinstance(spec, dict):
        if not isinstance(value, dict) or spec.keys() != value.keys():
            raise ValueError("other keys")
        pairs = [(spec[key], value[key]) for key in nest.flatten_spec(spec)[1].entries()]
    elif isinstance(spec, list | tuple):
        if not isinstance(value, list | tuple) or len(spec) != len(value):
            raise ValueError("another number of items")
        pairs = list(zip(spec, value, strict=True))
    else:
        nest.assert_same_structure(spec, value)
        return nest.flatten(value)
    return [leaf for one, item in pairs for leaf in _values_for(one, item)]


def as_tensor(spec: TensorSpec, value: Any, where: str) -> Any:
    """Returns a value as a tensor: tensors as they are, others in the dtype of the spec."""
    try:
        return (
            convert_to_tensor(value)
            if isinstance(value, TensorLike)
            else convert_to_tensor(value, spec.dtype)
        )
    except (TypeError, ValueError):
        raise TypeError(
            f"{where} must be {spec.shape} {spec.dtype.name}, received {value!r:.80}{at_user_location()}"
        ) from None


def _fits(spec: TensorSpec, tensor: Any) -> bool:
    return tensor.dtype == spec.dtype and TensorShape(spec.shape).is_compatible_with(tensor.shape)


def _refuse(spec: TensorSpec, tensor: Any, where: str) -> Any:
    raise TypeError(
        f"{where} must be {spec.shape} {spec.dtype.name} (input_signature), received "
        f"{tensor.shape} {tensor.dtype.name}{at_user_location()}"
    )
