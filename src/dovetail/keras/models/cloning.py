"""`clone_model`, and models from JSON."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.told import told_function
from dovetail.keras.layers.core.input_layer import InputLayer
from dovetail.keras.models.config import clone_graph, clone_layer
from dovetail.keras.models.model import Model
from dovetail.keras.models.sequential import Sequential
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.wire.json_text import parsed


@told_function("keras.models.clone_model")
def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Any = None,
    call_function: Any = None,
    recursive: bool = False,
) -> Model:
    """Returns a model of the same architecture with new weights.

    Args:
        model: functional, sequential, or a subclassed one with a config.
        input_tensors: symbolic tensors to begin with; new inputs when None.
        clone_function: `f(layer) -> layer`, called for each layer but inputs; by default from the layer's config.
        call_function: `f(layer, *args, **kwargs)`, called for each call of a layer of a functional model.
        recursive: clone the layers of models inside with `clone_function`, too.

    Raises:
        ValueError: `clone_function` and its like with a subclassed model.

    Example:
        >>> def freeze(layer):
        ...     return layer.__class__.from_config(layer.get_config() | {"trainable": False})
        >>> frozen = keras.models.clone_model(model, clone_function=freeze)
    """

    def clone(layer: Any) -> Any:
        inner = isinstance(layer, Model) and (layer._graph is not None or isinstance(layer, Sequential))
        if inner and (recursive or clone_function is None):
            return clone_model(layer, None, clone_function, call_function, recursive)
        return (clone_function or clone_layer)(layer)

    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError(f"clone_model: sequential models take no call_function{at_user_location()}")
        return _clone_sequential(model, input_tensors, clone)
    if model._graph is not None:
        inputs, outputs = clone_graph(model, clone, call_function, input_tensors)
        copy = (type(model) if type(model).__init__ is Model.__init__ else Model)(
            inputs, outputs, name=model.name
        )
        copy._trainable = model._trainable
        return copy
    if clone_function is not None or call_function is not None or input_tensors is not None:
        raise ValueError(
            f"clone_model: {model.name!r} is a subclassed model, whose layers are not known before it runs; only "
            f"functional and sequential models take these arguments{at_user_location()}"
        )
    return type(model).from_config(model.get_config())


def _clone_sequential(model: Sequential, inputs: Any, clone: Any) -> Sequential:
    layers = [clone(layer) for layer in model.layers]
    if inputs is not None:
        first = inputs[0] if isinstance(inputs, list | tuple) else inputs
        layers.insert(0, first)
    elif model._stack and model._stack[0].is_input:
        layers.insert(0, InputLayer.from_config(model._stack[0].get_config()))
    copy = type(model)(layers, name=model.name)
    copy._trainable = model._trainable
    return copy


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Model:
    """Makes a model from the text that `model.to_json()` returned; its weights are new.

    Args:
        json_string: the text.
        custom_objects: `{name: class or function}` for what is not registered.
    """
    return deserialize_keras_object(parsed(json_string), custom_objects=custom_objects)


def model_from_config(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Model:
    """Makes a model from the config that `keras.saving.serialize_keras_object(model)` returned; its weights are new.

    Args:
        config: the class' name and its config.
        custom_objects: `{name: class or function}` for what is not registered.

    Raises:
        TypeError: a list, which only Keras 1 wrote.
    """
    if isinstance(config, list):
        raise TypeError(
            f"model_from_config: expected the config of one model, received a list; Sequential.from_config reads lists"
            f"{at_user_location()}"
        )
    return deserialize_keras_object(config, custom_objects=custom_objects)
