"""Steps that give some elements of a dataset, or all of them again: filter, take, skip, repeat, shard."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import FailedPreconditionError, InvalidArgumentError
from dovetail.data.functions import Numbered, UserFunction
from dovetail.data.groups import Regrouped
from dovetail.data.node import INFINITE, SHARD_HINT, UNKNOWN, Node, known
from dovetail.data.plan import ArrayPlan, repeated


class Filter(Node):
    """The elements for which a predicate is true."""

    passes_errors_on = True

    def __init__(self, source: Node, predicate: UserFunction) -> None:
        super().__init__(source)
        self._predicate = predicate

    def cardinality(self) -> int:
        return UNKNOWN

    def check(self) -> None:
        """Raises what the predicate would raise for every element."""
        found = self._predicate.tried()
        if found is not None:
            self._predicate.require_truth(found[0][0] if len(found[0]) == 1 else found[0])

    def _generate(self) -> Iterator[tuple]:
        return filter(Numbered(self._predicate.truth), self.source.elements())


class TakeWhile(Filter):
    """The elements before the first for which a predicate is false."""

    def _generate(self) -> Iterator[tuple]:
        return itertools.takewhile(Numbered(self._predicate.truth), self.source.elements())


class _Counted(Node):
    """The elements on one side of the first `count`; -1 counts all."""

    passes_errors_on = True

    def __init__(self, source: Node, count: int) -> None:
        super().__init__(source)
        self._count = count


class Take(_Counted):
    """The first `count` elements (-1: all)."""

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if self._count < 0:
            return count
        return self._count if count == INFINITE else min(count, self._count) if known(count) else count

    def _make_plan(self) -> ArrayPlan | None:
        plan = self.source.plan
        return plan if plan is None or self._count < 0 else plan.take(self._count)

    def _generate(self) -> Iterator[tuple]:
        elements = self.source.elements()
        return elements if self._count < 0 else _Limited(elements, self._count)

    def _generate_after(self, count: int) -> Iterator[tuple]:
        elements = self.source.elements_after(count)
        return elements if self._count < 0 else _Limited(elements, self._count - count)


class _Limited(Iterator):
    """The first items of an iterator; it goes on behind an item that fails."""

    def __init__(self, items: Iterator, count: int) -> None:
        self._items, self._left = items, count

    def __next__(self) -> Any:
        if self._left <= 0:
            raise StopIteration
        item = next(self._items)
        self._left -= 1
        return item


class _Behind(Iterator):
    """The items behind the first ones; it goes on behind an item that fails."""

    def __init__(self, items: Iterator, count: int) -> None:
        self._items, self._left = items, count

    def __next__(self) -> Any:
        while self._left:
            next(self._items)
            self._left -= 1
        return next(self._items)


class Skip(_Counted):
    """What follows after the first `count` elements (-1: nothing)."""

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if self._count < 0:
            return 0
        return max(count - self._count, 0) if known(count) else count

    def _make_plan(self) -> ArrayPlan | None:
        plan = self.source.plan
        return plan and (plan.skip(self._count) if self._count >= 0 else plan.take(0))

    def _generate(self) -> Iterator[tuple]:
        if self._count < 0:
            return iter(())
        elements = self.source.elements()
        return _Behind(elements, self._count) if self._count else elements


class Repeat(Node):
    """All elements, `count` times over (-1: for ever)."""

    def __init__(self, source: Node, count: int) -> None:
        super().__init__(source)
        self._count = count

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if self._count < 0:
            return 0 if count == 0 else INFINITE
        if self._count == 0:
            return 0
        return count * self._count if known(count) else count

    def _make_plan(self) -> ArrayPlan | None:
        return self.source.plan and self.source.plan.repeat(self._count)

    def _generate(self) -> Iterator[tuple]:
        return repeated(self.source.elements, self._count)

    def batches(self, size: int) -> Iterator[tuple] | None:
        first = [self.source.batches(size)]
        if first[0] is None:
            return None
        return Regrouped(
            repeated(lambda: first.pop() if first else self.source.batches(size), self._count), size
        )  # type: ignore[arg-type,return-value]


class Shard(Node):
    """Every `num_shards`-th element, starting with element `index`."""

    def __init__(self, source: Node, num_shards: int, index: int) -> None:
        super().__init__(source)
        self._is_hint = num_shards == index == SHARD_HINT
        if not self._is_hint and (num_shards < 1 or not 0 <= index < num_shards):
            raise InvalidArgumentError(
                f"Dataset.shard: expected num_shards >= 1 and 0 <= index < num_shards, received "
                f"num_shards={num_shards}, index={index}"
            )
        self._num_shards, self._index = num_shards, index

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if self._is_hint:
            return UNKNOWN
        return len(range(self._index, count, self._num_shards)) if known(count) else count

    def _make_plan(self) -> ArrayPlan | None:
        return (
            None
            if self._is_hint
            else self.source.plan and self.source.plan.shard(self._num_shards, self._index)
        )

    def _generate(self) -> Iterator[tuple]:
        if self._is_hint:
            raise FailedPreconditionError(
                "Dataset.shard(SHARD_HINT, SHARD_HINT) says where a distribution strategy may divide the dataset; by "
                "itself it has no elements. Pass the number of shards and an index"
            )
        return itertools.islice(self.source.elements(), self._index, None, self._num_shards)
