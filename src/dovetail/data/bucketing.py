"""`bucket_by_sequence_length`: batches of elements of similar length."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import InvalidArgumentError
from dovetail.data.structure import as_leaf
from dovetail.tensor import SymbolicTensor, TensorShape, convert_to_tensor


@dataclasses.dataclass(frozen=True)
class Padding:
    """How the batches of a bucket are padded; the names are those of `bucket_by_sequence_length`."""

    shapes: Any
    values: Any
    to_boundary: bool
    none: bool
    drop_remainder: bool


def by_sequence_length(
    dataset: Any, length_of: Callable, boundaries: list[int], batch_sizes: list[int], padding: Padding
) -> Any:
    """Returns `dataset` grouped by length into padded batches (see `Dataset.bucket_by_sequence_length`)."""
    if len(batch_sizes) != len(boundaries) + 1:
        raise ValueError(
            "Dataset.bucket_by_sequence_length: bucket_batch_sizes needs one size more than there are boundaries, "
            f"received {len(batch_sizes)} sizes and {len(boundaries)} boundaries"
        )

    def bucket_of(*element: Any) -> int:
        length = int(as_leaf(length_of(*element)))
        return convert_to_tensor(bisect.bisect_right(boundaries, length), "int64")

    def batched(bucket: Any, group: Any) -> Any:
        if isinstance(bucket, SymbolicTensor):  # only the spec is asked for, and it holds for all buckets
            return group.batch(1) if padding.none else group.padded_batch(1, padding.shapes, padding.values)
        number = int(bucket)
        size = batch_sizes[number]
        if padding.none:
            return group.batch(size, drop_remainder=padding.drop_remainder)
        shapes = padding.shapes
        if padding.to_boundary:
            shapes = _up_to(group, shapes, boundaries, number)
        return group.padded_batch(size, shapes, padding.values, drop_remainder=padding.drop_remainder)

    return dataset.group_by_window(
        bucket_of, batched, window_size_func=lambda bucket: batch_sizes[int(bucket)]
    )


def _up_to(group: Any, shapes: Any, boundaries: list[int], bucket: int) -> Any:
    """Returns the padded shapes with the bucket's longest length where a size is unknown."""
    if bucket == len(boundaries):
        raise InvalidArgumentError(
            "Dataset.bucket_by_sequence_length: with pad_to_bucket_boundary=True every element must be shorter than "
            f"the last boundary, {boundaries[-1]}"
        )
    node = group._node
    flat = [spec.shape for spec in node.specs] if shapes is None else node.tree.flatten_up_to(shapes)
    filled = [
        TensorShape([boundaries[bucket] - 1 if size in (None, -1) else size for size in shape])
        for shape in flat
    ]
    return node.tree.unflatten(filled)
