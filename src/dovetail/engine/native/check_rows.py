"""The check of products of many rows and of many matrices, and of what is done over rows for XLA."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

_ROWS, _DEPTH, _WIDTH = 45, 19, 83


def _draw(*shapes: tuple) -> list:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) / 2 for shape in shapes]


def _places(*arrays: Any) -> list:
    return [None if array is None else ctypes.c_void_p(array.ctypes.data) for array in arrays]


def _numbers(*sizes: int) -> list:
    return [ctypes.c_int64(size) for size in sizes]


def _largest(found: Any, expected: Any) -> float:
    return float(np.max(np.abs(found - expected)))


def difference_of_batches(library: ctypes.CDLL) -> float:
    """Compares products with what follows them, products over rows with sums, and products of heads as they lie."""
    x, y, bias, other = _draw((_ROWS, _DEPTH), (_DEPTH, _WIDTH), (_WIDTH,), (_ROWS, _WIDTH))
    dense, over, sums = np.empty_like(other), np.empty_like(y), np.empty_like(bias)
    keep, sizes = other[::-1].copy(), np.array([_ROWS, _DEPTH, _WIDTH, 0, *[1] * 6], np.int64)
    scale, shift = bias[::-1].copy(), bias + 1
    library.plain_dense(*_places(sizes, x, y, bias, scale, shift, other, keep, dense))
    library.plain_over_rows(*_places(x, other, over, sums), *_numbers(_ROWS, _DEPTH, _WIDTH))
    wide, wide_other = x.astype(np.float64), other.astype(np.float64)
    wrong = [
        _largest(dense, np.maximum((wide @ y + bias) * scale + shift + other, 0) * (keep > 0)),
        _largest(over, wide.T @ wide_other),
        _largest(sums, wide_other.sum(0)),
    ]
    heads, steps, size = 3, 21, 9  # the query (2, steps, heads, size), and the key
    query, key = _draw((2, steps, heads, size), (2, _ROWS, heads, size))
    scores: Any = np.empty((2, heads, steps, _ROWS), np.float32)
    pairs = [2, heads, steps, size, _ROWS]
    pairs += [steps * heads * size, size, heads * size, 1, _ROWS * heads * size, size, 1, heads * size]
    pairs += [heads * steps * _ROWS, steps * _ROWS, _ROWS, int(np.float64(0.5).view(np.int64))]
    library.plain_batched_product(*_places(np.array(pairs, np.int64), query, key, scores))
    expected = (
        query.astype(np.float64).transpose(0, 2, 1, 3) @ key.astype(np.float64).transpose(0, 2, 3, 1) / 2
    )
    return max(*wrong, _largest(scores, expected))


def difference_of_gradients_of_rows(library: ctypes.CDLL) -> float:
    """Compares the gradients of softmax, of layer normalization and of losses of labels, and these losses."""
    g, x, gamma = _draw((_ROWS, _WIDTH), (_ROWS, _WIDTH), (_WIDTH,))
    labels: Any = (np.arange(_ROWS, dtype=np.int32) * 7) % _WIDTH
    made = [np.empty_like(x) for _ in range(3)]
    losses: Any = np.empty(_ROWS, np.float32)
    of_gamma, of_beta, of_loss = np.empty_like(gamma), np.empty_like(gamma), _draw((_ROWS,))[0]
    shares = np.exp(x.astype(np.float64))
    shares /= shares.sum(1, keepdims=True)
    narrow, sizes = shares.astype(np.float32), _numbers(_ROWS, _WIDTH)
    norm = np.array([_ROWS, _WIDTH, 0, 1, 1, int(np.float64(0.01).view(np.int64))], np.int64)
    library.plain_softmax_gradient(*_places(g, narrow, made[0]), *sizes)
    library.plain_layer_norm_gradient(*_places(norm, g, x, gamma, made[1], of_gamma, of_beta))
    library.plain_label_loss(*_places(x, labels, losses), *sizes)
    library.plain_label_gradient(*_places(of_loss, x, labels, made[2]), *sizes)
    wide = g.astype(np.float64)
    centered = x - x.mean(1, keepdims=True, dtype=np.float64)
    deviation = np.sqrt((centered**2).mean(1, keepdims=True) + 0.01)
    normal, inner = centered / deviation, wide * gamma
    of_x = inner - normal * (inner * normal).mean(1, keepdims=True) - inner.mean(1, keepdims=True)
    chosen = np.eye(_WIDTH)[labels]
    batch = np.array([_ROWS, _WIDTH, 1, 0, 0, 0, int(np.float64(0.01).view(np.int64))], np.int64)
    mean, variance, by_batch, back = (np.empty_like(gamma), np.empty_like(gamma), *map(np.empty_like, (x, x)))
    library.plain_batch_norm(*_places(batch, x, gamma, None, None, by_batch, mean, variance))
    of_scale = np.empty_like(gamma)
    given = (batch, g, 0 * gamma, 0 * gamma, x, mean, variance, gamma)
    library.plain_batch_norm_gradient(*_places(*given, back, of_scale, None))
    of_unit = np.empty_like(x)
    library.plain_gelu_gradient(*_places(g, x, of_unit), *_numbers(x.size), 1)
    inner = (x + 0.044715 * x.astype(np.float64) ** 3) * np.sqrt(2 / np.pi)
    slope = (1 + 3 * 0.044715 * x.astype(np.float64) ** 2) * np.sqrt(2 / np.pi)
    of_tangent = 0.5 * (1 + np.tanh(inner)) + 0.5 * x * (1 - np.tanh(inner) ** 2) * slope
    pairs = [
        (of_unit, g * of_tangent),
        *_batch_norm(x.astype(np.float64), wide, gamma, (by_batch, mean, variance, back, of_scale)),
        (made[0], shares * (wide - (wide * shares).sum(1, keepdims=True))),
        (made[1], of_x / deviation),
        (of_gamma, (wide * normal).sum(0)),
        (of_beta, wide.sum(0)),
        (losses, -np.log((shares * chosen).sum(1))),
        (made[2], of_loss[:, None] * (shares - chosen)),
    ]
    return max(_largest(*pair) for pair in pairs)


def difference_of_largest(library: ctypes.CDLL) -> float:
    """Compares the largest numbers of windows, of which some rows and columns are in none, and their gradient."""
    x, g = _draw((2, 7, 9, _DEPTH), (2, 3, 4, _DEPTH))
    y, back = np.empty_like(g), np.full_like(x, np.nan)
    sizes = np.array([*x.shape, 2, 2], np.int64)
    library.plain_largest(*_places(sizes, x, y))
    library.plain_largest_gradient(*_places(sizes, g, x, y, back))
    windows = x[:, :6, :8].reshape(2, 3, 2, 4, 2, _DEPTH)
    expected, most = np.zeros_like(x), windows.max((2, 4))
    spread = np.where(windows == most[:, :, None, :, None], g[:, :, None, :, None], 0)
    expected[:, :6, :8] = spread.reshape(2, 6, 8, _DEPTH)
    return max(_largest(y, most), _largest(back, expected))


def _batch_norm(x: Any, g: Any, gamma: Any, found: tuple) -> list:
    """Returns what was found, with what is expected: the result, mean, variance, and gradients of x and gamma."""
    deviation = np.sqrt(x.var(0) + 0.01)
    normal = (x - x.mean(0)) / deviation
    of_x = (g - g.mean(0) - normal * (g * normal).mean(0)) * gamma / deviation
    expected = normal * gamma, x.mean(0), x.var(0), of_x, (g * normal).sum(0)
    return list(zip(found, expected, strict=True))
