"""Steps that put elements together, or take them apart: enumerate, zip, concatenate, unbatch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.data.node import UNKNOWN, Node, known, smallest, total
from dovetail.data.plan import ArrayPlan
from dovetail.data.structure import (
    LEAF,
    compose,
    describe,
    is_composite_spec,
    merged,
    rebuilder,
    rows_of,
    without_leading,
)
from dovetail.tensor import TensorSpec


class Enumerate(Node):
    """Pairs of an int64 counter and the element."""

    def __init__(self, source: Node, start: int) -> None:
        super().__init__(source)
        self._start = start

    @property
    def tree(self) -> Any:
        return compose((LEAF, self.source.tree))

    @property
    def specs(self) -> tuple:
        return (TensorSpec((), "int64"), *self.source.specs)

    def _generate(self) -> Iterator[tuple]:
        return self._numbered(self.source.elements(), self._start)

    def _generate_after(self, count: int) -> Iterator[tuple]:
        return self._numbered(self.source.elements_after(count), self._start + count)

    def _numbered(self, elements: Iterator[tuple], start: int) -> Iterator[tuple]:
        for number, leaves in enumerate(elements, start):
            yield (np.asarray(number, np.int64), *leaves)


class Zip(Node):
    """The elements of several datasets side by side, as many as the shortest has."""

    def __init__(self, nodes: tuple, tree: Any) -> None:
        super().__init__()
        self._nodes, self._outer = nodes, tree

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self._nodes

    @property
    def tree(self) -> Any:
        return compose(rebuilder(self._outer)(tuple(node.tree for node in self._nodes)))

    @property
    def specs(self) -> tuple:
        return tuple(spec for node in self._nodes for spec in node.specs)

    def cardinality(self) -> int:
        return smallest([node.cardinality() for node in self._nodes])

    def _make_plan(self) -> ArrayPlan | None:
        plans = [node.plan for node in self._nodes]
        if not all(plan is not None and plan.in_order for plan in plans):
            return None
        size = min(plan.size for plan in plans)
        columns = tuple(
            column if plan.size == size else column[:size] for plan in plans for column in plan.columns
        )
        return ArrayPlan.of_columns(columns, self.tree, size)

    def _generate(self) -> Iterator[tuple]:
        for group in zip(*(node.elements() for node in self._nodes), strict=False):
            yield tuple(itertools.chain.from_iterable(group))


class Concatenate(Node):
    """The elements of one dataset, then those of another of the same structure."""

    def __init__(self, first: Node, second: Node) -> None:
        super().__init__(first)
        self._second = second
        if first.tree != second.tree:
            raise TypeError(
                "Dataset.concatenate: the datasets have different structures: "
                f"{describe(first.tree)} and {describe(second.tree)}"
            )
        self._specs = tuple(map(merged, first.specs, second.specs))

    @property
    def inputs(self) -> tuple[Node, ...]:
        return self.source, self._second

    @property
    def specs(self) -> tuple:
        return self._specs

    def cardinality(self) -> int:
        return total([node.cardinality() for node in self.inputs])

    def _generate(self) -> Iterator[tuple]:
        return itertools.chain.from_iterable(node.elements() for node in self.inputs)


class Unbatch(Node):
    """The rows of every element, one by one."""

    @property
    def specs(self) -> tuple:
        return tuple(without_leading(spec, "Dataset.unbatch") for spec in self.source.specs)

    def cardinality(self) -> int:
        count = self.source.cardinality()
        if not known(count):
            return count
        specs = [spec for spec in self.source.specs if not is_composite_spec(spec)]
        sizes = {spec.shape[0] for spec in specs if spec.shape.rank}
        sizes.discard(None)
        return count * sizes.pop() if sizes else UNKNOWN

    def _generate(self) -> Iterator[tuple]:
        specs = self.source.specs
        if any(map(is_composite_spec, specs)):
            for leaves in self.source.elements():
                yield from zip(*map(rows_of, leaves, specs), strict=True)
            return
        for leaves in self.source.elements():
            shapes = [leaf.shape for leaf in leaves]
            if any(not shape for shape in shapes) or len({shape[0] for shape in shapes}) > 1:
                raise InvalidArgumentError(
                    f"Dataset.unbatch: the components must have the same first dimension, received shapes {shapes}"
                )
            for row in range(shapes[0][0]):
                yield tuple(leaf[row, ...] for leaf in leaves)
