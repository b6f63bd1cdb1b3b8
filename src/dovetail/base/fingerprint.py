"""FarmHash's 64-bit fingerprint, which TensorFlow hashes strings with, how TensorFlow combines two, and SipHash.

Sources: G. Pike, "FarmHash" (2014), the function `farmhashna::Hash64`; J.-P. Aumasson, D. Bernstein, "SipHash: a fast
short-input PRF" (2012). All arithmetic is modulo 2^64.
"""

from __future__ import annotations

_ALL = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_KC = 0xC6A4A7935BD1E995


def fingerprint64(text: bytes) -> int:
    """Returns the fingerprint of a byte string, in [0, 2^64)."""
    size = len(text)
    for longest, function in ((16, _up_to_16), (32, _up_to_32), (64, _up_to_64)):
        if size <= longest:
            return function(text)
    return _longer(text)


def combine(first: int, second: int) -> int:
    """Returns a fingerprint of two fingerprints in this order."""
    result = first ^ _KC
    result ^= _times(_mixed(_times(second, _KC)), _KC)
    result = _times(result, _KC)
    return _mixed(_times(_mixed(result), _KC))


def _times(a: int, b: int) -> int:
    return (a * b) & _ALL


def _mixed(x: int) -> int:
    return x ^ (x >> 47)


def _turned(x: int, bits: int) -> int:
    x &= _ALL
    return ((x >> bits) | (x << (64 - bits))) & _ALL


def _word(text: bytes, start: int, size: int = 8) -> int:
    return int.from_bytes(text[start : start + size], "little")


def _pair(u: int, v: int, factor: int) -> int:
    a = _mixed(_times(u ^ v, factor) & _ALL)
    b = _mixed(_times(v ^ a, factor))
    return _times(b, factor)


def _up_to_16(s: bytes) -> int:
    n = len(s)
    factor = _K2 + n * 2
    if n >= 8:
        a, b = (_word(s, 0) + _K2) & _ALL, _word(s, n - 8)
        c, d = _turned(b, 37) * factor + a, (_turned(a, 25) + b) * factor
        return _pair(c & _ALL, d & _ALL, factor)
    if n >= 4:
        return _pair(n + (_word(s, 0, 4) << 3), _word(s, n - 4, 4), factor)
    if n:
        y, z = s[0] + (s[n >> 1] << 8), n + (s[n - 1] << 2)
        return _times(_mixed(_times(y, _K2) ^ _times(z, _K0)), _K2)
    return _K2


def _up_to_32(s: bytes) -> int:
    n = len(s)
    factor = _K2 + n * 2
    a, b = _word(s, 0) * _K1, _word(s, 8)
    c, d = _word(s, n - 8) * factor, _word(s, n - 16) * _K2
    return _pair(
        (_turned(a + b, 43) + _turned(c, 30) + d) & _ALL, (a + _turned(b + _K2, 18) + c) & _ALL, factor
    )


def _up_to_64(s: bytes) -> int:
    n = len(s)
    factor = _K2 + n * 2
    a, b = _word(s, 0) * _K2, _word(s, 8)
    c, d = _word(s, n - 8) * factor, _word(s, n - 16) * _K2
    y = (_turned(a + b, 43) + _turned(c, 30) + d) & _ALL
    z = _pair(y, (a + _turned(b + _K2, 18) + c) & _ALL, factor)
    e, f = _word(s, 16) * factor, _word(s, 24)
    g, h = (y + _word(s, n - 32)) * factor, (z + _word(s, n - 24)) * factor
    return _pair(
        (_turned(e + f, 43) + _turned(g, 30) + h) & _ALL, (e + _turned(f + a, 18) + g) & _ALL, factor
    )


def _weak(s: bytes, start: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(s, start + 8 * i) for i in range(4))
    a += w
    b = _turned(b + a + z, 21)
    c = a
    a += x + y
    b += _turned(a, 44)
    return (a + z) & _ALL, (b + c) & _ALL


def _longer(s: bytes) -> int:
    n, start = len(s), 0
    x, y = 81, (81 * _K1 + 113) & _ALL
    z = _times(_mixed(_times(y, _K2) + 113 & _ALL), _K2)
    v, w = (0, 0), (0, 0)
    x = (x * _K2 + _word(s, 0)) & _ALL
    for start in range(0, (n - 1) // 64 * 64, 64):
        x, y, z, v, w = _round(s, start, x, y, z, v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    w0 = w[0] + ((n - 1) & 63)
    v0 = v[0] + w0
    v, w = (v0 & _ALL, v[1]), ((w0 + v0) & _ALL, w[1])
    x, y, z, v, w = _round(s, n - 64, x, y, z, v, w, factor, 9)
    return _pair(
        (_pair(v[0], w[0], factor) + _mixed(y) * _K0 + z) & _ALL,
        (_pair(v[1], w[1], factor) + x) & _ALL,
        factor,
    )


def _round(s: bytes, at: int, x: int, y: int, z: int, v: tuple, w: tuple, factor: int, scale: int) -> tuple:
    """Mixes 64 bytes into the state (x, y, z, v, w)."""
    x = _times(_turned(x + y + v[0] + _word(s, at + 8), 37), factor)
    y = _times(_turned(y + v[1] + _word(s, at + 48), 42), factor)
    x ^= w[1] * scale & _ALL
    y = (y + v[0] * scale + _word(s, at + 40)) & _ALL
    z = _times(_turned(z + w[0], 33), factor)
    v = _weak(s, at, v[1] * factor & _ALL, x + w[0])
    w = _weak(s, at + 32, z + w[1], y + _word(s, at + 16))
    return z, y, x, v, w


# ---- SipHash-2-4: a hash that nobody can predict who does not know the key

SIP_BEGIN = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)


def siphash64(text: bytes, key: tuple[int, int]) -> int:
    """Returns the hash of a byte string under a key of two 64-bit words, in [0, 2^64)."""
    k0, k1 = key[0] & _ALL, key[1] & _ALL
    v = [b ^ k for b, k in zip(SIP_BEGIN, (k0, k1, k0, k1), strict=True)]
    whole = len(text) // 8 * 8
    words = [_word(text, start) for start in range(0, whole, 8)]
    for word in (*words, _word(text, whole) | (len(text) & 0xFF) << 56):
        v[3] ^= word
        _sip_rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _sip_rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sip_rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        v[0], v[2] = (v[0] + v[1]) & _ALL, (v[2] + v[3]) & _ALL
        v[1], v[3] = _turned(v[1], 51) ^ v[0], _turned(v[3], 48) ^ v[2]
        v[0] = _turned(v[0], 32)
        v[2], v[0] = (v[2] + v[1]) & _ALL, (v[0] + v[3]) & _ALL
        v[1], v[3] = _turned(v[1], 47) ^ v[2], _turned(v[3], 43) ^ v[0]
        v[2] = _turned(v[2], 32)
