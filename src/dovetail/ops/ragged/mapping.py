"""Functions applied row by row: `tf.map_fn` over ragged tensors, and with rows of different lengths as results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.ops import mapping, sorting
from dovetail.ops.array import unstack
from dovetail.ops.create import zeros
from dovetail.ops.dispatch import dispatches
from dovetail.ops.ragged.partition import as_splits
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor, RaggedTensorSpec, stack_rows
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sorting import sort
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import stacked
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.spec import TensorSpec, TypeSpec


@dispatches(mapping.map_fn, RaggedTensor, RaggedTensorSpec)
def map_rows(
    fn: Callable,
    elems: Any,
    dtype: Any = None,
    parallel_iterations: Any = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:
    """Applies `fn` to every row, and stacks the results as the signature says (rows as in `elems` by default)."""
    signature = fn_output_signature if fn_output_signature is not None else dtype
    leaves = nest.flatten(elems)
    columns = [_rows_of(leaf) for leaf in leaves]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"tf.map_fn: the elements differ in their number of rows{at_user_location()}")
    results = [fn(nest.pack_sequence_as(elems, list(row))) for row in zip(*columns, strict=True)]
    if signature is None:
        signature = nest.map_structure(_row_spec, elems)
    specs = nest.map_structure(_as_spec, signature)
    if not results:
        return nest.map_structure(_empty, specs)
    return nest.map_structure(
        lambda spec, *values: _stacked(spec, list(values)), specs, *results, check_types=False
    )


def _rows_of(leaf: Any) -> list:
    if isinstance(leaf, CompositeTensor):
        return leaf._type_spec._unstack(leaf)  # type: ignore[attr-defined]
    return unstack(as_tensor(leaf))


def _row_spec(leaf: Any) -> Any:
    if isinstance(leaf, CompositeTensor):
        return leaf._type_spec._unbatch()  # type: ignore[attr-defined]
    return TensorSpec(as_tensor(leaf).shape[1:], as_tensor(leaf).dtype)


def _as_spec(signature: Any) -> TypeSpec:
    return signature if isinstance(signature, TypeSpec) else TensorSpec(None, as_dtype(signature))


def _stacked(spec: Any, values: list) -> Any:
    values = [value if isinstance(value, CompositeTensor) else as_tensor(value) for value in values]
    for value in values:
        if value.dtype != spec.dtype:
            raise TypeError(
                f"tf.map_fn: fn returned {value.dtype.name}, the signature says {spec.dtype.name}{at_user_location()}"
            )
    if isinstance(spec, RaggedTensorSpec):
        return stack_rows(values, spec) if spec.shape.rank != 0 else stacked(values)
    return stacked(values)


def _empty(spec: Any) -> Any:
    sizes = [0 if size is None else size for size in (spec.shape if spec.shape.rank is not None else [])]
    if not isinstance(spec, RaggedTensorSpec):
        return zeros((0, *sizes), spec.dtype)
    whole: Any = zeros((0, *sizes[spec.ragged_rank + 1 :]), spec.dtype)
    for _ in range(spec.ragged_rank + 1):
        whole = RaggedTensor(whole, as_splits([0], spec.row_splits_dtype))
    return whole


@dispatches(sorting.sort, RaggedTensor)
def _sort(values: Any, axis: int = -1, direction: str = "ASCENDING", **_: Any) -> Any:
    rank = len(values.shape)
    if axis not in (-1, rank - 1):
        raise ValueError(
            f"tf.sort: a ragged tensor is sorted along its last axis, not {axis}{at_user_location()}"
        )
    if rank - 1 > values.ragged_rank:
        return values.with_flat_values(sort(values.flat_values, -1, direction))
    if is_ragged(values.values):
        return values.with_values(_sort(values.values, -1, direction))
    return map_rows(lambda row: sort(row, -1, direction), values)
