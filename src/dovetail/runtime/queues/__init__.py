"""Queues of tuples of tensors."""

from dovetail.runtime.queues.base import QueueBase
from dovetail.runtime.queues.kinds import FIFOQueue, PaddingFIFOQueue, PriorityQueue, RandomShuffleQueue

__all__ = ["FIFOQueue", "PaddingFIFOQueue", "PriorityQueue", "QueueBase", "RandomShuffleQueue"]
