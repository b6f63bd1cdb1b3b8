"""Options that TensorFlow's strategies take.  XLA decides these things itself; they are kept to be read."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple


class InputReplicationMode(enum.Enum):
    """How `distribute_datasets_from_function` makes datasets: one for each process, or one for each replica."""

    PER_WORKER = "PER_WORKER"
    PER_REPLICA = "PER_REPLICA"


class InputOptions(NamedTuple):
    """Options of distributed datasets: whether, and how early, elements go to devices."""

    experimental_fetch_to_device: bool | None = None
    experimental_replication_mode: InputReplicationMode = InputReplicationMode.PER_WORKER
    experimental_place_dataset_on_device: bool = False
    experimental_per_replica_buffer_size: int = 1


class RunOptions(NamedTuple):
    """Options of `Strategy.run`."""

    experimental_enable_dynamic_batch_size: bool = True
    experimental_bucketizing_dynamic_shape: bool = False
    experimental_xla_options: Any = None


class CommunicationImplementation(enum.Enum):
    """Who carries values between devices."""

    AUTO = "AUTO"
    RING = "RING"
    NCCL = "NCCL"


CollectiveCommunication = CommunicationImplementation


class CommunicationOptions:
    """Options of reductions across devices."""

    def __init__(
        self,
        bytes_per_pack: int = 0,
        timeout_seconds: float | None = None,
        implementation: CommunicationImplementation = CommunicationImplementation.AUTO,
    ) -> None:
        if bytes_per_pack < 0:
            raise ValueError(f"bytes_per_pack must be >= 0, received {bytes_per_pack}")
        self.bytes_per_pack, self.timeout_seconds = bytes_per_pack, timeout_seconds
        self.implementation = CommunicationImplementation(getattr(implementation, "value", implementation))


class CollectiveHints:
    """The older name of some of `CommunicationOptions`."""

    def __init__(self, bytes_per_pack: int = 0, timeout_seconds: float | None = None) -> None:
        given = CommunicationOptions(bytes_per_pack, timeout_seconds)
        self.bytes_per_pack, self.timeout_seconds = given.bytes_per_pack, given.timeout_seconds


class CrossDeviceOps:
    """How devices bring values together; XLA chooses by itself."""

    def __init__(self, num_packs: int = 1) -> None:
        if num_packs < 0:
            raise ValueError(f"num_packs must be >= 0, received {num_packs}")
        self.num_packs = num_packs


class NcclAllReduce(CrossDeviceOps):
    """Sums by NCCL, which XLA uses on GPUs."""


class HierarchicalCopyAllReduce(CrossDeviceOps):
    """Sums in a hierarchy of copies."""


class ReductionToOneDevice(CrossDeviceOps):
    """Sums on one device."""

    def __init__(self, reduce_to_device: Any = None, accumulation_fn: Any = None) -> None:
        super().__init__()
        self.reduce_to_device, self.accumulation_fn = reduce_to_device, accumulation_fn
