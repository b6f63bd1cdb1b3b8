"""`keras.layers.experimental.RandomFourierFeatures` (of Keras 2)."""

from __future__ import annotations

import math
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import checks, initializers, random
from dovetail.keras.layers.machinery.arguments import count, one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.ops import arithmetic, linalg
from dovetail.ops import math as math_ops
from dovetail.tensor.shape import TensorShape

__all__ = ["RandomFourierFeatures"]


def _kernel(layer: Any, name: str, value: Any) -> Any:
    if isinstance(value, str):
        return one_of(value, f"RandomFourierFeatures: {name}", ("gaussian", "laplacian"))
    return initializers.get(value)


def _scale(layer: Any, name: str, value: Any) -> Any:
    if value is not None and (not checks.is_number(value) or value <= 0):
        raise ValueError(
            f"RandomFourierFeatures: scale must be a positive number or None, received {value!r}{at_user_location()}"
        )
    return value


class RandomFourierFeatures(Declared):
    """Computes `cos(inputs @ kernel / scale + bias)`, whose products come close to those of a kernel function.

    Args:
        output_dim: number of features.
        kernel_initializer: "gaussian" or "laplacian", for those kernel functions, or an initializer.
        scale: width of the kernel function; sqrt(inputs / 2) for "gaussian", 1 otherwise.
        trainable: whether the scale is trained.

    Shapes: (batch, inputs) -> (batch, output_dim).  Weights: kernel_scale (1,), unscaled_kernel (inputs, output_dim),
    bias (output_dim,).

    Source: A. Rahimi, B. Recht, 2007, "Random features for large-scale kernel machines".
    """

    _arguments = (
        Argument("output_dim", read=count, hint="int"),
        Argument("kernel_initializer", "gaussian", _kernel),
        Argument("scale", None, _scale),
    )
    output_dim: int
    kernel_initializer: Any
    scale: Any

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        return super()._passed_on(given, {"trainable": False} | kwargs)

    def _begin(self) -> None:
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        self.input_spec = InputSpec(ndim=2, axes={-1: size})
        self.unscaled_kernel = self.add_weight(
            name="unscaled_kernel",
            shape=(size, self.output_dim),
            initializer=_DRAWN.get(self.kernel_initializer, self.kernel_initializer)
            if isinstance(self.kernel_initializer, str)
            else self.kernel_initializer,
            trainable=False,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.output_dim,),
            initializer=initializers.RandomUniform(0.0, 2 * math.pi),
            trainable=False,
        )
        if self.scale is None:
            self.scale = math.sqrt(size / 2) if self.kernel_initializer == "gaussian" else 1.0
        self.kernel_scale = self.add_weight(
            name="kernel_scale",
            shape=(1,),
            initializer=initializers.Constant(float(self.scale)),
            constraint="non_neg",
        )

    def call(self, inputs: Any) -> Any:
        products = linalg.matmul(inputs, arithmetic.divide(self.unscaled_kernel, self.kernel_scale))
        return math_ops.cos(arithmetic.add(products, self.bias))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape([*input_shape[:-1], self.output_dim])


def _cauchy(shape: Any, dtype: Any = None) -> Any:
    return math_ops.tan(math.pi * (random.uniform(shape, dtype=dtype) - 0.5))


_DRAWN = {"gaussian": initializers.RandomNormal(stddev=1.0), "laplacian": _cauchy}
