"""`keras.layers.Embedding`: rows of a table, picked by integers; and `Masking`."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.adaptable import ADAPTED, Adaptable
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument, Weight, weights
from dovetail.keras.layers.machinery.kernels import rows
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import logic, reduction
from dovetail.ops.embedding import as_ids

__all__ = ["Embedding", "Masking"]


def _without(config: dict, name: str) -> dict:
    return {key: value for key, value in config.items() if key != name}


def _refused(layer: Any, name: str, value: Any) -> None:
    if value:
        raise NotImplementedError(
            f"{type(layer).__name__}: {name}={value!r}, outputs as sparse tensors, is not supported; leave it out"
            f"{at_user_location()}"
        )


class Embedding(Adaptable):
    """Turns integers into vectors: (batch, ...) -> (batch, ..., output_dim).

    Ragged integers give ragged vectors; sparse ones are taken as dense, 0 where nothing is stored.

    Args:
        input_dim: number of rows: the integers are in [0, input_dim).
        output_dim: size of the vectors.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table.
        mask_zero: 0 is padding; the layers after this one get a mask.
        weights: initial table.
        input_length: number of integers of an example (Keras 2).
        sparse: refused (Keras 2).

    Weights: embeddings (input_dim, output_dim).

    Raises:
        InvalidArgumentError: an integer outside of the table, where values are known (eager, on the host).
    """

    expected_input_dtype = "int32"
    _kernel_name = "embeddings"
    _modes = ("int8", "int4")

    _arguments = (
        Argument("input_dim", read=count, hint="int"),
        Argument("output_dim", read=count, hint="int"),
        *weights(Weight("embeddings", "uniform")),
        Argument("mask_zero", False, hint="bool"),
        Argument("weights", None, kept=False),
        *ADAPTED,
        Argument("input_length", None),
        Argument("sparse", False, _refused, "bool", kept=False),
        Argument("activity_regularizer", None),
    )
    input_dim: int
    output_dim: int
    mask_zero: bool
    input_length: Any

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        length, table = given["input_length"], given["weights"]
        if length is not None and "batch_input_shape" not in kwargs and "input_shape" not in kwargs:
            kwargs["input_shape"] = length
        if table is not None:
            kwargs["weights"] = table if isinstance(table, list) and len(table) == 1 else [table]
        return super()._passed_on(given, kwargs | {"autocast": False})

    def _begin(self) -> None:
        self.supports_masking = self._makes_masks = self.mask_zero

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self._add("embeddings", (self.input_dim, self.output_dim))

    def _summed_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (-1,), (1,)

    def call(self, inputs: Any) -> Any:
        found = rows(self.embeddings, as_ids(inputs))
        return found if found.dtype.name == self.compute_dtype else found._astype(self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return logic.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict:
        config = super().get_config()
        return config if self.input_length is not None else _without(config, "input_length")


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
        kept = reduction.reduce_any(logic.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * kept._astype(inputs.dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return reduction.reduce_any(logic.not_equal(inputs, self.mask_value), axis=-1)

    def get_config(self) -> dict:
        return super().get_config() | {"mask_value": self.mask_value}
