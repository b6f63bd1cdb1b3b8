"""Where elements come from: arrays, ranges, Python generators, random numbers."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import (
    InvalidArgumentError,
    OperatorNotAllowedInGraphError,
    at_user_location,
    of_python,
)
from dovetail.data.node import INFINITE, UNKNOWN, Node
from dovetail.data.plan import ArrayPlan, RangeColumn
from dovetail.data.seeds import Generators
from dovetail.data.structure import (
    LEAF,
    as_leaf,
    as_surface,
    describe,
    flatten,
    is_composite_spec,
    is_dataset,
    rebuilder,
    rows_of,
    spec_of,
    tensor_of,
    without_leading,
)
from dovetail.engine import dtypes
from dovetail.tensor import SymbolicTensor, Tensor, TensorShape, TensorSpec, as_dtype, convert_to_tensor
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.spec import TypeSpec


class Source(Node):
    """A step without a source: it has a tree, specs and a number of elements of its own."""

    survives_errors = True  # or it ends there

    def __init__(self, tree: Any, specs: tuple, count: int) -> None:
        super().__init__()
        self._tree, self._specs, self._count = tree, specs, count

    @property
    def tree(self) -> Any:
        return self._tree

    @property
    def specs(self) -> tuple:
        return self._specs

    def cardinality(self) -> int:
        return self._count


class Described(Source):
    """A dataset of which only the specs are known; it stands in while the spec of a user's function is worked out.

    Args:
        tree, specs, count: see `Source`.
        made_by: `(function, args)` that gives the step itself when tensors of a graph among `args` have values; None:
            there is none.
    """

    def __init__(
        self, tree: Any, specs: tuple, count: int, made_by: tuple[Callable, tuple] | None = None
    ) -> None:
        super().__init__(tree, specs, count)
        self.made_by = made_by

    def _generate(self) -> Iterator[tuple]:
        raise OperatorNotAllowedInGraphError(
            f"this dataset is only described (elements: {self.element_spec}); it has no elements to iterate over"
        )


class Tensors(Source):
    """One element: the given structure."""

    def __init__(self, tensors: Any) -> None:
        leaves, tree = flatten(tensors)
        self._leaves = tuple(_owned(leaf) for leaf in leaves)
        super().__init__(tree, tuple(spec_of(leaf) for leaf in self._leaves), 1)

    def _generate(self) -> Iterator[tuple]:
        yield self._leaves


def slices(tensors: Any) -> Node:
    """Returns the source whose elements are the rows of the given arrays.

    Raises:
        ValueError: no arrays, a scalar among them, or first dimensions that differ.
    """
    leaves, tree = flatten(tensors)
    if not leaves:
        raise ValueError("Dataset.from_tensor_slices: the structure holds no arrays")
    columns = tuple(_owned(leaf) for leaf in leaves)
    for column in columns:
        if is_dataset(column):
            raise TypeError(
                "Dataset.from_tensor_slices: a dataset has no slices; use Dataset.zip to join datasets"
            )
    specs = tuple(without_leading(spec_of(column), "Dataset.from_tensor_slices") for column in columns)
    if any(isinstance(column, SymbolicTensor) for column in columns):
        return Described(tree, specs, UNKNOWN, (slices, (tensors,)))
    composite = any(isinstance(column, CompositeTensor) for column in columns)
    parts: Any = [rows_of(c, spec_of(c)) for c in columns] if composite else columns
    sizes = [len(part) if composite else part.shape[0] for part in parts]
    if len(set(sizes)) > 1:
        shapes = rebuilder(tree)(tuple(getattr(column, "shape", None) for column in columns))
        raise ValueError(
            f"Dataset.from_tensor_slices: the arrays must have the same first dimension, received {sizes} "
            f"(shapes {shapes}){at_user_location()}"
        )
    if composite:
        return Listed(list(zip(*parts, strict=True)), tree, specs)
    return Rows(ArrayPlan.of_columns(columns, tree, sizes[0]), specs)


class Listed(Source):
    """Elements that are there already, in a list."""

    def __init__(self, elements: list[tuple], tree: Any, specs: tuple) -> None:
        super().__init__(tree, specs, len(elements))
        self._elements = elements

    def _generate(self) -> Iterator[tuple]:
        return iter(self._elements)


def _owned(leaf: Any) -> Any:
    """Returns a leaf that later writes to the caller's array do not reach."""
    if is_dataset(leaf) or isinstance(leaf, CompositeTensor):
        return leaf
    if type(leaf) is not Tensor:
        leaf = tensor_of(leaf)
    return as_leaf(leaf)


class Rows(Source):
    """The rows of arrays, in order."""

    def __init__(self, plan: ArrayPlan, specs: tuple) -> None:
        super().__init__(plan.tree, specs, plan.size)
        self._rows = plan

    def _make_plan(self) -> ArrayPlan:
        return self._rows


def number_range(args: tuple, output_type: Any) -> Node:
    """Returns the source of `Dataset.range(stop)`, `(start, stop)` or `(start, stop, step)`."""
    dtype = as_dtype(output_type)
    spec = TensorSpec((), dtype)
    if any(isinstance(arg, SymbolicTensor) for arg in args):
        return Described(LEAF, (spec,), UNKNOWN, (number_range, (args, output_type)))
    if not 1 <= len(args) <= 3:
        raise ValueError(f"Dataset.range takes (stop), (start, stop) or (start, stop, step), received {args}")
    bounds = (0, *args) if len(args) == 1 else args
    start, stop, step = (*(int(bound) for bound in bounds), 1)[:3]
    if step == 0:
        raise InvalidArgumentError("Dataset.range: the step must not be zero")
    size = len(range(start, stop, step))
    column = RangeColumn(start, step, size, dtype.numpy_dtype)
    return Rows(ArrayPlan.of_columns((column,), LEAF, size), (spec,))


class Counting(Source):
    """start, start + step, ... without an end."""

    def __init__(self, start: Any, step: Any, dtype: Any) -> None:
        self._dtype = as_dtype(dtype)
        super().__init__(LEAF, (TensorSpec((), self._dtype),), INFINITE)
        self._start, self._step = start, step

    def _generate(self) -> Iterator[tuple]:
        kind = self._dtype.numpy_dtype
        value = self._start
        while True:
            yield (np.asarray(value, kind),)
            value = value + self._step


class RandomNumbers(Source):
    """Random int64 numbers below 2**32, without an end."""

    def __init__(self, seed: Any, renew: bool) -> None:
        super().__init__(LEAF, (TensorSpec((), "int64"),), INFINITE)
        self._generators = Generators(seed, renew)

    def _generate(self) -> Iterator[tuple]:
        rng = self._generators()
        while True:
            for number in rng.integers(0, 1 << 32, 256):
                yield (np.asarray(number),)


class FromGenerator(Source):
    """The elements that a Python generator function yields, checked against their specs."""

    def __init__(self, generator: Callable, args: tuple, signature: Any) -> None:
        leaves, tree = flatten(signature)
        super().__init__(tree, tuple(_plain_spec(spec) for spec in leaves), UNKNOWN)
        self._generator = generator
        self._args = tuple(as_leaf(convert_to_tensor(arg)) for arg in args)
        self._name = getattr(generator, "__name__", type(generator).__name__)

    def _generate(self) -> Iterator[tuple]:
        arguments = [arg.copy() if arg.ndim else arg[()] for arg in self._args]
        values = self._generator(*arguments)
        try:
            iterator = iter(values)
        except TypeError:
            raise TypeError(
                f"Dataset.from_generator: {self._name} must return an iterable, it returned {values!r:.80}. "
                "Pass the generator function itself, not its result"
            ) from None
        for index in itertools.count():
            try:
                value = next(iterator)
            except StopIteration:
                return
            except Exception as error:
                raise of_python(error, f"Dataset.from_generator: element {index} of {self._name}") from error
            yield self._checked(index, value)

    def _checked(self, index: int, value: Any) -> tuple:
        leaves = self._leaves_of(value)
        if leaves is None:
            raise InvalidArgumentError(
                f"Dataset.from_generator: element {index} of {self._name} does not have the structure of the "
                f"signature. Expected {describe(self._tree)}, got {value!r:.120}"
            )
        return tuple(
            self._converted(index, position, leaf, spec)
            for position, (leaf, spec) in enumerate(zip(leaves, self._specs, strict=True))
        )

    def _leaves_of(self, value: Any) -> tuple | None:
        """Returns the leaves, or None where the structure is not the signature's."""
        if self._tree == LEAF:
            return (list(value) if isinstance(value, tuple) else value,)
        leaves, tree = flatten(value)
        if tree == self._tree:
            return leaves
        try:  # other containers of the same form: a list for a tuple, numbers in a tuple for one tensor
            return tuple(self._tree.flatten_up_to(tuple(value) if isinstance(value, list) else value))
        except ValueError:
            return None

    def _converted(self, index: int, position: int, leaf: Any, spec: Any) -> Any:
        where = f" (component {position})" if len(self._specs) > 1 else ""
        if is_composite_spec(spec):
            if spec.is_compatible_with(leaf):
                return as_leaf(leaf)
            raise InvalidArgumentError(
                f"Dataset.from_generator: element {index}{where} of {self._name} does not fit {spec}, got {leaf!r:.80}"
            )
        try:
            array = _cast(leaf, spec.dtype)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"Dataset.from_generator: element {index}{where} of {self._name} does not convert to the expected "
                f"dtype. Expected {spec.dtype.name} of shape {spec.shape}, got {leaf!r:.80} ({error})"
            ) from None
        if not spec.shape.is_compatible_with(array.shape):
            raise InvalidArgumentError(
                f"Dataset.from_generator: element {index}{where} of {self._name} has the wrong shape. "
                f"Expected {spec.shape}, got {array.shape}"
            )
        return array


def _cast(value: Any, dtype: Any) -> np.ndarray:
    """Converts a yielded value; numbers change their type where they keep their value."""
    wanted = dtype.numpy_dtype
    array = as_leaf(value) if not isinstance(value, int | float) else np.asarray(value)
    if type(array) is not np.ndarray:
        raise TypeError(f"{type(value).__name__} is no array")
    if array.dtype == wanted:
        return array.copy() if array is value else array
    if dtypes.is_host_only(wanted) or dtypes.is_host_only(array.dtype):
        raise TypeError(f"its dtype is {as_dtype(array.dtype).name}")
    converted = array.astype(wanted)
    if wanted.kind in "iub" and not np.array_equal(converted, array):
        raise TypeError(f"its dtype is {as_dtype(array.dtype).name}, and its values would change")
    return converted


def _plain_spec(spec: Any) -> Any:
    if isinstance(spec, TypeSpec) and is_composite_spec(spec):
        return spec
    if not isinstance(spec, TensorSpec):
        raise TypeError(
            f"Dataset.from_generator: output_signature must hold tf.TensorSpec, received {spec!r}"
        )
    return TensorSpec(spec.shape, spec.dtype)


def signature_of(output_types: Any, output_shapes: Any) -> Any:
    """Returns the output_signature that `output_types` and `output_shapes` describe."""
    types, tree = flatten(output_types)
    if output_shapes is None:
        shapes = [None] * len(types)
    else:
        shapes = tree.flatten_up_to(output_shapes)
    return rebuilder(tree)(
        tuple(TensorSpec(TensorShape(shape), dtype) for dtype, shape in zip(types, shapes, strict=True))
    )


def surface(tree: Any, leaves: tuple) -> Any:
    """Returns an element as users see it."""
    return rebuilder(tree)(tuple(as_surface(leaf) for leaf in leaves))


def paths_matching(patterns: Any, label: str) -> list[str]:
    """Returns the files that match one pattern or a list of patterns, sorted.

    Raises:
        InvalidArgumentError: no file matches.
    """
    leaf = np.asarray(as_leaf([str(patterns)] if isinstance(patterns, os.PathLike) else patterns), object)
    found: set[str] = set()
    names = [item.decode() for item in leaf.reshape(-1)]
    for name in names:
        found.update(path for path in glob.glob(name) if os.path.isfile(path))
    if not found:
        raise InvalidArgumentError(f"{label}: no files matched {', '.join(names)}{at_user_location()}")
    return sorted(found)
