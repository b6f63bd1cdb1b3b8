"""Layers that hold another layer: `Wrapper` and `TimeDistributed`."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.shapes import map_shapes
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops.mapping import joined_steps, over_steps
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor

__all__ = ["TimeDistributed", "Wrapper"]


class Wrapper(Layer):
    """Holds a layer, to change how it is called.  Subclasses define `call`.

    Args:
        layer: the layer to wrap.
    """

    _holds_layers = _builds_in_its_scope = True

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
        super().build(map_shapes(_merged, input_shape))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        further = {}
        spec = call_spec(type(self.layer).call)
        if spec.accepts_training:
            further["training"] = training
        if mask is not None:
            nest.map_structure(lambda m: self._check_mask(m, nest.flatten(inputs)[0]), mask)
        if spec.accepts_mask and mask is not None:
            further["mask"] = nest.map_structure(lambda m: None if m is None else joined_steps(m), mask)
        return over_steps(inputs, lambda steps: self.layer(steps, **further))

    def _check_mask(self, mask: Any, inputs: Any) -> None:
        """Raises ValueError for a mask that has not the batch and time axes of the inputs."""
        if mask is None:
            return
        pairs = list(zip(tuple(mask.shape)[:2], tuple(inputs.shape)[:2], strict=False))
        if len(pairs) < 2 or any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(
                f"{self.name}: expected a mask that begins with the axes {tuple(inputs.shape)[:2]} of the inputs, "
                f"received one of shape {tuple(mask.shape)}{at_user_location()}"
            )

    def compute_output_spec(self, inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, CompositeTensor) for leaf in nest.flatten(inputs)):
            return super().compute_output_spec(inputs, **kwargs)
        lead = tuple(nest.flatten(inputs)[0].shape)[:2]
        further = (
            {"training": kwargs.get("training")} if call_spec(type(self.layer).call).accepts_training else {}
        )
        step = nest.map_structure(lambda x: SymbolicTensor(_merged(tuple(x.shape)), x.dtype), inputs)
        inner = self.layer.compute_output_spec(step, **further)
        return nest.map_structure(lambda y: SymbolicTensor((*lead, *tuple(y.shape)[1:]), y.dtype), inner)

    def compute_output_shape(self, input_shape: Any) -> Any:
        lead: list = []
        map_shapes(lambda shape: lead.append(tuple(shape)[:2]), input_shape)
        inner = self.layer.compute_output_shape(map_shapes(_merged, input_shape))
        return map_shapes(lambda shape: TensorShape([*lead[0], *tuple(shape)[1:]]), inner)


def _merged(given: Any) -> tuple:
    """Returns the shape after the batch and time axes are made one."""
    given = tuple(given)
    return (None if None in given[:2] else given[0] * given[1], *given[2:])
