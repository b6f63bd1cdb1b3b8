"""`tf.distribute`: one program on several devices."""

from __future__ import annotations

from dovetail.distribute import cluster_resolver, experimental
from dovetail.distribute.context import (
    ReplicaContext,
    experimental_set_strategy,
    get_replica_context,
    get_strategy,
    has_strategy,
    in_cross_replica_context,
)
from dovetail.distribute.datasets import DistributedDataset, DistributedIterator, InputContext
from dovetail.distribute.elsewhere import (
    MultiWorkerMirroredStrategy,
    ParameterServerStrategy,
    Server,
    TPUStrategy,
)
from dovetail.distribute.kinds import MirroredStrategy, OneDeviceStrategy
from dovetail.distribute.options import (
    CrossDeviceOps,
    HierarchicalCopyAllReduce,
    InputOptions,
    InputReplicationMode,
    NcclAllReduce,
    ReductionToOneDevice,
    RunOptions,
)
from dovetail.distribute.reduction import ReduceOp
from dovetail.distribute.strategy import Extended as StrategyExtended
from dovetail.distribute.strategy import Strategy
from dovetail.distribute.values import DistributedValues

__all__ = [
    "CrossDeviceOps",
    "DistributedDataset",
    "DistributedIterator",
    "DistributedValues",
    "HierarchicalCopyAllReduce",
    "InputContext",
    "InputOptions",
    "InputReplicationMode",
    "MirroredStrategy",
    "MultiWorkerMirroredStrategy",
    "NcclAllReduce",
    "OneDeviceStrategy",
    "ParameterServerStrategy",
    "ReduceOp",
    "ReductionToOneDevice",
    "ReplicaContext",
    "RunOptions",
    "Server",
    "Strategy",
    "StrategyExtended",
    "TPUStrategy",
    "cluster_resolver",
    "experimental",
    "experimental_set_strategy",
    "get_replica_context",
    "get_strategy",
    "has_strategy",
    "in_cross_replica_context",
]
