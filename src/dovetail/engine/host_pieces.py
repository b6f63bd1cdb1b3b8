"""Large arrays on the host engine: an op's body on one piece after the other, on all threads.

What passes through memory once is bound by memory, so that NumPy is as fast at it as anything; but a body of several
passes goes through memory as often, and on one thread.  Here pieces stay in the cache between the passes, and threads
share them.  `ELEMENTS` cuts arrays of one shape anywhere, `ROWS` along the first axis; arrays of fewer axes, or of size
1 there, go to every piece whole; `WHOLE` is one piece.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from dovetail.engine import host
from dovetail.engine.native.on_host import num_threads

ELEMENTS, ROWS, WHOLE = "elements", "rows", "whole"
_PIECE = 1 << 16  # elements of one piece: a few passes over it stay in the cache
_SHARES = 2  # of each thread, where pieces may be of any size
_LINE = 64
_POOLS: list[ThreadPoolExecutor] = []  # at most one
# On a busy machine a thread may be stopped amid its piece, for longer than all pieces take: callers work alone then.
_LONG_S, _ALONE_S = 0.0005, 0.1
_ALONE_UNTIL = [0.0]
os.register_at_fork(after_in_child=_POOLS.clear)  # whose threads a forked child has not got


def run(body: Callable, arrays: list, how: str, ufunc: Any = None) -> Any:
    """Returns `body(*arrays)`, one array, by pieces.

    Args:
        body: the op's body on this engine.
        arrays: NumPy arrays.
        how: ELEMENTS, ROWS or WHOLE.
        ufunc: the function of NumPy's that is all that the body does, which then writes where the result is.
    """
    cut = _cut(arrays, how)
    if cut is None:
        return body(*arrays)
    arrays, split, size, width, shape = cut
    each = max(
        1, (_PIECE if ufunc is None else max(_PIECE, size * width // (_SHARES * num_threads()))) // width
    )
    sample = body(*_piece(arrays, split, slice(0, 1)))
    if not isinstance(sample, np.ndarray) or sample.shape[:1] != (1,):
        return body(*arrays)
    out = room((size, *sample.shape[1:]), sample.dtype)

    def work(number: int) -> None:
        where = slice(number * each, number * each + each)
        given = _piece(arrays, split, where)
        if ufunc is None:
            out[where] = body(*given)
        else:
            ufunc(*given, out=out[where])

    _share(work, -(-size // each))
    return out if shape is None else out.reshape(shape)


def _piece(arrays: list, split: list, where: slice) -> list:
    return [x[where] if cut else x for x, cut in zip(arrays, split, strict=True)]


def _cut(arrays: list, how: str) -> tuple | None:
    """Returns the arrays, which of them are cut, the size of the axis, what one element of it reads, and the shape.

    None where there is nothing to cut.  The shape is that of the result where arrays were flattened, else None.
    """
    if how == WHOLE:
        return None
    first = max(arrays, key=lambda x: (x.ndim, x.size))
    if how == ELEMENTS and all(
        x.ndim == 0 or (x.shape == first.shape and x.flags.c_contiguous) for x in arrays
    ):
        flat = [x if x.ndim == 0 else x.reshape(-1) for x in arrays]
        return flat, [x.ndim > 0 for x in flat], first.size, 1, first.shape
    if first.ndim < 2 or first.shape[0] < 2:
        return None
    size = first.shape[0]
    split = [x.ndim == first.ndim and x.shape[0] == size for x in arrays]
    if not all(cut or x.ndim < first.ndim or x.shape[0] == 1 for x, cut in zip(arrays, split, strict=True)):
        return None
    width = max(math.prod(x.shape[1:]) for x, cut in zip(arrays, split, strict=True) if cut)
    return arrays, split, size, max(1, width), None


def room(shape: tuple, dtype: Any) -> Any:
    """Returns an array for a result, which begins where a cache line does, so that XLA need not copy it."""
    size = math.prod(shape)
    whole = np.empty(size + _LINE // dtype.itemsize, dtype)
    skipped = -whole.ctypes.data % _LINE // dtype.itemsize
    return whole[skipped : skipped + size].reshape(shape)


def _share(work: Callable[[int], None], count: int) -> None:
    """Calls `work` with 0 to count - 1, on all threads; those that come too late are not waited for."""
    numbers = itertools.count()

    def claim() -> None:
        for number in numbers:
            if number >= count:
                return
            work(number)

    helpers = min(num_threads() - 1, count - 1) if time.monotonic() >= _ALONE_UNTIL[0] else 0
    if helpers > 0 and not _POOLS:
        _POOLS.append(ThreadPoolExecutor(num_threads(), thread_name_prefix="dovetail_pieces"))
    called = [_POOLS[0].submit(claim) for _ in range(helpers)]
    claim()
    done = time.monotonic()
    for future in called:
        if not future.cancel():
            future.result()
    if called and time.monotonic() - done > _LONG_S:
        _ALONE_UNTIL[0] = time.monotonic() + _ALONE_S


def only_ufunc(body: Callable, arrays: list) -> Any:
    """Returns the one function of NumPy's that a body calls with its arrays as they are, None where it does more.

    Args:
        body: `body(xp, *arrays)`.
        arrays: small ones, for a trial.
    """
    watched = _Watched()
    out = body(watched, *arrays)
    if len(watched.calls) != 1:
        return None
    function, given, made = watched.calls[0]
    same = len(given) == len(arrays) and all(a is b for a, b in zip(given, arrays, strict=True))
    return function if same and made is out and function.nout == 1 else None


class _Watched:
    """The host engine, which notes the functions of NumPy's that are called."""

    def __init__(self) -> None:
        self.calls: list = []

    def __getattr__(self, name: str) -> Any:
        value = getattr(host, name)
        return functools.partial(self._note, value) if isinstance(value, np.ufunc) else value

    def _note(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        self.calls.append((function, () if kwargs else args, made))
        return made
