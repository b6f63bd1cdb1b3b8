"""Looking tokens up in a vocabulary, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError
from dovetail.base.own import declare
from dovetail.ops.families import op
from dovetail.ops.packed_words import PackedTable
from dovetail.ops.precision import INT64


def _int64(*_: Any, **__: Any) -> np.dtype:
    return INT64


def _same(shape: tuple, *_: Any, **__: Any) -> tuple:
    return shape


@declare
class Table:
    """The numbers of tokens, for strings; it has none before it is filled."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] | None = None
        self._packed: PackedTable | None = None

    def fill(self, tokens: list[bytes], first: int) -> None:
        """Has other tokens take the place of those that are there.

        Args:
            tokens: byte strings.
            first: the number of the first one.
        """
        self._numbers = {token: first + place for place, token in enumerate(tokens)}
        self._packed = None

    @property
    def numbers(self) -> dict[bytes, int]:
        """The number of each token.

        Raises:
            FailedPreconditionError: it was never filled.
        """
        if self._numbers is None:
            raise FailedPreconditionError(
                "Table not initialized: the layer has no vocabulary yet. Pass vocabulary, or call adapt() on data first"
            )
        return self._numbers

    @property
    def packed(self) -> PackedTable:
        """The same for many words at once."""
        if self._packed is None:
            self._packed = PackedTable(self.numbers)
        return self._packed


@op(
    "",
    same_dtype=2,
    differentiable=False,
    shape=lambda x, *_: x,
    dtype=lambda x, keys, values, default: values,
)
def look_up_integers(xp: Any, x: Any, keys: Any, values: Any, default: Any) -> Any:
    """Returns the value of each integer.

    Args:
        x: integer tensor.
        keys: the integers that have values, in order.
        values: tensor of the same size.
        default: scalar of the values' dtype, for other integers.
    """
    if not keys.shape[0]:
        return xp.broadcast_to(default, x.shape)
    flat = x.reshape(-1)
    place = xp.clip(xp.searchsorted(keys, flat), 0, keys.shape[0] - 1)
    key, value = (xp.take(one, place, axis=0) for one in (keys, values))
    return xp.where(key == flat, value, default).reshape(x.shape)


@op("", engine="host", differentiable=False, shape=_same, dtype=_int64)
def look_up_strings(xp: Any, x: Any, *, table: Any, default: int) -> Any:
    """Returns the number of each string, `default` for those that `table` (a `Table`) does not have."""
    numbers = table.numbers
    found = [numbers.get(token, default) for token in x.reshape(-1).tolist()]
    return np.array(found, np.int64).reshape(x.shape)


@op(
    "",
    same_dtype=0,
    differentiable=False,
    shape=_same,
    dtype=lambda x, tokens, other, **_: tokens,
)
def tokens_at(xp: Any, x: Any, tokens: Any, other: Any, *, first: int) -> Any:
    """Returns the token of each number.

    Args:
        x: integer tensor.
        tokens: tensor of tokens, the first of which has the number `first`.
        other: scalar, the token of other numbers.
    """
    place = x - x.dtype.type(first)
    inside = (place >= 0) & (place < tokens.shape[0])
    if not tokens.shape[0]:
        return xp.broadcast_to(other, x.shape)
    return xp.where(inside, xp.take(tokens, xp.clip(place, 0, tokens.shape[0] - 1), axis=0), other)


def _found_shape(keys: tuple, default: tuple, *, store: Any) -> tuple:
    return (*keys[: len(keys) - len(store.key_shape)], *store.value_shape)


@op(
    "",
    engine="host",
    same_dtype=0,
    differentiable=False,
    shape=_found_shape,
    dtype=lambda keys, default, store: default,
)
def look_up_stored(xp: Any, keys: Any, default: Any, *, store: Any) -> Any:
    """Returns what a `KeyStore` holds for each key, at the time of the call.

    Args:
        keys: tensor whose last axes are those of a key.
        default: for keys that are not there; it broadcasts to the result.
        store: the `KeyStore`.
    """
    return store.find(keys, default)
