"""Activation functions as layers."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import activations, checks
from dovetail.keras.layers.machinery.arguments import written
from dovetail.keras.layers.machinery.declared import Argument, Declared, Weight, weights
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import nn
from dovetail.ops.attention import masked_softmax

__all__ = ["Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"]


class Activation(Declared):
    """Applies an activation function.

    Args:
        activation: a name such as "relu", or a function of one tensor.
    """

    supports_masking = True
    _arguments = (Argument("activation"),)
    activation: Any

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)


class ReLU(Layer):
    """Returns `max(inputs, 0)`, or a variant of it.

    Args:
        max_value: upper limit.
        negative_slope: slope below the threshold.
        threshold: values up to it count as negative.
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        alpha = kwargs.pop("alpha", None)
        super().__init__(**kwargs)
        negative_slope = negative_slope if alpha is None else alpha
        self.max_value = None if max_value is None else _not_negative("ReLU", "max_value", max_value)
        self.negative_slope = _not_negative("ReLU", "negative_slope", negative_slope)
        self.threshold = _not_negative("ReLU", "threshold", threshold)

    def call(self, inputs: Any) -> Any:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict:
        return super().get_config() | written(self, "max_value", "negative_slope", "threshold")


class LeakyReLU(Layer):
    """Returns `inputs` where positive, `negative_slope * inputs` elsewhere (`alpha` is Keras 2's name)."""

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, alpha: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = _not_negative(
            "LeakyReLU", "negative_slope", negative_slope if alpha is None else alpha
        )

    @property
    def alpha(self) -> float:
        return self.negative_slope

    def call(self, inputs: Any) -> Any:
        return nn.leaky_relu(inputs, alpha=self.negative_slope)

    def get_config(self) -> dict:
        return super().get_config() | {"negative_slope": self.negative_slope}


def _shared(layer: Any, name: str, value: Any) -> list[int] | None:
    axes = (value,) if isinstance(value, int) else value
    return None if axes is None else list(checks.axes(tuple(axes), name))


class PReLU(Declared):
    """Returns `inputs` where positive, `alpha * inputs` elsewhere; alpha is learned.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the weight.
        shared_axes: axes (counted from 1) along which one alpha serves all.

    Source: K. He et al., 2015, "Delving deep into rectifiers".
    """

    supports_masking = True
    _arguments = (*weights(Weight("alpha", "zeros")), Argument("shared_axes", None, _shared))
    shared_axes: list[int] | None

    def build(self, input_shape: Any) -> None:
        shared = self.shared_axes or ()
        if not all(0 < axis < len(input_shape) for axis in shared):
            raise ValueError(
                f"shared_axes {self.shared_axes} must lie in [1, {len(input_shape)}) for inputs of shape {input_shape}"
            )
        shape = [1 if axis in shared else size for axis, size in enumerate(input_shape)][1:]
        self.alpha = self._add("alpha", shape)
        axes = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs: Any) -> Any:
        return nn.relu(inputs) - self.alpha * nn.relu(-inputs)


class ELU(Layer):
    """Returns `inputs` where positive, `alpha * (exp(inputs) - 1)` elsewhere."""

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = checks.number(alpha, "alpha")

    def call(self, inputs: Any) -> Any:
        return nn.elu(inputs, alpha=self.alpha)

    def get_config(self) -> dict:
        return super().get_config() | {"alpha": self.alpha}


class ThresholdedReLU(Layer):
    """Returns `inputs` where larger than `theta`, 0 elsewhere (of Keras 2)."""

    supports_masking = True

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.theta = _not_negative("ThresholdedReLU", "theta", theta)

    def call(self, inputs: Any) -> Any:
        return nn.threshold(inputs, threshold=self.theta, default_value=0.0)

    def get_config(self) -> dict:
        return super().get_config() | {"theta": self.theta}


class Softmax(Layer):
    """Returns `exp(inputs) / sum(exp(inputs))` along an axis.

    Args:
        axis: an axis, or several that are taken together.
        robust_masking: of Keras 2; masks are always taken as it does.

    `call` takes a `mask` that broadcasts to the inputs: where it is False, the result is 0.
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, robust_masking: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis
        self.robust_masking = robust_masking

    def call(self, inputs: Any, mask: Any = None) -> Any:
        axis = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        if mask is None:
            return activations.softmax(inputs, axis=axis)
        if len(mask.shape) > len(inputs.shape):
            raise ValueError(
                f"{self.name}: the mask of shape {tuple(mask.shape)} does not broadcast to the inputs of shape "
                f"{tuple(inputs.shape)}{at_user_location()}"
            )
        return masked_softmax(inputs, mask, axis=axis)

    def get_config(self) -> dict:
        own = {"robust_masking": True} if self.robust_masking else {}
        return super().get_config() | {"axis": self.axis} | own


def _not_negative(layer: str, name: str, value: Any) -> float:
    if not isinstance(value, int | float) and not hasattr(value, "__float__") or float(value) < 0:
        raise ValueError(
            f"{layer}: {name} must be a number that is not negative, received {value!r}{at_user_location()}"
        )
    return float(value)
