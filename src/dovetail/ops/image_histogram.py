"""Curves that make the values of images about equally frequent."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from dovetail.ops.attrs import Shape
from dovetail.ops.families import op
from dovetail.ops.image_resize import on_host
from dovetail.ops.precision import in_float32

_F = np.float32


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


def _counts(xp: Any, places: Any, bins: int) -> Any:
    """Counts numbers: places (n, rows) -> (rows, bins); each row has a histogram of its own."""
    rows = places.shape[1]
    flat = (places + xp.arange(rows, dtype=np.int32) * np.int32(bins)).reshape(-1)
    return xp.add_rows(xp.ones(flat.shape, np.float32), flat, rows * bins).reshape(rows, bins)


@op("", shape=_same, size=on_host)
@in_float32
def equalize(xp: Any, images: Any, *, bins: int) -> Any:
    """Equalizes the histogram of each channel over all images; values lie in [0, 255].

    Args:
        images: tensor of shape (batch, height, width, channels).
        bins: of the histogram.
    """
    x = images.reshape(-1, images.shape[-1])
    last = _F(bins - 1)
    places = xp.clip((x.astype(_F) * last / _F(255)).astype(np.int32), 0, bins - 1)
    counts = _counts(xp, places, bins)
    total = xp.cumsum(counts, axis=1)
    least = total[np.arange(total.shape[0]), xp.argmax(total > 0, axis=1)][:, None]
    least, total = (
        least.astype(np.float64),
        total.astype(np.float64),
    )  # halves must be halves when they are rounded
    span = total[:, -1:] - least
    curve = xp.clip(xp.round((total - least) * 255 / xp.where(span == 0, 1.0, span)), 0.0, 255.0)
    index = xp.clip(x / _F(255) * last, _F(0), last).astype(np.int32)
    index = index + np.arange(x.shape[1], dtype=np.int32) * np.int32(bins)
    mapped = xp.take(curve.reshape(-1), index, axis=0).astype(x.dtype)
    several = xp.sum((counts > 0).astype(np.int32), axis=1) > 1
    return xp.where(several, mapped, x).reshape(images.shape)


@op("", shape=_same, size=on_host)
@in_float32
def equalize_tiles(xp: Any, images: Any, *, limit: float, grid: Shape) -> Any:
    """Equalizes the histogram of each channel in each part of each image, and interpolates between the parts.

    Args:
        images: tensor of shape (batch, height, width, channels), with values in [0, 255].
        limit: how many times more often than the mean a value may count; 0: no limit.
        grid: how many rows and columns of parts.
    """
    batch, height, width, channels = images.shape
    tile = (-(-height // grid[0]), -(-width // grid[1]))
    missing = (tile[0] * grid[0] - height, tile[1] * grid[1] - width)
    pads = ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0))
    whole = xp.pad(images, pads, mode="symmetric") if any(missing) else images
    pixels = xp.clip(whole, 0, 255).astype(np.int32)
    tiles = pixels.reshape(batch, grid[0], tile[0], grid[1], tile[1], channels)
    tiles = xp.moveaxis(tiles, (2, 4), (0, 1)).reshape(tile[0] * tile[1], -1)  # (pixels, parts)
    curves = _curves(xp, _counts(xp, tiles, 256), limit, tile[0] * tile[1])
    curves = curves.reshape(batch, *grid, channels, 256)
    mixed = _between_tiles(xp, curves, pixels, tile, grid)
    return mixed[:, :height, :width].astype(images.dtype)


def _curves(xp: Any, counts: Any, limit: float, number: int) -> Any:
    """Returns the curve of each histogram; what exceeds the limit is spread over all values."""
    if limit > 0:
        clipped = xp.minimum(counts, _F(limit * number / 256))
        counts = clipped + xp.sum(counts - clipped, axis=-1, keepdims=True) / _F(256)
    total = xp.cumsum(counts, axis=1)
    least = xp.min(total, axis=-1, keepdims=True)
    span = _F(number) - least
    return xp.clip((total - least) * _F(255) / xp.where(span == 0, _F(1), span), _F(0), _F(255))


def _between_tiles(xp: Any, curves: Any, pixels: Any, tile: tuple, grid: tuple) -> Any:
    """Reads each pixel in the curves of the four parts around it."""
    batch, channels = pixels.shape[0], pixels.shape[3]
    taps = [_tile_taps(tile[axis], grid[axis], axis) for axis in (0, 1)]
    image = xp.arange(batch, dtype=np.int32)[:, None, None, None]
    channel = np.arange(channels, dtype=np.int32)
    flat, total = curves.reshape(-1), None
    for (row, down), (column, right) in itertools.product(*taps):
        place = ((image * grid[0] + row) * grid[1] + column) * channels + channel
        part = xp.take(flat, place * np.int32(256) + pixels, axis=0) * (down * right)
        total = part if total is None else total + part
    return total


def _tile_taps(tile: int, grid: int, axis: int) -> list[tuple]:
    """Returns the two parts that each row (or column) lies between, with their weights, to broadcast with images."""
    position = (np.arange(tile * grid, dtype=_F) - _F(tile / 2)) / _F(tile)
    lower = np.floor(position)
    shape = (-1, 1, 1) if axis == 0 else (-1, 1)
    pairs = ((lower, 1 - (position - lower)), (lower + 1, position - lower))
    return [
        (np.clip(place, 0, grid - 1).astype(np.int32).reshape(shape), weight.astype(_F).reshape(shape))
        for place, weight in pairs
    ]
