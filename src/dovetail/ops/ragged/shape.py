"""`tf.experimental.DynamicRaggedShape`: what `tf.shape` says of a ragged tensor."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops import shapes
from dovetail.ops.arithmetic import cast
from dovetail.ops.dispatch import dispatches
from dovetail.ops.ragged.partition import as_splits, known, lengths_of
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.tensor import RaggedTensor
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export


@export("experimental.DynamicRaggedShape")
class DynamicRaggedShape:
    """The shape of a ragged tensor, with the lengths of its rows.

    Args:
        row_splits: the row splits of its partitions, the outermost first.
        inner_shape: the shape of its flat values.
        uniform: for each partition the length that all its rows have, None where they are ragged.

    Differs from TensorFlow: made by `tf.shape` and `DynamicRaggedShape.from_tensor` only, not by row partitions.
    """

    def __init__(self, row_splits: Any, inner_shape: Any, uniform: Any = None) -> None:
        self._splits, self._inner = tuple(row_splits), as_tensor(inner_shape)
        self._uniform = (None,) * len(self._splits) if uniform is None else tuple(uniform)

    @classmethod
    def from_tensor(cls, t: Any, dtype: Any = None) -> DynamicRaggedShape:
        """Returns the shape of a dense or ragged tensor."""
        if not is_ragged(t):
            return cls((), shapes.shape(t, dtype or "int64"))
        splits = tuple(as_splits(s, dtype) for s in t.nested_row_splits)
        return cls(splits, shapes.shape(t.flat_values, splits[0].dtype), _uniform_lengths(t))

    @property
    def rank(self) -> int | None:
        return None if self._inner.shape[0] is None else len(self._splits) + self._inner.shape[0]

    @property
    def dtype(self) -> Any:
        return self._inner.dtype

    @property
    def inner_shape(self) -> Any:
        """The shape of the flat values."""
        return self._inner

    @property
    def inner_rank(self) -> int | None:
        return self._inner.shape[0]

    @property
    def num_row_partitions(self) -> int:
        return len(self._splits)

    def is_uniform(self, axis: int) -> bool:
        """True for an axis that is not ragged."""
        return axis == 0 or axis > len(self._splits) or self._uniform[axis - 1] is not None

    def static_lengths(self) -> list:
        """Returns a number for each uniform axis, and the row lengths of each ragged one; None for what is unknown."""
        lengths = [known(lengths_of(s)) for s in self._splits]
        rows = [
            size if size is not None else None if x is None else tuple(x.tolist())
            for size, x in zip(self._uniform, lengths, strict=True)
        ]
        inner = known(self._inner)
        sizes = [None] * (self.inner_rank or 0) if inner is None else inner.tolist()
        if not rows:
            return sizes
        first = None if lengths[0] is None else lengths[0].size
        return [first, *rows, *sizes[1:]]

    def __getitem__(self, index: Any) -> Any:
        """Returns the size of a uniform axis, or the shape of the first axes (`shape[:n]`)."""
        if isinstance(index, slice):
            return self._front(index)
        axis = int(index)
        if self.rank is not None and not -self.rank <= axis < self.rank:
            raise IndexError(f"axis {axis} is out of range for rank {self.rank}{at_user_location()}")
        axis = axis + self.rank if axis < 0 and self.rank is not None else axis
        if not self.is_uniform(axis):
            raise ValueError(f"Index {axis} is not uniform{at_user_location()}")
        if axis == 0 and self._splits:
            return shapes.shape(self._splits[0], self.dtype)[0] - 1
        if axis <= len(self._splits):
            return cast(as_tensor(self._uniform[axis - 1]), dtype=self.dtype)
        return self._inner[axis - len(self._splits)]

    def _front(self, index: slice) -> Any:
        if index.start not in (None, 0) or index.step not in (None, 1) or self.rank is None:
            raise NotImplementedError(
                f"only shape[:n] slices a ragged shape, not {index}{at_user_location()}"
            )
        count = len(range(*index.indices(self.rank)))
        kept = len(self._splits)
        if count > kept:
            return DynamicRaggedShape(self._splits, self._inner[: count - kept], self._uniform)
        if count < 2:
            return DynamicRaggedShape((), shapes.reshape(self[0], shape=(1,))[:count])
        outer = slice(0, count - 1)
        return DynamicRaggedShape(self._splits[outer], self._splits[count - 2][-1:], self._uniform[outer])

    def __repr__(self) -> str:
        lengths = ", ".join(str(size) for size in self.static_lengths())
        return f"<DynamicRaggedShape lengths=[{lengths}] num_row_partitions={self.num_row_partitions}>"


def _uniform_lengths(rt: Any) -> tuple:
    return (rt._uniform, *_uniform_lengths(rt.values)) if is_ragged(rt) else ()


@dispatches(shapes.num_examples, RaggedTensor)
def _num_examples(inputs: Any) -> Any:
    return inputs.nrows("int32")


@dispatches(shapes.shape, RaggedTensor)
def _shape(input: Any, out_type: Any = None, name: Any = None) -> Any:
    return DynamicRaggedShape.from_tensor(input, out_type or "int32")
