"""The base of the pipeline's parts, and how many elements a dataset has."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dovetail.base.trackable import below
from dovetail.data.options import Options
from dovetail.data.seeds import Generators
from dovetail.data.structure import rebuilder

if TYPE_CHECKING:
    from dovetail.data.plan import ArrayPlan

INFINITE = -1
UNKNOWN = -2
AUTOTUNE = -1
SHARD_HINT = -1


class Node:
    """One step of a pipeline.  It makes fresh iterators over its elements, each a flat tuple of NumPy arrays.

    A subclass defines `_generate` (elements), and what of `tree`, `specs` and `cardinality` differs from its source's;
    `_make_plan` when its elements are rows of arrays, so that they can be gathered by index.

    Attributes:
        source: the step it takes its elements from (None: it is itself a source).
        _made_of: the arguments of its constructor: what a fingerprint is made of.
    """

    passes_errors_on = False  # its iterators go on behind an element that fails, if its source's do
    _made_of: tuple[tuple, dict]
    _plan: Any = None
    _planned = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Node:
        made = super().__new__(cls)
        made._made_of = (args, kwargs)
        return made

    def __init__(self, source: Node | None = None) -> None:
        self.source: Any = source

    _held_as = "apart"  # who holds a dataset does not train what it reads

    others: tuple[Node, ...] = ()  # steps that it reads something else from than elements

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The steps that this one reads from."""
        return (self.source,) if self.source is not None else ()

    def all_generators(self) -> list[Generators]:
        """Returns the sources of random orders of this step and all before it."""
        steps = below(self, lambda node: (*node.inputs, *node.others))
        return [generators for node in steps for generators in node.generators]

    def __children__(self) -> list[tuple[str, Any]]:
        """Returns the steps before this one: see `dovetail.base.trackable`."""
        return [(str(i), node) for i, node in enumerate(self.inputs)]

    @property
    def tree(self) -> Any:
        """How the leaves of an element nest."""
        return self.source.tree

    @property
    def specs(self) -> tuple:
        """The specs of the leaves."""
        return self.source.specs

    def cardinality(self) -> int:
        """Returns the number of elements, INFINITE or UNKNOWN."""
        return self.source.cardinality()

    @property
    def element_spec(self) -> Any:
        specs = self.specs
        return rebuilder(self.tree)(specs)

    @property
    def plan(self) -> ArrayPlan | None:
        """The same elements as rows of arrays, or None when they are not."""
        if not self._planned:
            self._plan, self._planned = self._make_plan(), True
        return self._plan

    def _make_plan(self) -> ArrayPlan | None:
        return None

    def elements(self) -> Iterator[tuple]:
        """Returns a fresh iterator over the elements."""
        plan = self.plan
        return plan.elements() if plan is not None else self._generate()

    def elements_after(self, count: int) -> Iterator[tuple]:
        """Returns a fresh iterator that stands behind the first `count` elements.

        They are not computed where that follows from the step; behind a filter or a buffer they are, and dropped.
        """
        plan = self.plan
        if plan is not None:
            return plan.skip(count).elements() if count else plan.elements()
        return self._generate_after(count) if count else self.elements()

    def _generate_after(self, count: int) -> Iterator[tuple]:
        elements = self.elements()
        deque(itertools.islice(elements, count), maxlen=0)
        return elements

    @property
    def generators(self) -> list[Generators]:
        """The sources of random orders that this step has itself."""
        return [value for value in vars(self).values() if isinstance(value, Generators)]

    @property
    def survives_errors(self) -> bool:
        """Whether its iterators go on behind an element that fails."""
        return self.plan is not None or (self.passes_errors_on and self.source.survives_errors)

    @property
    def may_look_ahead(self) -> bool:
        """Whether nobody can tell when elements are taken earlier than they are wanted."""
        return self.plan is not None

    def batches(self, size: int) -> Iterator[tuple] | None:
        """Returns a fresh iterator over the elements in groups of `size`, stacked; None where they come singly."""
        return None

    def _generate(self) -> Iterator[tuple]:
        raise NotImplementedError(type(self).__name__)

    @property
    def options(self) -> Options:
        """The options of this step and all before it."""
        merged = Options()
        for node in self.inputs:
            merged = merged.merge(node.options)
        return merged


def known(cardinality: int) -> bool:
    """True for a number, False for INFINITE and UNKNOWN."""
    return cardinality >= 0


def smallest(cardinalities: list[int]) -> int:
    """Returns how many elements come when all of the sources must have one more."""
    if UNKNOWN in cardinalities:
        return UNKNOWN
    finite = [count for count in cardinalities if count != INFINITE]
    return min(finite) if finite else INFINITE


def total(cardinalities: list[int]) -> int:
    """Returns how many elements all of the sources have together."""
    if INFINITE in cardinalities:
        return INFINITE
    return UNKNOWN if UNKNOWN in cardinalities else sum(cardinalities)
