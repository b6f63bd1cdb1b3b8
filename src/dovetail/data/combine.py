"""Steps that draw from several datasets: flat_map, interleave, sampling and choosing, grouping by a key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError
from dovetail.data.functions import Numbered, UserFunction, normalized, plain_execution
from dovetail.data.node import INFINITE, UNKNOWN, Node, total
from dovetail.data.ordering import keeps_order
from dovetail.data.prefetch import Ahead, ahead
from dovetail.data.seeds import Generators
from dovetail.data.sources import Described, Listed
from dovetail.data.structure import (
    DatasetSpec,
    as_leaf,
    as_surface,
    describe,
    flatten,
    is_dataset,
    merged,
    rebuilder,
    spec_of,
)
from dovetail.data.threads import ready_first, started
from dovetail.tensor import SymbolicTensor, convert_to_tensor

_AHEAD = 16  # elements of each dataset that is read side by side with others


class FlatMap(Node):
    """The elements of the datasets that a function makes of the elements, one dataset after the other."""

    def __init__(self, source: Node, function: UserFunction) -> None:
        super().__init__(source)
        self._function = function
        self._inner: Any = None
        self._tree: Any = None

    @property
    def tree(self) -> Any:
        return self._tree if self._tree is not None else self._inner_spec()[1]

    @property
    def specs(self) -> tuple:
        return self._inner_spec()[0]

    def _inner_spec(self) -> tuple[tuple, Any]:
        if self._inner is None:
            leaves, _ = self._function.described()
            if len(leaves) != 1 or not isinstance(leaves[0], DatasetSpec):
                raise TypeError(
                    f"Dataset.{self._function.method}: the function must return a tf.data.Dataset, not {leaves}"
                )
            self._inner = flatten(leaves[0].element_spec)
        return self._inner

    def cardinality(self) -> int:
        return UNKNOWN

    def _open(self, leaves: tuple) -> Iterator[tuple]:
        return self._elements_of(self._function.dataset(leaves))

    def _elements_of(self, node: Node) -> Iterator[tuple]:
        for element in node.elements():
            if self._tree is None:
                self._tree = node.tree
            yield element

    def _generate(self) -> Iterator[tuple]:
        for elements in map(Numbered(self._open), self.source.elements()):
            yield from elements


class Interleave(FlatMap):
    """As flat_map, with `cycle_length` datasets open at a time, `block_length` elements of each in turn."""

    def __init__(
        self,
        source: Node,
        function: UserFunction,
        cycle_length: int,
        block_length: int,
        num_parallel: int = 1,
        deterministic: bool | None = None,
    ) -> None:
        super().__init__(source, function)
        self._num_parallel, self._deterministic = num_parallel, deterministic
        for name, value in (("cycle_length", cycle_length), ("block_length", block_length)):
            if value < 1:
                raise InvalidArgumentError(f"Dataset.interleave: {name} must be at least 1, received {value}")
        self._cycle_length, self._block_length = cycle_length, block_length

    def _generate(self) -> Iterator[tuple]:
        if self._num_parallel < 2:
            opened = map(Numbered(self._open), self.source.elements())
            return in_turn(opened, self._cycle_length, self._block_length)
        side_by_side = (self._ahead(leaves) for leaves in self.source.elements())
        if keeps_order(self._deterministic):
            return in_turn(started(side_by_side, self._cycle_length), self._cycle_length, self._block_length)
        return ready_first(side_by_side, self._cycle_length, self._block_length)

    def _ahead(self, leaves: tuple) -> Ahead:
        return ahead(lambda: self._open(leaves), max(_AHEAD, self._block_length))


def in_turn(sources: Iterator[Iterator], cycle_length: int, block_length: int) -> Iterator:
    """Yields `block_length` items of each of `cycle_length` sources in turn, and in place of an ended one the next."""
    slots: list[Any] = [None] * cycle_length
    place, more = 0, True
    while more or any(slot is not None for slot in slots):
        if slots[place] is None and more:
            slots[place] = next(sources, None)
            more = slots[place] is not None
        slot = slots[place]
        if slot is not None:
            for given, item in enumerate(slot, 1):
                yield item
                if given == block_length:
                    break
            else:
                slots[place] = None
        place = (place + 1) % cycle_length


class InTurn(Node):
    """The elements of datasets of one structure, of `cycle_length` of them in turn."""

    def __init__(self, nodes: Sequence[Node], cycle_length: int) -> None:
        super().__init__(nodes[0])
        self._nodes, self._cycle_length = nodes, cycle_length

    @property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(self._nodes)

    def cardinality(self) -> int:
        return total([node.cardinality() for node in self._nodes])

    def _generate(self) -> Iterator[tuple]:
        return in_turn((node.elements() for node in self._nodes), self._cycle_length, 1)


class Choose(Node):
    """Draws every element from the dataset that `choices` names.

    Args:
        nodes: the datasets, all of one structure.
        choices: makes a fresh iterator over dataset numbers.
        stop_on_empty: end when the chosen dataset has ended; otherwise go on with the others.
    """

    def __init__(
        self,
        nodes: list[Node],
        choices: Callable[[], Iterator[int]],
        stop_on_empty: bool,
        others: tuple[Node, ...] = (),
    ) -> None:
        super().__init__(nodes[0])
        self.others = others
        for node in nodes[1:]:
            if node.tree != nodes[0].tree:
                raise TypeError(
                    "choosing from datasets: they have different structures: "
                    f"{describe(nodes[0].tree)} and {describe(node.tree)}"
                )
        self._nodes, self._choices, self._stop = nodes, choices, stop_on_empty
        self._specs = nodes[0].specs
        for node in nodes[1:]:
            self._specs = tuple(map(merged, self._specs, node.specs))

    @property
    def inputs(self) -> tuple[Node, ...]:
        return tuple(self._nodes)

    @property
    def specs(self) -> tuple:
        return self._specs

    def cardinality(self) -> int:
        return INFINITE if any(node.cardinality() == INFINITE for node in self._nodes) else UNKNOWN

    def _generate(self) -> Iterator[tuple]:
        open_: list[Any] = [node.elements() for node in self._nodes]
        for choice in self._choices():
            if not 0 <= choice < len(open_):
                raise InvalidArgumentError(
                    f"choose_from_datasets: no dataset {choice}, there are {len(open_)}"
                )
            if open_[choice] is None:
                continue
            element = next(open_[choice], None)
            if element is not None:
                yield element
                continue
            if self._stop:
                return
            open_[choice] = None
            if not any(slot is not None for slot in open_):
                return


class Sample(Choose):
    """Draws every element from a dataset chosen at random, by weights."""

    def __init__(self, nodes: list[Node], weights: Any, seed: Any, stop_on_empty: bool, renew: bool) -> None:
        generators = Generators(seed, renew)
        draw = _weighted_by_dataset if is_dataset(weights) else _weighted
        table = weights
        if not is_dataset(weights):
            table = _checked_weights(weights, len(nodes))
            nodes = [node for node, weight in zip(nodes, table, strict=True) if weight > 0]
            table = table[table > 0]
        others = (weights._node,) if is_dataset(weights) else ()
        super().__init__(nodes, lambda: draw(table, generators()), stop_on_empty, others)
        self._generators = generators

    def cardinality(self) -> int:
        return self._nodes[0].cardinality() if len(self._nodes) == 1 else super().cardinality()


def _checked_weights(weights: Any, count: int) -> np.ndarray:
    if weights is None:
        return np.full(count, 1 / count)
    table = np.asarray(as_leaf(convert_to_tensor(weights)), np.float64)
    if table.shape != (count,) or (table < 0).any() or not table.sum() > 0:
        raise ValueError(
            f"sample_from_datasets: expected {count} weights >= 0, one a dataset, with a positive sum; "
            f"received {table.tolist()}"
        )
    return table / table.sum()


def _weighted(table: np.ndarray, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield from rng.choice(len(table), 256, p=table).tolist()


def _weighted_by_dataset(weights: Any, rng: np.random.Generator) -> Iterator[int]:
    for (table,) in weights._node.elements():
        yield int(rng.choice(len(table), p=np.asarray(table, np.float64) / np.sum(table)))


class GroupByReducer(Node):
    """One element for each key, in the order of the keys: what a reducer makes of all elements of that key.

    Args:
        source: the elements.
        key_function: gives a scalar int64 for an element.
        reducer: has `init_func(key)`, `reduce_func(state, element)` and `finalize_func(state)`; the last gets a tuple
            as several arguments.
    """

    def __init__(self, source: Node, key_function: UserFunction, reducer: Any, wrap: Callable) -> None:
        super().__init__(source)
        self._key, self._reducer = key_function, reducer
        self._step = UserFunction(reducer.reduce_func, "group_by_reducer", source, wrap)
        self._described: Any = None

    def _description(self) -> tuple[tuple, Any]:
        if self._described is None:
            with plain_execution():
                leaves, tree = self._finished(self._began(0))
            self._described = tuple(map(spec_of, leaves)), tree
        return self._described

    @property
    def tree(self) -> Any:
        return self._description()[1]

    @property
    def specs(self) -> tuple:
        return self._description()[0]

    def cardinality(self) -> int:
        return UNKNOWN

    def _began(self, key: int) -> Any:
        with plain_execution():
            return _as_tensors(self._reducer.init_func(convert_to_tensor(key, "int64")))

    def _finished(self, state: Any) -> tuple[tuple, Any]:
        given = state if type(state) is tuple else (state,)
        return normalized(self._reducer.finalize_func(*given))

    def _generate(self) -> Iterator[tuple]:
        states: dict[int, Any] = {}
        for leaves in self.source.elements():
            key = int(as_leaf(self._key(leaves)))
            before = states[key] if key in states else self._began(key)
            states[key] = _as_tensors(self._step(leaves, before))
        for _, state in sorted(states.items(), key=lambda item: item[0]):
            with plain_execution():
                yield self._finished(state)[0]


def _as_tensors(state: Any) -> Any:
    leaves, tree = normalized(state)
    return rebuilder(tree)(tuple(map(as_surface, leaves)))


class GroupByWindow(FlatMap):
    """Collects elements by key; a full window becomes a dataset, is reduced, and its elements come out."""

    def __init__(
        self,
        source: Node,
        key_function: UserFunction,
        reduce_function: Callable,
        window_size: Callable[[Any], int],
        wrap: Callable[[Node], Any],
    ) -> None:
        super().__init__(source, UserFunction(reduce_function, "group_by_window", source, wrap))
        self._key, self._window_size, self._wrap = key_function, window_size, wrap

    def _inner_spec(self) -> tuple[tuple, Any]:
        if self._inner is None:
            window = self._wrap(Described(self.source.tree, self.source.specs, UNKNOWN))
            with plain_execution():
                try:
                    reduced = self._function.function(SymbolicTensor((), "int64"), window)
                except TypeError:  # it needs the key's value; any key will do for the spec
                    reduced = self._function.function(convert_to_tensor(0, "int64"), window)
            self._inner = flatten(reduced.element_spec)
        return self._inner

    def cardinality(self) -> int:
        return INFINITE if self.source.cardinality() == INFINITE else UNKNOWN

    def _reduced(self, key: int, group: list[tuple]) -> Iterator[tuple]:
        window = self._wrap(Listed(group, self.source.tree, self.source.specs))
        with plain_execution():
            reduced = self._function.function(convert_to_tensor(key, "int64"), window)
        if not is_dataset(reduced):
            raise TypeError(
                f"Dataset.group_by_window: reduce_func must return a Dataset, it returned {reduced!r:.80}"
            )
        return reduced._node.elements()

    def _generate(self) -> Iterator[tuple]:
        groups: dict[int, list[tuple]] = {}
        sizes: dict[int, int] = {}
        for leaves in self.source.elements():
            key = int(as_leaf(self._key(leaves)))
            if key not in sizes:
                sizes[key] = self._window_size(key)
                if sizes[key] < 1:
                    raise InvalidArgumentError(
                        f"Dataset.group_by_window: the window size of {key} is {sizes[key]}"
                    )
            group = groups.setdefault(key, [])
            group.append(leaves)
            if len(group) == sizes[key]:
                yield from self._reduced(key, groups.pop(key))
        for key, group in sorted(groups.items(), key=lambda item: item[0]):
            yield from self._reduced(key, group)
