"""`keras.experimental.LinearModel` and `WideDeepModel`: a linear model, and one beside a deep model."""

from __future__ import annotations

from typing import Any

from dovetail.autodiff.tape import GradientTape
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras import activations, initializers, optimizers, regularizers
from dovetail.keras.layers.core.dense import Dense
from dovetail.keras.models import Model
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.keras.utils import unpack_x_y_sample_weight

__all__ = ["LinearModel", "WideDeepModel"]


class LinearModel(Model):
    """Computes `activation(sum of inputs @ kernels + bias)` of one input, or of a list or dict of them.

    Args:
        units: size of the outputs' last axis.
        activation: name or function; None: linear.
        use_bias: add a bias.
        kernel_initializer, bias_initializer: initial values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.

    Shapes: (batch, input size) each -> (batch, units).
    """

    def __init__(
        self,
        units: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "zeros",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.use_bias = units, use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias: Any = None
        self.dense_layers: list[Any] = []

    def build(self, input_shape: Any = None) -> None:
        single = isinstance(input_shape, tuple) or not isinstance(input_shape, list | dict)
        count = 1 if single else len(input_shape)
        self.dense_layers = [self._dense() for _ in range(count)]
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        self.built = True

    def _dense(self) -> Dense:
        return Dense(
            self.units,
            use_bias=False,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=self.kernel_regularizer,
        )

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        flat = nest.flatten(inputs)
        if not self.dense_layers:
            self.build([tensor.shape for tensor in flat] if len(flat) > 1 else tuple(flat[0].shape))
        outputs: Any = self.bias if self.bias is not None else 0.0
        for layer, tensor in zip(self.dense_layers, flat, strict=True):
            outputs = layer(tensor) + outputs
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        return cls(**config)


class WideDeepModel(Model):
    """Adds the outputs of a linear and of a deep model, which an optimizer each may train.

    Args:
        linear_model, dnn_model: the two; called on inputs of their own when the model gets a pair, else on the same.
        activation: of the sum; None: linear.

    `compile(optimizer=[of the linear model, of the deep one])` trains each with its own; one optimizer trains both.

    Source: H. Cheng et al., 2016, "Wide & deep learning for recommender systems".
    """

    def __init__(self, linear_model: Any, dnn_model: Any, activation: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.linear_model, self.dnn_model = linear_model, dnn_model
        self.activation = activations.get(activation)
        self._of_deep: Any = None

    def compile(self, optimizer: Any = "rmsprop", *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Configures training; `optimizer` is one for both models, or one for each."""
        pair = optimizer if isinstance(optimizer, list | tuple) else [optimizer, None]
        if len(pair) != 2:
            raise ValueError(
                f"WideDeepModel.compile: expected one optimizer or two, received {len(pair)}{at_user_location()}"
            )
        super().compile(pair[0], *args, **kwargs)
        self._of_deep = None if pair[1] is None else optimizers.get(pair[1])

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        wide, deep = inputs if isinstance(inputs, list | tuple) and len(inputs) == 2 else (inputs, inputs)
        return self.activation(self.linear_model(wide) + self.dnn_model(deep, training=training))

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, y_pred, sample_weight)
        wide, deep = self.linear_model.trainable_variables, self.dnn_model.trainable_variables
        gradients = tape.gradient(loss, [*wide, *deep])
        if self._of_deep is None:
            self.optimizer.apply_gradients(zip(gradients, [*wide, *deep], strict=True))
        else:
            self.optimizer.apply_gradients(zip(gradients[: len(wide)], wide, strict=True))
            self._of_deep.apply_gradients(zip(gradients[len(wide) :], deep, strict=True))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "linear_model": serialize_keras_object(self.linear_model),
            "dnn_model": serialize_keras_object(self.dnn_model),
            "activation": activations.serialize(self.activation),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        models = {
            name: deserialize_keras_object(config[name], custom_objects)
            for name in ("linear_model", "dnn_model")
        }
        return cls(**config | models)


own("keras.experimental", [LinearModel, WideDeepModel])
