"""`keras.layers.ReversibleEmbedding`: an embedding that also turns vectors back into scores of the integers."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import checks
from dovetail.keras.layers.core.embedding import Embedding
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument, Weight, weights
from dovetail.keras.layers.machinery.kernels import product
from dovetail.keras.masks import set_mask
from dovetail.ops import nn
from dovetail.ops.linalg import matmul
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape

__all__ = ["ReversibleEmbedding"]


def _dtype_name(layer: Any, name: str, value: Any) -> str | None:
    return None if value is None else dt.as_dtype(value).name


def _cap(layer: Any, name: str, value: Any) -> Any:
    if value is not None and (not checks.is_number(value) or value <= 0):
        raise ValueError(
            f"ReversibleEmbedding: logit_soft_cap must be a positive number or None, received {value!r}"
            f"{at_user_location()}"
        )
    return value


class ReversibleEmbedding(Embedding):
    """Turns integers into vectors, and with `reverse=True` vectors into a logit for each integer.

    Args:
        input_dim: number of rows: the integers are in [0, input_dim).
        output_dim: size of the vectors.
        tie_weights: both ways share one table.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: 0 is padding; the layers after this one get a mask.
        reverse_dtype: dtype of the way back; the layer's compute dtype when None.
        logit_soft_cap: keeps logits within plus or minus this number.

    Weights: embeddings (input_dim, output_dim), and without `tie_weights` reverse_embeddings (output_dim, input_dim).

    Source: O. Press, L. Wolf, 2017, "Using the output embedding to improve language models".
    """

    _arguments = (
        Argument("input_dim", read=count, hint="int"),
        Argument("output_dim", read=count, hint="int"),
        Argument("tie_weights", True, hint="bool"),
        *weights(Weight("embeddings", "uniform")),
        Argument("mask_zero", False, hint="bool"),
        Argument("reverse_dtype", None, _dtype_name),
        Argument("logit_soft_cap", None, _cap),
        *(
            row
            for row in Embedding._arguments
            if row.name
            in (
                *("weights", "lora_rank", "lora_alpha", "quantization_config", "input_length", "sparse"),
                "activity_regularizer",
            )
        ),
    )
    tie_weights: bool
    reverse_dtype: Any
    logit_soft_cap: Any
    embeddings_initializer: Any

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                name="reverse_embeddings",
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
            )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if not reverse:
            outputs = super().call(inputs)
            mask = super().compute_mask(inputs)
            if mask is not None:
                set_mask(outputs, mask)
            return outputs
        table = self.embeddings if self.tie_weights else self.reverse_embeddings
        wanted = self.reverse_dtype or self.compute_dtype

        def multiply(x: Any, table: Any) -> Any:
            return matmul(x, table._astype(wanted), transpose_b=self.tie_weights)

        logits = product(multiply, inputs._astype(wanted), table)
        if self.logit_soft_cap is None:
            return logits
        return nn.tanh(logits / self.logit_soft_cap) * self.logit_soft_cap

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None  # `call` knows which way it goes

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> TensorShape:
        if reverse:
            return TensorShape([*input_shape[:-1], self.input_dim])
        return TensorShape([*input_shape, self.output_dim])
