"""Creating, assigning and describing a layer's weights."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.keras import idiom, initializers, permission, serialization
from dovetail.keras.layers.machinery import in_graphs
from dovetail.keras.layers.machinery.signature import own_parameters
from dovetail.keras.registration import own_name
from dovetail.tensor.dtype import DType
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

_owners: list[Any] = []


@contextlib.contextmanager
def owner(layer: Any) -> Iterator[None]:
    """Names the layer whose `build` is running, so that weights know the path of layers above them."""
    if _owners and _owners[-1] is layer:
        yield
        return
    _owners.append(layer)
    try:
        yield
    finally:
        _owners.pop()


def path_of(layer: Any) -> str:
    """Returns the names of the layers whose `build` makes this one, and its own."""
    return "/".join([*(one.name for one in _owners if one is not layer), layer.name])


def add(
    layer: Any,
    *,
    shape: Any,
    initializer: Any,
    dtype: DType,
    trainable: bool,
    autocast: bool,
    regularizer: Any,
    constraint: Any,
    name: str | None,
    aggregation: Any = None,
    synchronization: Any = None,
) -> Variable:
    """Creates a weight and gives it to the layer.

    Raises:
        ValueError: the shape has an unknown size.
    """
    shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    if any(isinstance(size, str) for size in shape):
        raise ValueError(
            f"{layer.name}: the weight {name or ''!r} cannot have the shape {shape}{at_user_location()}"
        )
    if any(size is None for size in shape):
        raise ValueError(
            f"{layer.name}: the weight {name or ''!r} needs a known shape, received {shape}. The input's sizes that it "
            f"depends on must be given: keras.Input(shape=...){at_user_location()}"
        )
    shape = tuple(int(size) for size in shape)
    permission.check_size(layer.name, name, shape, dtype.numpy_dtype.itemsize)
    if initializer is None:
        initializer = _default_initializer(dtype)
    name = name or ("variable" if not layer._own_weights else f"variable_{len(layer._own_weights)}")

    def first_value() -> Any:
        if permission.awaits_values() and own_name(type(layer)) and own_name(type(initializer)):
            return Tensor(
                np.zeros(shape, dtype.numpy_dtype)
            )  # drawing numbers takes longer than reading the file
        value = initializer(shape, dtype=dtype.name) if _takes_dtype(initializer) else initializer(shape)
        return value if isinstance(value, TensorLike) else np.asarray(value, dtype.numpy_dtype)

    above = [one for one in _owners if one is not layer]
    label, graph = idiom.weight_name(name, [*above, layer]), in_graphs.around()
    facts: dict[str, Any] = {"trainable": trainable, "dtype": dtype, "constraint": constraint}
    facts |= {"aggregation": aggregation, "synchronization": synchronization}
    variable: Any
    if graph is None:
        variable = Variable(first_value(), name=label, **facts)
    else:
        full = label if idiom.is_keras_2() else f"{path_of(layer)}/{name}"
        variable = in_graphs.variable(graph, first_value, full, **facts)
    if tuple(variable.shape) != shape:
        raise ValueError(
            f"{layer.name}: the initializer of {name!r} gave shape {variable.shape}, expected {shape}"
        )
    variable.path = f"{path_of(layer)}/{name}"
    if state.distribution is not None:
        state.distribution.named(variable)
    variable.regularizer = regularizer
    variable._dtype_prints_as_name = not idiom.is_keras_2()
    variable._autocast = variable._autocast and autocast
    variable._declared_trainable = bool(trainable)
    if not layer.trainable:
        variable.trainable = False
    layer._own_weights.append(variable)
    return variable


_KERAS_2_ORDER = ("name", "shape", "dtype", "initializer")
_KERAS_3_ORDER = ("shape", "initializer", "dtype", "trainable")


def by_position(args: tuple, **named: Any) -> dict[str, Any]:
    """Returns the arguments of `add_weight` by name, those given by position included.

    Raises:
        TypeError: an argument was given twice, or too many by position.
    """
    order = _KERAS_2_ORDER if isinstance(args[0], str) else _KERAS_3_ORDER
    if len(args) > len(order):
        raise TypeError(f"add_weight: pass the arguments after {order[-1]!r} by name{at_user_location()}")
    for name, value in zip(order, args, strict=False):
        if named.get(name) is not None:
            raise TypeError(
                f"add_weight: {name} was given twice, {value!r} and {named[name]!r}{at_user_location()}"
            )
        named[name] = value
    return named


def _takes_dtype(initializer: Any) -> bool:
    try:
        parameters = inspect.signature(initializer).parameters
    except (TypeError, ValueError):
        return True
    return "dtype" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _default_initializer(dtype: DType) -> Any:
    return initializers.get("glorot_uniform" if dtype.is_floating else "zeros")


def assign_all(layer: Any, variables: list[Variable], values: list) -> None:
    """Assigns all values, or none when one of them does not fit."""
    if len(values) != len(variables):
        raise ValueError(
            f"{layer.name}.set_weights: the layer has {len(variables)} weights, {len(values)} arrays were given"
            f"{at_user_location()}"
        )
    arrays = [np.asarray(value) for value in values]
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"{layer.name}.set_weights: the weight {variable.name!r} has shape {tuple(variable.shape)}, the array "
                f"given for it {array.shape}. Nothing was assigned{at_user_location()}"
            )
    for variable, array in zip(variables, arrays, strict=True):
        variable._store(Tensor(np.array(array, variable._numpy_dtype)))


def accepted_arguments(kind: type, config: dict) -> tuple[dict, dict]:
    """Splits a config into the arguments that the class takes, and those of all layers that it does not name.

    A class whose `__init__` takes just its own arguments calls `super().__init__()` without them.
    """
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return config, {}
    rest = {
        name: config[name]
        for name in ("name", "trainable", "dtype")
        if name in config and name not in parameters
    }
    return {name: value for name, value in config.items() if name not in rest}, rest


def without_facts(kind: type, config: dict) -> dict:
    """Returns a config without what `kind._facts_in_configs` lists.

    Raises:
        ValueError: a fact is another than the only one that there is.
    """
    facts: dict[str, Any] = getattr(kind, "_facts_in_configs", {})
    for name in facts.keys() & config.keys():
        if facts[name] is not ANY and config[name] != facts[name]:
            raise ValueError(
                f"{kind.__name__}: the config has {name}={config[name]!r}, expected {facts[name]!r}{at_user_location()}"
            )
    return {name: value for name, value in config.items() if name not in facts}


ANY = object()  # stands for every value of a fact in configs


def written_arguments(layer: Any, args: tuple, kwargs: dict) -> dict:
    """Returns the arguments a user's layer was made with, in serialized form.

    Raises:
        NotImplementedError: one of them cannot be serialized.
    """
    try:
        bound = inspect.signature(type(layer).__init__).bind(layer, *args, **kwargs)
    except TypeError:
        return {}
    result: dict[str, Any] = {}
    for parameter in own_parameters(type(layer).__init__):
        name = parameter.name
        if name not in bound.arguments:
            continue
        value = bound.arguments[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            result |= value
        elif parameter.kind is parameter.VAR_POSITIONAL:
            raise NotImplementedError(
                f"{type(layer).__name__}: override get_config(), __init__ takes *{name}"
            )
        else:
            result[name] = value
    for name, value in result.items():
        try:
            result[name] = serialization.serialize_keras_object(value)
        except (TypeError, ValueError) as error:
            raise NotImplementedError(
                f"{type(layer).__name__}: the argument {name!r} ({value!r:.40}) cannot be written into a config; "
                "override get_config()"
            ) from error
    return result
