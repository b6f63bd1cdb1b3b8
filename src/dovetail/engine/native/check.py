"""The check of a compiled library, by its plain functions: no XLA takes part, so that it costs a millisecond."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np

from dovetail.base.fingerprint import fingerprint64
from dovetail.engine.native.check_conv import difference_of_convolutions
from dovetail.engine.native.check_rows import (
    difference_of_batches,
    difference_of_gradients_of_rows,
    difference_of_largest,
)
from dovetail.engine.native.images import mirrored, resized, resized_and_more
from dovetail.engine.native.on_host import OnHost
from dovetail.engine.native.texts import Texts

_TIME, _BATCH, _SIZE = 3, 5, 19  # neither a multiple of any vector's width, nor of the rows done at once


class _Arguments(ctypes.Structure):
    """The sizes and up to 11 arrays of `Lstm`, `Gru` and their gradients in lstm.h and gru.h."""

    _fields_ = [(name, ctypes.c_int64) for name in ("time", "batch", "size", "share")] + [
        ("arrays", ctypes.c_void_p * 12)
    ]


class _StepOfAdam(ctypes.Structure):
    """The sizes and arrays of `Adam` in adam.h."""

    _fields_ = [("count", ctypes.c_int64), ("share", ctypes.c_int64), ("arrays", ctypes.c_void_p * 8)]


class _StepOfRows(ctypes.Structure):
    """The sizes and arrays of `AdamOfRows` in adam_of_rows.h."""

    _fields_ = (
        [(name, ctypes.c_int64) for name in ("rows", "depth", "width", "share")]
        + [("sources", ctypes.c_void_p * 2)]
        + [("step", _StepOfAdam)]
    )


class _FewRows(ctypes.Structure):
    """The sizes and arrays of `FewRows` in few_rows.h."""

    _fields_ = [(name, ctypes.c_int64) for name in ("rows", "depth", "width", "share")] + [
        ("arrays", ctypes.c_void_p * 3)
    ]


def difference(library: ctypes.CDLL) -> float:
    """Returns the largest difference from NumPy's results, masked recurrent layers and gradients among them."""
    return max(function(library) for function in _DIFFERENCES)


def _draw(*shapes: tuple) -> list:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) / 2 for shape in shapes]


def _mask() -> Any:
    return np.random.default_rng(1).random((_TIME, _BATCH)) < 0.7


def _largest(found: tuple, expected: tuple) -> float:
    return max(float(np.max(np.abs(x - y))) for x, y in zip(found, expected, strict=True))


def _difference_of_lstm(library: ctypes.CDLL) -> float:
    steps, state, columns = (_TIME, _BATCH, _SIZE), (_BATCH, _SIZE), (_TIME, _BATCH, 4 * _SIZE)
    z, kernel, h, c, ghs, gh, gc = given = _draw(
        columns, (_SIZE, 4 * _SIZE), state, state, steps, state, state
    )
    mask = _mask()
    *outputs, cs, gates = _run(
        library.plain_lstm, (z, kernel, h, c, mask), (steps, state, state, steps, columns)
    )
    inputs = (gh, gc, kernel, cs, gates, c, ghs, mask)
    gradients = _run(library.plain_lstm_gradient, inputs, (columns, state, state))
    return _largest((*outputs, *gradients), _lstm(mask, *[x.astype(np.float64) for x in given]))


def _difference_of_gru(library: ctypes.CDLL) -> float:
    steps, state, columns = (_TIME, _BATCH, _SIZE), (_BATCH, _SIZE), (_TIME, _BATCH, 3 * _SIZE)
    given = _draw(columns, (_SIZE, 3 * _SIZE), (3 * _SIZE,), state, steps, state)
    z, kernel, bias, h, ghs, gh = given
    mask = _mask()
    hs, last, gates = _run(
        library.plain_gru, (z, kernel, bias, h, mask), (steps, state, (*steps[:2], 4 * _SIZE))
    )
    states = np.concatenate([h[None], hs[:-1]])
    inputs = (gh, kernel, gates, states, ghs, mask)
    gradients = _run(library.plain_gru_gradient, inputs, (columns, columns, state))
    return _largest((hs, last, *gradients), _gru(mask, *[x.astype(np.float64) for x in given]))


def _run(function: Any, inputs: tuple, shapes: tuple) -> list:
    outputs = [np.full(shape, np.nan, np.float32) for shape in shapes]
    places = [x.ctypes.data for x in (*inputs, *outputs)]
    function(ctypes.byref(_Arguments(_TIME, _BATCH, _SIZE, 0, (ctypes.c_void_p * 12)(*places))))
    return outputs


def _difference_of_adam(library: ctypes.CDLL) -> float:
    count = 3 * 64 + _SIZE
    gradient, value, momentum, velocity = _draw(*[(count,)] * 4)
    numbers, velocity = np.array([0.1, 0.01, 0.3, 0.001], np.float32), np.square(velocity)
    given = (gradient, value, momentum, velocity, numbers)
    expected = _adam(*[x.astype(np.float64) for x in given])
    outputs = (value, momentum, velocity)  # in place
    places = [x.ctypes.data for x in (*given, *outputs)]
    library.plain_adam(ctypes.byref(_StepOfAdam(count, 0, (ctypes.c_void_p * 8)(*places))))
    return _largest(outputs, expected)


def _difference_of_adam_of_rows(library: ctypes.CDLL) -> float:
    """Compares a step of a kernel, whose gradient is a product over rows, and one of a bias, whose is a sum of rows."""
    columns, wrong = 64 + _SIZE, []
    for depth in (_SIZE, 1):
        x, y, *state = _draw((_BATCH, depth), (_BATCH, columns), *[(depth, columns)] * 3)
        x = x if depth > 1 else np.ones_like(x)
        numbers, state[2] = np.array([0.1, 0.01, 0.3, 0.001], np.float32), np.square(state[2])
        gradient = x.T.astype(np.float64) @ y
        expected = _adam(gradient, *[each.astype(np.float64) for each in (*state, numbers)])
        places = [each.ctypes.data for each in (y, *state, numbers, *state)]  # in place
        step = _StepOfAdam(depth * columns, 0, (ctypes.c_void_p * 8)(*places))
        sources = (ctypes.c_void_p * 2)(x.ctypes.data if depth > 1 else None, y.ctypes.data)
        library.plain_adam_of_rows(ctypes.byref(_StepOfRows(_BATCH, depth, columns, 0, sources, step)))
        wrong.append(_largest(tuple(state), expected))
    return max(wrong)


def _difference_of_few_rows(library: ctypes.CDLL) -> float:
    """Compares a product of few rows with a kernel, and the product over them."""
    columns = 64 + _SIZE
    x, y, z = _draw((_BATCH, _SIZE), (_SIZE, columns), (_BATCH, columns))
    found: tuple = tuple(np.full((rows, columns), np.nan, np.float32) for rows in (_BATCH, _SIZE))
    for function, other, out in (
        (library.plain_few_rows, y, found[0]),
        (library.plain_over_few_rows, z, found[1]),
    ):
        places = [each.ctypes.data for each in (x, other, out)]
        function(ctypes.byref(_FewRows(_BATCH, _SIZE, columns, 0, (ctypes.c_void_p * 3)(*places))))
    wide = x.astype(np.float64)
    return _largest(found, (wide @ y, wide.T @ z))


def _difference_of_many_rows(library: ctypes.CDLL) -> float:
    """Compares products of rows with a kernel and with its transpose; some of rows that are copied apart."""
    wrong = []
    for depth in (_SIZE, 256):
        x, y = _draw((3 * _SIZE, depth), (depth, 64 + _SIZE))
        shape = len(x), y.shape[1]
        expected = x.astype(np.float64) @ y / depth
        for transposed in (False, True):
            kernel, found = np.ascontiguousarray(y.T if transposed else y), np.full(shape, np.nan, np.float32)
            places = [ctypes.c_void_p(array.ctypes.data) for array in (x, kernel, found)]
            library.plain_many_rows(
                *places, *[ctypes.c_int64(n) for n in (len(x), *y.shape)], int(transposed)
            )
            wrong.append(_largest((found / depth,), (expected,)))
    return max(wrong)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _lstm(mask: Any, z: Any, kernel: Any, h: Any, c: Any, ghs: Any, gh: Any, gc: Any) -> tuple:
    """Returns the outputs of all steps, the last states, and the gradients of z, h and c."""
    hs, kept, gz = [], [], np.zeros_like(z)
    for x, seen in zip(z, mask[..., None], strict=True):
        i, f, g, o = np.split(x + h @ kernel, 4, axis=-1)
        i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
        after = f * c + i * g
        y = np.tanh(after)
        kept.append((i, f, g, o, c, y))
        h, c = np.where(seen, o * y, h), np.where(seen, after, c)
        hs.append(h)
    for t in range(len(z) - 1, -1, -1):
        (i, f, g, o, before, y), seen = kept[t], mask[t][:, None]
        gh = gh + ghs[t]
        of_c = gc + gh * o * (1 - y * y)
        parts = (
            of_c * g * i * (1 - i),
            of_c * before * f * (1 - f),
            of_c * i * (1 - g * g),
            gh * y * o * (1 - o),
        )
        gz[t] = np.concatenate(parts, axis=-1) * seen
        gh, gc = np.where(seen, gz[t] @ kernel.T, gh), np.where(seen, of_c * f, gc)
    return np.array(hs), h, c, gz, gh, gc


def _gru(mask: Any, z: Any, kernel: Any, bias: Any, h: Any, ghs: Any, gh: Any) -> tuple:
    """Returns the outputs of all steps, the last state, the gradients of z, of the product of the state and of h."""
    hs, kept, gz, ginner = [], [], np.zeros_like(z), np.zeros_like(z)
    for x, seen in zip(z, mask[..., None], strict=True):
        (zu, zr, zc), (iu, ir, inner) = np.split(x, 3, axis=-1), np.split(h @ kernel + bias, 3, axis=-1)
        u, r = _sigmoid(zu + iu), _sigmoid(zr + ir)
        candidate = np.tanh(zc + r * inner)
        kept.append((u, r, candidate, inner, h))
        h = np.where(seen, u * h + (1 - u) * candidate, h)
        hs.append(h)
    for t in range(len(z) - 1, -1, -1):
        (u, r, candidate, inner, before), seen = kept[t], mask[t][:, None]
        gh = gh + ghs[t]
        of_candidate = gh * (1 - u) * (1 - candidate**2)
        parts = (gh * (before - candidate) * u * (1 - u), of_candidate * inner * r * (1 - r))
        gz[t] = np.concatenate([*parts, of_candidate], axis=-1) * seen
        ginner[t] = np.concatenate([*parts, of_candidate * r], axis=-1) * seen
        gh = np.where(seen, gh * u + ginner[t] @ kernel.T, gh)
    return np.array(hs), h, gz, ginner, gh


def _adam(gradient: Any, value: Any, momentum: Any, velocity: Any, numbers: Any) -> tuple:
    """Returns the new value, mean and mean of squares."""
    slow, slower, rate, epsilon = numbers
    momentum = momentum + (gradient - momentum) * slow
    velocity = velocity + (gradient**2 - velocity) * slower
    return value - momentum * rate / (np.sqrt(velocity) + epsilon), momentum, velocity


def _difference_of_rows(library: ctypes.CDLL) -> float:
    """Compares softmax, its logarithm and layer normalization."""
    x, gamma, beta = _draw((_BATCH, 64 + _SIZE), (64 + _SIZE,), (64 + _SIZE,))
    host = OnHost(library)
    found: tuple = (
        host.rows("softmax", x),
        host.rows("log_softmax", x),
        host.rows("layer_norm", x, gamma, beta, 0.01),
    )
    wide = x.astype(np.float64)
    shares = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
    order = np.argsort(-wide, axis=1)[:, :5]
    values, places = host.few_largest(x, 5)
    many, sums = _draw((_SIZE, 7))[0], np.cumsum(wide, 1)
    found = (*found, values, places, host.running(x), host.running(many))
    largest = np.take_along_axis(wide, order, 1), order, sums, np.cumsum(many, 1)
    centered = wide - wide.mean(axis=1, keepdims=True)
    normal = centered / np.sqrt((centered**2).mean(axis=1, keepdims=True) + 0.01)
    return _largest(found, (shares, np.log(shares), normal * gamma + beta, *largest))


def _difference_of_columns(library: ctypes.CDLL) -> float:
    """Compares sums, extremes, normalizations by known statistics and of groups, and means over windows."""
    channels = 2 * _SIZE
    x, scale, offset, mean = _draw((_BATCH, 6, 5, channels), *[(channels,)] * 3)
    host, wide, variance = OnHost(library), x.astype(np.float64), np.square(mean) + 1
    sums = [
        host.reduced(how, x, _BATCH, 30, channels, (_BATCH, channels))
        for how in ("sum", "max", "min", "mean")
    ]
    along = [
        host.reduced(how, x, _BATCH * 6, 5 * channels, 1, (_BATCH, 6))
        for how in ("sum", "max", "min", "mean", "prod")
    ]
    groups = wide.reshape(_BATCH, 30, 2, _SIZE)
    centered = groups - groups.mean((1, 3), keepdims=True)
    grouped = (centered / np.sqrt(np.square(centered).mean((1, 3), keepdims=True) + 0.01)).reshape(x.shape)
    windows = wide[:, :, :4].reshape(_BATCH, 3, 2, 2, 2, channels)
    axes = [(6, 3, 2, 2, 1, 0), (5, 2, 2, 2, 1, 0)]
    found = (
        *sums,
        *along,
        host.batch_norm(x, mean, variance, offset, scale, 0.01),
        host.group_norm(x, scale, offset, 2, 0.01),
        *(host.windows(way, x, axes) for way in (True, False)),
    )
    expected = (
        *(function(wide, (1, 2)) for function in (np.sum, np.max, np.min, np.mean)),
        *(function(wide, (2, 3)) for function in (np.sum, np.max, np.min, np.mean, np.prod)),
        (wide - mean) / np.sqrt(variance + 0.01) * scale + offset,
        grouped * scale + offset,
        windows.mean((2, 4)),
        windows.max((2, 4)),
    )
    return _largest(found, expected)


def _difference_of_dense(library: ctypes.CDLL) -> float:
    """Compares a product with its bias and activation, and the functions of elements."""
    x, kernel, bias = _draw((_SIZE, 150), (150, 70), (70,))
    host, wide = OnHost(library), x.astype(np.float64)
    found = (
        host.dense(x, kernel / 12, bias, "tanh", (150, 70, (_SIZE, 70))),
        host.dense(x[:_BATCH], kernel / 12, bias, "tanh", (150, 70, (_BATCH, 70))),
        *(host.each(name, x) for name in _OF_ELEMENTS),
    )
    dense = np.tanh(wide @ (kernel / 12) + bias)
    expected = dense, dense[:_BATCH], *(function(wide) for function in _OF_ELEMENTS.values())
    return _largest(found, expected)


def _difference_of_attention(library: ctypes.CDLL) -> float:
    """Compares attention in which query i sees the keys up to i."""
    query, key, value = given = _draw((2, _SIZE, 3, 7), (2, 70, 3, 7), (2, 70, 3, 5))
    found = OnHost(library).attention(query, key, value, 0.4, True)
    q, k, v = (x.astype(np.float64).transpose(0, 2, 1, 3) for x in given)
    weights = np.tril(np.exp(q @ k.transpose(0, 1, 3, 2) * 0.4))
    expected = weights / weights.sum(axis=-1, keepdims=True) @ v
    return _largest((found,), (expected.transpose(0, 2, 1, 3),))


def _difference_of_images(library: ctypes.CDLL) -> float:
    pixels = _draw((2, 9, 7, 3))[0]
    (up, high), (across, wide) = [_tap_tables(old, new) for old, new in ((9, 4), (7, 12))]
    matrices = [np.zeros((4, 9)), np.zeros((12, 7))]
    for matrix, indices, weights in zip(matrices, (up, across), (high, wide), strict=True):
        np.put_along_axis(matrix, indices, weights, axis=1)
    expected = np.einsum("ih,jw,bhwc->bijc", *matrices, pixels.astype(np.float64))
    flipped = [pixels, pixels.astype(np.uint8), pixels.astype(np.float64)]
    steps = ("add", "subtract", "multiply", "divide", "clip_by_value", "flip_some")
    numbers: Any = np.array([0.1, 0.2, 1.5, 0.7, -0.4, 0.5, 0.1], np.float32)
    changed = np.clip((expected[0] + numbers[0] - numbers[1]) * numbers[2] / numbers[3], *numbers[4:6])
    return _largest(
        (
            resized(library, pixels, (up, high), (across, wide)),
            resized_and_more(library, pixels[0], list(numbers), steps, (up, high), (across, wide)),
            *(mirrored(library, x) for x in flipped),
        ),
        (expected, changed[:, ::-1], *(x[:, :, ::-1] for x in flipped)),
    )


def _tap_tables(old: int, new: int) -> tuple:
    first: Any = np.arange(new)[:, None] * (old - 2) // max(new - 1, 1)
    return first + np.arange(2), _draw((new, 2))[0]


def _difference_of_texts(library: ctypes.CDLL) -> float:
    texts: Any = np.array([b"a Word, %d " % 7**i * (1 + i) for i in range(24)] + [b"", b" ", b"Z"], object)
    found = Texts(library)
    lengths, words = found.words(texts)
    split = [text.split() for text in texts]
    lines = [b'%d,%d.25e%d,"a,%d"' % (i - 3, i, i % 4, i) for i in range(9)]
    kinds = [np.dtype(np.int64), np.dtype(np.float64), np.dtype(object)]
    number, share, text = found.csv(lines, b",", True, kinds) or ([], [], [])
    parts = found.parts(b"abcde", np.array([0, 2, 5]), np.array([2, 5, 5]))
    same = (
        found.in_case(texts, b"A").tolist() == [text.lower() for text in texts],
        lengths.tolist() == [len(row) for row in split]
        and words.tolist() == [word for row in split for word in row],
        found.fingerprints(texts).tolist() == [fingerprint64(text) for text in texts],
        list(number) == [i - 3 for i in range(9)]
        and list(share) == [(i + 0.25) * 10 ** (i % 4) for i in range(9)],
        list(text) == [b"a,%d" % i for i in range(9)],
        parts is not None and parts.tolist() == [b"ab", b"cde", b""],
    )
    return 0.0 if all(same) else float("inf")


_erf = np.vectorize(math.erf)
_OF_ELEMENTS: dict[str, Any] = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "erf": _erf,
    "gelu": lambda x: x * 0.5 * (1 + _erf(x * math.sqrt(0.5))),
    "gelu_tanh": lambda x: x * _sigmoid((x + 0.044715 * x**3) * math.sqrt(8 / math.pi)),
    "silu": lambda x: x * _sigmoid(x),
}
_DIFFERENCES = (
    difference_of_batches,
    difference_of_gradients_of_rows,
    difference_of_largest,
    *(_difference_of_lstm, _difference_of_gru, _difference_of_adam),
    *(_difference_of_rows, _difference_of_columns, _difference_of_dense),
    *(_difference_of_attention, _difference_of_few_rows, _difference_of_adam_of_rows),
    *(_difference_of_images, _difference_of_texts, difference_of_convolutions),
    _difference_of_many_rows,
)
