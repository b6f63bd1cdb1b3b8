"""`tf.TensorShape`: a sequence of sizes in which `None` is an unknown size."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, SupportsIndex

from dovetail.base.errors import at_user_location
from dovetail.engine import is_named_size
from dovetail.tensor.dimension import Dimension


def _size(value: Any) -> int | None:
    """Returns a size; None where it is unknown, which a negative number says too."""
    if isinstance(value, Dimension):
        value = value.value
    if value is None or (type(value) is int and value < 0):
        return None
    try:
        return operator.index(value)
    except TypeError:
        if is_named_size(value):
            return value
        raise TypeError(
            f"a shape holds integers and None, received {value!r:.60}{at_user_location()}"
        ) from None


class TensorShape(Sequence):
    """The shape of a tensor, possibly with unknown sizes, possibly of unknown rank (`TensorShape(None)`).

    It is a sequence of ints and `None`s, equal to the tuple and the list of them, and goes wherever those do.  It is no
    tuple: `"%s" % x.shape` prints it.

    Args:
        dims: sizes; None for an unknown rank.
    """

    __slots__ = ("_sizes",)
    _sizes: tuple | None

    def __new__(cls, dims: Any) -> TensorShape:
        if type(dims) is cls:
            return dims
        shape = object.__new__(cls)
        shape._sizes = None if dims is None else _sizes_of(dims)
        return shape

    @property
    def rank(self) -> int | None:
        return None if self._sizes is None else len(self._sizes)

    @property
    def ndims(self) -> int | None:
        return self.rank

    @property
    def dims(self) -> list[Dimension] | None:
        """The sizes as `tf.compat.v1.Dimension`s, whose `value` may be None; None for an unknown rank."""
        return None if self._sizes is None else [Dimension(size) for size in self._sizes]

    def __len__(self) -> int:
        if self._sizes is None:
            raise ValueError(f"Cannot take the length of a shape of unknown rank.{at_user_location()}")
        return len(self._sizes)

    def __iter__(self) -> Iterator:
        if self._sizes is None:
            raise ValueError(f"Cannot iterate over a shape of unknown rank.{at_user_location()}")
        return iter(self._sizes)

    def as_list(self) -> list:
        """Returns the sizes as a list; raises ValueError when the rank is unknown."""
        if self._sizes is None:
            raise ValueError(
                f"as_list() is not defined on a TensorShape of unknown rank.{at_user_location()}"
            )
        return list(self._sizes)

    def num_elements(self) -> int | None:
        if not self.is_fully_defined():
            return None
        count = 1
        for size in self:
            count *= size
        return count

    def is_fully_defined(self) -> bool:
        return self._sizes is not None and None not in self._sizes

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
        if self._sizes is None or other._sizes is None:
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
        if self._sizes is None:
            return other
        if other._sizes is None:
            return self
        self.assert_is_compatible_with(other)
        return TensorShape([a if b is None else b for a, b in zip(self, other, strict=True)])

    def concatenate(self, other: Any) -> TensorShape:
        other = TensorShape(other)
        if self._sizes is None or other._sizes is None:
            return TensorShape(None)
        return TensorShape((*self, *other))

    def __add__(self, other: Any) -> TensorShape:
        return self.concatenate(other)

    def __radd__(self, other: Any) -> TensorShape:
        return TensorShape(other).concatenate(self)

    def __getitem__(self, key: SupportsIndex | slice) -> Any:
        if self._sizes is None:
            return TensorShape(None) if isinstance(key, slice) else None
        picked = self._sizes[key]
        return TensorShape(picked) if isinstance(key, slice) else picked

    def __eq__(self, other: object) -> bool:
        if type(other) is tuple:
            return self._sizes == other
        try:
            return self._sizes == TensorShape(other)._sizes
        except (TypeError, ValueError):
            return NotImplemented

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._sizes)

    def __bool__(self) -> bool:
        return self._sizes is not None

    def __repr__(self) -> str:
        return f"TensorShape({None if self._sizes is None else list(self._sizes)})"

    def __str__(self) -> str:
        if self._sizes is None:
            return "<unknown>"
        return "(" + ", ".join(str(size) for size in self) + ("," if len(self) == 1 else "") + ")"

    def __reduce__(self) -> tuple:
        return TensorShape, (self._sizes,)

    def __copy__(self) -> TensorShape:
        return self

    def __deepcopy__(self, memo: Any) -> TensorShape:
        return self


def _sizes_of(dims: Any) -> tuple:
    if isinstance(dims, int | Dimension) or not isinstance(dims, Iterable):
        dims = (dims,)
    return tuple([size if type(size) is int and size >= 0 else _size(size) for size in dims])


@functools.lru_cache(maxsize=4096)
def shape_of_array(sizes: tuple[int, ...]) -> TensorShape:
    """Returns the `TensorShape` of an array's shape, the same object for the same sizes."""
    return TensorShape(sizes)
