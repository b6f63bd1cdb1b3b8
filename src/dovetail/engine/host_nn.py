"""Convolution and window reductions on the host engine; `engine/xla_nn.py` has the same names.

Arrays are channels-last: inputs (batch, *spatial, channels), kernels (*spatial, channels per group, outputs).
`padding` is one (before, after) pair a spatial axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dovetail.engine import dtypes


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if dtypes.is_half(x.dtype) else x


def _padded(x: Any, padding: tuple, fill: Any = 0) -> Any:
    if not any(before or after for before, after in padding):
        return x
    sizes = tuple(size + sum(pair) for size, pair in zip(x.shape[1:-1], padding, strict=True))
    out = np.full((x.shape[0], *sizes, x.shape[-1]), fill, x.dtype)
    out[(slice(None), *_inside(x.shape[1:-1], padding))] = x
    return out


def _inside(sizes: tuple, padding: tuple) -> tuple:
    return tuple(slice(before, before + size) for size, (before, _) in zip(sizes, padding, strict=True))


def _windows(x: Any, window: tuple, strides: tuple, dilations: tuple) -> Any:
    """Returns a view of shape (batch, *out, *window, channels) on a padded input."""
    spatial, steps = x.shape[1:-1], x.strides[1:-1]
    out = tuple(
        (size - (k - 1) * d - 1) // s + 1
        for size, k, s, d in zip(spatial, window, strides, dilations, strict=True)
    )
    if min(out, default=1) <= 0:
        raise ValueError(f"a window of {window} does not fit into the padded sizes {spatial}")
    shape = (x.shape[0], *out, *window, x.shape[-1])
    moves = (s * step for s, step in zip(strides, steps, strict=True))
    inner = (d * step for d, step in zip(dilations, steps, strict=True))
    return as_strided(x, shape, (x.strides[0], *moves, *inner, x.strides[-1]), writeable=False)


def _columns(x: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Returns the windows as matrices of shape (groups, batch * out, window * channels per group), and out's shape."""
    view = _windows(_padded(x, padding), window, strides, dilations)
    rank = len(window)
    lead = view.shape[: 1 + rank]
    rows, taps, channels = math.prod(lead), math.prod(window), x.shape[-1]
    columns = view.reshape(rows, taps, groups, channels // groups)
    return columns.transpose(2, 0, 1, 3).reshape(groups, rows, taps * (channels // groups)), lead


def _grouped_kernel(kernel: Any, groups: int) -> Any:
    """Returns the kernel as (groups, window * channels per group, outputs per group)."""
    flat = kernel.reshape(-1, groups, kernel.shape[-1] // groups)
    return flat.transpose(1, 0, 2)


def conv(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple, groups: int) -> Any:
    """Convolves: along a line tap by tap, else windows become rows of a matrix, and one product does the rest."""
    if groups == 1 and kernel.ndim == 3:
        return _conv_line(_wide(x), _wide(kernel), strides, padding, dilations).astype(x.dtype, copy=False)
    columns, lead = _columns(_wide(x), kernel.shape[:-2], strides, padding, dilations, groups)
    out = columns @ _grouped_kernel(_wide(kernel), groups)  # (groups, rows, outputs per group)
    return out.transpose(1, 0, 2).reshape(*lead, kernel.shape[-1]).astype(x.dtype, copy=False)


def conv_kernel_gradient(
    x: Any, g: Any, window: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Returns the gradient of the kernel, given that of the output."""
    channels, outputs = x.shape[-1], g.shape[-1]
    if groups == 1 and len(window) == 1 and channels * outputs <= 8 * g.shape[1] * max(channels, outputs):
        line = _padded(_wide(x), padding)
        kernel = _line_kernel_gradient(line, _wide(g), window[0], strides, dilations)
        return kernel.astype(x.dtype, copy=False)
    columns, _ = _columns(_wide(x), window, strides, padding, dilations, groups)
    rows = _wide(g).reshape(-1, groups, outputs // groups).transpose(1, 0, 2)
    kernel = columns.transpose(0, 2, 1) @ rows  # (groups, window * channels per group, outputs per group)
    kernel = kernel.transpose(1, 0, 2).reshape(*window, channels // groups, outputs)
    return kernel.astype(x.dtype, copy=False)


def conv_input_gradient(
    g: Any, kernel: Any, sizes: tuple, strides: tuple, padding: tuple, dilations: tuple, groups: int
) -> Any:
    """Returns the gradient of an input of spatial `sizes`: the transposed convolution of `g`."""
    window, channels = kernel.shape[:-2], kernel.shape[-2]
    line = groups == 1 and len(window) == 1
    if line and strides == dilations == (1,) and max(padding[0]) < len(kernel):
        made = _line_input_gradient(_wide(g), _wide(kernel), sizes[0], padding[0][0])
        return made.astype(g.dtype, copy=False)
    padded = tuple(size + sum(pair) for size, pair in zip(sizes, padding, strict=True))
    total = np.zeros((g.shape[0], *padded, groups * channels), _wide(g).dtype)
    if line:
        parts = (_wide(g) @ tap.T for tap in _wide(kernel))
    else:
        parts = _tap_gradients(_wide(g), _wide(kernel), groups)
    for tap, part in zip(np.ndindex(*window), parts, strict=True):
        total[_taps(tap, g.shape[1:-1], strides, dilations)] += part
    return total[(slice(None), *_inside(sizes, padding))].astype(g.dtype, copy=False)


def _tap_gradients(g: Any, kernel: Any, groups: int) -> Any:
    """Returns what each tap of the window gives to the input, from one product."""
    window, channels = kernel.shape[:-2], kernel.shape[-2]
    rows = g.reshape(-1, groups, g.shape[-1] // groups).transpose(1, 0, 2)
    columns = rows @ _grouped_kernel(kernel, groups).transpose(0, 2, 1)
    columns = columns.reshape(groups, *g.shape[:-1], math.prod(window), channels)
    columns = np.moveaxis(columns, (0, -2), (-2, 0))
    return columns.reshape(math.prod(window), *g.shape[:-1], groups * channels)


# ---- along a line: products of one sample each.  Nothing is copied, and products this small do not wake BLAS' other
# threads, which on a busy machine take longer to come than the product takes.


def _conv_line(x: Any, kernel: Any, strides: tuple, padding: tuple, dilations: tuple) -> Any:
    line = _padded(x, padding)
    taps, (stride,), (dilation,) = len(kernel), strides, dilations
    count = (line.shape[1] - (taps - 1) * dilation - 1) // stride + 1
    if count <= 0:
        raise ValueError(f"a window of {(taps,)} does not fit into the padded sizes {line.shape[1:2]}")
    if dilation == 1:
        return _windows_of_line(np.ascontiguousarray(line), kernel, stride, count)
    views = [line[_taps((t,), (count,), strides, dilations)] for t in range(taps)]
    out = np.matmul(views[0], kernel[0])
    part = np.empty_like(out)
    for view, tap in zip(views[1:], kernel[1:], strict=True):
        out += np.matmul(view, tap, out=part)
    return out


def _windows_of_line(line: Any, kernel: Any, stride: int, count: int) -> Any:
    """Convolves a contiguous line: the numbers of a window lie side by side in it, those of all taps.

    BLAS takes matrices whose rows do not overlap.  Every `turns`th window is such a row.
    """
    taps, channels, outputs = kernel.shape
    flat = kernel.reshape(taps * channels, outputs)
    out = np.empty((line.shape[0], count, outputs), np.result_type(line, kernel))
    turns = min(-(-taps // stride), count)
    sample, step, item = line.strides
    moves = (sample, turns * stride * step, item)
    for turn in range(turns):
        target = out[:, turn::turns]
        rows = as_strided(
            line[:, turn * stride :], (*target.shape[:2], taps * channels), moves, writeable=False
        )
        np.matmul(rows, flat, out=target)
    return out


def _line_input_gradient(g: Any, kernel: Any, size: int, before: int) -> Any:
    """Returns the gradient of the input, without gaps between its windows: `g` convolved with the turned kernel."""
    reach = len(kernel) - 1 - before
    padding = ((reach, size + len(kernel) - 1 - reach - g.shape[1]),)
    turned = np.ascontiguousarray(kernel[::-1].transpose(0, 2, 1))  # (taps, outputs, channels)
    return _conv_line(g, turned, (1,), padding, (1,))


def _line_kernel_gradient(line: Any, g: Any, taps: int, strides: tuple, dilations: tuple) -> Any:
    g = np.ascontiguousarray(g)  # often a broadcast view, for which there is no fast product
    kernel = np.empty((taps, line.shape[-1], g.shape[-1]), g.dtype)
    for t in range(taps):
        view = line[_taps((t,), g.shape[1:-1], strides, dilations)]
        np.add.reduce(np.matmul(view.transpose(0, 2, 1), g), axis=0, out=kernel[t])
    return kernel


def _taps(tap: tuple, out: tuple, strides: tuple, dilations: tuple) -> tuple:
    """Returns the index of the padded input's elements that one tap of the window sees."""
    return (
        slice(None),
        *(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, n, s, d in zip(tap, out, strides, dilations, strict=True)
        ),
    )


def depthwise_by_groups(window: tuple) -> bool:
    """Whether a convolution of each channel by itself is one of as many groups: here a sum of shifted products is."""
    return False


def spread(x: Any, low: tuple, high: tuple, interior: tuple) -> Any:
    """Puts `interior` zeros between neighbours along each axis, then pads with zeros (crops where negative)."""
    shape, index, crop = [], [], []
    for size, before, after, gap in zip(x.shape, low, high, interior, strict=True):
        inner = size + max(size - 1, 0) * gap
        start, stop = max(before, 0), max(after, 0)
        shape.append(inner + start + stop)
        index.append(slice(start, start + inner, gap + 1))
        crop.append(slice(max(-before, 0), shape[-1] - max(-after, 0)))
    result = np.zeros(shape, x.dtype)
    result[tuple(index)] = x
    return result[tuple(crop)]


def window_reduce(x: Any, kind: str, window: tuple, strides: tuple, padding: tuple, dilations: tuple) -> Any:
    """Returns the maximum ("max") or the sum ("sum") over windows."""
    rank = len(window)
    axes = tuple(range(1 + rank, 1 + 2 * rank))
    if kind == "max":
        lowest = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf
        view = _windows(_padded(x, padding, lowest), window, strides, dilations)
        return view.max(axis=axes)
    view = _windows(_padded(_wide(x), padding), window, strides, dilations)
    return view.sum(axis=axes).astype(x.dtype, copy=False)


def pick_labels(values: Any, labels: Any) -> Any:
    """Returns `values[..., label]`; raises ValueError for class labels outside [0, classes)."""
    classes = values.shape[-1]
    if labels.size and labels.view(f"u{labels.itemsize}").max() >= classes:  # negative ones are large so
        bad = labels[(labels < 0) | (labels >= classes)].reshape(-1)[0]
        raise ValueError(f"a label value of {bad} is outside the valid range of [0, {classes})")
    rows = values.reshape(labels.size, classes)
    return rows[np.arange(labels.size), labels.reshape(-1)].reshape(labels.shape)


def keep_where(keep: Any, x: Any) -> Any:
    """Returns `x` where `keep` holds, 0 elsewhere: `x` may hold NaN there.

    `np.where` branches at each element, ten times the cost of masking bits.
    """
    if x.dtype.kind not in "iuf" or not x.ndim or keep.shape != x.shape:
        return np.where(keep, x, x.dtype.type(0))
    bits = np.dtype(f"i{x.dtype.itemsize}")
    signs = keep.view(np.int8)
    mask = np.negative(signs).astype(bits)  # -1 has all bits
    mask &= x.view(bits)
    return mask.view(x.dtype)


# ---- loops over a sequence ----------------------------------------------------------------------------------------


def scan(step: Any, carry: Any, columns: Any, backwards: bool = False) -> tuple[Any, Any]:
    """Runs `carry, outputs = step(carry, row)` over the first axis of the columns, of which some may be None.

    Returns:
        the last carry, and each output of all steps in the order of the rows, from wherever the loop began.
    """
    count = len(next(column for column in columns if column is not None))
    if not count:
        _, outputs = step(
            carry, tuple(None if x is None else np.zeros(x.shape[1:], x.dtype) for x in columns)
        )
        return carry, tuple(np.empty((0, *y.shape), y.dtype) for y in outputs)
    kept: list[Any] = []
    for i in range(count - 1, -1, -1) if backwards else range(count):
        carry, outputs = step(carry, tuple([None if x is None else x[i] for x in columns]))
        kept = kept or [np.empty((count, *y.shape), y.dtype) for y in outputs]
        for column, y in zip(kept, outputs, strict=True):
            column[i] = y
    return carry, tuple(kept)
