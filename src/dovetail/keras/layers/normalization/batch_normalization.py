"""`keras.layers.BatchNormalization`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas, settings, state
from dovetail.keras import checks, constraints, initializers, regularizers
from dovetail.keras.layers.machinery.arguments import written
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import reduction
from dovetail.ops.create import ones_like
from dovetail.ops.indexing import where
from dovetail.ops.normalization import batch_norm, keras_batch_normalization
from dovetail.ops.shapes import expand_dims, reshape


class BatchNormalization(Layer):
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

    supports_masking = True

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        virtual_batch_size: int | None = None,
        fused: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refused = {
            "renorm": renorm,
            "renorm_clipping": renorm_clipping,
            "virtual_batch_size": virtual_batch_size,
        }
        for name, value in refused.items():
            if value:
                raise NotImplementedError(
                    f"BatchNormalization: {name}={value!r} is not supported; leave it out, or use LayerNormalization "
                    f"or GroupNormalization for small batches{at_user_location()}"
                )
        axes = list(axis) if isinstance(axis, list | tuple) else [axis]
        if len(axes) != 1 or not isinstance(axes[0], int):
            raise ValueError(
                f"BatchNormalization: axis must be one integer, received {axis!r}{at_user_location()}"
            )
        self.axis: int = axes[0]
        self.momentum = checks.number(momentum, "momentum")
        self.epsilon = checks.number(epsilon, "epsilon")
        self.center = center
        self.scale = scale
        self.synchronized = synchronized
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Any = None
        self.beta: Any = None

    def build(self, input_shape: Any) -> None:
        size = input_shape[self.axis]
        if size is None:
            raise ValueError(
                f"{self.name}: the size of axis {self.axis} must be known, received inputs of shape "
                f"{tuple(input_shape)}{at_user_location()}"
            )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size})
        if self.scale:
            self.gamma = self._parameter("gamma", size)
        if self.center:
            self.beta = self._parameter("beta", size)
        self.moving_mean = self._average("moving_mean", size)
        self.moving_variance = self._average("moving_variance", size)

    def _parameter(self, name: str, size: int) -> Any:
        return self.add_weight(
            name=name,
            shape=(size,),
            initializer=getattr(self, f"{name}_initializer"),
            regularizer=getattr(self, f"{name}_regularizer"),
            constraint=getattr(self, f"{name}_constraint"),
            autocast=False,
        )

    def _average(self, name: str, size: int) -> Any:
        return self.add_weight(
            name=name,
            shape=(size,),
            initializer=getattr(self, f"{name}_initializer"),
            trainable=False,
            autocast=False,
            aggregation="mean",
        )

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
        return keras_batch_normalization(
            inputs, mean, variance, self.axis, offset=self.beta, scale=self.gamma, epsilon=self.epsilon
        )

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

    def get_config(self) -> dict:
        parts = ("beta", "gamma", "moving_mean", "moving_variance")
        names = [f"{part}_initializer" for part in parts]
        names += [f"{part}_{kind}" for part in parts[:2] for kind in ("regularizer", "constraint")]
        plain = ("axis", "momentum", "epsilon", "center", "scale", "synchronized")
        return super().get_config() | written(self, *plain, *names)
