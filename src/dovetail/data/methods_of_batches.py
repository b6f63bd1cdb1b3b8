"""Methods of `tf.data.Dataset` that put elements together, and take them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dovetail.data import batching, bucketing, combine, joining, padding_out
from dovetail.data.methods import Methods, integer
from dovetail.data.structure import as_leaf
from dovetail.tensor import TensorShape, convert_to_tensor

if TYPE_CHECKING:
    from dovetail.data.dataset import Dataset


class BatchMethods(Methods):
    """batch and its kin."""

    # ---- batches ----

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns groups of `batch_size` elements with a new first axis.

        Args:
            drop_remainder: leave out the last group if it is smaller; the first axis then has a known size.
            num_parallel_calls, deterministic: accepted; batches are put together in order, in one thread.
        """
        size = integer(batch_size, "batch", "batch_size")
        return self._made(batching.Batch(self._node, size, bool(drop_remainder)))

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns groups of elements of different sizes, padded at the end to one shape.

        Args:
            padded_shapes: nested like the elements; None or -1 in a shape: as long as the longest of the batch.
            padding_values: nested like the elements, or one scalar; zeros and empty strings by default.
        """
        size = integer(batch_size, "padded_batch", "batch_size")
        node = batching.PaddedBatch(self._node, size, padded_shapes, padding_values, bool(drop_remainder))
        return self._made(node)

    def ragged_batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        row_splits_dtype: Any = "int64",
        name: str | None = None,
    ) -> Dataset:
        """Returns groups of elements whose sizes may differ; components of unknown sizes become ragged tensors.

        Args:
            drop_remainder: leave out the last group if it is smaller.
            row_splits_dtype: int32 or int64.
        """
        size = integer(batch_size, "ragged_batch", "batch_size")
        return self._made(batching.RaggedBatch(self._node, size, bool(drop_remainder), row_splits_dtype))

    def sparse_batch(self, batch_size: Any, row_shape: Any, name: str | None = None) -> Dataset:
        """Returns groups of elements as sparse tensors of (batch, *row_shape).

        Args:
            batch_size: elements in a batch; the last may have fewer.
            row_shape: the largest shape of an element; None for a size: as large as the largest of the batch.

        Raises:
            DataLossError: while iterating: an element is larger.
        """
        size = integer(batch_size, "sparse_batch", "batch_size")
        return self._made(padding_out.SparseBatch(self._node, size, TensorShape(row_shape)))

    def unbatch(self, name: str | None = None) -> Dataset:
        """Returns the rows of every element, one by one."""
        return self._made(joining.Unbatch(self._node))

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: str | None = None) -> Dataset:
        """Returns the rows of batches in batches of another size, or of several sizes in turn."""
        sizes = as_leaf(convert_to_tensor(batch_size)).reshape(-1).tolist()
        return self._made(batching.Rebatch(self._node, tuple(sizes), bool(drop_remainder)))

    def window(
        self,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns datasets of `size` elements each: every `stride`-th, from `shift` (default: size) on each time."""
        count = integer(size, "window", "size")
        step = count if shift is None else integer(shift, "window", "shift")
        every = integer(stride, "window", "stride")
        return self._made(batching.Window(self._node, count, step, every, bool(drop_remainder), self._made))

    def group_by_window(
        self,
        key_func: Callable,
        reduce_func: Callable,
        window_size: Any = None,
        window_size_func: Callable | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Groups elements by `key_func` (int64) and returns those of `reduce_func(key, dataset of a full group)`."""
        if (window_size is None) == (window_size_func is None):
            raise ValueError("Dataset.group_by_window: pass either window_size or window_size_func")

        def size_of(key: int) -> int:
            given = window_size_func(convert_to_tensor(key, "int64")) if window_size_func else window_size
            return integer(given, "group_by_window", "window_size")

        key = self._function(key_func, "group_by_window")
        return self._made(combine.GroupByWindow(self._node, key, reduce_func, size_of, self._made))

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable,
        bucket_boundaries: Any,
        bucket_batch_sizes: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns padded batches of elements of similar length.

        Args:
            element_length_func: returns the int32 length of an element.
            bucket_boundaries: upper limits (exclusive) of all buckets but the last, ascending.
            bucket_batch_sizes: batch sizes, one more than boundaries.
            pad_to_bucket_boundary: pad to the boundary - 1 instead of the longest of the batch.
            no_padding: the elements of a bucket have one shape; do not pad.
        """
        return bucketing.by_sequence_length(
            self,
            element_length_func,
            list(bucket_boundaries),
            list(bucket_batch_sizes),
            bucketing.Padding(
                padded_shapes, padding_values, pad_to_bucket_boundary, no_padding, drop_remainder
            ),
        )
