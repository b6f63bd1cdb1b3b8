"""`keras.layers.Embedding`: rows of a table, picked by integers; and `Masking`."""

from __future__ import annotations

from typing import Any

from dovetail.keras import constraints, initializers, regularizers
from dovetail.keras.layers.machinery.arguments import sizes, written
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import reduction
from dovetail.ops.gather import gather_
from dovetail.tensor.convert import convert_to_tensor


class Embedding(Layer):
    """Turns integers into vectors: (batch, ...) -> (batch, ..., output_dim).

    Args:
        input_dim: number of rows: the integers are in [0, input_dim).
        output_dim: size of the vectors.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: 0 is padding; the layers after this one get a mask.
        weights: initial table.
        input_length: number of integers of an example (Keras 2).

    Weights: embeddings (input_dim, output_dim).

    Raises:
        InvalidArgumentError: an integer outside of the table, where values are known (eager, on the host).
    """

    expected_input_dtype = "int32"

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        input_length: Any = None,
        **kwargs: Any,
    ) -> None:
        if input_length is not None and "batch_input_shape" not in kwargs and "input_shape" not in kwargs:
            kwargs["input_shape"] = input_length
        if weights is not None:
            kwargs["weights"] = weights if isinstance(weights, list) and len(weights) == 1 else [weights]
        super().__init__(**kwargs | {"autocast": False})
        (self.input_dim,) = sizes(input_dim, 1, "Embedding: input_dim")
        (self.output_dim,) = sizes(output_dim, 1, "Embedding: output_dim")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.input_length = input_length

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )

    def call(self, inputs: Any) -> Any:
        indices = inputs if inputs.dtype.name in ("int32", "int64") else inputs._astype("int32")
        rows = gather_(self.embeddings, indices)
        return rows if rows.dtype.name == self.compute_dtype else rows._astype(self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return convert_to_tensor(inputs) != 0 if self.mask_zero else None

    def get_config(self) -> dict:
        parts = ("embeddings_initializer", "embeddings_regularizer", "embeddings_constraint")
        config = super().get_config() | written(self, "input_dim", "output_dim", *parts, "mask_zero")
        return config if self.input_length is None else config | {"input_length": self.input_length}


class Masking(Layer):
    """Masks the steps whose features all equal a value, for the layers after this one, and sets them to 0.

    Args:
        mask_value: the value that stands for padding.
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def call(self, inputs: Any) -> Any:
        kept = reduction.reduce_any(inputs != self.mask_value, axis=-1, keepdims=True)
        return inputs * kept._astype(inputs.dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return reduction.reduce_any(convert_to_tensor(inputs) != self.mask_value, axis=-1)

    def get_config(self) -> dict:
        return super().get_config() | {"mask_value": self.mask_value}
