"""Ops that rearrange blocks of elements: between space, depth and batch; diagonals; reversed sequences; bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import rules
from dovetail.ops.attrs import DTypeLike, Nested, Shape, nested
from dovetail.ops.families import op
from dovetail.ops.padding import pad
from dovetail.ops.shapes import as_tensor, transpose
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt

_FORMATS = {"NHWC": "NHWC", "NCHW": "NCHW", "channels_last": "NHWC", "channels_first": "NCHW"}


def _format(function: str, data_format: str | None) -> str:
    found = _FORMATS.get(data_format or "NHWC")
    if found is None:
        raise ValueError(
            f"{function}: data_format must be NHWC or NCHW, received {data_format!r}{at_user_location()}"
        )
    return found


# ---- space and depth ------------------------------------------------------------------------------------------------


def _deep_shape(shape: tuple, block: int) -> tuple:
    n, h, w, c = _image_shape(shape)
    for size in (h, w):
        if size is not None and size % block:
            raise ValueError(f"height and width of {shape} must be multiples of the block size {block}")
    return n, h and h // block, w and w // block, None if c is None else c * block * block


def _wide_shape(shape: tuple, block: int) -> tuple:
    n, h, w, c = _image_shape(shape)
    if c is not None and c % (block * block):
        raise ValueError(f"the {c} channels must be a multiple of {block * block}")
    return n, h and h * block, w and w * block, None if c is None else c // (block * block)


def _image_shape(shape: tuple) -> tuple:
    if len(shape) != 4:
        raise ValueError(f"expected images of shape (batch, height, width, channels), received shape {shape}")
    return shape


@op("", shape=_deep_shape)
def space_to_depth_(xp: Any, x: Any, *, block: int) -> Any:
    """Moves blocks of pixels into channels (NHWC)."""
    n, h, w, c = _deep_shape(x.shape, block)
    split = xp.reshape(x, (n, h, block, w, block, x.shape[3]))
    return xp.reshape(xp.transpose(split, (0, 1, 3, 2, 4, 5)), (n, h, w, c))


@op("", shape=_wide_shape)
def depth_to_space_(xp: Any, x: Any, *, block: int) -> Any:
    """Moves channels into blocks of pixels (NHWC)."""
    n, h, w, c = _wide_shape(x.shape, block)
    split = xp.reshape(x, (n, h // block, w // block, block, block, c))
    return xp.reshape(xp.transpose(split, (0, 1, 3, 2, 4, 5)), (n, h, w, c))


space_to_depth_.gradient(lambda g, y, x, block: depth_to_space_(g, block=block))
depth_to_space_.gradient(lambda g, y, x, block: space_to_depth_(g, block=block))


def _in_format(rearrange: Any, x: Any, block: int, layout: str) -> Any:
    if layout == "NHWC":
        return rearrange(x, block=block)
    moved = rearrange(transpose(x, perm=(0, 2, 3, 1)), block=block)
    return transpose(moved, perm=(0, 3, 1, 2))


@export("nn.space_to_depth")
def space_to_depth(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Any:
    """Moves blocks of `block_size` x `block_size` pixels into channels.

    Args:
        input: images (batch, height, width, channels), or channels first with "NCHW".
        block_size: side of a block; divides height and width.
        data_format: "NHWC" or "NCHW".
    """
    return _in_format(space_to_depth_, input, block_size, _format("tf.nn.space_to_depth", data_format))


@export("nn.depth_to_space")
def depth_to_space(input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None) -> Any:
    """Moves channels into blocks of `block_size` x `block_size` pixels: the inverse of `space_to_depth`."""
    return _in_format(depth_to_space_, input, block_size, _format("tf.nn.depth_to_space", data_format))


@export("ops.nn.space_to_depth")
def space_to_depth_keras(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Moves blocks of pixels into channels."""
    return space_to_depth(x, block_size, data_format)


@export("ops.nn.depth_to_space")
def depth_to_space_keras(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Moves channels into blocks of pixels."""
    return depth_to_space(x, block_size, data_format)


# ---- space and batch ------------------------------------------------------------------------------------------------


def _batched_shape(shape: tuple, block: tuple) -> tuple:
    inner = shape[1 : 1 + len(block)]
    if any(size is not None and size % b for size, b in zip(inner, block, strict=True)):
        raise ValueError(f"the padded sizes {inner} must be multiples of the block shape {block}")
    sizes = tuple(None if size is None else size // b for size, b in zip(inner, block, strict=True))
    batch = None if shape[0] is None else shape[0] * rules.product(block)
    return (batch, *sizes, *shape[1 + len(block) :])


@op("", shape=_batched_shape)
def to_batch(xp: Any, x: Any, *, block: Shape) -> Any:
    """Moves blocks of the first space axes in front of the batch axis."""
    k, out = len(block), _batched_shape(x.shape, block)
    inner = tuple(part for size, b in zip(out[1 : 1 + k], block, strict=True) for part in (size, b))
    split = xp.reshape(x, (x.shape[0], *inner, *x.shape[1 + k :]))
    order = (*range(2, 2 * k + 1, 2), 0, *range(1, 2 * k, 2), *range(2 * k + 1, split.ndim))
    return xp.reshape(xp.transpose(split, order), out)


def _unbatched_shape(shape: tuple, block: tuple) -> tuple:
    count = rules.product(block)
    if shape[0] is not None and shape[0] % count:
        raise ValueError(f"the batch size {shape[0]} must be a multiple of {count}")
    sizes = tuple(None if size is None else size * b for size, b in zip(shape[1:], block, strict=False))
    return (None if shape[0] is None else shape[0] // count, *sizes, *shape[1 + len(block) :])


@op("", shape=_unbatched_shape)
def from_batch(xp: Any, x: Any, *, block: Shape) -> Any:
    """Moves parts of the batch axis back into blocks of the first space axes."""
    k, out = len(block), _unbatched_shape(x.shape, block)
    split = xp.reshape(x, (*block, out[0], *x.shape[1:]))
    order = (k, *(axis for i in range(k) for axis in (k + 1 + i, i)), *range(2 * k + 1, split.ndim))
    return xp.reshape(xp.transpose(split, order), out)


to_batch.gradient(lambda g, y, x, block: from_batch(g, block=block))
from_batch.gradient(lambda g, y, x, block: to_batch(g, block=block))


def _block_of(value: Any) -> tuple:
    value = np.asarray(value).tolist()
    return tuple(value) if isinstance(value, list) else (value, value)


@export("space_to_batch space_to_batch_nd nn.space_to_batch")
def space_to_batch(input: Any, block_shape: Any, paddings: Any, name: str | None = None) -> Any:
    """Pads the space axes, and moves blocks of them into the batch axis.

    Args:
        input: tensor (batch, *space, ...).
        block_shape: size of a block along each space axis.
        paddings: pairs (before, after), one a space axis.
    """
    x, block = as_tensor(input), _block_of(block_shape)
    pairs = tuple(tuple(pair) for pair in np.asarray(paddings).tolist())
    full = ((0, 0), *pairs, *((0, 0),) * (len(x.shape) - 1 - len(block)))
    return to_batch(pad(x, paddings=full), block=block)


@export("batch_to_space")
def batch_to_space(input: Any, block_shape: Any, crops: Any, name: str | None = None) -> Any:
    """Moves parts of the batch axis into blocks of the space axes, and crops those: the inverse of `space_to_batch`."""
    block, pairs = _block_of(block_shape), nested(crops)
    if not isinstance(pairs, tuple) or len(pairs) != len(block):
        raise ValueError(
            f"crops must be a pair for each of {len(block)} axes in block_shape, received {crops!r:.80}"
        )
    return cropped(from_batch(input, block=block), crops=pairs)


def _cropped_shape(shape: tuple, crops: tuple) -> tuple:
    sizes = tuple(
        None if size is None else size - sum(crop) for size, crop in zip(shape[1:], crops, strict=False)
    )
    return (shape[0], *sizes, *shape[1 + len(crops) :])


@op("", shape=_cropped_shape)
def cropped(xp: Any, x: Any, *, crops: Nested) -> Any:
    """Takes elements off both ends of the axes after the first."""
    return x[(slice(None), *(slice(a, size - b) for (a, b), size in zip(crops, x.shape[1:], strict=False)))]


def _cropped_gradient(g: Any, y: Any, x: Any, crops: tuple) -> Any:
    rest = ((0, 0),) * (len(x.shape) - 1 - len(crops))
    return pad(g, paddings=((0, 0), *crops, *rest))


cropped.gradient(_cropped_gradient)

# ---- diagonals ------------------------------------------------------------------------------------------------------


@op("linalg.tensor_diag", shape=lambda shape: (*shape, *shape))
def tensor_diag(xp: Any, diagonal: Any) -> Any:
    """Returns a tensor of twice the rank with `diagonal` where both halves of the index agree, 0 elsewhere."""
    flat = xp.reshape(diagonal, (-1,))
    size = flat.shape[0]
    places = np.arange(size)
    matrix = xp.index_set(xp.zeros((size, size), diagonal.dtype), (places, places), flat)
    return xp.reshape(matrix, (*diagonal.shape, *diagonal.shape))


def _diag_part_shape(shape: tuple) -> tuple:
    half = len(shape) // 2
    if (
        len(shape) % 2
        or not half
        or any(
            a is not None and b is not None and a != b
            for a, b in zip(shape[:half], shape[half:], strict=True)
        )
    ):
        raise ValueError(f"expected a shape made of two equal halves, received {shape}")
    return tuple(b if a is None else a for a, b in zip(shape[:half], shape[half:], strict=True))


@op("linalg.tensor_diag_part", shape=_diag_part_shape)
def tensor_diag_part(xp: Any, input: Any) -> Any:
    """Returns the elements of a tensor of even rank where both halves of the index agree."""
    half = _diag_part_shape(input.shape)
    size = rules.product(half)
    return xp.reshape(xp.diagonal(xp.reshape(input, (size, size))), half)


tensor_diag.gradient(lambda g, y, x: tensor_diag_part(g))
tensor_diag_part.gradient(lambda g, y, x: tensor_diag(g))

# ---- sequences and bits ---------------------------------------------------------------------------------------------


@op("", same_dtype=1, shape=lambda shape, lengths, seq_axis, batch_axis: shape)
def reverse_sequence_(xp: Any, x: Any, lengths: Any, *, seq_axis: int, batch_axis: int = 0) -> Any:
    """Reverses the first `lengths[i]` elements of each sequence."""
    moved = xp.moveaxis(x, (batch_axis, seq_axis), (0, 1))
    steps = np.arange(moved.shape[1])[None, :]
    wide = lengths.astype(np.int64)[:, None]
    order = xp.where(steps < wide, wide - 1 - steps, steps)
    picked = moved[np.arange(moved.shape[0])[:, None], order]
    return xp.moveaxis(picked, (0, 1), (batch_axis, seq_axis))


reverse_sequence_.gradient(
    lambda g, y, x, lengths, seq_axis, batch_axis: reverse_sequence_(
        g, lengths, seq_axis=seq_axis, batch_axis=batch_axis
    ),
    None,
)


@export("reverse_sequence")
def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
) -> Any:
    """Reverses the first `seq_lengths[i]` elements of sequence i, and leaves the rest.

    Args:
        input: tensor.
        seq_lengths: integers, one an element of the batch axis.
        seq_axis: the axis to reverse along.
        batch_axis: the axis of sequences, 0 by default.
    """
    if seq_axis is None:
        raise ValueError(f"tf.reverse_sequence: pass seq_axis{at_user_location()}")
    return reverse_sequence_(input, seq_lengths, seq_axis=seq_axis, batch_axis=batch_axis or 0)


@op("", dtype=lambda kind, dtype: dtype, differentiable=False)
def bitcast_(xp: Any, x: Any, *, dtype: DTypeLike) -> Any:
    """Reads the same bits as another dtype."""
    ratio = dtype.itemsize // x.dtype.itemsize
    if ratio > 1 and (not x.ndim or x.shape[-1] != ratio):
        raise ValueError(f"the last axis must have size {ratio}, received shape {x.shape}")
    return xp.bitcast(x, dtype)


@export("bitcast")
def bitcast(input: Any, type: Any, name: str | None = None) -> Any:
    """Reads the same bits as another dtype; a narrower dtype adds a last axis, a wider one takes it away."""
    return bitcast_(input, dtype=dt.numpy_dtype(type))


def _unraveled(shape: tuple, dims: tuple) -> tuple:
    return (len(dims), *shape)


@op("", shape=_unraveled, differentiable=False)
def unravel_index_(xp: Any, indices: Any, *, dims: Shape) -> Any:
    """Returns the coordinates of flat indices."""
    return xp.stack([xp.cast(one, indices.dtype) for one in xp.unravel_index(indices, dims)])


@export("unravel_index")
def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Any:
    """Returns the coordinates, one row an axis of `dims`, of flat indices into a tensor of shape `dims`."""
    return unravel_index_(indices, dims=dims)


@export("ops.numpy.unravel_index")
def unravel_index_tuple(indices: Any, shape: tuple) -> tuple:
    """Returns the coordinates, one tensor an axis, of flat indices into a tensor of `shape`."""
    return tuple(unravel_index_(indices, dims=shape))
