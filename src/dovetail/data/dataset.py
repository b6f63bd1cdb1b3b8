"""`tf.data.Dataset`: a pipeline of elements on the host.

A dataset is a description; every `for` loop over it makes a fresh iterator.  Elements are NumPy arrays inside and
Tensors at the surface.  Functions given to `filter` and the others run op by op on the host engine; so do those given
to `map`, unless there are so many elements that they are worth compiling for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import InvalidArgumentError
from dovetail.base.own import declare
from dovetail.data import checked, combine, joining, mapping, sources
from dovetail.data.files import text
from dovetail.data.iterators import Iterator, NumpyIterator, PlainIterator
from dovetail.data.methods import node_of, seed_of
from dovetail.data.methods_of_batches import BatchMethods
from dovetail.data.methods_of_elements import ElementMethods
from dovetail.data.methods_of_order import OrderMethods
from dovetail.data.node import INFINITE, UNKNOWN, Node
from dovetail.data.options import Options
from dovetail.data.plan import ArrayPlan
from dovetail.data.structure import DatasetSpec, as_surface, flatten, rebuilder
from dovetail.tensor import convert_to_tensor
from dovetail.tensor.spec import register_type_spec


@declare
class Dataset(ElementMethods, OrderMethods, BatchMethods):
    """A sequence of elements, each a nested structure of tensors.

    Make one with `from_tensor_slices`, `from_tensors`, `from_generator`, `range` or `list_files`, shape it with the
    methods that return a new dataset, iterate with `for`.

    Rows of arrays that are only shuffled, repeated and batched are never touched one by one: their row numbers are
    shuffled, and each batch is gathered at once.

    Example:
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=1).batch(32)
        for images, labels in dataset: ...

    Differs from TensorFlow: `num_parallel_calls=AUTOTUNE` maps in the calling thread, or in several where files become
    images or sounds; a number above 1 uses that many threads, unless many elements are mapped at a time (see `map`).
    """

    def __init__(self, node: Node) -> None:
        if not isinstance(node, Node):
            raise TypeError(
                f"tf.data.Dataset cannot be made of {type(node).__name__}; use Dataset.from_tensor_slices(...), "
                "from_tensors, from_generator or range"
            )
        self._node = node

    @staticmethod
    def _made(node: Node) -> Dataset:
        return Dataset(node)

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
        return Dataset(sources.RandomNumbers(seed_of(seed), bool(rerandomize_each_iteration)))

    @staticmethod
    def list_files(
        file_pattern: Any, shuffle: bool | None = None, seed: Any = None, name: str | None = None
    ) -> Dataset:
        """Returns the names of the files that match a glob pattern (or several), shuffled unless `shuffle=False`.

        Raises:
            InvalidArgumentError: nothing matches.
        """
        paths = Dataset.from_tensor_slices(sources.paths_matching(file_pattern, "Dataset.list_files"))
        if shuffle is False:
            if seed is not None:
                raise ValueError("Dataset.list_files: a seed has no use with shuffle=False")
            return paths
        return paths.shuffle(len(paths), seed=seed)

    @staticmethod
    def load(
        path: Any,
        element_spec: Any = None,
        compression: Any = None,
        reader_func: Callable | None = None,
        wait: bool = False,
    ) -> Dataset:
        """Returns the elements that `save` has written, Dovetail's or TensorFlow's.

        Args:
            path: of the folder.
            element_spec: what the elements are; by default what stands in the folder.
            compression: that of the files: None, "GZIP" or "ZLIB".
            reader_func: makes the dataset out of a dataset of the shards' datasets; by default they take turns.
            wait: wait until the dataset is complete.

        Raises:
            NotFoundError: there is no such dataset, or none that is complete.
            DataLossError: while it is read: a file is damaged; the message says which, and where.
        """
        saved = importlib.import_module("dovetail.data.saved")
        compressed = saved.compression_of(compression, "Dataset.load")
        return Dataset(saved.load(text(path), element_spec, compressed, reader_func, wait, Dataset))

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
        return Dataset(joining.Zip(tuple(node_of(leaf, "zip") for leaf in leaves), tree))

    @staticmethod
    def sample_from_datasets(
        datasets: Any,
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Returns elements drawn from the datasets at random, with the given weights (equal ones by default)."""
        nodes = [node_of(dataset, "sample_from_datasets") for dataset in datasets]
        if not nodes:
            raise ValueError("Dataset.sample_from_datasets: pass at least one dataset")
        renew = bool(rerandomize_each_iteration)
        return Dataset(combine.Sample(nodes, weights, seed_of(seed), stop_on_empty_dataset, renew))

    @staticmethod
    def choose_from_datasets(
        datasets: Any, choice_dataset: Dataset, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Returns elements of the datasets whose numbers `choice_dataset` (scalar int64) gives."""
        nodes = [node_of(dataset, "choose_from_datasets") for dataset in datasets]
        if not nodes:
            raise ValueError("Dataset.choose_from_datasets: pass at least one dataset")
        numbers = node_of(choice_dataset, "choose_from_datasets")
        spec = choice_dataset.element_spec
        if getattr(spec, "dtype", None) != "int64" or spec.shape.rank != 0:
            raise TypeError(
                f"Dataset.choose_from_datasets: choice_dataset must have scalar int64 elements, not {spec}"
            )
        return Dataset(
            combine.Choose(
                nodes,
                lambda: (int(leaf) for (leaf,) in numbers.elements()),
                stop_on_empty_dataset,
                (numbers,),
            )
        )

    # ---- results ----

    def reduce(self, initial_state: Any, reduce_func: Callable, name: str | None = None) -> Any:
        """Returns what `reduce_func(state, element)` makes of all elements."""
        return mapping.reduce(self._node, self._function(reduce_func, "reduce"), initial_state)

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
        return Dataset(checked.WithOptions(self._node, options))

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


register_type_spec(Dataset, lambda dataset: DatasetSpec(dataset.element_spec))
