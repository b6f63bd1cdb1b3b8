"""What convolution and pooling share: sizes, strides and paddings as users write them, and channels-first layouts."""

from __future__ import annotations

import itertools
import math
from typing import Any

from dovetail.ops.rules import window

_SMALL_WINDOW = 32
_FIRST = {"NCW": 1, "NCHW": 2, "NCDHW": 3}
_LAST = {"NWC": 1, "NHWC": 2, "NDHWC": 3}


def is_channels_first(data_format: str | None, rank: int | None = None) -> bool:
    """True for "NCHW" and the like and for "channels_first".

    Raises:
        ValueError: an unknown format, or one for another number of spatial axes than `rank`.
    """
    if data_format is None or data_format == "channels_last":
        return False
    if data_format == "channels_first":
        return True
    dims = _FIRST.get(data_format, _LAST.get(data_format))
    if dims is None or (rank is not None and dims != rank):
        expected = [name for name, dims in (_LAST | _FIRST).items() if rank in (None, dims)]
        raise ValueError(f"data_format must be one of {expected}, received {data_format!r}")
    return data_format in _FIRST


def spatial(value: Any, rank: int, name: str, channels_first: bool = False) -> tuple[int, ...]:
    """Returns strides (or dilations, or window sizes) as one int a spatial axis.

    Args:
        value: None (1 everywhere), an int, or 1, `rank` or `rank + 2` ints; with `rank + 2` the entries of batch and
            channels must be 1.
        rank: number of spatial axes.
        name: for the error.
        channels_first: where the channels' entry stands.
    """
    if value is None:
        return (1,) * rank
    value = (value,) if isinstance(value, int) else tuple(value)
    if len(value) == 1:
        value = value * rank
    elif len(value) == rank + 2:
        others = value[:2] if channels_first else (value[0], value[-1])
        if others != (1, 1):
            raise ValueError(f"{name} over batch and channels must be 1, received {value}")
        value = value[2:] if channels_first else value[1:-1]
    if len(value) != rank:
        raise ValueError(f"{name} must have 1, {rank} or {rank + 2} entries, received {value}")
    if min(value) < 1:
        raise ValueError(f"{name} must be positive, received {value}")
    return value


def explicit_padding(
    padding: Any, sizes: tuple, kernel: tuple, strides: tuple, dilations: tuple, channels_first: bool = False
) -> tuple:
    """Returns one (before, after) pair a spatial axis.

    Args:
        padding: "VALID", "SAME", "CAUSAL" (one axis), or pairs: one for each spatial axis, or one for every axis.
        sizes: of the input's spatial axes.
    """
    if isinstance(padding, str):
        kind = padding.upper()
        if kind == "VALID":
            return ((0, 0),) * len(sizes)
        spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        if kind == "CAUSAL" and len(sizes) == 1:
            return ((spans[0] - 1, 0),)
        if kind != "SAME":
            raise ValueError(f"padding must be 'VALID', 'SAME' or a list of pairs, received {padding!r}")
        result = []
        for size, span, stride in zip(sizes, spans, strides, strict=True):
            total = max((-(-size // stride) - 1) * stride + span - size, 0)
            result.append((total // 2, total - total // 2))
        return tuple(result)
    pairs = tuple(tuple(pair) for pair in padding)
    if len(pairs) == len(sizes) + 2:
        pairs = pairs[2:] if channels_first else pairs[1:-1]
    if len(pairs) != len(sizes) or any(len(pair) != 2 for pair in pairs):
        raise ValueError(
            f"padding must hold one pair for each of {len(sizes)} spatial axes, received {padding}"
        )
    return pairs


def to_last(xp: Any, x: Any, channels_first: bool) -> Any:
    """Moves the channels to the end."""
    return xp.moveaxis(x, 1, -1) if channels_first else x


def from_last(xp: Any, x: Any, channels_first: bool) -> Any:
    """Moves the channels back to axis 1."""
    return xp.moveaxis(x, -1, 1) if channels_first else x


def output_sizes(
    shape: tuple, kernel: tuple, strides: tuple, padding: Any, dilations: tuple, channels_first: bool
) -> tuple:
    """Returns the spatial output sizes of an input of a shape that may hold None."""
    sizes = shape[2:] if channels_first else shape[1:-1]
    if isinstance(padding, str):
        kind = padding.upper()
        if kind not in ("VALID", "SAME", "CAUSAL"):
            raise ValueError(f"padding must be 'VALID', 'SAME' or a list of pairs, received {padding!r}")
        return _counts("SAME" if kind == "CAUSAL" else kind, sizes, kernel, strides, dilations)
    pairs = explicit_padding(padding, sizes, kernel, strides, dilations, channels_first)
    padded = [None if size is None else size + sum(pair) for size, pair in zip(sizes, pairs, strict=True)]
    return _counts("VALID", padded, kernel, strides, dilations)


def _counts(kind: str, sizes: Any, kernel: tuple, strides: tuple, dilations: tuple) -> tuple:
    """Returns the number of windows along each axis, None where the axis or a kernel's size is unknown."""
    return tuple(
        None if kind == "VALID" and k is None else window(size, k, stride, kind, dilation)
        for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True)
    )


def with_sizes(shape: tuple, sizes: tuple, channels: int | None, channels_first: bool) -> tuple:
    """Returns the shape with new spatial sizes and channels."""
    return (shape[0], channels, *sizes) if channels_first else (shape[0], *sizes, channels)


class WindowPlan:
    """The numbers of one call that moves a window over a channels-last input, and the slices that its taps see."""

    def __init__(self, x: Any, ksize: Any, strides: Any, padding: Any, dilations: Any, first: bool) -> None:
        self.rank = rank = len(x.shape) - 2
        if rank < 1:
            raise ValueError(f"expected an input of rank 3, 4 or 5, received shape {x.shape}")
        self.window = spatial(ksize, rank, "ksize", first)
        self.strides = spatial(strides, rank, "strides", first)
        self.dilations = spatial(dilations, rank, "dilations", first)
        self.sizes = x.shape[1:-1]
        self.padding = explicit_padding(padding, self.sizes, self.window, self.strides, self.dilations, first)
        spans = [(k - 1) * d + 1 for k, d in zip(self.window, self.dilations, strict=True)]
        self.out = tuple(
            (size + sum(pair) - span) // stride + 1
            for size, pair, span, stride in zip(self.sizes, self.padding, spans, self.strides, strict=True)
        )
        if min(self.out) < 1 and 0 not in x.shape:
            raise ValueError(f"a window of {self.window} does not fit into {self.sizes}; use padding='SAME'")

    def numbers(self) -> tuple:
        """Returns strides, padding and dilations, as the engines' `conv` takes them."""
        return self.strides, self.padding, self.dilations

    def taps(self) -> list[tuple]:
        return list(itertools.product(*map(range, self.window)))

    def is_small(self) -> bool:
        return math.prod(self.window) <= _SMALL_WINDOW

    def slice_of(self, padded: Any, tap: tuple) -> Any:
        """Returns the elements that one tap of the window sees, shaped like the output."""
        index = [slice(None)]
        for t, d, n, s in zip(tap, self.dilations, self.out, self.strides, strict=True):
            index.append(slice(t * d, t * d + (n - 1) * s + 1, s))
        return padded[tuple(index)]

    def spread(self, xp: Any, part: Any, tap: tuple) -> Any:
        """The transpose of `slice_of`, on the unpadded input: puts the part back, zeros elsewhere."""
        low, high, interior = [0], [0], [0]
        sides = zip(tap, self.dilations, self.out, self.strides, self.padding, self.sizes, strict=True)
        for t, d, n, s, (before, _), size in sides:
            start = t * d - before
            low.append(start)
            high.append(size - start - ((n - 1) * s + 1))
            interior.append(s - 1)
        return xp.spread(part, (*low, 0), (*high, 0), (*interior, 0))

    def tiles(self) -> bool:
        """True when the windows lie side by side, without overlap and without gaps."""
        return self.window == self.strides and set(self.dilations) == {1}

    def covers(self) -> bool:
        """True when windows that lie side by side end where the input ends."""
        return not any(map(any, self.padding)) and all(
            n * k == size for n, k, size in zip(self.out, self.window, self.sizes, strict=True)
        )

    def trimmed(self, xp: Any, tiled: Any) -> Any:
        """Cuts what tiles the padded input to the input's sizes; where it ends early, adds zeros."""
        low, high = [0], [0]
        for n, k, (before, _), size in zip(self.out, self.window, self.padding, self.sizes, strict=True):
            low.append(-before)
            high.append(size + before - n * k)
        if not any(low) and not any(high):
            return tiled
        return xp.spread(tiled, (*low, 0), (*high, 0), (0,) * (self.rank + 2))

    def padded(self, xp: Any, x: Any, fill: Any) -> Any:
        if not any(map(any, self.padding)):
            return x
        return xp.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=fill)
