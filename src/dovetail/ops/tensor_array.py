"""`tf.TensorArray`: a list of tensors that can be written one at a time."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import (
    DataDependentShapeError,
    InvalidArgumentError,
    OutOfRangeError,
    at_user_location,
)
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.base.told import Told
from dovetail.engine import dtypes, is_tracer
from dovetail.ops import array, create, gather, indexing, shapes
from dovetail.ops.families import op
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec, TypeSpec, register_type_spec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike, has_value


@export("TensorArray")
@declare
class TensorArray(Told):
    """A list of tensors of one dtype, written and read one at a time.

    Use the value that `write`, `unstack`, `scatter` and `split` return.  Eager code may also rely on them changing the
    array in place; compiled code may not.

    Args:
        dtype: element type.
        size: number of elements; symbolic where a graph is recorded.
        dynamic_size: writing past the end makes the array longer.  A loop in a `tf.function` is compiled with it where
            the size after the loop follows from what is known when the function is traced; a function with another
            such loop runs op by op, with one warning.
        clear_after_read: accepted; elements stay readable.
        infer_shape: check that all elements have one shape.
        element_shape: shape of the elements.  A compiled `tf.while_loop` that writes the first element needs it.

    Example:
        >>> ta = tf.TensorArray(tf.float32, size=2)
        >>> ta = ta.write(0, 1.0).write(1, 2.0)
        >>> ta.stack().numpy().tolist()
        [1.0, 2.0]
    """

    # Either a list of items (None: not written yet), or one buffer with all of them, which loops carry.
    __slots__ = ("_buffer", "_dtype", "_dynamic", "_infer", "_items", "_shape")

    _told_methods: ClassVar[tuple[str, ...]] = ("*",)

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None or flow is not None:
            raise ValueError(
                f"tf.TensorArray: handle and flow are TensorFlow's internals{at_user_location()}"
            )
        self._dtype = dt.as_dtype(dtype)
        self._dynamic, self._infer = bool(dynamic_size), bool(infer_shape)
        self._shape = TensorShape(element_shape)
        self._items: list | None = None
        self._buffer: Any = None
        count = _size(0 if size is None else size)
        if isinstance(count, int):
            self._items = [None] * count
        else:
            row = tuple(self._shape) if self._shape.is_fully_defined() else (0,)
            self._buffer = create.zeros((count, *row), self._dtype)

    # ---- facts

    @property
    def dtype(self) -> Any:
        return self._dtype

    @property
    def dynamic_size(self) -> bool:
        return self._dynamic

    @property
    def element_shape(self) -> TensorShape:
        return self._shape

    @property
    def flow(self) -> Any:
        """A scalar that TensorFlow threads through graphs; 0 here."""
        return create.constant(0.0)

    @property
    def handle(self) -> None:
        return None

    @property
    def _count(self) -> int | None:
        """The number of elements; None while it is symbolic."""
        return len(self._items) if self._items is not None else self._buffer.shape[0]

    def __len__(self) -> int:
        count = self._count
        if count is None:
            raise TypeError(f"tf.TensorArray: its size has no value yet; use size(){at_user_location()}")
        return count

    def size(self, name: str | None = None) -> Any:
        """Returns the number of elements as an int32 scalar."""
        count = self._count
        return shapes.shape(self._buffer)[0] if count is None else create.constant(count, "int32")

    def __repr__(self) -> str:
        return f"<tf.TensorArray size={self._count} dtype={self._dtype.name} element_shape={self._shape}>"

    # ---- writing

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """Returns the array with `value` at `index`.

        Raises:
            OutOfRangeError: the index is not inside the array, and `dynamic_size` is off.
            ValueError: the value has another dtype or shape than the elements.
        """
        value = self._checked(value)
        position = _known_index(index)
        if self._dynamic and (position is None or self._count is None):
            index = convert_to_tensor(index, dtype_hint="int32")
            return self._with_buffer(grow_row(self._filled(value), value, index), value)
        if position is None:
            return self._with_buffer(_set_row(self._filled(value), index, value), value)
        if not self._dynamic:
            self._check_position("write", position)
        if self._items is None:
            return self._with_buffer(_set_row(self._grown(position + 1), position, value), value)
        items = self._items if _in_place(value) else list(self._items)
        items.extend([None] * (position + 1 - len(items)))
        items[position] = value
        return self._with_items(items, value)

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """Returns the array with the slices of `value` along its first axis as elements."""
        value = convert_to_tensor(value)
        if isinstance(value, SymbolicTensor) and value.shape.rank and value.shape[0] is None:
            result = self._copy()
            result._items, result._buffer = None, value
            result._shape = self._shape.merge_with(value.shape[1:])
            return result
        return self._replaced(list(array.unstack(value)))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """Returns the array with the slices of `value` at `indices`."""
        result = self
        rows = array.unstack(convert_to_tensor(value))
        for index, row in zip(array.unstack(convert_to_tensor(indices)), rows, strict=True):
            result = result.write(index, row)
        return result

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """Returns the array with pieces of `value` of the given lengths as elements."""
        return self._replaced(array.split(value, lengths), check=False)

    def _replaced(self, items: list, check: bool = True) -> TensorArray:
        result = self if not items or _in_place(items[0]) else self._copy()
        if check and items:
            result._shape = result._shape.merge_with(items[0].shape)
        result._items, result._buffer = items, None
        return result

    # ---- reading

    def read(self, index: Any, name: str | None = None) -> Any:
        """Returns the element at `index`."""
        position = _known_index(index)
        if position is None:
            return indexing.get_item(self.stack(), index)
        self._check_position("read", position)
        if self._items is None:
            return indexing.get_item(self._buffer, position)
        item = self._items[position]
        return self._zero() if item is None else item

    def stack(self, name: str | None = None) -> Any:
        """Returns the elements as one tensor, with a new first axis.  Elements never written are zeros."""
        if self._items is None:
            return self._buffer
        if not self._items:
            shape = tuple(self._shape) if self._shape.is_fully_defined() else ()
            return create.zeros((0, *shape), self._dtype)
        return array.stack(*(self._zero() if item is None else item for item in self._items))

    def concat(self, name: str | None = None) -> Any:
        """Returns the elements joined along their first axes."""
        if self._items is None:
            return shapes.reshape(self._buffer, shape=[-1, *array.unstack(shapes.shape(self._buffer))[2:]])
        return array.concat([self._zero() if item is None else item for item in self._items], 0)

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """Returns the elements at `indices` as one tensor."""
        return gather.gather(self.stack(), indices)

    def identity(self) -> TensorArray:
        """Returns an array with the same elements."""
        return self._copy()

    def close(self, name: str | None = None) -> None:
        """Does nothing: memory is freed with the array."""

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> Any:
        """Not supported: use `tf.GradientTape`."""
        raise NotImplementedError(f"tf.TensorArray.grad: use tf.GradientTape{at_user_location()}")

    # ---- the inside

    def _check_position(self, what: str, position: int) -> None:
        count = self._count
        if position < 0 or (count is not None and position >= count):
            raise OutOfRangeError(
                f"tf.TensorArray.{what}: index {position} is out of range for size {count}{at_user_location()}"
            )

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, TensorLike):
            value = convert_to_tensor(value, self._dtype)
        value = shapes.as_tensor(value)
        if value.dtype != self._dtype:
            raise InvalidArgumentError(
                f"tf.TensorArray.write: the array is {self._dtype.name}, the value {value.dtype.name}"
                f"{at_user_location()}"
            )
        if self._infer and not self._shape.is_compatible_with(value.shape):
            raise ValueError(
                f"tf.TensorArray.write: the elements have shape {self._shape}, the value {value.shape}"
                f"{at_user_location()}"
            )
        return value

    def _zero(self) -> Any:
        """Returns what an element is that has not been written."""
        if not self._shape.is_fully_defined():
            written = next((item for item in self._items or () if item is not None), None)
            if written is not None and self._infer:
                return create.zeros_like(written)
            raise InvalidArgumentError(
                f"tf.TensorArray: an element was read that has not been written, and its shape is unknown. Pass "
                f"element_shape{at_user_location()}"
            )
        return create.zeros(tuple(self._shape), self._dtype)

    def _filled(self, value: Any) -> Any:
        """Returns the buffer: of the items, or without rows yet."""
        if self._items is None:
            return self._buffer
        if all(item is None for item in self._items):
            return create.zeros((len(self._items), 0), self._dtype)
        zero = create.zeros_like(value)
        return array.stack(*(zero if item is None else item for item in self._items))

    def _grown(self, size: int) -> Any:
        missing = size - (self._count or size)
        if missing <= 0:
            return self._buffer
        more = create.zeros((missing, *tuple(self._buffer.shape)[1:]), self._dtype)
        return array.concat([self._buffer, more], 0)

    def _copy(self) -> TensorArray:
        result = TensorArray.__new__(TensorArray)
        result._dtype, result._dynamic, result._infer = self._dtype, self._dynamic, self._infer
        result._shape, result._buffer = self._shape, self._buffer
        result._items = None if self._items is None else list(self._items)
        return result

    def _with_items(self, items: list, value: Any) -> TensorArray:
        result = self if items is self._items else self._copy()
        result._items = items
        if self._infer:
            result._shape = self._shape.merge_with(value.shape)
        return result

    def _with_buffer(self, buffer: Any, value: Any) -> TensorArray:
        result = self._copy()
        result._items, result._buffer, result._shape = None, buffer, TensorShape(value.shape)
        return result


def _in_place(value: Any) -> bool:
    """True in eager code, where TensorFlow changes the array itself."""
    return state.scope is None and has_value(value)


def _known_index(index: Any) -> int | None:
    """Returns the index as an int, None when it is traced or symbolic."""
    if not isinstance(index, TensorLike):
        return None if is_tracer(index) else int(index)
    tensor = shapes.as_tensor(index)
    return None if isinstance(tensor, SymbolicTensor) or is_tracer(tensor._value) else int(tensor._value)


def _size(value: Any) -> Any:
    """Returns the number of elements: an int, or a symbolic scalar."""
    found = _known_index(value)
    if found is not None:
        return found
    if isinstance(value, SymbolicTensor):
        known = value.partial
        return int(known) if known is not None and isinstance(known.item(), int) else value
    message = "size depends on a traced value; XLA needs it static. Use a shape or a Python number"
    raise DataDependentShapeError("tf.TensorArray", f"tf.TensorArray: {message}{at_user_location()}")


def _set_row(buffer: Any, index: Any, value: Any) -> Any:
    """Returns the buffer with `value` as the row `index`."""
    return write_row(buffer, value, convert_to_tensor(index, dtype_hint="int32"))


def is_without_rows(shape: tuple) -> bool:
    """True for the shape (n, 0) of the buffer of an array whose elements have no shape yet."""
    return shape[1:] == (0,)


def grow_row(buffer: Any, value: Any, position: Any, reserved: bool = False) -> Any:
    """Returns the buffer with `value` as a row, and with more rows where these are too few.

    Args:
        buffer, value, position: (n, ...), (...), an integer.
        reserved: whether there is room at every position that is known only when the program runs.

    Raises:
        DataDependentShapeError: the position is known only then, and there may be no room.
    """
    graph = None if state.scope is None else state.scope.graph
    if graph is not None:
        described = [TensorSpec([None, *value.shape], value.dtype)]
        return graph.call(grow_row, "tf.TensorArray.write", (buffer, value, position, reserved), described)[0]
    if has_value(position):
        missing = int(position) + 1 - buffer.shape[0]
        if missing > 0:
            more = create.zeros((missing, *tuple(buffer.shape)[1:]), buffer.dtype)
            buffer = array.concat([buffer, more], 0)
    elif not reserved:
        message = f"an array that grows is written at an index that depends on values{at_user_location()}"
        raise DataDependentShapeError("tf.TensorArray.write", f"tf.TensorArray.write: {message}")
    return write_row(buffer, value, position)


@op("", same_dtype=2, shape=lambda x, value, index: (x[0], *value))
def write_row(xp: Any, x: Any, value: Any, index: Any) -> Any:
    """Returns `x`, of shape (n, ...), with `value` as its row `index`; of shape (n, 0) it gets rows of zeros first."""
    if is_without_rows(x.shape):
        shape = (x.shape[0], *value.shape)
        x = np.full(shape, b"", object) if dtypes.is_host_only(x.dtype) else xp.zeros(shape, x.dtype)
    begin = xp.concatenate([xp.reshape(index, (1,)), xp.zeros((len(value.shape),), index.dtype)])
    return xp.dynamic_update(x, begin, value[None])


def _without_row(g: Any, y: Any, x: Any, value: Any, index: Any) -> Any:
    return create.zeros_like(x) if is_without_rows(tuple(x.shape)) else write_row(g, value * 0, index)


write_row.gradient(_without_row, lambda g, y, x, value, index: gather.gather(g, index), None)


# ---- in nested structures: one leaf, the buffer -----------------------------------------------------------------


def to_buffer(arr: TensorArray) -> tuple:
    """A loop carries the buffer; before the first write of elements of unknown shape, an empty one of shape (n, 0)."""
    if arr._items is None:
        buffer = arr._buffer
    elif any(item is not None for item in arr._items) or arr._shape.is_fully_defined():
        buffer = arr.stack()
    else:
        buffer = create.zeros((len(arr._items), 0), arr._dtype)
    return (buffer,), (arr._dtype.name, arr._dynamic, arr._infer)


def from_buffer(facts: tuple, children: tuple) -> Any:
    buffer: Any = children[0]
    result = TensorArray(facts[0], 0, facts[1], infer_shape=facts[2])
    if not isinstance(buffer, TensorLike):  # a structure of something else in place of tensors
        result._items, result._buffer = None, buffer
        return result
    shape = tuple(buffer.shape)
    if is_without_rows(shape) and shape[0] is not None:
        result._items = [None] * shape[0]
    else:
        result._items, result._buffer = None, buffer
        result._shape = TensorShape(None if is_without_rows(shape) else shape[1:])
    return result


nest.register_composite(TensorArray, to_buffer, from_buffer)


# ---- its spec -----------------------------------------------------------------------------------------------------


@export("TensorArraySpec")
class TensorArraySpec(TypeSpec):
    """Describes a `tf.TensorArray`.

    Args:
        element_shape: shape of the elements.
        dtype: their type.
        dynamic_size: writing past the end makes the array longer.
        infer_shape: all elements have one shape.
    """

    __slots__ = ("_dtype", "_dynamic", "_infer", "_shape")
    _has_components = False  # its array is one leaf, the buffer, whose size is not the spec's

    def __init__(
        self,
        element_shape: Any = None,
        dtype: Any = dt.float32,
        dynamic_size: bool = False,
        infer_shape: bool = True,
    ) -> None:
        self._shape, self._dtype = TensorShape(element_shape), dt.as_dtype(dtype)
        self._dynamic, self._infer = dynamic_size, infer_shape

    @classmethod
    def from_value(cls, value: TensorArray) -> TensorArraySpec:
        """Returns the spec of an array."""
        return cls(value._shape, value._dtype, value._dynamic, value._infer)

    @property
    def value_type(self) -> type:
        return TensorArray

    def _serialize(self) -> tuple:
        return self._shape, self._dtype, self._dynamic, self._infer


register_type_spec(TensorArray, TensorArraySpec.from_value)
