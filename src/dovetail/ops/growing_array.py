"""A `tf.TensorArray` that grows in a loop of a compiled program: a buffer with room for all rows, and a size.

How large the array becomes is found out before the loop is compiled (see `function/growing.py`).  In the loop the
buffer keeps its shape; the size is one of the loop's variables.
"""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.base.own import declare
from dovetail.ops import array, create
from dovetail.ops.arithmetic import add, maximum
from dovetail.ops.gather import gather
from dovetail.ops.indexing import get_item
from dovetail.ops.shapes import shape
from dovetail.ops.tensor_array import TensorArray, from_buffer, grow_row, is_without_rows, to_buffer
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import has_value


class Room:
    """Which array of a loop it is: all values that it has in the loop share this.

    Args:
        reserved: whether a loop around has made the buffer large enough.
    """

    def __init__(self, reserved: bool) -> None:
        self.reserved = reserved


class RowShapeFoundError(Exception):
    """The first row is written to an array whose rows had no shape yet."""

    def __init__(self, room: Room, shape: tuple) -> None:
        super().__init__(shape)
        self.room, self.shape = room, shape


@declare
class GrowingArray(TensorArray):
    """A `tf.TensorArray` as a variable of a loop in which it grows.

    Args:
        facts: dtype, whether it grows, whether rows have one shape; as `to_buffer` gives them.
        buffer: (capacity, ...); (capacity, 0) while rows have no shape yet.
        size: int32 scalar, how many rows count.
        room: which array it is.
    """

    __slots__ = ("_facts", "_room", "_size")

    def __init__(self, facts: tuple, buffer: Any, size: Any, room: Room) -> None:
        super().__init__(facts[0], 0, facts[1], infer_shape=facts[2])
        self._facts, self._items, self._buffer, self._size, self._room = facts, None, buffer, size, room
        sizes = getattr(buffer, "shape", None)
        if sizes is not None and sizes.rank is not None and not is_without_rows(tuple(sizes)):
            self._shape = TensorShape(sizes[1:])

    @classmethod
    def of(cls, arr: TensorArray, reserved: bool) -> GrowingArray:
        """Returns an array as one that grows."""
        if isinstance(arr, GrowingArray):
            return cls(arr._facts, arr._buffer, arr._size, Room(reserved))
        (buffer,), facts = to_buffer(arr)
        size = buffer.shape[0]
        count = shape(buffer)[0] if size is None else convert_to_tensor(size, "int32")
        made = cls(facts, buffer, count, Room(reserved))
        return made if size is None else made.with_room(1)

    @property
    def reserved(self) -> bool:
        return self._room.reserved

    def with_room(self, capacity: int, row: tuple | None = None) -> GrowingArray:
        """Returns the array with a buffer of at least `capacity` rows, of shape `row` if they had none."""
        sizes = tuple(self._buffer.shape)
        capacity = max(capacity, sizes[0])
        if is_without_rows(sizes):
            buffer = create.zeros((capacity, *((0,) if row is None else row)), self._dtype)
        elif capacity == sizes[0]:
            return self
        else:
            more = create.zeros((capacity - sizes[0], *sizes[1:]), self._dtype)
            buffer = array.concat([self._buffer, more], 0)
        return GrowingArray(self._facts, buffer, self._size, self._room)

    def sized(self, size: int) -> GrowingArray:
        """Returns the array with `size` rows, after the loop in which it has got them."""
        buffer = self._buffer if self._buffer.shape[0] == size else self._buffer[:size]
        return GrowingArray(self._facts, buffer, convert_to_tensor(size, "int32"), Room(False))

    def grown(self) -> TensorArray:
        """Returns the plain array after the loop."""
        known = has_value(self._size) and self._buffer.shape[0] == int(self._size)
        return from_buffer(self._facts, (self._buffer if known else self._buffer[: self._size],))

    @property
    def _count(self) -> None:
        return None

    def size(self, name: str | None = None) -> Any:
        return self._size

    def write(self, index: Any, value: Any, name: str | None = None) -> GrowingArray:
        value = self._checked(value)
        if is_without_rows(tuple(self._buffer.shape)) and type(self._buffer) is not SymbolicTensor:
            raise RowShapeFoundError(self._room, tuple(value.shape))
        position = convert_to_tensor(index, dtype_hint="int32")._astype("int32")
        size = maximum(self._size, add(position, convert_to_tensor(1, "int32")))
        return GrowingArray(self._facts, grow_row(self._buffer, value, position, True), size, self._room)

    def read(self, index: Any, name: str | None = None) -> Any:
        return get_item(self._buffer, index)

    def gather(self, indices: Any, name: str | None = None) -> Any:
        return gather(self._buffer, indices)

    def identity(self) -> GrowingArray:
        return self

    def _unknown(self, what: str) -> Exception:
        message = f"the tf.TensorArray grows in the loop, {what} needs its size there{at_user_location()}"
        return DataDependentShapeError(f"tf.TensorArray.{what}", message)

    def stack(self, name: str | None = None) -> Any:
        raise self._unknown("stack")

    def concat(self, name: str | None = None) -> Any:
        raise self._unknown("concat")

    def unstack(self, value: Any, name: str | None = None) -> Any:
        raise self._unknown("unstack")

    def split(self, value: Any, lengths: Any, name: str | None = None) -> Any:
        raise self._unknown("split")


def _apart(arr: GrowingArray) -> tuple:
    return (arr._buffer, arr._size), (arr._facts, arr._room)


def _together(facts: tuple, children: tuple) -> GrowingArray:
    return GrowingArray(facts[0], children[0], children[1], facts[1])


nest.register_composite(GrowingArray, _apart, _together)
