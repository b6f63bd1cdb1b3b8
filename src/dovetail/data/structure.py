"""How elements are arranged: nested structures, their leaves as NumPy arrays, and their specs.

Inside the pipeline an element is a flat tuple of NumPy arrays; the tree that says how they nest belongs to the
dataset.  Tuples, named tuples and dicts nest; a list is a value (it becomes one tensor), as in `tf.data`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import optree

from dovetail.base.errors import DataDependentShapeError, InvalidArgumentError, at_user_location
from dovetail.engine import is_tracer
from dovetail.tensor import Tensor, TensorShape, TensorSpec, TypeSpec, as_dtype, convert_to_tensor
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.spec import BatchableTypeSpec
from dovetail.tensor.symbolic import SymbolicTensor

LEAF = optree.tree_structure(0)


def _is_value(value: Any) -> bool:
    return isinstance(value, list | TensorShape)


def flatten(structure: Any) -> tuple[tuple, Any]:
    """Returns `(leaves, tree)`; `None` belongs to the tree, not to the leaves."""
    kind = type(structure)
    if kind is np.ndarray or kind is Tensor:
        return (structure,), LEAF
    leaves, tree = optree.tree_flatten(structure, is_leaf=_is_value, none_is_leaf=False, namespace="dovetail")
    return tuple(leaves), tree


@functools.lru_cache(maxsize=256)
def rebuilder(tree: Any) -> Callable[[Any], Any]:
    """Returns the function that arranges a flat tuple of leaves as `tree` does."""
    if tree == LEAF:
        return operator.itemgetter(0)
    if tree == tuple_tree(tree.num_leaves):
        return tuple
    return functools.partial(optree.tree_unflatten, tree)


@functools.lru_cache(maxsize=64)
def tuple_tree(size: int) -> Any:
    """Returns the tree of a plain tuple of `size` leaves."""
    return optree.tree_structure((0,) * size, namespace="dovetail")


def compose(trees: Any) -> Any:
    """Returns the tree of a structure whose leaves are trees: each is put in the place where it stands."""
    leaves, outer = flatten(trees)
    whole = optree.tree_unflatten(outer, [optree.tree_unflatten(t, range(t.num_leaves)) for t in leaves])
    return flatten(whole)[1]


def describe(tree: Any) -> str:
    """Returns a readable form of the tree, such as "(*, {'a': *})"."""
    return str(optree.tree_unflatten(tree, [_STAR] * tree.num_leaves))


class _Star:
    def __repr__(self) -> str:
        return "*"


_STAR = _Star()


def as_leaf(value: Any) -> Any:
    """Returns a leaf as a NumPy array (datasets, composite and symbolic tensors stay what they are)."""
    kind = type(value)
    if kind is np.ndarray and value.dtype.kind not in "SUO":
        return value
    if kind is SymbolicTensor or isinstance(value, CompositeTensor) or is_dataset(value):
        return value
    tensor = value if kind is Tensor else tensor_of(value)
    return tensor if type(tensor) is SymbolicTensor else _with_value(tensor)


def _with_value(tensor: Any) -> np.ndarray:
    """Returns the value of a tensor; where there is none yet, the function that is being traced must run op by op."""
    if is_tracer(tensor._value):
        raise DataDependentShapeError(
            "tf.data", f"tf.data: datasets take the values of tensors, op by op{at_user_location()}"
        )
    return tensor._concrete("an element of a dataset")


def tensor_of(value: Any) -> Any:
    """Converts a leaf to a tensor; a list of NumPy arrays keeps their dtype, which `tf.constant` would not."""
    if type(value) is list and value and all(type(item) is np.ndarray and item.ndim for item in value):
        kinds = {item.dtype for item in value}
        return convert_to_tensor(value, kinds.pop() if len(kinds) == 1 else None)
    return convert_to_tensor(value)


def is_dataset(value: Any) -> bool:
    """True for a dataset that is itself an element (what `window` gives)."""
    return hasattr(type(value), "_numpy_batches")


def as_surface(leaf: Any) -> Any:
    """Returns a leaf as users see it: arrays as Tensors."""
    return Tensor(leaf) if type(leaf) is np.ndarray else leaf


def as_plain(leaf: Any) -> Any:
    """Returns a leaf for `as_numpy_iterator`: an array of its own, or a NumPy scalar."""
    if type(leaf) is not np.ndarray:
        return leaf
    return leaf.copy() if leaf.ndim else leaf[()]


class DatasetSpec(TypeSpec):
    """Describes a dataset that is an element of another: `tf.data.DatasetSpec(element_spec)`."""

    __slots__ = ("_dataset_shape", "_element_spec")
    _has_components = False

    def __init__(self, element_spec: Any, dataset_shape: Any = ()) -> None:
        self._element_spec, self._dataset_shape = element_spec, TensorShape(dataset_shape)

    @property
    def element_spec(self) -> Any:
        return self._element_spec

    @property
    def shape(self) -> TensorShape:
        return self._dataset_shape

    def is_compatible_with(self, other: Any) -> bool:
        spec = other if isinstance(other, DatasetSpec) else getattr(other, "element_spec", None)
        return spec == (self if isinstance(spec, DatasetSpec) else self._element_spec)

    def most_specific_compatible_type(self, other: Any) -> DatasetSpec:
        (mine, tree), (theirs, _) = flatten(self._element_spec), flatten(other._element_spec)
        merged = [a.most_specific_compatible_type(b) for a, b in zip(mine, theirs, strict=True)]
        return DatasetSpec(rebuilder(tree)(merged), self._dataset_shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DatasetSpec) and (self._element_spec, self._dataset_shape) == (
            other._element_spec,
            other._dataset_shape,
        )

    def __hash__(self) -> int:
        return hash(("DatasetSpec", self._dataset_shape))

    def __repr__(self) -> str:
        return f"DatasetSpec({self._element_spec!r}, {self._dataset_shape!r})"


def spec_of(leaf: Any) -> Any:
    """Returns the spec of one leaf (array, tensor or dataset)."""
    if is_dataset(leaf):
        return DatasetSpec(leaf.element_spec)
    if isinstance(leaf, CompositeTensor):
        return leaf._type_spec
    return TensorSpec(leaf.shape, as_dtype(leaf.dtype))


def is_composite_spec(spec: Any) -> bool:
    """True for the spec of a composite tensor, which says itself how its values are batched."""
    return not isinstance(spec, TensorSpec | DatasetSpec)


def with_leading(spec: Any, size: int | None) -> Any:
    """Returns the spec of `size` such leaves, stacked."""
    if isinstance(spec, DatasetSpec):
        raise TypeError("a dataset of datasets cannot be batched; use flat_map first, or window and zip")
    if is_composite_spec(spec):
        return _batchable(spec, "a batch")._batch(size)
    return TensorSpec(TensorShape([size]).concatenate(spec.shape), spec.dtype)


def _batchable(spec: Any, what: str) -> Any:
    if not isinstance(spec, BatchableTypeSpec):
        raise TypeError(f"{what} needs components that can be batched, received {spec}")
    return spec


def without_leading(spec: Any, what: str) -> Any:
    """Returns the spec of one row of a leaf."""
    if is_composite_spec(spec):
        return _batchable(spec, what)._unbatch()
    if isinstance(spec, DatasetSpec) or spec.shape.rank == 0:
        raise ValueError(f"{what} needs components with a first axis, received {spec}")
    return TensorSpec(spec.shape[1:], spec.dtype)


def merged(first: Any, second: Any) -> Any:
    """Returns the most specific spec that both specs fit."""
    if type(first) is not type(second) or (isinstance(first, TensorSpec) and first.dtype != second.dtype):
        raise TypeError(f"the elements have different types: {first} and {second}")
    if is_composite_spec(first):
        found = first.most_specific_common_supertype([second])
        if found is None:
            raise TypeError(f"the elements have different types: {first} and {second}")
        return found
    if isinstance(first, TensorSpec):
        first, second = (TensorSpec(spec.shape, spec.dtype) for spec in (first, second))
    return first.most_specific_compatible_type(second)


def rows_of(leaf: Any, spec: Any) -> list:
    """Returns the rows of a leaf, as leaves."""
    if is_composite_spec(spec):
        return [as_leaf(row) for row in spec._unstack(leaf)]
    return [leaf[i, ...] for i in range(leaf.shape[0])]


def stack(leaves: list, where: str) -> np.ndarray:
    """Returns the leaves (arrays of one shape) as one array with a new first axis.

    Raises:
        InvalidArgumentError: the shapes differ; the message says which element.
    """
    first = leaves[0]
    if type(first) is not np.ndarray:
        raise TypeError(
            f"{where}: cannot stack {type(first).__name__} elements; a dataset of datasets needs flat_map"
        )
    shape = first.shape
    for index, leaf in enumerate(leaves):
        if leaf.shape != shape:
            raise InvalidArgumentError(
                f"{where}: the elements have different shapes: {shape} (element 0) and {leaf.shape} (element {index}). "
                "Use padded_batch, or bring them to one shape with map"
            )
    out = np.empty((len(leaves), *shape), first.dtype)
    for index, leaf in enumerate(leaves):
        out[index, ...] = leaf  # not out[index]: a string would go in with the array around it
    return out
