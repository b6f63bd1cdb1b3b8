"""The kinds of queues: in which order elements leave, and how several become one."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.runtime.queues.base import QueueBase, listed
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Tensor


def _defined(shapes: Any) -> Any:
    """Returns shapes, all of whose sizes are known."""
    found = None if shapes is None else [TensorShape(shape) for shape in listed(shapes)]
    if found is not None and not all(shape.is_fully_defined() for shape in found):
        raise ValueError(f"all sizes of the shapes must be known, received {found}{at_user_location()}")
    return found


class _InOrder(QueueBase):
    """A queue whose elements leave in the order in which they came."""

    def __init__(self, dtypes: Any, shapes: Any, names: Any, capacity: Any, name: str | None) -> None:
        super().__init__(dtypes, shapes, names, None, capacity, name)
        self._elements: deque = deque()

    def _put(self, element: tuple[Tensor, ...]) -> None:
        self._elements.append(element)

    def _take(self) -> tuple[Tensor, ...]:
        return self._elements.popleft()

    def _count(self) -> int:
        return len(self._elements)


class FIFOQueue(_InOrder):
    """A queue whose elements leave in the order in which they came.

    Args:
        capacity: how many elements it holds; negative: any number.
        dtypes: of the components of an element.
        shapes: of the components, all sizes known; None: any.
        names: of the components; elements are then dicts.
        shared_name: shown as its name.
        name: what it is called otherwise.

    Example:
        >>> queue = tf.queue.FIFOQueue(3, tf.int32)
        >>> queue.enqueue(5)
        >>> int(queue.dequeue())
        5
    """

    def __init__(
        self,
        capacity: Any,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str | None = "fifo_queue",
    ) -> None:
        super().__init__(dtypes, _defined(shapes), names, capacity, shared_name or name)


class PaddingFIFOQueue(_InOrder):
    """A queue whose elements leave in order, padded with zeros to one shape when several leave at once.

    Args:
        shapes: of the components; sizes may be unknown, ranks not.
        capacity, dtypes, names, shared_name, name: as for `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: Any,
        dtypes: Any,
        shapes: Any,
        names: Any = None,
        shared_name: str | None = None,
        name: str | None = "padding_fifo_queue",
    ) -> None:
        super().__init__(dtypes, shapes, names, capacity, shared_name or name)
        if self._shapes is None or any(shape.rank is None for shape in self._shapes):
            self._refuse("pass the shapes of the components, with None for sizes that vary")

    def _stacked(self, parts: Sequence[Tensor], shape: TensorShape) -> Tensor:
        arrays = [np.asarray(part._value) for part in parts]
        sizes = np.max([array.shape for array in arrays], axis=0, initial=0).astype(int)
        whole = np.full((len(arrays), *sizes), b"" if arrays[0].dtype == object else 0, arrays[0].dtype)
        for row, array in zip(whole, arrays, strict=True):
            row[tuple(map(slice, array.shape))] = array
        return Tensor(whole)


class PriorityQueue(QueueBase):
    """A queue whose elements leave in the order of their priorities, the smallest first.

    Args:
        types: dtypes of the components behind the priority, an int64 that comes first in every element.
        capacity, shapes, names, shared_name, name: as for `FIFOQueue`; the shapes are of the components behind.
    """

    def __init__(
        self,
        capacity: Any,
        types: Any,
        shapes: Any = None,
        names: Any = None,
        shared_name: str | None = None,
        name: str | None = "priority_queue",
    ) -> None:
        behind = _defined(shapes)
        super().__init__(
            ["int64", *listed(types)],
            None if behind is None else [TensorShape([]), *behind],
            names,
            None,
            capacity,
            shared_name or name,
        )
        self._elements: list = []
        self._order = itertools.count()

    def _put(self, element: tuple[Tensor, ...]) -> None:
        heapq.heappush(self._elements, (int(element[0]), next(self._order), element))

    def _take(self) -> tuple[Tensor, ...]:
        return heapq.heappop(self._elements)[-1]

    def _count(self) -> int:
        return len(self._elements)


class RandomShuffleQueue(QueueBase):
    """A queue whose elements leave in random order.

    Args:
        min_after_dequeue: how many elements stay behind while the queue is open, so that there is a choice.
        seed: makes the order the same every time; TensorFlow's order is another one.
        capacity, dtypes, shapes, names, shared_name, name: as for `FIFOQueue`.
    """

    def __init__(
        self,
        capacity: Any,
        min_after_dequeue: Any,
        dtypes: Any,
        shapes: Any = None,
        names: Any = None,
        seed: Any = None,
        shared_name: str | None = None,
        name: str | None = "random_shuffle_queue",
    ) -> None:
        super().__init__(dtypes, _defined(shapes), names, None, capacity, shared_name or name)
        if int(min_after_dequeue) < 0 or int(min_after_dequeue) >= self._capacity:
            self._refuse(
                f"min_after_dequeue must be from 0 to below the capacity, received {min_after_dequeue}"
            )
        self._least = int(min_after_dequeue)
        self._random = random.Random(seed)
        self._elements: list = []

    def _put(self, element: tuple[Tensor, ...]) -> None:
        self._elements.append(element)

    def _take(self) -> tuple[Tensor, ...]:
        place = self._random.randrange(len(self._elements))
        self._elements[place], self._elements[-1] = self._elements[-1], self._elements[place]
        return self._elements.pop()

    def _count(self) -> int:
        return len(self._elements)

    def _spare(self) -> int:
        return self._least
