"""`keras.layers.BatchNormalization`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas, settings, state
from dovetail.keras.layers.machinery.declared import Argument, Weight, weights
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.normalization.normalization import BETA, GAMMA, Scaled, number
from dovetail.ops import reduction
from dovetail.ops.batch_normalization import batch_norm, batch_normalization, keras_batch_normalization
from dovetail.ops.create import ones_like
from dovetail.ops.indexing import where
from dovetail.ops.shapes import expand_dims, reshape

__all__ = ["BatchNormalization"]


def _refused(layer: Any, name: str, value: Any) -> None:
    if value:
        raise NotImplementedError(
            f"BatchNormalization: {name}={value!r} is not supported; leave it out, or use LayerNormalization or "
            f"GroupNormalization for small batches{at_user_location()}"
        )


def _axis(layer: Any, name: str, value: Any) -> int:
    axes = list(value) if isinstance(value, list | tuple) else [value]
    if len(axes) != 1 or not isinstance(axes[0], int):
        raise ValueError(
            f"BatchNormalization: axis must be one integer, received {value!r}{at_user_location()}"
        )
    return axes[0]


class BatchNormalization(Scaled):
    """Normalizes each channel: `gamma * (inputs - mean) / sqrt(variance + epsilon) + beta`.

    Training takes the statistics of the batch and moves the averages towards them; otherwise the averages are taken.

    Args:
        axis: the channels.
        momentum: share of the moving averages that stays in each step.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: of the weights.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of the weights.
        synchronized: in a replica of a `tf.distribute` strategy, take the statistics of the batches of all replicas.
            `fit` always does.
        fused: how the same numbers are computed; nothing to choose here.

    Weights: gamma, beta, moving_mean, moving_variance, each (channels,), in float32 for 16-bit computation.

    Differs from Keras: `renorm` and Keras 2's `virtual_batch_size` are refused.

    Source: S. Ioffe, C. Szegedy, 2015, "Batch normalization".
    """

    _arguments = (
        Argument("axis", -1, _axis),
        Argument("momentum", 0.99, number, "float"),
        Argument("epsilon", 1e-3, number, "float"),
        Argument("center", True, hint="bool"),
        Argument("scale", True, hint="bool"),
        *weights(
            *(BETA, GAMMA),
            *(
                Weight("moving_mean", "zeros", penalized=False),
                Weight("moving_variance", "ones", penalized=False),
            ),
        ),
        Argument("renorm", False, _refused, "bool", kept=False),
        Argument("renorm_clipping", None, _refused, kept=False),
        Argument("renorm_momentum", 0.99, hint="float", kept=False),
        Argument("synchronized", False, hint="bool"),
        Argument("virtual_batch_size", None, _refused, "int | None", kept=False),
        Argument("fused", None, hint="bool | None", kept=False),
    )
    axis: int
    momentum: float
    synchronized: bool

    def build(self, input_shape: Any) -> None:
        size = input_shape[self.axis]
        if size is None:
            raise ValueError(
                f"{self.name}: the size of axis {self.axis} must be known, received inputs of shape "
                f"{tuple(input_shape)}{at_user_location()}"
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})
        self.add_parameters((size,))
        self.moving_mean = self._average("moving_mean", size)
        self.moving_variance = self._average("moving_variance", size)

    def _average(self, role: str, size: int) -> Any:
        return self._add(role, (size,), trainable=False, autocast=False, aggregation="mean")

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if not training or not self.trainable:
            return self._normalized(inputs, self.moving_mean, self.moving_variance)
        if mask is not None or (self.synchronized and among_replicas()):
            mean, variance = self._moments(inputs, mask)
            outputs = self._normalized(inputs, mean, variance)
        else:
            parameters = [p for p in (self.gamma, self.beta) if p is not None]
            axes = tuple(axis for axis in range(len(inputs.shape)) if axis != self.axis % len(inputs.shape))
            outputs, mean, variance = batch_norm(
                inputs, *parameters, axis=axes, epsilon=self.epsilon, scale=self.scale, center=self.center
            )
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)
        return outputs

    def _normalized(self, inputs: Any, mean: Any, variance: Any) -> Any:
        given = (inputs, mean, variance, self.beta, self.gamma)
        if (
            self.axis in (-1, len(inputs.shape) - 1) and inputs.dtype == mean.dtype
        ):  # the short way of the same
            return batch_normalization(*given, variance_epsilon=self.epsilon)
        outputs = keras_batch_normalization(
            inputs, mean, variance, self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )
        return outputs if outputs.dtype == inputs.dtype else outputs._astype(inputs.dtype)

    def _moments(self, inputs: Any, mask: Any) -> tuple:
        """Returns mean and variance over the elements that the mask keeps, if there is one; it lacks the channels.

        In a replica of several, when `synchronized`, over the elements of all replicas.
        """
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ValueError(
                f"{self.name}: the mask must have one axis less than the inputs, received a mask of shape "
                f"{tuple(mask.shape)} for inputs of shape {tuple(inputs.shape)}{at_user_location()}"
            )
        kind = self.moving_mean.dtype
        axes = tuple(axis for axis in range(len(inputs.shape)) if axis != self.axis % len(inputs.shape))

        def kept(values: Any) -> Any:
            if mask is None:
                return values
            return where(expand_dims(mask if mask.dtype.is_bool else mask != 0, axis=self.axis), values, 0.0)

        def total(values: Any) -> Any:
            found = reduction.reduce_sum(kept(values), axis=axes, keepdims=True)
            shared = self.synchronized and among_replicas()
            return state.replica.all_reduce("SUM", found) if shared else found

        values = inputs._astype(kind)
        counts = total(ones_like(values)) + (settings.epsilon if mask is not None else 0.0)
        mean = total(values) / counts
        difference = kept(values - mean)
        variance = total(difference * difference) / counts
        return reshape(mean, shape=(-1,)), reshape(variance, shape=(-1,))

    def _move(self, average: Any, value: Any) -> None:
        value = value._astype(average.dtype)
        average.assign(average * self.momentum + value * (1.0 - self.momentum))
