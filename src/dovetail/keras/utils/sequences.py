"""Sequences of different lengths as one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location


def pad_sequences(
    sequences: Any,
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Returns sequences as rows of one array, cut and filled up to one length.

    Args:
        sequences: list of sequences; each item is a number or an array of one common shape.
        maxlen: length of the rows; default: of the longest sequence.
        dtype: of the result; "object" for strings.
        padding: fill up at the beginning ("pre") or at the end ("post").
        truncating: cut off the beginning ("pre") or the end ("post").
        value: fills the rest.

    Returns:
        Array of shape (sequences, maxlen, ...).

    Example:
        >>> pad_sequences([[1], [2, 3]])
        array([[0, 1],
               [2, 3]], dtype=int32)
    """
    for name, choice in (("padding", padding), ("truncating", truncating)):
        if choice not in ("pre", "post"):
            raise ValueError(
                f"pad_sequences: {name} must be 'pre' or 'post', received {choice!r}{at_user_location()}"
            )
    if not hasattr(sequences, "__len__"):
        raise ValueError(
            f"pad_sequences: expected a list of sequences, received {sequences!r:.60}{at_user_location()}"
        )
    for row in sequences:
        if not hasattr(row, "__len__"):
            raise ValueError(
                f"pad_sequences: each item must be a sequence, received {row!r:.60}{at_user_location()}"
            )
    length = max((len(row) for row in sequences), default=0) if maxlen is None else maxlen
    shape: tuple = next((np.asarray(row).shape[1:] for row in sequences if len(row)), ())
    if isinstance(value, str) and np.dtype(dtype) != object and not np.issubdtype(np.dtype(dtype), np.str_):
        raise ValueError(
            f"pad_sequences: the value {value!r} is a string; pass dtype=object{at_user_location()}"
        )
    result = np.full((len(sequences), length, *shape), value, dtype=dtype)
    for position, row in enumerate(sequences):
        if not len(row) or not length:
            continue
        kept = np.asarray(row[-length:] if truncating == "pre" else row[:length], dtype=dtype)
        if kept.shape[1:] != shape:
            raise ValueError(
                f"pad_sequences: the items of sequence {position} have shape {kept.shape[1:]}, those before it {shape}"
                f"{at_user_location()}"
            )
        where = slice(None, len(kept)) if padding == "post" else slice(length - len(kept), None)
        result[position, where] = kept
    return result
