"""Layers that hold another layer: `Wrapper` and `TimeDistributed`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops.mapping import over_steps
from dovetail.ops.shapes import reshape
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor

__all__ = ["TimeDistributed", "Wrapper"]


class Wrapper(Layer):
    """Holds a layer, to change how it is called.  Subclasses define `call`.

    Args:
        layer: the layer to wrap.
    """

    _holds_layers = True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{type(self).__name__}: expected a layer, received {layer!r:.60}{at_user_location()}"
            )
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> dict:
        return super().get_config() | {"layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        config = dict(config)
        layer = config.pop("layer")
        if not isinstance(layer, Layer):
            layer = deserialize_keras_object(layer, custom_objects)
        return cls(layer, **config)


class TimeDistributed(Wrapper):
    """Applies a layer to every step: (batch, time, ...) -> (batch, time, ...).

    Args:
        layer: the layer; it sees (batch * time, ...).

    Differs from Keras: the steps form one batch, so that a layer with batch statistics takes them over all steps.
    """

    supports_masking = True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.input_spec = InputSpec(min_ndim=3)

    def build(self, input_shape: Any = None) -> None:
        super().build(_merged(tuple(input_shape)))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        further = {}
        spec = call_spec(type(self.layer).call)
        if spec.accepts_training:
            further["training"] = training
        if spec.accepts_mask and mask is not None:
            further["mask"] = reshape(mask, shape=(-1, *tuple(mask.shape)[2:]))
        return over_steps(inputs, lambda steps: self.layer(steps, **further))

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        given = tuple(inputs.shape)
        further = (
            {"training": kwargs.get("training")} if call_spec(type(self.layer).call).accepts_training else {}
        )
        inner = self.layer.compute_output_spec(SymbolicTensor(_merged(given), inputs.dtype), **further)
        return SymbolicTensor((*given[:2], *tuple(inner.shape)[1:]), inner.dtype)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        given = tuple(input_shape)
        inner = self.layer.compute_output_shape(_merged(given))
        return TensorShape([*given[:2], *tuple(inner)[1:]])


def _merged(given: tuple) -> tuple:
    """Returns the shape after the batch and time axes are made one."""
    return (None if None in given[:2] else given[0] * given[1], *given[2:])
