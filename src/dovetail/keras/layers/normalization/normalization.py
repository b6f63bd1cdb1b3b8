"""Layers that normalize each example by itself: layer, group, RMS and unit normalization."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.layers.machinery.arguments import count, written
from dovetail.keras.layers.machinery.declared import Argument, Declared, Weight, weights
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops.normalization import group_norm, normalized
from dovetail.ops.norms import l2_normalize
from dovetail.ops.shapes import transpose

__all__ = ["GroupNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"]

BETA, GAMMA = Weight("beta", "zeros"), Weight("gamma", "ones")


def _axes(layer: Any, name: str, value: Any) -> Any:
    axes = value if isinstance(value, list | tuple) else [value]
    if not axes or not all(isinstance(one, int) for one in axes):
        raise ValueError(
            f"{type(layer).__name__}: axis must be an int or a list of ints, received {value!r}{at_user_location()}"
        )
    return list(value) if isinstance(value, list | tuple) else value


def number(layer: Any, name: str, value: Any) -> Any:
    """Reads a number."""
    return checks.number(value, name)


class Scaled(Declared):
    """A normalization with a gamma and a beta, kept in the variables' dtype."""

    supports_masking = True
    _arguments = (
        Argument("axis", -1, _axes),
        Argument("epsilon", 1e-3, number, "float"),
        Argument("center", True, hint="bool"),
        Argument("scale", True, hint="bool"),
        *weights(BETA, GAMMA),
    )
    axis: Any
    epsilon: float
    center: bool
    scale: bool

    def _begin(self) -> None:
        self.gamma: Any = None
        self.beta: Any = None

    def add_parameters(self, sizes: tuple) -> None:
        if self.scale:
            self.gamma = self._add("gamma", sizes, autocast=False)
        if self.center:
            self.beta = self._add("beta", sizes, autocast=False)


def _refused(layer: Any, name: str, value: Any) -> None:
    if value:
        raise NotImplementedError(
            f"LayerNormalization: {name} is not supported; use RMSNormalization{at_user_location()}"
        )


class LayerNormalization(Scaled):
    """Normalizes over axes: `gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`, in one dispatch.

    Args:
        axis: the axes over which mean and variance are taken.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer, beta_regularizer, ...: of the weights.
        rms_scaling: refused; see `RMSNormalization`.

    Weights: gamma and beta, of the shape of the normalized axes.

    Source: J. Ba, J. Kiros, G. Hinton, 2016, "Layer normalization".
    """

    _arguments = (*Scaled._arguments, Argument("rms_scaling", False, _refused, "bool", kept=False))

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        given = self.axis if isinstance(self.axis, list) else [self.axis]
        if any(not -rank <= axis < rank for axis in given):
            raise ValueError(
                f"{self.name}: axis {self.axis} is out of range for inputs of shape {tuple(input_shape)}"
                f"{at_user_location()}"
            )
        self._axes = tuple(sorted(axis % rank for axis in given))
        self.add_parameters(tuple(input_shape[axis] for axis in self._axes))
        self.input_spec = InputSpec(ndim=rank, axes={axis - rank: input_shape[axis] for axis in self._axes})

    def call(self, inputs: Any) -> Any:
        return normalized(inputs, self.gamma, self.beta, self._axes, self.epsilon)


class RMSNormalization(Layer):
    """Divides by the root of the mean square over an axis, then multiplies with `scale`.

    Args:
        axis: the axis or axes.
        epsilon: added to the mean square.

    Weights: scale, of the size of the axis.

    Source: B. Zhang, R. Sennrich, 2019, "Root mean square layer normalization".
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis
        self.epsilon = checks.number(epsilon, "epsilon")

    def build(self, input_shape: Any) -> None:
        axes = self.axis if isinstance(self.axis, list) else [self.axis]
        sizes = tuple(input_shape[axis] for axis in axes)
        self.scale = self.add_weight(name="scale", shape=sizes, initializer="ones", autocast=False)

    def call(self, x: Any) -> Any:
        axes = tuple(self.axis) if isinstance(self.axis, list) else self.axis
        return normalized(x, self.scale, None, axes, self.epsilon, rms=True)

    def get_config(self) -> dict:
        return super().get_config() | written(self, "axis", "epsilon")


def _groups(layer: Any, name: str, value: Any) -> int:
    return value if value == -1 else count(layer, name, value)


def _channel_axis(layer: Any, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value == 0:
        raise ValueError(
            f"GroupNormalization: axis must be an int other than 0, received {value!r}{at_user_location()}"
        )
    return value


class GroupNormalization(Scaled):
    """Normalizes groups of channels, each example by itself.

    Args:
        groups: number of groups; -1: one a channel (instance normalization).
        axis: the channels.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer, beta_regularizer, ...: of the weights.

    Weights: gamma and beta, each (channels,).

    Source: Y. Wu, K. He, 2018, "Group normalization".
    """

    _arguments = (
        Argument("groups", 32, _groups, "int"),
        Argument("axis", -1, _channel_axis, "int"),
        *Scaled._arguments[1:],
    )
    groups: int

    def build(self, input_shape: Any) -> None:
        channels = input_shape[self.axis]
        groups = channels if self.groups == -1 else self.groups
        if channels is None or groups < 1 or channels % groups:
            raise ValueError(
                f"{self.name}: the size of axis {self.axis} must be known and a multiple of groups ({self.groups}), "
                f"received inputs of shape {tuple(input_shape)}{at_user_location()}"
            )
        self.groups = groups
        self.add_parameters((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Any) -> Any:
        rank = len(inputs.shape)
        axis = self.axis % rank
        order = (0, *(i for i in range(1, rank) if i != axis), axis)
        last = inputs if axis == rank - 1 else transpose(inputs, perm=order)  # (batch, ..., channels)
        outputs = group_norm(last, self.gamma, self.beta, groups=self.groups, epsilon=self.epsilon)
        if axis == rank - 1:
            return outputs
        back = tuple(order.index(i) for i in range(rank))
        return transpose(outputs, perm=back)


class UnitNormalization(Layer):
    """Divides by the Euclidean norm over an axis.

    Args:
        axis: the axis or axes.
    """

    supports_masking = True

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, list | tuple) else axis

    def call(self, inputs: Any) -> Any:
        return l2_normalize(
            inputs, axis=tuple(self.axis) if isinstance(self.axis, list) else self.axis, epsilon=1e-12
        )

    def get_config(self) -> dict:
        return super().get_config() | {"axis": self.axis}
