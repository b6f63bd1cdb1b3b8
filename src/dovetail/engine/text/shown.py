"""Arrays as TensorFlow prints them."""

from __future__ import annotations

from typing import Any

import numpy as np


def format_array(value: Any, summarize: int = 3, quoted: bool = True) -> str:
    """Returns an array as TensorFlow prints it: `[1 2 3 ... 8 9 10]`.

    Args:
        value: array of any rank.
        summarize: elements shown at both ends of each axis; -1 for all.
        quoted: strings of rank 0 are shown in quotes; those in arrays always are.
    """
    value = np.asarray(value)
    if value.ndim == 0:
        item = value[()]
        return item.decode("utf-8", "replace") if isinstance(item, bytes) and not quoted else _scalar(item)
    return _rows(value, summarize, 1)


def _rows(value: np.ndarray, edge: int, depth: int) -> str:
    items = list(range(len(value)))
    cut = edge >= 0 and len(items) > 2 * edge
    picked = items[:edge] + items[len(items) - edge :] if cut else items
    if value.ndim == 1:
        texts = [_scalar(value[i]) for i in picked]
        if cut:
            texts.insert(edge, "...")
        return "[" + " ".join(texts) + "]"
    texts = [_rows(value[i], edge, depth + 1) for i in picked]
    if cut:
        texts.insert(edge, "...")
    return "[" + ("\n" * (value.ndim - 1) + " " * depth).join(texts) + "]"


# As in a C string.
_ESCAPED = {i: f"\\{i:03o}" for i in [*range(32), 127]} | {
    ord(character): "\\" + letter for character, letter in zip("\n\r\t\"'\\", "nrt\"'\\", strict=True)
}


def _scalar(value: Any) -> str:
    if isinstance(value, bytes):
        return '"' + value.decode("utf-8", "surrogateescape").translate(_ESCAPED) + '"'
    if isinstance(value, np.bool_ | bool):
        return "1" if value else "0"
    if isinstance(value, np.integer | int):
        return str(int(value))
    if isinstance(value, np.complexfloating):
        return f"({_scalar(value.real)},{_scalar(value.imag)})"
    return _number(value)


def _number(value: Any) -> str:
    """Returns 6 significant digits (15 in float64) where they tell the number exactly, else 9 (17)."""
    double = np.asarray(value).dtype == np.float64
    kind = np.float64 if double else np.float32
    exact = kind(value)
    if exact == 0:
        return "0"
    short = f"{exact:.15g}" if double else f"{exact:.6g}"
    if np.isnan(exact) or kind(short) == exact:
        return short
    return f"{exact:.17g}" if double else f"{exact:.9g}"
