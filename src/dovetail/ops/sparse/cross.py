"""Crosses of features: every combination of what the columns hold in a row."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.fingerprint import combine
from dovetail.engine import dtypes
from dovetail.engine.text.hashes import Fingerprint64
from dovetail.ops.arithmetic import cast
from dovetail.ops.core import Op
from dovetail.ops.shapes import as_tensor
from dovetail.ops.sparse.tensor import SparseTensor
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt

_INT64 = np.dtype(np.int64)
_DEFAULT_KEY = 0xDECAFCAFFE


def _crossed(
    xp: Any,
    *parts: Any,
    forms: str,
    separator: str = "",
    hashed: bool = False,
    buckets: int = 0,
    key: int = 0,
) -> Any:
    """Returns the indices, values and dense shape of the cross; `forms` has a letter an input: s(parse) or d(ense)."""
    columns, left = [], list(parts)
    for form in forms:
        columns.append(
            _sparse_rows(*[left.pop(0) for _ in range(3)]) if form == "s" else left.pop(0).tolist()
        )
    rows = [list(itertools.product(*features)) for features in zip(*columns, strict=True)]
    if hashed:
        values = np.array([_hash(c, buckets, key) for row in rows for c in row], _INT64)
    else:
        glue = separator.encode()
        values = np.empty(sum(map(len, rows)), object)
        values[:] = [glue.join(map(_text, c)) for row in rows for c in row]
    places = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    widest = max(map(len, rows), default=0)
    return np.array(places, _INT64).reshape(-1, 2), values, np.array([len(rows), widest], _INT64)


def _sparse_rows(indices: Any, values: Any, dense_shape: Any) -> list:
    rows: list[list] = [[] for _ in range(int(dense_shape[0]))]
    for row, value in zip(indices[:, 0].tolist(), values.tolist(), strict=True):
        rows[row].append(value)
    return rows


def _text(feature: Any) -> bytes:
    return feature if isinstance(feature, bytes) else str(feature).encode()


def _hash(features: Iterable, buckets: int, key: int) -> int:
    result = key
    for feature in features:
        result = combine(
            result, Fingerprint64(feature) if isinstance(feature, bytes) else feature & (2**64 - 1)
        )
    return result % (buckets or 2**63 - 1)


_cross = Op(
    "sparse_cross",
    _crossed,
    engine="host",
    same_dtype=0,
    differentiable=False,
    shape=lambda *_, **__: [(None, 2), (None,), (2,)],
    dtype=lambda *_, hashed, **__: [_INT64, _INT64 if hashed else dtypes.STRING, _INT64],
)


@export("sparse.cross")
def cross(inputs: Sequence[Any], name: str | None = None, separator: str | None = None) -> SparseTensor:
    """Returns every combination of the inputs' features in each row, joined as strings.

    Args:
        inputs: sparse or dense matrices of strings or numbers, which count as int64, with as many rows each.
        separator: goes between features; "_X_" when None.

    Returns:
        A sparse matrix of strings; in a row the last input's features vary fastest.

    Example:
        >>> tf.sparse.cross([tf.constant([["a"]]), tf.constant([["b", "c"]])]).values.numpy().tolist()
        [b'a_X_b', b'a_X_c']
    """
    forms, parts = _features("tf.sparse.cross", inputs)
    return SparseTensor._made(
        *_cross(*parts, forms=forms, separator="_X_" if separator is None else separator)
    )


@export("sparse.cross_hashed")
def cross_hashed(
    inputs: Sequence[Any], num_buckets: int = 0, hash_key: int | None = None, name: str | None = None
) -> SparseTensor:
    """Returns every combination of the inputs' features in each row as an int64 hash, TensorFlow's.

    Args:
        inputs: as for `tf.sparse.cross`.
        num_buckets: hashes are in [0, num_buckets); 0: in [0, 2^63 - 1).
        hash_key: where hashing begins; None: TensorFlow's own.
    """
    forms, parts = _features("tf.sparse.cross_hashed", inputs)
    key = _DEFAULT_KEY if hash_key is None else hash_key
    return SparseTensor._made(*_cross(*parts, forms=forms, hashed=True, buckets=num_buckets, key=key))


def _features(label: str, inputs: Sequence[Any]) -> tuple[str, list]:
    if not isinstance(inputs, list | tuple) or not inputs:
        raise TypeError(f"{label}: inputs must be a list of tensors{at_user_location()}")
    forms, parts = "", []
    for given in inputs:
        if isinstance(given, SparseTensor):
            forms += "s"
            parts += [given.indices, _feature(given.values), given.dense_shape]
        else:
            forms += "d"
            parts.append(_feature(as_tensor(given)))
    return forms, parts


def _feature(values: Any) -> Any:
    if values.dtype in (dt.string, dt.int64):
        return values
    return cast(values, dtype="int64")
