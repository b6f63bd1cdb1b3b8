"""Repeating and padding: repeat, pad and their adjoints, meshgrid."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops import rules
from dovetail.ops.attrs import Axis, Nested, Number, Shape, is_symbolic
from dovetail.ops.families import op
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.views import export
from dovetail.tensor.tensor import TensorLike

# ---- repeating and padding ------------------------------------------------------------------------------------------


def _repeated(shape: tuple, repeats: Any, axis: int) -> tuple:
    axis = rules.normalized_axis(axis, len(shape))
    size = shape[axis]
    if isinstance(repeats, int) or len(repeats) == 1:
        count = repeats if isinstance(repeats, int) else repeats[0]
        total = None if size is None or count == -1 else size * count
    else:
        if size not in (None, len(repeats)):
            raise ValueError(
                f"expected {size} repeats, one an element of axis {axis}, received {len(repeats)}"
            )
        total = None if -1 in repeats else sum(repeats)
    return (*shape[:axis], total, *shape[axis + 1 :])


@op("", shape=_repeated, pieces="whole")
def repeat_(xp: Any, input: Any, *, repeats: Axis, axis: int) -> Any:
    """Repeats each slice along `axis`, all equally often or each its own number of times."""
    total = _repeated(input.shape, repeats, axis)[axis]
    return xp.repeat_each(input, repeats, axis, total)


def _repeat_gradient(g: Any, y: Any, x: Any, repeats: Any, axis: int) -> Any:
    if isinstance(repeats, int):
        repeats = (repeats,)
    each = repeats * x.shape[axis] if len(repeats) == 1 else repeats
    return repeat_adjoint(g, each=each, axis=axis)


def _repeat_adjoint_shape(shape: tuple, each: tuple, axis: int) -> tuple:
    axis = rules.normalized_axis(axis, len(shape))
    return (*shape[:axis], len(each), *shape[axis + 1 :])


@op("", shape=_repeat_adjoint_shape)
def repeat_adjoint(xp: Any, g: Any, *, each: Shape, axis: int) -> Any:
    """Sums the slices that `repeat` made of one: the adjoint of `repeat`."""
    rows = xp.moveaxis(g, axis, 0)
    ids: Any = np.repeat(np.arange(len(each)), each)
    return xp.moveaxis(xp.add_rows(rows, ids, len(each)), 0, axis)


repeat_.gradient(_repeat_gradient)
repeat_adjoint.gradient(lambda g, y, x, each, axis: repeat_(g, repeats=each, axis=axis))


@export("repeat")
def repeat(input: Any, repeats: Any, axis: int | None = None, name: str | None = None) -> Any:
    """Repeats each element, or each slice along `axis`.

    Args:
        input: tensor; flattened when `axis` is None.
        repeats: how often: a number, or one an element of the axis.
        axis: the axis whose size grows.
    """
    input = as_tensor(input)
    if axis is None or not len(input.shape):
        input, axis = reshape(input, shape=(-1,)), 0
    return repeat_(input, repeats=repeats, axis=axis)


@export("ops.numpy.repeat")
def repeat_numpy(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeats each element, or each slice along `axis`."""
    return repeat(x, repeats, axis)


@export("K.repeat_elements")
def repeat_elements(x: Any, rep: int, axis: int) -> Any:
    """Repeats each slice along `axis` `rep` times."""
    return repeat(x, rep, axis)


@export("K.repeat")
def repeat_vector(x: Any, n: int) -> Any:
    """Repeats a matrix (batch, features) into (batch, n, features)."""
    x = as_tensor(x)
    if len(x.shape) != 2:
        raise ValueError(f"K.repeat: expected a matrix, received shape {tuple(x.shape)}{at_user_location()}")
    return repeat(reshape(x, shape=(-1, 1, x.shape[1])), n, axis=1)


_MODES: dict[str, Any] = {"CONSTANT": "constant", "REFLECT": "reflect", "SYMMETRIC": "symmetric"}


def _padded(shape: tuple, paddings: tuple, mode: str = "CONSTANT", constant_values: Any = 0) -> tuple:
    if len(paddings) != len(shape):
        raise ValueError(f"expected {len(shape)} pairs of paddings, one an axis, received {len(paddings)}")
    sizes = []
    for axis, (size, (before, after)) in enumerate(zip(shape, paddings, strict=True)):
        if (
            size is not None
            and mode != "CONSTANT"
            and max(before, after) > max(size - (mode == "REFLECT"), 0)
        ):
            raise ValueError(
                f"mode {mode}: paddings {(before, after)} are too wide for axis {axis} of size {size}"
            )
        sizes.append(None if size is None or -1 in (before, after) else size + before + after)
    return tuple(sizes)


def _mode(mode: str) -> str:
    if mode.upper() not in _MODES:
        raise ValueError(f"unknown mode {mode!r}; expected one of {', '.join(_MODES)}")
    return mode.upper()


@op(
    "pad",
    pieces="whole",
    shape=lambda shape, paddings, mode, constant_values: _padded(shape, paddings, _mode(mode)),
)
def pad(
    xp: Any, tensor: Any, *, paddings: Nested, mode: str = "CONSTANT", constant_values: Number = 0
) -> Any:
    """Adds elements before and after along each axis.

    Args:
        tensor: tensor of rank n.
        paddings: n pairs (before, after).
        mode: "CONSTANT", "REFLECT" (without the edge) or "SYMMETRIC" (with the edge).
        constant_values: the value that "CONSTANT" adds; to strings, "" by default.
    """
    mode = _mode(mode)
    _padded(tensor.shape, paddings, mode)
    if mode == "CONSTANT":
        return xp.pad(tensor, paddings, constant_values=_filling(xp, constant_values, tensor.dtype))
    return xp.pad(tensor, paddings, mode=_MODES[mode])


def _filling(xp: Any, value: Any, dtype: np.dtype) -> Any:
    if not dtypes.is_host_only(dtype):
        return xp.cast(np.asarray(value), dtype)
    value = b"" if type(value) is int and value == 0 else value.encode() if isinstance(value, str) else value
    if not isinstance(value, bytes):
        raise TypeError(f"constant_values must be a string to pad strings, received {value!r}")
    return np.array(value, object)


def _pad_gradient(g: Any, y: Any, x: Any, paddings: tuple, mode: str, constant_values: Any) -> Any:
    return pad_adjoint(g, paddings=paddings, mode=mode)


pad.gradient(_pad_gradient)


def _unpadded(shape: tuple, paddings: tuple, mode: str = "CONSTANT") -> tuple:
    return tuple(None if s is None else s - a - b for s, (a, b) in zip(shape, paddings, strict=True))


@op("", shape=_unpadded)
def pad_adjoint(xp: Any, g: Any, *, paddings: Nested, mode: str = "CONSTANT") -> Any:
    """Takes padding away; what was copied by reflection is added where it came from: the adjoint of `pad`."""
    if mode.upper() == "CONSTANT":
        return g[tuple(slice(a, size - b) for size, (a, b) in zip(g.shape, paddings, strict=True))]
    for axis, (before, after) in enumerate(paddings):
        if before or after:
            size = g.shape[axis] - before - after
            ids = np.pad(np.arange(size), (before, after), mode=_MODES[mode.upper()])
            g = xp.moveaxis(xp.add_rows(xp.moveaxis(g, axis, 0), ids, size), 0, axis)
    return g


pad_adjoint.gradient(lambda g, y, x, paddings, mode: pad(g, paddings=paddings, mode=mode))


@export("ops.numpy.pad")
def pad_numpy(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Any:
    """Adds elements before and after along each axis.

    Args:
        x: tensor.
        pad_width: a pair an axis; one pair or one number is for all axes.
        mode: "constant", "reflect" or "symmetric".
        constant_values: the value that "constant" adds, 0 by default.
    """
    x = as_tensor(x)
    if constant_values is not None and mode != "constant":
        raise ValueError(f"keras.ops.pad: constant_values goes with mode='constant', received {mode!r}")
    rank = len(x.shape)
    if not isinstance(pad_width, TensorLike) and not is_symbolic(pad_width):
        pad_width = np.broadcast_to(np.asarray(pad_width, np.int64), (rank, 2)).tolist()
    return pad(
        x, paddings=pad_width, mode=mode, constant_values=0 if constant_values is None else constant_values
    )


@export("K.temporal_padding")
def temporal_padding(x: Any, padding: tuple = (1, 1)) -> Any:
    """Pads the middle axis of (batch, time, features) with zeros."""
    return pad(x, paddings=((0, 0), tuple(padding), (0, 0)))


def _spatial(x: Any, padding: tuple, data_format: str | None) -> Any:
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(
            f"data_format must be 'channels_last' or 'channels_first', received {data_format!r:.60}"
        )
    inner = tuple(tuple(pair) for pair in padding)
    paddings = ((0, 0), (0, 0), *inner) if data_format == "channels_first" else ((0, 0), *inner, (0, 0))
    return pad(x, paddings=paddings)


@export("K.spatial_2d_padding")
def spatial_2d_padding(x: Any, padding: tuple = ((1, 1), (1, 1)), data_format: str | None = None) -> Any:
    """Pads height and width of images with zeros."""
    return _spatial(x, padding, data_format)


@export("K.spatial_3d_padding")
def spatial_3d_padding(
    x: Any, padding: tuple = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Pads the three space axes of volumes with zeros."""
    return _spatial(x, padding, data_format)


# ---- grids ----------------------------------------------------------------------------------------------------------


def _grid(*shapes: tuple, indexing: str = "xy") -> list:
    sizes = [shape[0] if shape else 1 for shape in shapes]
    if indexing == "xy" and len(sizes) > 1:
        sizes[0], sizes[1] = sizes[1], sizes[0]
    return [tuple(sizes)] * len(shapes)


@op("", shape=_grid, same_dtype=0, dtype=lambda *kinds, indexing: list(kinds))
def meshgrid_(xp: Any, *vectors: Any, indexing: str = "xy") -> Any:
    """Returns the coordinates of a grid, one tensor an axis."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"indexing must be 'xy' or 'ij', received {indexing!r}")
    return list(xp.meshgrid(*vectors, indexing=indexing))


@export("meshgrid ops.numpy.meshgrid")
def meshgrid(*args: Any, indexing: str = "xy", name: str | None = None) -> list:
    """Returns the coordinates of the grid that vectors span, one tensor a vector.

    Args:
        args: vectors.
        indexing: "xy" (the first two axes exchanged, as for images) or "ij".
    """
    if any(vector is None for vector in args):
        raise ValueError("each argument must be a vector, received None")
    return list(meshgrid_(*args, indexing=indexing))
