"""`tf.raw_ops`: the operations of TensorFlow's graphs under their names, arguments and attributes.

    tf.raw_ops.MatMul(a=x, b=w, transpose_b=True)

They are what imported graphs are made of.  Attributes that only tell dtypes of inputs ("T") are left out.
"""

from typing import Any as _Any

from dovetail.base.errors import suggest as _suggest
from dovetail.raw_ops import (
    arrays,
    examples,
    flow,
    growing,
    images,
    lists,
    math,
    modules,
    neural,
    numbers,
    signal,
    sparse,
    state,
    tables,
    text,
    unicode,
)
from dovetail.raw_ops.row import ROWS as _ROWS


def __getattr__(name: str) -> _Any:
    if name in _ROWS:
        return _ROWS[name]
    raise AttributeError(f"module 'dovetail.raw_ops' has no attribute {name!r}.{_suggest(name, _ROWS)}")


def __dir__() -> list[str]:
    return sorted(_ROWS)


__all__ = sorted(_ROWS)  # noqa: PLE0605
