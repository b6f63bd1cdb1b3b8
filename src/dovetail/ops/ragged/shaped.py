"""Ragged tensors of a given shape, images of different sizes, and the assertions on pairs of ragged tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.ops import image_resize, shapes
from dovetail.ops.array import stack_values
from dovetail.ops.create import zeros
from dovetail.ops.dispatch import attribute_kinds, dispatches, elementwise
from dovetail.ops.ragged.broadcast import aligned
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.shape import DynamicRaggedShape
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor

attribute_kinds.add(DynamicRaggedShape)


def _with_rows(flat: Any, shape: DynamicRaggedShape) -> Any:
    """Returns flat values with the rows of a shape."""
    for splits, length in zip(reversed(shape._splits), reversed(shape._uniform), strict=True):
        flat = RaggedTensor._of(flat, splits, length)
    return flat


@dispatches(shapes.reshape, RaggedTensor, DynamicRaggedShape)
def _reshape(tensor: Any, shape: Any, name: Any = None) -> Any:
    flat = tensor.flat_values if is_ragged(tensor) else as_tensor(tensor)
    if not isinstance(shape, DynamicRaggedShape):
        return shapes.reshape(flat, shape=shape)
    return _with_rows(shapes.reshape(flat, shape=shape.inner_shape), shape)


@dispatches(shapes.broadcast_to, RaggedTensor, DynamicRaggedShape)
def _broadcast_to(input: Any, shape: Any, name: Any = None) -> Any:
    shape = shape if isinstance(shape, DynamicRaggedShape) else DynamicRaggedShape((), shape)
    if not (shape.num_row_partitions or is_ragged(input)):
        return shapes.broadcast_to(input, shape=shape.inner_shape)
    tensor = input if is_ragged(input) else as_tensor(input)
    wanted = _with_rows(zeros(shape.inner_shape, tensor.dtype), shape)
    flat, rows = aligned([tensor, wanted], "broadcast_to")
    return rows.with_flat_values(shapes.broadcast_to(flat[0], shape=shapes.shape(flat[1])))


@dispatches(image_resize.resize, RaggedTensor)
def _resize(
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: Any = None,
) -> Any:
    """Returns the images, each of a size of its own, as one batch."""
    rows = [images[i] for i in range(images._known_rows())]
    options = {"method": method, "preserve_aspect_ratio": preserve_aspect_ratio, "antialias": antialias}
    whole = [row.to_tensor() if is_ragged(row) else row for row in rows]
    return stack_values([image_resize.resize(image, size, **options) for image in whole])


@elementwise(RaggedTensor, families=("assert",))
def _asserted(api: Callable, x: Any, y: Any) -> Any:
    """Compares the flat values of two operands broadcast to one row structure."""
    flat, _ = aligned([x, y], api.__name__)
    return api(*flat)
