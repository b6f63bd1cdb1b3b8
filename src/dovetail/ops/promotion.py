"""What two dtypes make together in `keras.ops` (`tf.*` refuses to mix; see `ops/core.py`).

Source of the rule: JAX's type lattice, as Keras 3 documents it: any float beats any integer, the wider beats the
narrower, float16 with bfloat16 gives float32, int64 and float32 give float32.
"""

from __future__ import annotations

from collections.abc import Iterable

from dovetail.tensor import dtype as dt
from dovetail.tensor.dtype import DType

_RANK = {
    "bool": 0,
    "uint8": 1,
    "int8": 1,
    "uint16": 2,
    "int16": 2,
    "uint32": 3,
    "int32": 3,
    "uint64": 4,
    "int64": 4,
}
_SIGNED = {1: "int8", 2: "int16", 3: "int32", 4: "int64"}
_FLOATS = ("float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "float64")


def result_dtype(dtypes: Iterable[DType]) -> DType:
    """Returns the dtype that values of all these dtypes promote to.

    Raises:
        TypeError: strings among others.
    """
    names = [dtype.name for dtype in dtypes]
    if "string" in names and len(set(names)) > 1:
        raise TypeError(f"strings and numbers have no common dtype, received {', '.join(names)}")
    result = names[0]
    for name in names[1:]:
        result = _pair(result, name)
    return dt.as_dtype(result)


def _pair(a: str, b: str) -> str:
    if a == b:
        return a
    if a.startswith("complex") or b.startswith("complex"):
        wide = "complex128" in (a, b) or "float64" in (a, b)
        return "complex128" if wide else "complex64"
    if a in _FLOATS or b in _FLOATS:
        return _float_pair(a, b)
    return _integer_pair(a, b)


def _float_pair(a: str, b: str) -> str:
    if a not in _FLOATS:
        return b
    if b not in _FLOATS:
        return a
    if {a, b} == {"float16", "bfloat16"}:
        return "float32"
    return max(a, b, key=_FLOATS.index)


def _integer_pair(a: str, b: str) -> str:
    low, high = sorted((a, b), key=_RANK.__getitem__)
    if low == "bool" or low.startswith("u") == high.startswith("u"):
        return high
    unsigned, signed = (low, high) if low.startswith("u") else (high, low)
    if _RANK[signed] > _RANK[unsigned]:
        return signed
    if _RANK[unsigned] == 4:
        return "float32"
    return _SIGNED[_RANK[unsigned] + 1]
