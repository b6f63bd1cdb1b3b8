"""`keras.layers.SpectralNormalization`: keeps the largest singular value of a layer's kernel at 1."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import initializers
from dovetail.keras.layers.core.wrapper import Wrapper
from dovetail.keras.layers.machinery.arguments import sizes
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import arithmetic, logic, reduction
from dovetail.ops.arithmetic import stop_gradient
from dovetail.ops.indexing import where
from dovetail.ops.linalg import matmul
from dovetail.ops.norms import l2_normalize
from dovetail.ops.shapes import reshape

__all__ = ["SpectralNormalization"]

_KERNELS = ("kernel", "embeddings")


class SpectralNormalization(Wrapper):
    """Divides the kernel of a layer by its largest singular value, with every training call.

    Args:
        layer: a layer with a `kernel` or with `embeddings`.
        power_iterations: steps of the power method, which estimates the singular value, in each training call.

    Weights: vector_u (1, outputs), and those of the layer.

    Source: T. Miyato et al., 2018, "Spectral normalization for generative adversarial networks".
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = sizes(power_iterations, 1, "SpectralNormalization: power_iterations")[0]

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        name = next((name for name in _KERNELS if getattr(self.layer, name, None) is not None), None)
        if name is None:
            raise ValueError(
                f"{self.name}: expected a layer with a kernel or embeddings, received {self.layer!r}"
                f"{at_user_location()}"
            )
        self.kernel = getattr(self.layer, name)  # a weight of this layer too: it comes first, as in Keras
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=(1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            dtype=self.kernel.dtype,
            trainable=False,
        )
        self.input_spec = InputSpec(min_ndim=1, axes={-1: input_shape[-1]})

    def call(self, inputs: Any, training: Any = False) -> Any:
        if training:
            vector, kernel = self.normalized_weights()
            is_zero = reduction.reduce_all(logic.equal(self.kernel, 0))
            self.vector_u.assign(where(is_zero, self.vector_u, vector))
            self.kernel.assign(where(is_zero, self.kernel, kernel))
        outputs = self.layer(inputs)
        return outputs if not inputs.dtype.is_floating else arithmetic.cast(outputs, dtype=inputs.dtype)

    def normalized_weights(self) -> tuple[Any, Any]:
        """Returns the next estimate of the left singular vector, and the normalized kernel."""
        kernel = reshape(self.kernel, shape=(-1, self.kernel.shape[-1]))
        left = self.vector_u
        for _ in range(self.power_iterations):
            right = l2_normalize(matmul(left, kernel, transpose_b=True))
            left = l2_normalize(matmul(right, kernel))
        left, right = stop_gradient(left), stop_gradient(right)
        largest = matmul(matmul(right, kernel), left, transpose_b=True)
        return left, reshape(kernel / largest, shape=tuple(self.kernel.shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict:
        return super().get_config() | {"power_iterations": self.power_iterations}
