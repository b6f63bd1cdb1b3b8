"""`tf.data.Dataset`: a pipeline of elements on the host.

A dataset is a description; every `for` loop over it makes a fresh iterator.  Elements are NumPy arrays inside and
Tensors at the surface.  Functions given to `filter` and the others run op by op on the host engine; so do those given
to `map`, unless there are so many elements that they are worth compiling for.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, ClassVar

from dovetail.base.errors import InvalidArgumentError
from dovetail.base.own import declare
from dovetail.base.told import Told
from dovetail.data import batching, bucketing, cache, combine, shuffle, sources, transforms
from dovetail.data.functions import UserFunction
from dovetail.data.iterators import Iterator, NumpyIterator, PlainIterator
from dovetail.data.node import INFINITE, UNKNOWN, Node
from dovetail.data.options import Options
from dovetail.data.plan import ArrayPlan
from dovetail.data.prefetch import Prefetch
from dovetail.data.structure import DatasetSpec, as_leaf, as_surface, flatten, rebuilder
from dovetail.tensor import convert_to_tensor
from dovetail.tensor.spec import register_type_spec

AUTOTUNE = -1
_log = logging.getLogger("dovetail")


@declare
class Dataset(Told):
    """A sequence of elements, each a nested structure of tensors.

    Make one with `from_tensor_slices`, `from_tensors`, `from_generator`, `range` or `list_files`, shape it with the
    methods that return a new dataset, iterate with `for`.

    Rows of arrays that are only shuffled, repeated and batched are never touched one by one: their row numbers are
    shuffled, and each batch is gathered at once.

    Example:
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=1).batch(32)
        for images, labels in dataset: ...

    Differs from TensorFlow: `deterministic=False` still keeps the order; `num_parallel_calls=AUTOTUNE` maps in the
    calling thread, and a number above 1 uses that many threads, unless many elements are mapped at a time (see `map`).
    """

    _told_methods: ClassVar[tuple[str, ...]] = ("*",)

    def __init__(self, node: Node) -> None:
        if not isinstance(node, Node):
            raise TypeError(
                f"tf.data.Dataset cannot be made of {type(node).__name__}; use Dataset.from_tensor_slices(...), "
                "from_tensors, from_generator or range"
            )
        self._node = node

    # ---- sources ----

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """Returns the rows of arrays, lists, tensors or nested structures of them.

        Raises:
            ValueError: the first dimensions differ.
        """
        return Dataset(sources.slices(tensors))

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """Returns a dataset of one element: the given structure."""
        return Dataset(sources.Tensors(tensors))

    @staticmethod
    def from_generator(
        generator: Callable,
        output_types: Any = None,
        output_shapes: Any = None,
        args: Any = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns what a Python generator function yields; it is called anew for every pass.

        Args:
            generator: called with `args` as NumPy values, returns an iterable.
            output_types, output_shapes: dtypes and (optional) shapes, nested like the elements.
            args: tensors or values for the generator function.
            output_signature: nested `tf.TensorSpec`s, instead of the two above.

        Raises:
            InvalidArgumentError: while iterating, for an element that contradicts the signature.
        """
        if not callable(generator):
            raise TypeError(
                f"Dataset.from_generator: `generator` must be callable, received {generator!r:.80}. Pass the function, "
                "not what it returns"
            )
        if (output_types is None) == (output_signature is None) or (
            output_shapes is not None and output_types is None
        ):
            raise TypeError(
                "Dataset.from_generator: pass either output_signature, or output_types (and output_shapes)"
            )
        if args is not None and not isinstance(args, tuple | list):
            raise TypeError(f"Dataset.from_generator: args must be a tuple, received {args!r:.80}")
        if output_signature is None:
            output_signature = sources.signature_of(output_types, output_shapes)
        return Dataset(sources.FromGenerator(generator, tuple(args or ()), output_signature))

    @staticmethod
    def range(*args: Any, output_type: Any = "int64", name: str | None = None) -> Dataset:
        """Returns the numbers of `range(stop)`, `range(start, stop)` or `range(start, stop, step)`."""
        return Dataset(sources.number_range(args, output_type))

    @staticmethod
    def counter(start: Any = 0, step: Any = 1, dtype: Any = "int64", name: str | None = None) -> Dataset:
        """Returns start, start + step, ... without an end."""
        return Dataset(sources.Counting(start, step, dtype))

    @staticmethod
    def random(
        seed: Any = None, rerandomize_each_iteration: bool | None = None, name: str | None = None
    ) -> Dataset:
        """Returns random int64 numbers in [0, 2**32), without an end; the same in every pass, unless told otherwise."""
        return Dataset(sources.RandomNumbers(_seed(seed), bool(rerandomize_each_iteration)))

    @staticmethod
    def list_files(
        file_pattern: Any, shuffle: bool | None = None, seed: Any = None, name: str | None = None
    ) -> Dataset:
        """Returns the names of the files that match a glob pattern (or several), shuffled unless `shuffle=False`.

        Raises:
            InvalidArgumentError: nothing matches.
        """
        paths = Dataset.from_tensor_slices(sources.paths_matching(file_pattern))
        if shuffle is False:
            if seed is not None:
                raise ValueError("Dataset.list_files: a seed has no use with shuffle=False")
            return paths
        return paths.shuffle(len(paths), seed=seed)

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Returns the elements of several datasets side by side.

        Datasets are arguments, or one nested structure; as many elements come as the shortest has.
        """
        if (datasets is None) == (not args):
            raise TypeError(
                "Dataset.zip: pass datasets either as arguments or as `datasets=`, not both or neither"
            )
        structure = datasets if datasets is not None else args[0] if len(args) == 1 else args
        leaves, tree = flatten(structure)
        if not leaves:
            raise ValueError("Dataset.zip: pass at least one dataset")
        return Dataset(transforms.Zip(tuple(_node_of(leaf, "zip") for leaf in leaves), tree))

    @staticmethod
    def sample_from_datasets(
        datasets: Any,
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Returns elements drawn from the datasets at random, with the given weights (equal ones by default)."""
        nodes = [_node_of(dataset, "sample_from_datasets") for dataset in datasets]
        if not nodes:
            raise ValueError("Dataset.sample_from_datasets: pass at least one dataset")
        renew = bool(rerandomize_each_iteration)
        return Dataset(combine.Sample(nodes, weights, _seed(seed), stop_on_empty_dataset, renew))

    @staticmethod
    def choose_from_datasets(
        datasets: Any, choice_dataset: Dataset, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Returns elements of the datasets whose numbers `choice_dataset` (scalar int64) gives."""
        nodes = [_node_of(dataset, "choose_from_datasets") for dataset in datasets]
        if not nodes:
            raise ValueError("Dataset.choose_from_datasets: pass at least one dataset")
        numbers = _node_of(choice_dataset, "choose_from_datasets")
        spec = choice_dataset.element_spec
        if getattr(spec, "dtype", None) != "int64" or spec.shape.rank != 0:
            raise TypeError(
                f"Dataset.choose_from_datasets: choice_dataset must have scalar int64 elements, not {spec}"
            )
        return Dataset(
            combine.Choose(
                nodes, lambda: (int(leaf) for (leaf,) in numbers.elements()), stop_on_empty_dataset
            )
        )

    # ---- one element at a time ----

    def map(
        self,
        map_func: Callable,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns `map_func(element)` for every element; tuples are passed as several arguments.

        Args:
            map_func: takes Tensors, returns a nested structure of tensors; may use any op.
                Over 2,000 elements or more of fixed shapes, taken from arrays, it is traced once and compiled, as in
                TensorFlow, and runs for many elements at a time, with the random draws of one at a time.  It runs for
                each element by itself where it needs values, prints, checks, looks something up at a place that the
                element gives, or changes Python objects.  After 512 large elements of one shape, such as batches, it is
                compiled for one of these, under the same conditions.
            num_parallel_calls: number of threads; None and AUTOTUNE: the calling thread.
            deterministic: accepted; the order is always kept.
        """
        workers = 1 if num_parallel_calls is None else int(num_parallel_calls)
        if workers < 1 and workers != AUTOTUNE:
            raise InvalidArgumentError(
                f"Dataset.map: num_parallel_calls must be positive or AUTOTUNE, received {workers}"
            )
        return self._checked(
            transforms.Map(self._node, self._function(map_func, "map"), 1 if synchronous else workers)
        )

    @staticmethod
    def _checked(node: transforms.Map | transforms.Filter) -> Dataset:
        """Returns the dataset of a step whose function has been tried."""
        node.check()
        return Dataset(node)

    def filter(self, predicate: Callable, name: str | None = None) -> Dataset:
        """Returns the elements for which `predicate` returns a true scalar bool."""
        return self._checked(transforms.Filter(self._node, self._function(predicate, "filter")))

    def take_while(self, predicate: Callable, name: str | None = None) -> Dataset:
        """Returns the elements before the first for which `predicate` is false."""
        return self._checked(transforms.TakeWhile(self._node, self._function(predicate, "take_while")))

    def scan(self, initial_state: Any, scan_func: Callable, name: str | None = None) -> Dataset:
        """Returns the outputs of `scan_func(state, element) -> (new_state, output)`."""
        return Dataset(transforms.Scan(self._node, self._function(scan_func, "scan"), initial_state))

    def take(self, count: Any, name: str | None = None) -> Dataset:
        """Returns the first `count` elements (-1: all)."""
        return Dataset(transforms.Take(self._node, _integer(count, "take", "count")))

    def skip(self, count: Any, name: str | None = None) -> Dataset:
        """Returns what follows the first `count` elements (-1: nothing)."""
        return Dataset(transforms.Skip(self._node, _integer(count, "skip", "count")))

    def repeat(self, count: Any = None, name: str | None = None) -> Dataset:
        """Returns the dataset `count` times over (None or -1: for ever)."""
        return Dataset(
            transforms.Repeat(self._node, -1 if count is None else _integer(count, "repeat", "count"))
        )

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Returns every `num_shards`-th element, beginning with number `index`."""
        count, offset = _integer(num_shards, "shard", "num_shards"), _integer(index, "shard", "index")
        return Dataset(transforms.Shard(self._node, count, offset))

    def enumerate(self, start: Any = 0, name: str | None = None) -> Dataset:
        """Returns pairs of an int64 counter and the element."""
        return Dataset(transforms.Enumerate(self._node, _integer(start, "enumerate", "start")))

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """Returns the elements of this dataset, then those of another."""
        return Dataset(transforms.Concatenate(self._node, _node_of(dataset, "concatenate")))

    def unique(self, name: str | None = None) -> Dataset:
        """Returns each scalar element the first time it comes."""
        return Dataset(transforms.Unique(self._node))

    def ignore_errors(self, log_warning: bool = False, name: str | None = None) -> Dataset:
        """Leaves out the elements for which the `map` right before this failed."""
        report = _log.warning if log_warning else _log.debug
        return Dataset(
            transforms.IgnoreErrors(self._node, lambda error: report("an element is left out: %s", error))
        )

    # ---- order ----

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool = True,
        name: str | None = None,
    ) -> Dataset:
        """Returns the elements in random order, each drawn from a buffer of `buffer_size` elements.

        Args:
            buffer_size: with at least the dataset's size every order is equally likely, smaller ones only mix what is
                near; UNKNOWN_CARDINALITY stands for the whole dataset.
            seed: makes the orders repeat from run to run (so does `tf.random.set_seed`).
            reshuffle_each_iteration: every pass has a new order; False: all have the same.
        """
        size = _integer(buffer_size, "shuffle", "buffer_size")
        again = True if reshuffle_each_iteration is None else bool(reshuffle_each_iteration)
        return Dataset(shuffle.Shuffle(self._node, size, _seed(seed), again))

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Dataset:
        """Makes up to `buffer_size` elements ahead in a thread (AUTOTUNE: a few)."""
        return Dataset(Prefetch(self._node, _integer(buffer_size, "prefetch", "buffer_size")))

    def cache(self, filename: Any = "", name: str | None = None) -> Dataset:
        """Keeps the elements of the first complete pass, in memory or in files that begin with `filename`."""
        text = filename.decode() if isinstance(filename, bytes) else os.fspath(_text(filename))
        return Dataset(cache.FileCache(self._node, text) if text else cache.MemoryCache(self._node))

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
        size = _integer(batch_size, "batch", "batch_size")
        return Dataset(batching.Batch(self._node, size, bool(drop_remainder)))

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
        size = _integer(batch_size, "padded_batch", "batch_size")
        node = batching.PaddedBatch(self._node, size, padded_shapes, padding_values, bool(drop_remainder))
        return Dataset(node)

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
        size = _integer(batch_size, "ragged_batch", "batch_size")
        return Dataset(batching.RaggedBatch(self._node, size, bool(drop_remainder), row_splits_dtype))

    def unbatch(self, name: str | None = None) -> Dataset:
        """Returns the rows of every element, one by one."""
        return Dataset(transforms.Unbatch(self._node))

    def rebatch(self, batch_size: Any, drop_remainder: bool = False, name: str | None = None) -> Dataset:
        """Returns the rows of batches in batches of another size, or of several sizes in turn."""
        sizes = as_leaf(convert_to_tensor(batch_size)).reshape(-1).tolist()
        return Dataset(batching.Rebatch(self._node, tuple(sizes), bool(drop_remainder)))

    def window(
        self,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns datasets of `size` elements each: every `stride`-th, from `shift` (default: size) on each time."""
        count = _integer(size, "window", "size")
        step = count if shift is None else _integer(shift, "window", "shift")
        every = _integer(stride, "window", "stride")
        return Dataset(batching.Window(self._node, count, step, every, bool(drop_remainder), Dataset))

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
            return _integer(given, "group_by_window", "window_size")

        key = self._function(key_func, "group_by_window")
        return Dataset(combine.GroupByWindow(self._node, key, reduce_func, size_of, Dataset))

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

    # ---- datasets of datasets ----

    def flat_map(self, map_func: Callable, name: str | None = None) -> Dataset:
        """Returns the elements of the datasets that `map_func` returns, one dataset after the other."""
        return Dataset(combine.FlatMap(self._node, self._function(map_func, "flat_map")))

    def interleave(
        self,
        map_func: Callable,
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns elements of the datasets that `map_func` returns, taken from `cycle_length` of them in turn.

        Args:
            cycle_length: datasets open at a time; by default num_parallel_calls, or the number of CPUs.
            block_length: elements taken from one before the next has its turn (default 1).
            num_parallel_calls, deterministic: accepted; the datasets are read in order, in the calling thread.
        """
        calls = num_parallel_calls if num_parallel_calls and num_parallel_calls > 0 else None
        cycle = cycle_length if cycle_length not in (None, AUTOTUNE) else calls or os.cpu_count() or 1
        node = combine.Interleave(
            self._node, self._function(map_func, "interleave"), int(cycle or 1), int(block_length or 1)
        )
        return Dataset(node)

    # ---- results ----

    def reduce(self, initial_state: Any, reduce_func: Callable, name: str | None = None) -> Any:
        """Returns what `reduce_func(state, element)` makes of all elements."""
        return transforms.reduce(self._node, self._function(reduce_func, "reduce"), initial_state)

    def get_single_element(self, name: str | None = None) -> Any:
        """Returns the only element.

        Raises:
            InvalidArgumentError: the dataset is empty, or has more than one element.
        """
        elements = self._node.elements()
        first = next(elements, None)
        if first is None:
            raise InvalidArgumentError("Dataset.get_single_element: the dataset is empty")
        if next(elements, None) is not None:
            raise InvalidArgumentError("Dataset.get_single_element: the dataset has more than one element")
        return rebuilder(self._node.tree)(tuple(map(as_surface, first)))

    def apply(self, transformation_func: Callable) -> Dataset:
        """Returns `transformation_func(self)`, which must be a dataset."""
        result = transformation_func(self)
        if not isinstance(result, Dataset):
            raise TypeError(f"Dataset.apply: the function must return a Dataset, it returned {result!r:.80}")
        return result

    def as_numpy_iterator(self) -> NumpyIterator:
        """Returns an iterator over the elements as NumPy arrays and scalars."""
        return NumpyIterator(self._node)

    def __iter__(self) -> Iterator:
        return Iterator(self._node)

    # ---- facts ----

    @property
    def element_spec(self) -> Any:
        """The shapes and dtypes of the elements: nested `tf.TensorSpec`s.

        Behind `map` and its like they are worked out by calling the function once with symbolic tensors, or with the
        first element if it needs values.
        """
        return self._node.element_spec

    def cardinality(self) -> Any:
        """Returns the number of elements as an int64 scalar; INFINITE_CARDINALITY or UNKNOWN_CARDINALITY."""
        return convert_to_tensor(self._node.cardinality(), "int64")

    def __len__(self) -> int:
        count = self._node.cardinality()
        if count == INFINITE:
            raise TypeError("The dataset is infinite.")
        if count == UNKNOWN:
            raise TypeError(
                "The dataset length is unknown. Count with ds.reduce(0, lambda n, *_: n + 1), or say it with "
                "ds.apply(tf.data.experimental.assert_cardinality(n))"
            )
        return count

    def __bool__(self) -> bool:
        return True

    def options(self) -> Options:
        """Returns the options of this dataset and of those it is made from."""
        return self._node.options

    def with_options(self, options: Options, name: str | None = None) -> Dataset:
        """Returns the same dataset with options."""
        if not isinstance(options, Options):
            raise TypeError(f"Dataset.with_options: expected tf.data.Options, received {options!r:.80}")
        return Dataset(transforms.WithOptions(self._node, options))

    def __repr__(self) -> str:
        return f"<dovetail.data.Dataset element_spec={self.element_spec!r}>"

    # ---- for the training loop ----

    def _numpy_batches(self) -> PlainIterator:
        """Returns an iterator over the elements as plain, shared NumPy arrays."""
        return PlainIterator(self._node)

    def _arrays(self) -> ArrayPlan | None:
        """Returns the arrays behind the dataset and the order of their rows, or None when it is not made of rows.

        `plan.arrays` are the arrays, nested as elements are; `plan.index_batches()` is a fresh pass of row numbers,
        one int64 array a batch; `plan.batch_size` is None for a dataset that is not batched.
        """
        plan = self._node.plan
        return plan if plan is not None and plan.is_materialized else None

    def _function(self, function: Callable, method: str) -> UserFunction:
        return UserFunction(function, method, self._node, Dataset)


def _node_of(dataset: Any, method: str) -> Node:
    if not isinstance(dataset, Dataset):
        raise TypeError(
            f"Dataset.{method}: expected a tf.data.Dataset, received {type(dataset).__name__} {dataset!r:.60}"
        )
    return dataset._node


def _integer(value: Any, method: str, name: str) -> int:
    array = as_leaf(value)
    if array.ndim or array.dtype.kind not in "iu":
        raise TypeError(f"Dataset.{method}: {name} must be an integer, received {value!r:.60}")
    return int(array)


def _seed(seed: Any) -> int | None:
    return None if seed is None else _integer(seed, "shuffle", "seed")


def _text(filename: Any) -> Any:
    if isinstance(filename, str | os.PathLike):
        return filename
    return as_leaf(filename).item().decode()


register_type_spec(Dataset, lambda dataset: DatasetSpec(dataset.element_spec))
