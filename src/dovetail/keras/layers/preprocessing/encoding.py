"""Categories as vectors: `CategoryEncoding`, and the modes that the layers around it share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.arguments import count, one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.ops import reduction
from dovetail.ops.create import one_hot
from dovetail.ops.segment import bincount
from dovetail.ops.table import find
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

__all__ = ["CategoryEncoding"]

NOWHERE = np.iinfo(np.int64).max  # the number of what no vector has a place for
_OLD_NAMES = {"binary": "multi_hot", "tf-idf": "tf_idf"}


def mode_of(*allowed: str) -> Any:
    """Returns what reads an output mode."""

    def read(layer: Any, name: str, value: Any) -> str:
        known = _OLD_NAMES.get(value, value) if isinstance(value, str) else value
        return one_of(known, f"{type(layer).__name__}: {name}", allowed)

    return read


def check_sparse(layer: Any) -> None:
    """Refuses sparse outputs where these are numbers of categories."""
    if layer.sparse and layer.output_mode == "int":
        raise ValueError(
            f"{type(layer).__name__}: sparse=True takes another output_mode than 'int'{at_user_location()}"
        )


def as_inputs(values: Any) -> Any:
    """Returns lists, strings and arrays as tensors."""
    plain = isinstance(values, list | tuple | str | bytes | int | float | np.ndarray | np.generic)
    return convert_to_tensor(values) if plain else values


def on_values(inputs: Any, function: Callable[[Any], Any]) -> Any:
    """Applies a function to a tensor, or to the values that a ragged or sparse one holds."""
    if not isinstance(inputs, CompositeTensor):
        return function(inputs)
    composite: Any = inputs
    if hasattr(composite, "with_flat_values"):
        return composite.with_flat_values(function(composite.flat_values))
    return composite.with_values(function(composite.values))


def _padded(numbers: Any) -> Any:
    """Returns ragged or sparse numbers as a dense tensor, with what counts nowhere in its gaps."""
    if hasattr(numbers, "to_tensor"):
        return numbers.to_tensor(default_value=NOWHERE)
    return find("tf.sparse", "to_dense")(numbers, default_value=NOWHERE)


def encode(indices: Any, mode: str, depth: int, dtype: Any, sparse: bool = False, weights: Any = None) -> Any:
    """Returns numbers of categories as vectors.

    Args:
        indices: integers; those outside of [0, depth) count nowhere.
        mode: "int": as they are; "one_hot": a vector each (an axis of size 1 at the end goes); "multi_hot": a vector a
            sample, 1 where a number occurs; "count": how often it occurs.
        depth: size of the vectors.
        dtype: of the result.
        sparse: as a SparseTensor.
        weights: what each number counts, for "count".
    """
    if mode == "int":
        return on_values(indices, lambda whole: whole._astype(dtype))
    if isinstance(indices, CompositeTensor):
        if mode == "one_hot" and hasattr(indices, "with_flat_values"):
            return on_values(indices, lambda whole: one_hot(whole, depth, dtype=dtype))
        indices = _padded(on_values(indices, lambda whole: whole._astype("int64")))
    if not len(indices.shape):
        indices = indices[None]
    if mode == "one_hot":
        lone = len(indices.shape) > 1 and indices.shape[-1] == 1
        encoded = one_hot(indices[..., 0] if lone else indices, depth, dtype=dtype)
    else:
        encoded = _summed(indices, mode, depth, dtype, weights)
    return sparse_of(encoded) if sparse else encoded


def sparse_of(dense: Any) -> Any:
    """Returns the entries of a tensor that are not 0."""
    return find("tf.sparse", "from_dense")(dense)  # sparse tensors are a late family


def _summed(indices: Any, mode: str, depth: int, dtype: Any, weights: Any) -> Any:
    rank = len(indices.shape)
    if rank <= 2 and None not in tuple(indices.shape)[1:]:
        return bincount(
            indices,
            weights,
            depth,
            depth,
            dtype,
            axis=-1 if rank == 2 else None,
            binary_output=mode == "multi_hot",
        )._astype(dtype if weights is None else weights.dtype)
    hot = one_hot(indices, depth, dtype=dtype)
    axis = 1 if rank > 1 else 0
    if mode == "multi_hot":
        return reduction.reduce_max(hot, axis=axis)
    return reduction.reduce_sum(hot if weights is None else hot * weights[..., None], axis=axis)


class CategoryEncoding(Declared):
    """Returns numbers of categories as vectors.

    Args:
        num_tokens: how many categories there are.
        output_mode: "multi_hot": 1 for each category that occurs in a sample; "one_hot": a vector for each number;
            "count": how often each category occurs.
        sparse: return a SparseTensor.

    Example:
        >>> keras.layers.CategoryEncoding(3, "count")([[0, 0], [1, 2]]).numpy().tolist()
        [[2.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """

    _arguments = (
        Argument("num_tokens", None, read=count, hint="int | None"),
        Argument("output_mode", "multi_hot", read=mode_of("multi_hot", "one_hot", "count"), hint="str"),
        Argument("sparse", False, hint="bool"),
    )
    num_tokens: int
    output_mode: str
    sparse: bool

    def call(self, inputs: Any, count_weights: Any = None) -> Any:
        if count_weights is not None:
            if self.output_mode != "count":
                raise ValueError(
                    f"{self.name}: count_weights go with output_mode='count', which is {self.output_mode!r}"
                    f"{at_user_location()}"
                )
            count_weights = convert_to_tensor(count_weights)._astype(self.compute_dtype)
        known = isinstance(inputs, TensorLike | CompositeTensor)
        indices = inputs if known else convert_to_tensor(inputs)
        whole = on_values(indices, lambda one: one if one.dtype.is_integer else one._astype("int64"))
        return encode(
            whole, self.output_mode, self.num_tokens, self.compute_dtype, self.sparse, count_weights
        )
