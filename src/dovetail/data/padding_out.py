"""Steps of `tf.data.experimental`: elements of zeros at the end, up to a number of elements; sparse batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import DataLossError, at_user_location
from dovetail.data.batching import Batch
from dovetail.data.node import Node, known
from dovetail.data.structure import flatten, is_composite_spec, rebuilder
from dovetail.engine import dtypes
from dovetail.ops import table
from dovetail.tensor import Tensor, TensorShape, TensorSpec


class PaddedOut(Node):
    """The elements, then such of zeros; an entry of each says which of both it is.

    Args:
        source: its elements are dicts.
        count: of elements that come.
        mask_key: where True (an element) or False (zeros) stands.
    """

    def __init__(self, source: Node, count: int, mask_key: str) -> None:
        super().__init__(source)
        spec, have = source.element_spec, source.cardinality()
        if not isinstance(spec, dict):
            raise ValueError(
                f"pad_to_cardinality: the elements must be dicts, received {spec}{at_user_location()}"
            )
        if not known(have) or have > count:
            said = f"{have} elements" if known(have) else "an unknown number of elements"
            raise ValueError(
                f"pad_to_cardinality: the dataset has {said}; a known number is needed, of at most {count}"
                f"{at_user_location()}"
            )
        self._count = count
        inside = {key: value for key, value in spec.items() if key != mask_key}
        self._specs, self._tree = flatten({**inside, mask_key: TensorSpec((), "bool")})
        numbered = rebuilder(source.tree)(tuple(range(source.tree.num_leaves)))
        self._order = flatten({**{key: numbered[key] for key in inside}, mask_key: -1})[0]

    @property
    def tree(self) -> Any:
        return self._tree

    @property
    def specs(self) -> tuple:
        return self._specs

    def cardinality(self) -> int:
        return self._count

    def _generate(self) -> Iterator[tuple]:
        leaves, count, mask = None, 0, np.asarray(True)
        for leaves in self.source.elements():
            count += 1
            yield tuple([mask if i < 0 else leaves[i] for i in self._order])
        zeros = tuple(map(_zeros, leaves or [_smallest(spec) for spec in self.source.specs]))
        empty = tuple([~mask if i < 0 else zeros[i] for i in self._order])
        for _ in range(self._count - count):
            yield tuple(map(np.asarray, empty))


def _zeros(leaf: Any) -> np.ndarray:
    if type(leaf) is not np.ndarray:
        raise TypeError(f"pad_to_cardinality: components must be tensors, one is {type(leaf).__name__}")
    return np.full(leaf.shape, b"", object) if dtypes.is_host_only(leaf.dtype) else np.zeros_like(leaf)


def _smallest(spec: Any) -> np.ndarray:
    return np.empty([size or 0 for size in spec.shape], spec.dtype.numpy_dtype)


class SparseBatch(Batch):
    """Groups of elements as one sparse tensor, in which every entry of a dense element is listed.

    Args:
        source: tensors or sparse tensors of one rank.
        size: elements in a batch.
        row_shape: of an element, at most; None for "as large as the largest".
    """

    method = "sparse_batch"

    def __init__(self, source: Node, size: int, row_shape: TensorShape) -> None:
        super().__init__(source, size, False)
        if len(source.specs) != 1:
            raise TypeError(
                f"Dataset.sparse_batch: elements must be one tensor, received {source.element_spec}{at_user_location()}"
            )
        self._row = tuple(row_shape)

    @property
    def specs(self) -> tuple:
        shape = TensorShape([None, *self._row])
        return (table.find("tf", "SparseTensorSpec")(shape, self.source.specs[0].dtype),)

    def _make_plan(self) -> None:
        return None

    def _join(self, position: int, leaves: list) -> Any:
        sparse = is_composite_spec(self.source.specs[0])
        parts = [_entries(leaf) if sparse else _all_entries(leaf) for leaf in leaves]
        sizes = np.array([size for _, _, size in parts], np.int64).reshape(len(parts), -1)
        for size in sizes.tolist():
            if len(size) != len(self._row) or any(m is not None and n > m for n, m in zip(size, self._row)):
                raise DataLossError(
                    f"Dataset.sparse_batch: an element of shape {size} is larger than the row shape {list(self._row)}"
                )
        row = [largest if m is None else m for m, largest in zip(self._row, sizes.max(axis=0).tolist())]
        indices = np.concatenate([np.insert(where, 0, i, axis=1) for i, (where, _, _) in enumerate(parts)])
        values = np.concatenate([values for _, values, _ in parts])
        shape: Any = np.array([len(parts), *row], np.int64)
        return table.find("tf", "SparseTensor")(Tensor(indices), Tensor(values), Tensor(shape))


def _entries(leaf: Any) -> tuple:
    return np.asarray(leaf.indices), np.asarray(leaf.values), np.asarray(leaf.dense_shape)


def _all_entries(leaf: np.ndarray) -> tuple:
    where = np.indices(leaf.shape, np.int64).reshape(leaf.ndim, -1).T
    return where, leaf.reshape(-1), leaf.shape
