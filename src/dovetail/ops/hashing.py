"""Hashes of strings, and of integers as their digits, with TensorFlow's values.

Integers are hashed in array operations, which both engines run; strings one by one.

Sources: G. Pike, 2014, "FarmHash" (`farmhashna::Hash64`); J.-P. Aumasson, D. Bernstein, 2012, "SipHash: a fast
short-input PRF" (SipHash-2-4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.fingerprint import combine
from dovetail.engine import dtypes
from dovetail.engine.text import natively
from dovetail.engine.text.hashes import Fingerprint64, fingerprints, murmurs, siphashes
from dovetail.ops.attrs import Nested, text
from dovetail.ops.families import op
from dovetail.ops.precision import INT64
from dovetail.ops.rules import broadcast
from dovetail.ops.strings import listed
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor

_U64, _U8 = np.dtype(np.uint64), np.dtype(np.uint8)
_WIDEST = 20  # characters of the longest 64-bit integer, with its sign
_K0, _K1, _K2 = (np.uint64(k) for k in (0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F))
_CROSS = np.uint64(0xC6A4A7935BD1E995)
_CROSS_BEGIN = 0xDECAFCAFFE


def _int64(*_: Any, **__: Any) -> np.dtype:
    return INT64


def _same(shape: tuple, **_: Any) -> tuple:
    return shape


# ---- strings ------------------------------------------------------------------------------------------------------


@op("", engine="host", differentiable=False, shape=_same, dtype=_int64)
def hash_strings(xp: Any, input: Any, *, buckets: int, key: Nested = None, murmur: bool = False) -> Any:
    """Returns the number of the bucket, in [0, buckets), of each string.

    Args:
        input: string tensor.
        buckets: how many.
        key: two integers, for SipHash-2-4; None: FarmHash's fingerprint.
        murmur: MurmurHash instead, with the seed of `tf.strings.to_hash_bucket`.
    """
    found = natively.fingerprints(input) if key is None and not murmur else None
    if found is None:
        values = listed(input)
        found = murmurs(values) if murmur else fingerprints(values) if key is None else siphashes(values, key)
    return (found % np.uint64(buckets)).astype(np.int64).reshape(input.shape)


def _positive(function: str, buckets: Any) -> int:
    if not isinstance(buckets, int | np.integer) or buckets < 1:
        raise ValueError(
            f"tf.strings.{function}: num_buckets must be a positive integer, received {buckets!r}{at_user_location()}"
        )
    return int(buckets)


@export("strings.to_hash_bucket_fast")
def to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Any:
    """Returns the number of the bucket, in [0, num_buckets), of each string: FarmHash64 modulo `num_buckets`.

    Example:
        >>> tf.strings.to_hash_bucket_fast(["Hello", "TensorFlow", "2.x"], 3).numpy().tolist()
        [0, 2, 2]
    """
    return hash_strings(convert_to_tensor(input), buckets=_positive("to_hash_bucket_fast", num_buckets))


@export("strings.to_hash_bucket")
def to_hash_bucket(input: Any, num_buckets: int, name: str | None = None) -> Any:
    """Returns the number of the bucket, in [0, num_buckets), of each string by TensorFlow's first hash, MurmurHash."""
    return hash_strings(
        convert_to_tensor(input), buckets=_positive("to_hash_bucket", num_buckets), murmur=True
    )


@export("strings.to_hash_bucket_strong")
def to_hash_bucket_strong(input: Any, num_buckets: int, key: Any, name: str | None = None) -> Any:
    """Returns the number of the bucket of each string, which nobody can predict who does not know the key: SipHash-2-4.

    Args:
        input: tensor of strings.
        num_buckets: the results are in [0, num_buckets).
        key: two integers.
    """
    if len(key) != 2:
        raise ValueError(
            f"tf.strings.to_hash_bucket_strong: key must hold two integers, received {key!r:.60}{at_user_location()}"
        )
    buckets = _positive("to_hash_bucket_strong", num_buckets)
    return hash_strings(convert_to_tensor(input), buckets=buckets, key=tuple(int(word) for word in key))


@op(
    "",
    engine="host",
    differentiable=False,
    shape=lambda shape, **_: (shape[0], 8),
    dtype=lambda *_, **__: _U8,
)
def fingerprint_(xp: Any, data: Any) -> Any:
    """Returns the fingerprint of each row."""
    if not data.ndim:
        raise ValueError("expected rank 1 at least, received a scalar")
    if data.dtype.kind == "O":
        hashes: np.ndarray = fingerprints(listed(data)).astype("<u8")
        if data.ndim == 1 or data.size == len(data):
            return hashes.view(_U8).reshape(-1, 8)
        data = hashes.reshape(data.shape)
    rows = [row.tobytes() for row in data]
    return fingerprints(rows).astype("<u8").view(_U8).reshape(-1, 8)


@export("fingerprint")
def fingerprint(data: Any, method: str = "farmhash64", name: str | None = None) -> Any:
    """Returns a fingerprint of each row of a tensor, 8 bytes (uint8) each; equal rows have equal ones.

    Args:
        data: tensor of rank 1 at least.
        method: "farmhash64".
    """
    if text(method) != b"farmhash64":
        raise ValueError(
            f"tf.fingerprint: method must be 'farmhash64', received {method!r}{at_user_location()}"
        )
    return fingerprint_(convert_to_tensor(data))


# ---- integers as their digits -------------------------------------------------------------------------------------


def _turned(x: Any, bits: int) -> Any:
    return (x >> np.uint64(bits)) | (x << np.uint64(64 - bits))


def _mixed(x: Any) -> Any:
    return x ^ (x >> np.uint64(47))


def _pair(u: Any, v: Any, factor: Any) -> Any:
    a = _mixed((u ^ v) * factor)
    return _mixed((v ^ a) * factor) * factor


def _characters(xp: Any, x: Any) -> tuple:
    """Returns the digits of integers, flushed right and left, (n, 20) each, and how many there are."""
    negative = x < 0
    size = xp.where(negative, (~x).astype(_U64) + np.uint64(1), x.astype(_U64))
    powers = np.array([10**i for i in range(_WIDEST - 1, -1, -1)], _U64)
    digits = size[:, None] // powers % np.uint64(10) + np.uint64(ord("0"))
    count = xp.maximum(xp.sum((size[:, None] >= powers).astype(np.int32), axis=1), 1)
    places: Any = np.arange(_WIDEST, dtype=np.int32)
    sign = negative[:, None] & (places == (_WIDEST - 1 - count)[:, None])
    right = xp.where(sign, np.uint64(ord("-")), digits)
    length = count + negative.astype(np.int32)
    moved = places + (_WIDEST - length)[:, None]
    left = xp.where(
        moved < _WIDEST, xp.take_along_axis(right, xp.clip(moved, 0, _WIDEST - 1), axis=1), np.uint64(0)
    )
    return right, left, length


def _words(xp: Any, characters: Any) -> Any:
    """Joins characters (n, k) to numbers, the first the lowest: (n,)."""
    shifts = (np.arange(characters.shape[1], dtype=_U64) * np.uint64(8)).astype(_U64)
    return xp.sum(characters << shifts, axis=1)


def _fingerprints(xp: Any, x: Any) -> Any:
    """Returns FarmHash's fingerprint of the digits of integers (n,)."""
    right, left, length = _characters(xp, x)
    size = length.astype(_U64)
    factor = _K2 + size * np.uint64(2)
    a, b = _words(xp, left[:, :8]), _words(xp, left[:, 8:16])
    c, d = _words(xp, right[:, 12:20]), _words(xp, right[:, 4:12])
    # 17 to 20 characters
    u = _turned(a * _K1 + b, 43) + _turned(c * factor, 30) + d * _K2
    long = _pair(u, a * _K1 + _turned(b + _K2, 18) + c * factor, factor)
    # 8 to 16
    first = a + _K2
    middle = _pair(_turned(c, 37) * factor + first, (_turned(first, 25) + c) * factor, factor)
    # 4 to 7
    head, tail = _words(xp, left[:, :4]), _words(xp, right[:, 16:20])
    short = _pair(size + (head << np.uint64(3)), tail, factor)
    # 1 to 3
    half = xp.take_along_axis(left, (length >> 1)[:, None], axis=1)[:, 0]
    y = left[:, 0] + (half << np.uint64(8))
    z = size + (right[:, -1] << np.uint64(2))
    shortest = _mixed(y * _K2 ^ z * _K0) * _K2
    return xp.where(length < 4, shortest, xp.where(length < 8, short, xp.where(length <= 16, middle, long)))


def _sip_round(v: tuple) -> tuple:
    v0, v1, v2, v3 = v
    v0, v2 = v0 + v1, v2 + v3
    v1, v3 = _turned(v1, 64 - 13) ^ v0, _turned(v3, 64 - 16) ^ v2
    v0 = _turned(v0, 32)
    v2, v0 = v2 + v1, v0 + v3
    v1, v3 = _turned(v1, 64 - 17) ^ v2, _turned(v3, 64 - 21) ^ v0
    return v0, v1, _turned(v2, 32), v3


def _sip_word(v: tuple, word: Any) -> tuple:
    v = (v[0], v[1], v[2], v[3] ^ word)
    v = _sip_round(_sip_round(v))
    return v[0] ^ word, v[1], v[2], v[3]


def _siphashes(xp: Any, x: Any, key: tuple) -> Any:
    """Returns SipHash-2-4 of the digits of integers (n,)."""
    _, left, length = _characters(xp, x)
    k0, k1 = (np.uint64(word & ((1 << 64) - 1)) for word in key)
    begin = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    zero = xp.zeros_like(x, dtype=_U64)
    v = tuple(zero + (np.uint64(b) ^ k) for b, k in zip(begin, (k0, k1, k0, k1), strict=True))
    blocks = [_words(xp, left[:, start : start + 8]) for start in (0, 8, 16)]
    for number in (0, 1):
        new = _sip_word(v, blocks[number])
        v = tuple(xp.where(length >= 8 * (number + 1), after, old) for after, old in zip(new, v, strict=True))
    rest = xp.where(length >= 16, blocks[2], xp.where(length >= 8, blocks[1], blocks[0]))
    v = _sip_word(v, rest | (length.astype(_U64) << np.uint64(56)))
    v = (v[0], v[1], v[2] ^ np.uint64(0xFF), v[3])
    for _ in range(4):
        v = _sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@op("", differentiable=False, shape=_same, dtype=_int64)
def hash_integers(xp: Any, x: Any, *, buckets: int, key: Nested = None) -> Any:
    """Returns the number of the bucket, in [0, buckets), of the digits of each integer.

    Args:
        x: integer tensor.
        buckets: how many.
        key: two integers, for SipHash-2-4; None: FarmHash64.
    """
    flat = x.reshape(-1).astype(np.int64)
    hashes = _fingerprints(xp, flat) if key is None else _siphashes(xp, flat, key)
    return (hashes % np.uint64(buckets)).astype(np.int64).reshape(x.shape)


# ---- crosses ------------------------------------------------------------------------------------------------------


def _all(*shapes: tuple, **_: Any) -> tuple:
    shape = shapes[0]
    for other in shapes[1:]:
        shape = broadcast(shape, other)
    return shape


@op("", same_dtype=0, differentiable=False, shape=_all, dtype=_int64)
def cross_integers(xp: Any, *features: Any, buckets: int, key: int = _CROSS_BEGIN) -> Any:
    """Returns the bucket of each tuple of integers, as `tf.sparse.cross_hashed` does."""
    result = xp.zeros_like(features[0], dtype=_U64) + np.uint64(key)
    for feature in features:
        mixed = _mixed(feature.astype(np.int64).astype(_U64) * _CROSS) * _CROSS
        result = (result ^ _CROSS ^ mixed) * _CROSS
        result = _mixed(_mixed(result) * _CROSS)
    return (result % np.uint64(buckets)).astype(np.int64)


@op("", engine="host", same_dtype=0, differentiable=False, shape=_all, dtype=_int64)
def cross_features(xp: Any, *features: Any, buckets: int, key: int = _CROSS_BEGIN) -> Any:
    """Returns the bucket of each tuple of strings and integers, as `tf.sparse.cross_hashed` does."""
    columns = [feature.reshape(-1).tolist() for feature in features]
    found: Any = np.empty(len(columns[0]), np.int64)
    for number, row in enumerate(zip(*columns, strict=True)):
        result = key
        for value in row:
            result = combine(
                result, Fingerprint64(value) if isinstance(value, bytes) else value & (2**64 - 1)
            )
        found[number] = result % buckets
    return found.reshape(features[0].shape)


def is_text(x: Any) -> bool:
    """Whether a tensor holds strings."""
    return dtypes.is_host_only(x.dtype.numpy_dtype)
