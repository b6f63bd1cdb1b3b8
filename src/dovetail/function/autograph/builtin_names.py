"""What Python's builtins mean for tensors whose values are known only when the program runs."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from dovetail.function.autograph.gate import keep
from dovetail.function.autograph.loops import LoopRange
from dovetail.function.autograph.values import is_later
from dovetail.function.printing import print_ as tf_print
from dovetail.ops.table import NAMESPACES


def _op(name: str) -> Callable:
    return NAMESPACES["tf"][name]


def _range(*args: Any) -> Any:
    return LoopRange(*args) if any(map(is_later, args)) else range(*args)


def _len(value: Any) -> Any:
    if is_later(value) and value.shape.rank and value.shape[0] is None:
        return _op("shape")(value)[0]
    return len(value)


def _print(*args: Any, **words: Any) -> None:
    if any(map(is_later, args)) and not words.get("file"):
        tf_print(*args, **{name: word for name, word in words.items() if name in ("sep", "end")})
    else:
        builtins.print(*args, **words)


def _as(kind: type, dtype: str) -> Callable:
    def convert(*args: Any, **words: Any) -> Any:
        if len(args) == 1 and not words and is_later(args[0]):
            return _op("cast")(args[0], dtype)
        return kind(*args, **words)

    return convert


def _reduced(builtin: Callable, name: str) -> Callable:
    def reduce(*args: Any, **words: Any) -> Any:
        if len(args) == 1 and not words and is_later(args[0]):
            return _op(name)(args[0])
        return builtin(*args, **words)

    return reduce


def _extreme(builtin: Callable, reduction: str, pairwise: str) -> Callable:
    def extreme(*args: Any, **words: Any) -> Any:
        if words or not any(map(is_later, args)):
            return builtin(*args, **words)
        if len(args) == 1:
            return _op(reduction)(args[0])
        result = args[0]
        for other in args[1:]:
            result = _op(pairwise)(result, other)
        return result

    return extreme


REPLACED: dict[Any, Callable] = {
    range: _range,
    len: _len,
    builtins.print: _print,
    int: _as(int, "int32"),
    float: _as(float, "float32"),
    bool: _as(bool, "bool"),
    abs: _reduced(abs, "abs"),
    sum: _reduced(sum, "reduce_sum"),
    any: _reduced(any, "reduce_any"),
    all: _reduced(all, "reduce_all"),
    min: _extreme(min, "reduce_min", "minimum"),
    max: _extreme(max, "reduce_max", "maximum"),
}


def _is_empty(*ends: Any) -> bool:
    """True for a range that goes nowhere, which as a tensor would be an error."""
    start, limit = (0, ends[0]) if len(ends) == 1 else ends[:2]
    return bool(limit < start) and (len(ends) < 3 or bool(ends[2] > 0))


def iterated(function: Any) -> Any:
    """Returns what makes the thing that a `for` statement goes over: a `tf.range` need not exist as a tensor."""
    if function is not _op("range"):
        return function

    def loop_range(*args: Any, **words: Any) -> Any:
        ends = [*args, *(words[name] for name in ("start", "limit", "delta") if name in words)]
        if not any(map(is_later, ends)):
            return () if _is_empty(*ends) else function(*args, **words)
        named = [words[name] for name in ("start", "limit") if name in words]
        kept = {name: words[name] for name in ("delta", "dtype") if name in words}
        return LoopRange(*args, *named, **kept)

    return keep(loop_range)
