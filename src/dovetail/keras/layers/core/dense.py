"""`keras.layers.Dense`: a matrix product, a bias and an activation."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.machinery.adaptable import ADAPTED, Adaptable
from dovetail.keras.layers.machinery.declared import Argument, Weight, weights
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.kernels import in_one_op, product
from dovetail.ops import arithmetic, linalg
from dovetail.tensor.shape import TensorShape

__all__ = ["Dense"]


def _units(layer: Any, name: str, value: Any) -> int:
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"Dense: units must be a positive integer, received {value!r}")
    return value


class Dense(Adaptable):
    """Computes `activation(inputs @ kernel + bias)`.

    Args:
        units: size of the outputs' last axis.
        activation: name or function; None: linear.
        use_bias: add a bias.
        kernel_initializer, bias_initializer: initial values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights.
        activity_regularizer: penalty on the outputs.
        kernel_constraint, bias_constraint: applied to the weights after each update.
        lora_rank, lora_alpha: what `enable_lora` is called with once the layer is built.
        quantization_config: how a layer is quantized whose dtype policy says so.

    Shapes: (batch, ..., input size) -> (batch, ..., units).  Weights: kernel (input size, units), bias (units,).
    """

    supports_masking = True
    _modes = ("int8", "int4", "float8")
    _arguments = (
        Argument("units", read=_units, hint="int"),
        Argument("activation", None),
        Argument("use_bias", True, hint="bool"),
        *weights(Weight("kernel", "glorot_uniform"), Weight("bias", "zeros"), activity=True),
        *ADAPTED,
    )
    units: int
    activation: Any
    use_bias: bool

    def _begin(self) -> None:
        self.bias: Any = None
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        input_size = input_shape[-1]
        self.kernel = self._add("kernel", (input_size, self.units))
        if self.use_bias:
            self.bias = self._add("bias", (self.units,))
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_size})

    def call(self, inputs: Any, training: Any = None) -> Any:
        outputs = in_one_op(self, inputs)
        if outputs is not None:
            return outputs
        outputs = product(linalg.matmul, inputs, self.kernel, training)  # (batch, ..., units)
        if self.bias is not None:
            outputs = arithmetic.add(outputs, self.bias)
        return self.activation(outputs) if self.activation is not None else outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape([*input_shape[:-1], self.units])
