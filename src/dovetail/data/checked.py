"""Steps that give the elements of their source, but for some: unique, ignore_errors, options, assert_cardinality."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError, InvalidArgumentError
from dovetail.data.groups import Regrouped
from dovetail.data.node import INFINITE, UNKNOWN, Node
from dovetail.data.options import Options
from dovetail.data.plan import ArrayPlan
from dovetail.engine import dtypes


class Unique(Node):
    """Each element the first time it comes."""

    def __init__(self, source: Node) -> None:
        super().__init__(source)

    def cardinality(self) -> int:
        return UNKNOWN

    def _generate(self) -> Iterator[tuple]:
        seen = set()
        for leaves in self.source.elements():
            if len(leaves) != 1 or type(leaves[0]) is not np.ndarray:
                raise TypeError(
                    f"Dataset.unique: expected elements of one tensor, received {self.source.element_spec}"
                )
            key = _key(leaves[0])
            if key not in seen:
                seen.add(key)
                yield leaves


def _key(leaf: np.ndarray) -> Any:
    if not leaf.ndim:
        return leaf.item()
    values = tuple(leaf.reshape(-1).tolist()) if dtypes.is_host_only(leaf.dtype) else leaf.tobytes()
    return leaf.shape, values


class IgnoreErrors(Node):
    """The elements that could be made; those that failed are left out."""

    survives_errors = True

    def __init__(self, source: Node, report: Any) -> None:
        super().__init__(source)
        self._report = report

    def cardinality(self) -> int:
        return UNKNOWN

    def _generate(self) -> Iterator[tuple]:
        if not self.source.survives_errors:
            raise InvalidArgumentError(
                f"Dataset.ignore_errors: {type(self.source).__name__} does not go on behind an error. Put it "
                "right behind the step whose errors it drops: a map, a filter, a batch, or files that are read"
            )
        return self._without_errors(self.source.elements())

    def batches(self, size: int) -> Iterator[tuple] | None:
        groups = self.source.batches(1) if self.source.survives_errors else None
        return None if groups is None else Regrouped(self._without_errors(groups), size)

    def _without_errors(self, elements: Iterator) -> Iterator:
        while True:
            try:
                leaves = next(elements)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001  dropping them is what was asked for
                self._report(error)
                continue
            yield leaves


class WithOptions(Node):
    """The same elements; the dataset carries options."""

    passes_errors_on = True

    def __init__(self, source: Node, options: Options) -> None:
        super().__init__(source)
        self._options = options

    @property
    def options(self) -> Options:
        return self.source.options.merge(self._options)

    def _make_plan(self) -> ArrayPlan | None:
        return self.source.plan

    def _generate(self) -> Iterator[tuple]:
        return self.source.elements()

    def _generate_after(self, count: int) -> Iterator[tuple]:
        return self.source.elements_after(count)

    def batches(self, size: int) -> Iterator[tuple] | None:
        return self.source.batches(size)


class AssertCardinality(WithOptions):
    """The same elements; an error when there are more or fewer than said."""

    passes_errors_on = False

    def __init__(self, source: Node, count: int) -> None:
        super().__init__(source, Options())
        self._count = count

    def cardinality(self) -> int:
        return self._count

    def _make_plan(self) -> ArrayPlan | None:
        return None

    _generate_after = Node._generate_after

    def batches(self, size: int) -> None:
        return None

    def _generate(self) -> Iterator[tuple]:
        number = 0
        for number, leaves in enumerate(self.source.elements(), 1):
            if 0 <= self._count < number:
                break
            yield leaves
        if number != self._count:
            said = "an infinite number of" if self._count == INFINITE else self._count
            more = "at least " if number > self._count >= 0 else ""
            raise FailedPreconditionError(
                f"assert_cardinality: the dataset was said to have {said} elements, it has {more}{number}"
            )
