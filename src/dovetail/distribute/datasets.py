"""Datasets whose elements are divided over replicas."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.data import Dataset
from dovetail.data.iterators import OnePass
from dovetail.distribute.reduction import gathered
from dovetail.distribute.values import PerReplica, PerReplicaSpec
from dovetail.ops.create import zeros
from dovetail.ops.ragged.tensor import RaggedTensorSpec
from dovetail.ops.sparse.arrange import slice_sparse
from dovetail.ops.sparse.tensor import SparseTensor, SparseTensorSpec
from dovetail.tensor.spec import TensorSpec


class InputContext:
    """What `distribute_datasets_from_function` tells the function that makes the dataset."""

    def __init__(
        self, num_input_pipelines: int = 1, input_pipeline_id: int = 0, num_replicas_in_sync: int = 1
    ) -> None:
        self.num_input_pipelines = num_input_pipelines
        self.input_pipeline_id = input_pipeline_id
        self.num_replicas_in_sync = num_replicas_in_sync

    def get_per_replica_batch_size(self, global_batch_size: int) -> int:
        """Returns the share of one replica.

        Raises:
            ValueError: the replicas do not divide the global batch.
        """
        if global_batch_size % self.num_replicas_in_sync:
            raise ValueError(
                f"The global_batch_size {global_batch_size} is not divisible by num_replicas_in_sync "
                f"{self.num_replicas_in_sync}{at_user_location()}"
            )
        return global_batch_size // self.num_replicas_in_sync

    def __repr__(self) -> str:
        return (
            f"tf.distribute.InputContext(input_pipeline_id={self.input_pipeline_id}, "
            f"num_input_pipelines={self.num_input_pipelines})"
        )


class DistributedIterator(OnePass):
    """Goes once through a distributed dataset."""

    def __init__(self, elements: Iterator, element_spec: Any) -> None:
        self._elements, self.element_spec = elements, element_spec

    def _pull(self) -> Any:
        return next(self._elements)


class DistributedDataset:
    """A dataset whose elements hold a share for each replica.

    Args:
        dataset: batches that are divided, or whose order is.
        strategy: for whose replicas.
        per_replica: the dataset's batches are those of single replicas, and each takes the next whole one.
    """

    def __init__(self, dataset: Any, strategy: Any, per_replica: bool = False) -> None:
        self._dataset, self._strategy, self._per_replica = dataset, strategy, per_replica

    def __iter__(self) -> DistributedIterator:
        elements = self._whole_batches() if self._per_replica else self._divided()
        return DistributedIterator(elements, self.element_spec)

    def __len__(self) -> int:
        count = len(self._dataset)
        return -(-count // self._strategy.num_replicas_in_sync) if self._per_replica else count

    def cardinality(self) -> Any:
        """Returns the number of elements, negative where it is infinite or unknown."""
        count = self._dataset.cardinality()
        return count if not self._per_replica or int(count) < 0 else len(self)

    def _whole(self) -> Any:
        """Returns what gives the batches of all replicas together, which is what `fit` takes."""
        return _Gathered(self) if self._per_replica else self._dataset

    @property
    def element_spec(self) -> Any:
        """The specs of an element: for several replicas, each leaf is a `PerReplicaSpec`."""
        replicas = self._strategy.num_replicas_in_sync
        spec = self._dataset.element_spec
        if replicas == 1:
            return spec
        return nest.map_structure(
            lambda leaf: PerReplicaSpec(*[leaf if self._per_replica else _share(leaf, replicas)] * replicas),
            spec,
        )

    def _divided(self) -> Iterator:
        replicas = self._strategy.num_replicas_in_sync
        for element in self._dataset:
            yield (
                element
                if replicas == 1
                else nest.map_structure(lambda leaf: divided(leaf, replicas), element)
            )

    def _groups(self) -> Iterator[list]:
        """Yields the elements that replicas take at a time; the last are perhaps too few."""
        elements = iter(self._dataset)
        while group := list(itertools.islice(elements, self._strategy.num_replicas_in_sync)):
            yield group

    def _whole_batches(self) -> Iterator:
        replicas = self._strategy.num_replicas_in_sync
        for batches in self._groups():
            if len(batches) == replicas:
                yield _side_by_side(batches)
                continue
            empty = nest.map_structure(lambda leaf: zeros([0, *leaf.shape[1:]], leaf.dtype), batches[0])
            yield _side_by_side(batches + [empty] * (replicas - len(batches)))


class _Gathered:
    """The batches that replicas take at a time, as one batch."""

    def __init__(self, dataset: DistributedDataset) -> None:
        self._dataset = dataset
        self.cardinality = dataset.cardinality

    def __iter__(self) -> Iterator:
        for batches in self._dataset._groups():
            yield nest.map_structure(lambda *leaves: gathered(leaves, 0), *batches)


def _side_by_side(elements: list) -> Any:
    if len(elements) == 1:
        return elements[0]
    return nest.map_structure(lambda *leaves: PerReplica(leaves), *elements)


def divided(tensor: Any, replicas: int) -> PerReplica:
    """Returns a batch as equal shares along the first axis; the last ones may be smaller, or empty.

    Raises:
        ValueError: a scalar cannot be divided.
    """
    if not tensor.shape.rank:
        raise ValueError(
            f"experimental_distribute_dataset divides batches, and an element is a scalar. Call batch() first"
            f"{at_user_location()}"
        )
    size = -(-int(tensor.shape[0]) // replicas)
    starts = [min(i * size, int(tensor.shape[0])) for i in range(replicas)]
    if isinstance(tensor, SparseTensor):
        rest = [int(each) for each in tensor.shape[1:]]
        return PerReplica(
            [
                slice_sparse(
                    tensor, [start, *[0] * len(rest)], [min(size, int(tensor.shape[0]) - start), *rest]
                )
                for start in starts
            ]
        )
    return PerReplica([tensor[start : start + size] for start in starts])


def _share(spec: Any, replicas: int) -> Any:
    """Returns the spec of a replica's share: the size of its first axis is known where all shares are equal."""
    shape = spec.shape
    size = None if not shape.rank or shape[0] is None or shape[0] % replicas else shape[0] // replicas
    sizes = [size, *shape[1:]]
    if isinstance(spec, RaggedTensorSpec):
        return RaggedTensorSpec(sizes, spec.dtype, spec.ragged_rank, spec.row_splits_dtype)
    kind = SparseTensorSpec if isinstance(spec, SparseTensorSpec) else TensorSpec
    return kind(sizes, spec.dtype)


def from_function(function: Callable[[InputContext], Dataset], strategy: Any) -> DistributedDataset:
    """Returns the dataset that a function makes for this process, for the replicas of a strategy."""
    replicas = strategy.num_replicas_in_sync
    return DistributedDataset(function(InputContext(1, 0, replicas)), strategy, per_replica=replicas > 1)
