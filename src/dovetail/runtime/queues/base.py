"""What all queues of `tf.queue` do: threads take from them what others put in.

A queue waits: who puts in while it is full, until there is room; who takes out more than it holds, until there is
enough or it is closed.  In a `tf.function` it makes the function run op by op, since what it holds is no tensor.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import (
    CancelledError,
    DataDependentShapeError,
    InvalidArgumentError,
    OutOfRangeError,
    at_user_location,
)
from dovetail.engine import is_tracer, loaded_xla
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import DType, as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Tensor, TensorLike


class QueueBase(ABC):
    """What all queues do; a kind says in which order elements leave.

    Args:
        dtypes: of the components of an element.
        shapes: of the components; None: any, and then elements cannot be taken out several at once.
        names: of the components; elements are then dicts.
        queue_ref: what names the queue.
        capacity: how many elements it holds at most.
    """

    def __init__(
        self, dtypes: Any, shapes: Any, names: Any, queue_ref: Any, capacity: Any = None, name: Any = None
    ) -> None:
        self._dtypes = [as_dtype(kind) for kind in (dtypes if isinstance(dtypes, list | tuple) else [dtypes])]
        self._shapes = None if shapes is None else [TensorShape(shape) for shape in listed(shapes)]
        self._names = None if names is None else [str(part) for part in listed(names)]
        self._capacity = float("inf") if capacity is None or capacity < 0 else int(capacity)
        self._name = str(queue_ref if name is None else name)
        self._changed = threading.Condition()
        self._closed = self._cancelled = False
        self._check_declared()

    def _check_declared(self) -> None:
        if not self._dtypes:
            self._refuse("expected at least one dtype")
        if self._shapes is not None and len(self._shapes) != len(self._dtypes):
            self._refuse(f"there are {len(self._shapes)} shapes for {len(self._dtypes)} dtypes")
        if self._names is not None and len(self._names) != len(self._dtypes):
            self._refuse(f"there are {len(self._names)} names for {len(self._dtypes)} dtypes")

    # ---- what a kind says --------------------------------------------------------------------------------------------

    @abstractmethod
    def _put(self, element: tuple[Tensor, ...]) -> None:
        """Keeps one element."""

    @abstractmethod
    def _take(self) -> tuple[Tensor, ...]:
        """Gives the next element up."""

    @abstractmethod
    def _count(self) -> int:
        """Returns how many elements there are."""

    def _spare(self) -> int:
        """Returns how many elements must stay behind while the queue is open."""
        return 0

    def _stacked(self, parts: Sequence[Tensor], shape: TensorShape) -> Tensor:
        arrays = [np.asarray(part._value) for part in parts]
        return Tensor(np.stack(arrays))

    # ---- what users read ---------------------------------------------------------------------------------------------

    @staticmethod
    def from_list(index: Any, queues: Sequence[QueueBase]) -> QueueBase:
        """Returns the queue at `index` of a list of queues that hold the same dtypes."""
        queues = list(queues)
        if any(not isinstance(queue, QueueBase) for queue in queues):
            raise TypeError("tf.queue.QueueBase.from_list: expected a list of queues" + at_user_location())
        if any(queue.dtypes != queues[0].dtypes for queue in queues):
            raise TypeError(
                "tf.queue.QueueBase.from_list: the queues hold different dtypes" + at_user_location()
            )
        return queues[int(index)]

    @property
    def queue_ref(self) -> str:
        """The name of the queue."""
        return self._name

    @property
    def name(self) -> str:
        """The name of the queue."""
        return self._name

    @property
    def dtypes(self) -> list[DType]:
        """The dtypes of the components."""
        return list(self._dtypes)

    @property
    def shapes(self) -> list[TensorShape]:
        """The shapes of the components, of unknown rank where none were given."""
        return [TensorShape(None)] * len(self._dtypes) if self._shapes is None else list(self._shapes)

    @property
    def names(self) -> list[str] | None:
        """The names of the components, or None."""
        return self._names

    def size(self, name: str | None = None) -> Tensor:
        """Returns how many elements there are, int32."""
        self._refuse_traces("size")
        with self._changed:
            return convert_to_tensor(self._count())

    def is_closed(self, name: str | None = None) -> Tensor:
        """Returns whether the queue takes no elements any more."""
        self._refuse_traces("is_closed")
        return convert_to_tensor(self._closed)

    # ---- in and out --------------------------------------------------------------------------------------------------

    def enqueue(self, vals: Any, name: str | None = None) -> None:
        """Puts one element in; waits while the queue is full.

        Args:
            vals: a component, a list of them, or a dict where the queue has names.

        Raises:
            CancelledError: the queue is closed.
            ValueError: the components are not those that the queue holds.
        """
        self._refuse_traces("enqueue")
        self._store([self._components(vals, "enqueue")])

    def enqueue_many(self, vals: Any, name: str | None = None) -> None:
        """Puts several elements in, which lie along the first axis of the components; waits while the queue is full.

        Args:
            vals: as for `enqueue`, each with one axis more.
        """
        self._refuse_traces("enqueue_many")
        parts: Any = self._components(vals, "enqueue_many", many=True)
        sizes = {int(part.shape[0]) for part in parts}
        if len(sizes) != 1:
            self._refuse(f"enqueue_many: the components have {sorted(sizes)} elements along their first axis")
        self._store([tuple(part[i] for part in parts) for i in range(sizes.pop())])

    def dequeue(self, name: str | None = None) -> Any:
        """Takes one element out; waits until there is one.

        Returns:
            A component, a list of them, or a dict where the queue has names.

        Raises:
            OutOfRangeError: the queue is closed and empty.
        """
        self._refuse_traces("dequeue")
        return self._as_given(list(self._taken(1, 1)[0]))

    def dequeue_many(self, n: Any, name: str | None = None) -> Any:
        """Takes `n` elements out, stacked along a new first axis; waits until there are as many.

        Raises:
            OutOfRangeError: the queue is closed and holds fewer.
        """
        return self._several("dequeue_many", n, lambda count: count)

    def dequeue_up_to(self, n: Any, name: str | None = None) -> Any:
        """Takes `n` elements out, fewer when the queue is closed and holds some; see `dequeue_many`."""
        return self._several("dequeue_up_to", n, lambda count: min(count, 1))

    def close(self, cancel_pending_enqueues: bool = False, name: str | None = None) -> None:
        """Makes the queue take no elements any more; those inside can still be taken out.

        Args:
            cancel_pending_enqueues: threads that wait for room stop with an error.
        """
        self._refuse_traces("close")
        with self._changed:
            self._closed, self._cancelled = True, self._cancelled or cancel_pending_enqueues
            self._changed.notify_all()

    def _store(self, elements: list) -> None:
        with self._changed:
            if self._closed:
                raise CancelledError(f"{self._label()} is closed{at_user_location()}")
            for element in elements:
                self._changed.wait_for(lambda: self._cancelled or self._count() < self._capacity)
                if self._cancelled:
                    raise CancelledError(
                        f"{self._label()} was closed while this waited for room{at_user_location()}"
                    )
                self._put(element)
                self._changed.notify_all()

    def _taken(self, count: int, least: int) -> list:
        """Takes `count` elements, or as many as there are, at least `least`, of a closed queue."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._count() >= count + self._spare())
            there = self._count()
            if there < min(count, least):
                raise OutOfRangeError(
                    f"{self._label()} is closed and has insufficient elements (requested {count}, current size {there})"
                    f"{at_user_location()}"
                )
            elements = [self._take() for _ in range(min(count, there))]
            self._changed.notify_all()
            return elements

    def _several(self, function: str, n: Any, least: Callable[[int], int]) -> Any:
        self._refuse_traces(function)
        count = int(n)
        if count < 0:
            self._refuse(f"{function}: n must be at least 0, received {count}")
        if self._shapes is None:
            raise InvalidArgumentError(
                f"{self._label()}: {function} needs shapes; pass `shapes` when the queue is made{at_user_location()}"
            )
        elements = self._taken(count, least(count))
        columns = list(zip(*elements, strict=True)) if elements else [()] * len(self._dtypes)
        return self._as_given(
            [
                self._stacked(column, shape) if column else _empty(shape, kind)
                for column, shape, kind in zip(columns, self._shapes, self._dtypes, strict=True)
            ]
        )

    # ---- components --------------------------------------------------------------------------------------------------

    def _components(self, vals: Any, function: str, many: bool = False) -> tuple[Tensor, ...]:
        values = self._ordered(vals)
        if len(values) != len(self._dtypes):
            self._refuse(f"{function}: expected {len(self._dtypes)} components, received {len(values)}")
        parts = [_with_value(value, kind) for value, kind in zip(values, self._dtypes, strict=True)]
        for position, (part, shape) in enumerate(zip(parts, self.shapes, strict=True)):
            if many and not len(part.shape):
                self._refuse(f"{function}: component {position} is a scalar")
            if not shape.is_compatible_with(part.shape[1:] if many else part.shape):
                each = " elements of" if many else ""
                self._refuse(
                    f"{function}: component {position} has shape {part.shape}, expected{each} {shape}"
                )
        return tuple(parts)

    def _ordered(self, vals: Any) -> list:
        if isinstance(vals, dict) != (self._names is not None):
            self._refuse(
                "a queue with names takes dicts" if self._names else "a queue without names takes no dict"
            )
        if self._names is None:
            return list(vals) if isinstance(vals, list | tuple) else [vals]
        if set(vals) != set(self._names):
            self._refuse(f"the keys are {sorted(vals)}, the names {sorted(self._names)}")
        return [vals[name] for name in self._names]

    def _as_given(self, parts: list) -> Any:
        if self._names is not None:
            return dict(zip(self._names, parts, strict=True))
        return parts[0] if len(parts) == 1 else parts

    # ---- errors ------------------------------------------------------------------------------------------------------

    def _label(self) -> str:
        return f"tf.queue.{type(self).__name__} {self._name!r}"

    def _refuse(self, why: str) -> None:
        raise ValueError(f"{self._label()}: {why}{at_user_location()}")

    def _refuse_traces(self, function: str) -> None:
        engine = loaded_xla()
        if engine is not None and engine.in_trace():
            label = f"tf.queue.{type(self).__name__}.{function}"
            raise DataDependentShapeError(label, f"{label}: XLA has no queues{at_user_location()}")


def listed(values: Any) -> list:
    return list(values) if isinstance(values, list | tuple) else [values]


def _empty(shape: TensorShape, kind: DType) -> Tensor:
    sizes = [0 if size is None else size for size in shape]
    return Tensor(np.zeros((0, *sizes), kind.numpy_dtype))


def _with_value(value: Any, kind: DType) -> Tensor:
    tensor = convert_to_tensor(value) if isinstance(value, TensorLike) else convert_to_tensor(value, kind)
    if tensor.dtype != kind:
        raise TypeError(
            f"expected a component of dtype {kind.name}, received {tensor.dtype.name}{at_user_location()}"
        )
    if is_tracer(tensor._value):
        raise DataDependentShapeError("tf.queue", f"XLA has no queues{at_user_location()}")
    return tensor
