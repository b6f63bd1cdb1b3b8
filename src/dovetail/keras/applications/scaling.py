"""Layers that only architectures use: scaled branches."""

from __future__ import annotations

from typing import Any

from dovetail.keras.initializers import Constant
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.registration import own

__all__ = ["CustomScaleLayer", "LayerScale"]


class LayerScale(Declared):
    """Multiplies each channel by a trained factor that begins small.

    Args:
        init_values: first value of the factors.
        projection_dim: number of channels.

    Weights: gamma (channels,).

    Source: H. Touvron et al., 2021, "Going deeper with image transformers".
    """

    _arguments = (Argument("init_values"), Argument("projection_dim"))
    init_values: float
    projection_dim: int

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight(
            shape=(self.projection_dim,), initializer=Constant(self.init_values), name="gamma"
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class CustomScaleLayer(Declared):
    """Computes `inputs[0] + scale * inputs[1]`.

    Args:
        scale: factor of the branch.
    """

    _arguments = (Argument("scale"),)
    scale: float

    def call(self, inputs: Any) -> Any:
        return inputs[0] + inputs[1] * self.scale

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]


# Where Keras looks for them.
own("keras.src.applications.convnext", {"LayerScale": LayerScale})
own("keras.src.applications.inception_resnet_v2", {"CustomScaleLayer": CustomScaleLayer})
