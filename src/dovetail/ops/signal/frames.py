"""Frames: windows of elements along an axis, and their overlapping sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import rules
from dovetail.ops.attrs import integer
from dovetail.ops.families import op
from dovetail.ops.shapes import transpose
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike


def _places(count: int, length: int, stride: int) -> np.ndarray:
    """Returns the index of each element of each frame: (count, length)."""
    return np.arange(count)[:, None] * stride + np.arange(length)[None, :]


def _count(size: int, length: int, stride: int, filled: bool) -> int:
    return -(-size // stride) if filled else max(1 + (size - length) // stride, 0)


def _frames_shape(x: tuple, fill: Any = None, *, length: int, stride: int, axis: int) -> tuple:
    axis = rules.normalized_axis(axis, len(x))
    unknown = x[axis] is None or min(length, stride) < 0
    count = None if unknown else _count(x[axis], length, stride, fill is not None)
    return (*x[:axis], count, None if length < 0 else length, *x[axis + 1 :])


@op("", shape=_frames_shape)
def frames_of(xp: Any, x: Any, fill: Any = None, *, length: int, stride: int, axis: int = -1) -> Any:
    """Returns the frames of `length` elements along an axis, `stride` apart.

    Args:
        x: tensor of any dtype.
        fill: what stands behind the end in the last frames; None: frames that are not full are left out.
        length: elements a frame.
        stride: distance between frames.
        axis: which becomes two axes, frames and their elements.
    """
    if length < 0 or stride < 1:
        raise ValueError(f"there are no frames of {length} elements, {stride} apart")
    axis = rules.normalized_axis(axis, x.ndim)
    size = x.shape[axis]
    places = _places(_count(size, length, stride, fill is not None), length, stride)
    missing = int(places.max(initial=-1)) + 1 - size
    if missing > 0 and fill is not None:
        behind = xp.broadcast_to(fill, (*x.shape[:axis], missing, *x.shape[axis + 1 :]))
        x = xp.concatenate([x, behind], axis=axis)
    return x[(slice(None),) * axis + (places,)]


def _joined_shape(x: tuple, stride: int, size: int) -> tuple:
    if size >= 0 or x[-2] is None or x[-1] is None or stride < 0:
        return (*x[:-2], size if size >= 0 else None)
    return (*x[:-2], max((x[-2] - 1) * stride + x[-1], 0))


@op("", shape=_joined_shape)
def overlapped(xp: Any, x: Any, *, stride: int, size: int = -1) -> Any:
    """Returns the sum of frames that begin `stride` apart, with zeros behind up to `size` elements."""
    if stride < 1:
        raise ValueError(f"frames cannot be {stride} apart")
    count, length = x.shape[-2:]
    size = max((count - 1) * stride + length, 0) if size < 0 else size
    places = (Ellipsis, _places(count, length, stride))
    return xp.index_add(xp.zeros((*x.shape[:-2], size), x.dtype), places, x)


def _frames_gradient(g: Any, y: Any, x: Any, fill: Any = None, *, length: int, stride: int, axis: int) -> Any:
    axis = rules.normalized_axis(axis, len(x.shape))
    size, places = x.shape[axis], list(range(len(x.shape) - 1))
    last = (_count(size, length, stride, fill is not None) - 1) * stride + length
    ahead = [i for i in range(len(g.shape)) if i not in (axis, axis + 1)]
    frames = transpose(g, perm=[*ahead, axis, axis + 1])  # (..., frames, length)
    summed = overlapped(frames, stride=stride, size=max(last, size))[..., :size]
    return transpose(summed, perm=[*places[:axis], len(places), *places[axis:]])


frames_of.gradient(_frames_gradient, None)  # what fills is no variable to TensorFlow either
overlapped.gradient(
    lambda g, y, x, stride, size: frames_of(
        g[..., : (x.shape[-2] - 1) * stride + x.shape[-1]], length=x.shape[-1], stride=stride
    )
)


@export("signal.frame")
def frame(
    signal: Any,
    frame_length: Any,
    frame_step: Any,
    pad_end: bool = False,
    pad_value: Any = 0,
    axis: int = -1,
    name: str | None = None,
) -> Any:
    """Returns windows of `frame_length` elements along an axis, `frame_step` apart.

    Args:
        signal: tensor of any dtype, (..., samples, ...).
        frame_length: elements a frame.
        frame_step: distance between frames.
        pad_end: fill the last frames with `pad_value` instead of leaving them out.
        pad_value: a scalar.
        axis: the axis of samples.

    Returns:
        (..., frames, frame_length, ...).

    Example:
        >>> tf.signal.frame([1, 2, 3, 4, 5], 3, 2).numpy().tolist()
        [[1, 2, 3], [3, 4, 5]]
    """
    signal = signal if isinstance(signal, TensorLike) else convert_to_tensor(signal)
    fill = None
    if pad_end:
        fill = convert_to_tensor(pad_value, signal.dtype)
        if len(fill.shape):
            raise ValueError(
                f"tf.signal.frame: pad_value must be a scalar, received shape {fill.shape}{at_user_location()}"
            )
    return frames_of(signal, fill, length=frame_length, stride=frame_step, axis=axis)


@export("signal.overlap_and_add")
def overlap_and_add(signal: Any, frame_step: Any, name: str | None = None) -> Any:
    """Returns the sum of frames that begin `frame_step` apart: (..., frames, frame_length) -> (..., samples).

    There are `(frames - 1) * frame_step + frame_length` samples.

    Args:
        signal: tensor of numbers.
        frame_step: a positive integer.
    """
    signal = signal if isinstance(signal, TensorLike) else convert_to_tensor(signal)
    if signal.shape.rank is not None and len(signal.shape) < 2:
        raise ValueError(
            f"tf.signal.overlap_and_add: expected frames of elements, received shape {signal.shape}{at_user_location()}"
        )
    return overlapped(signal, stride=_step(frame_step))


def _step(frame_step: Any) -> Any:
    """Returns a distance; a symbolic one stays."""
    if isinstance(frame_step, TensorLike):
        return frame_step
    step = integer(frame_step)
    if step is None or step < 1:
        raise ValueError(f"frame_step must be a positive integer, received {frame_step}{at_user_location()}")
    return step
