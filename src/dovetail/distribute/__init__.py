"""`tf.distribute`: one program on several devices."""

from __future__ import annotations

from dovetail.distribute import experimental
from dovetail.distribute.context import (
    ReplicaContext,
    experimental_set_strategy,
    get_replica_context,
    get_strategy,
    has_strategy,
    in_cross_replica_context,
)
from dovetail.distribute.datasets import DistributedDataset, DistributedIterator, InputContext
from dovetail.distribute.options import (
    HierarchicalCopyAllReduce,
    InputOptions,
    InputReplicationMode,
    NcclAllReduce,
    ReductionToOneDevice,
    RunOptions,
)
from dovetail.distribute.reduction import ReduceOp
from dovetail.distribute.strategy import MirroredStrategy, OneDeviceStrategy, Strategy
from dovetail.distribute.values import DistributedValues

__all__ = [
    "DistributedDataset",
    "DistributedIterator",
    "DistributedValues",
    "HierarchicalCopyAllReduce",
    "InputContext",
    "InputOptions",
    "InputReplicationMode",
    "MirroredStrategy",
    "NcclAllReduce",
    "OneDeviceStrategy",
    "ReduceOp",
    "ReductionToOneDevice",
    "ReplicaContext",
    "RunOptions",
    "Strategy",
    "experimental",
    "experimental_set_strategy",
    "get_replica_context",
    "get_strategy",
    "has_strategy",
    "in_cross_replica_context",
]
