"""`tf.TensorShape`: a tuple of sizes in which `None` is an unknown size."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex

from dovetail.base.errors import at_user_location


def _size(value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"a shape holds integers and None, received {value!r:.60}{at_user_location()}"
        ) from None


class TensorShape(tuple):
    """The shape of a tensor, possibly with unknown sizes, possibly of unknown rank (`TensorShape(None)`).

    It is a tuple of ints and `None`s, so it goes wherever a shape tuple does.
    """

    def __new__(cls, dims: Any) -> TensorShape:
        if type(dims) is cls:
            return dims
        if dims is None:
            shape = super().__new__(cls, ())
            shape._known_rank = False
            return shape
        if isinstance(dims, int) or not isinstance(dims, Iterable):
            dims = (dims,)
        return super().__new__(
            cls, (None if d is None or (type(d) is int and d < 0) else _size(d) for d in dims)
        )

    _known_rank = True

    @property
    def rank(self) -> int | None:
        return len(self) if self._known_rank else None

    @property
    def ndims(self) -> int | None:
        return self.rank

    @property
    def dims(self) -> list | None:
        return list(self) if self._known_rank else None

    def __len__(self) -> int:
        if not self._known_rank:
            raise ValueError(f"Cannot take the length of a shape of unknown rank.{at_user_location()}")
        return super().__len__()

    def as_list(self) -> list:
        """Returns the sizes as a list; raises ValueError when the rank is unknown."""
        if not self._known_rank:
            raise ValueError(
                f"as_list() is not defined on a TensorShape of unknown rank.{at_user_location()}"
            )
        return list(self)

    def num_elements(self) -> int | None:
        if not self.is_fully_defined():
            return None
        count = 1
        for size in self:
            count *= size
        return count

    def is_fully_defined(self) -> bool:
        return self._known_rank and None not in tuple(self)

    def assert_is_fully_defined(self) -> None:
        if not self.is_fully_defined():
            raise ValueError(f"Shape {self} is not fully defined{at_user_location()}")

    def assert_has_rank(self, rank: int) -> None:
        if self.rank not in (None, rank):
            raise ValueError(f"Shape {self} must have rank {rank}{at_user_location()}")

    def with_rank(self, rank: int) -> TensorShape:
        """Returns this shape if it has the rank, `rank` unknown sizes if its rank is unknown; else ValueError."""
        return self.merge_with(TensorShape([None] * rank))

    def with_rank_at_least(self, rank: int) -> TensorShape:
        if self.rank is not None and self.rank < rank:
            raise ValueError(f"Shape {self} must have rank at least {rank}{at_user_location()}")
        return self

    def with_rank_at_most(self, rank: int) -> TensorShape:
        if self.rank is not None and self.rank > rank:
            raise ValueError(f"Shape {self} must have rank at most {rank}")
        return self

    def assert_same_rank(self, other: Any) -> None:
        other = TensorShape(other)
        if self.rank is not None and other.rank is not None and self.rank != other.rank:
            raise ValueError(f"Shapes {self} and {other} must have the same rank")

    def most_specific_compatible_shape(self, other: Any) -> TensorShape:
        """Returns the shape that keeps what both sides agree on, and is unknown elsewhere."""
        other = TensorShape(other)
        if self.rank is None or self.rank != other.rank:
            return TensorShape(None)
        return TensorShape([a if a == b else None for a, b in zip(self, other, strict=True)])

    def is_compatible_with(self, other: Any) -> bool:
        """True when some fully known shape matches both."""
        other = TensorShape(other)
        if not self._known_rank or not other._known_rank:
            return True
        return len(self) == len(other) and all(
            a is None or b is None or a == b for a, b in zip(self, other, strict=True)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise ValueError(f"Shapes {self} and {TensorShape(other)} are incompatible{at_user_location()}")

    def merge_with(self, other: Any) -> TensorShape:
        """Returns the shape with what either side knows; raises ValueError when they contradict."""
        other = TensorShape(other)
        if not self._known_rank:
            return other
        if not other._known_rank:
            return self
        self.assert_is_compatible_with(other)
        return TensorShape([a if b is None else b for a, b in zip(self, other, strict=True)])

    def concatenate(self, other: Any) -> TensorShape:
        other = TensorShape(other)
        if not (self._known_rank and other._known_rank):
            return TensorShape(None)
        return TensorShape((*self, *other))

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return TensorShape(other).concatenate(self)

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        if not self._known_rank:
            return TensorShape(None) if isinstance(key, slice) else None
        picked = super().__getitem__(key)
        return TensorShape(picked) if isinstance(key, slice) else picked

    def __eq__(self, other: object) -> bool:
        if other is None:
            return not self._known_rank
        try:
            other_shape = TensorShape(other)
        except (TypeError, ValueError):
            return NotImplemented
        return self._known_rank == other_shape._known_rank and tuple(self) == tuple(other_shape)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __bool__(self) -> bool:
        return self._known_rank

    def __repr__(self) -> str:
        return f"TensorShape({list(self) if self._known_rank else None})"

    def __str__(self) -> str:
        if not self._known_rank:
            return "<unknown>"
        return "(" + ", ".join(str(size) for size in self) + ("," if len(self) == 1 else "") + ")"

    def __reduce__(self) -> tuple:
        return TensorShape, (list(self) if self._known_rank else None,)


@functools.lru_cache(maxsize=4096)
def shape_of_array(sizes: tuple[int, ...]) -> TensorShape:
    """Returns the `TensorShape` of an array's shape, the same object for the same sizes."""
    return TensorShape(sizes)
