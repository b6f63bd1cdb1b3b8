"""Steps that give elements one at a time: map, filter, take, skip, repeat, zip, concatenate and their kin."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError, InvalidArgumentError
from dovetail.data.functions import Numbered, UserFunction, check_tree, normalized, tell_number
from dovetail.data.groups import Regrouped
from dovetail.data.mapped_columns import MappedRows
from dovetail.data.node import INFINITE, SHARD_HINT, UNKNOWN, Node, known, smallest, total
from dovetail.data.one_pass import OnePass, one_pass
from dovetail.data.ordering import keeps_order
from dovetail.data.plan import ArrayPlan, repeated
from dovetail.data.string_rows import Batched, Singly, StringRows, string_rows
from dovetail.data.structure import (
    LEAF,
    as_surface,
    compose,
    describe,
    is_composite_spec,
    merged,
    rebuilder,
    rows_of,
    spec_of,
    without_leading,
)
from dovetail.data.threads import InAnyOrder, InThreads
from dovetail.data.vectorized import (
    LEAST_BYTES,
    LEAST_ELEMENTS,
    LEAST_PASSES,
    OneByOne,
    RowFunction,
    RowPass,
    chunks_of,
    mode,
    row_function,
)
from dovetail.engine import dtypes, loaded_xla, uses_xla, xla
from dovetail.ops import random
from dovetail.tensor import TensorSpec

_LEAST_BATCH = 8  # smaller ones are cut out of larger chunks
_MOST_BYTES = 1 << 26
_MOST_THREADS, _LARGE = 8, 1 << 12  # of AUTOTUNE; elements of a tensor


class Transformed(Node):
    """A step whose elements are what a user's function returns.

    The structure of the results is taken from the first one; asked for it earlier, the step works it out with
    stand-ins for the elements.
    """

    def __init__(self, source: Node, function: UserFunction) -> None:
        super().__init__(source)
        self._function = function
        self._seen_tree: Any = None
        self._described: Any = None

    @property
    def tree(self) -> Any:
        return self._seen_tree if self._seen_tree is not None else self._description()[1]

    @property
    def specs(self) -> tuple:
        return self._description()[0]

    def _description(self) -> Any:
        if self._described is None:
            self._described = self._describe()
        return self._described

    def _describe(self) -> tuple[tuple, Any]:
        return self._function.described()

    def check(self) -> None:
        """Raises what the function would raise for every element."""
        found = self._function.tried()
        if found is not None:
            leaves, tree = found
            self._described = tuple(map(spec_of, leaves)), tree

    def _same_tree(self, leaves: tuple, tree: Any) -> tuple:
        if self._seen_tree is None:
            self._seen_tree = tree
        elif tree != self._seen_tree:
            check_tree(self._function.method, self._seen_tree, tree)
        return leaves


class Map(Transformed):
    """Applies a function to every element; with `num_workers` > 1 in threads, in order unless told otherwise.

    Where there are many elements, and none is missed when it is taken early, many are mapped at a time.
    """

    passes_errors_on = True
    _rows: RowFunction | None = None
    _traced = False

    def __init__(
        self, source: Node, function: UserFunction, num_workers: int, deterministic: bool | None = None
    ) -> None:
        super().__init__(source, function)
        self._num_workers, self._deterministic = num_workers, deterministic
        self._num_passes = 0
        self._base: Node = source
        self._functions: tuple[UserFunction, ...] = (function,)
        self._alone: OneByOne | OnePass = OneByOne(function)

    @property
    def row_function(self) -> RowFunction | None:
        """The function for many rows, None where it runs element by element."""
        if not self._traced:
            is_early = (
                loaded_xla() is None and self._num_passes < 2
            )  # loading XLA costs more than most passes
            if is_early or not mode.compiles:
                return None
            count = self.source.cardinality()
            again = 0 <= count < LEAST_ELEMENTS and self._num_passes < LEAST_PASSES
            self._traced = not again
            if (
                again or not uses_xla() or any(map(_is_of_strings, self.source.specs))
            ):  # a pass over so few elements is short; many passes are not
                return None
            if count == INFINITE or count >= LEAST_ELEMENTS or count * self._element_bytes() >= LEAST_BYTES:
                xla("tf.data")
                self._join_source()
                self._rows = row_function(self._functions) if self._base.may_look_ahead else None
            if self._rows is not None and self._seen_tree is None:
                self._seen_tree = self._rows.tree
        return self._rows

    @functools.cached_property
    def _string_rows(self) -> StringRows | None:
        """The function for many elements of strings, None where it runs element by element."""
        found = string_rows(self._function) if self.source.may_look_ahead else None
        if found is not None and self._seen_tree is None:
            self._seen_tree = found.tree
        return found

    @functools.cached_property
    def _one_pass(self) -> OnePass | None:
        """The function with what it does to images joined, None where that joins nothing."""
        return one_pass(self._function) if _makes_arrays_of_files(self._function) else None

    def _element_bytes(self) -> int:
        """Returns how large an element is, 0 where that is not known."""
        shapes = [(spec.shape, spec.dtype) for spec in self.source.specs if isinstance(spec, TensorSpec)]
        if len(shapes) < len(self.source.specs) or not all(shape.is_fully_defined() for shape, _ in shapes):
            return 0
        return sum((shape.num_elements() or 0) * dtype.size for shape, dtype in shapes)

    def _join_source(self) -> None:
        """Makes maps of maps one function: their draws come in turn."""
        if type(self.source) is Map and self.source.row_function is not None:
            self._base = self.source._base
            self._functions = (*self.source._functions, self._function)

    @property
    def may_look_ahead(self) -> bool:
        return self.row_function is not None and not self.row_function.writes

    def _make_plan(self) -> ArrayPlan | None:
        rows, plan = self.row_function, self._base.plan
        if rows is None or not rows.is_pure or plan is None or plan.batch_size is not None:
            return None
        return plan.mapped(MappedRows(rows, plan.columns, plan.size), rows.tree)

    def batches(self, size: int) -> Iterator[tuple] | None:
        self._num_passes += 1
        rows = self.row_function
        if rows is None and self._string_rows is not None:
            return Batched(self._string_rows, self._one, self.source.elements(), size)
        if rows is None or not _LEAST_BATCH <= size <= _MOST_BYTES // max(rows.row_bytes, 1):
            self._num_passes -= 1
            return None
        return self._pass(rows, size).batches()

    def _pass(self, rows: RowFunction, size: int) -> RowPass:
        return RowPass(rows, self._functions, chunks_of(self._base.elements(), size))

    def _generate(self) -> Iterator[tuple]:
        self._num_passes += 1
        rows = self.row_function
        if rows is not None:
            return self._pass(rows, rows.chunk).elements()
        return self._mapped(self.source.elements(), 0)

    def _generate_after(self, count: int) -> Iterator[tuple]:
        if self.row_function is not None:
            return super()._generate_after(count)
        return self._mapped(self.source.elements_after(count), count)

    def _mapped(self, elements: Iterator[tuple], first: int) -> Iterator[tuple]:
        if self._string_rows is not None:
            return Singly(self._string_rows, self._one, elements, first)
        workers = self._num_workers if self._num_workers > 0 else _workers_for(self._function)
        if self._one_pass is not None:
            self._alone = self._one_pass
        if workers > 1:
            run = InThreads if keeps_order(self._deterministic) else InAnyOrder
            return map(self._checked, run(self._outcome, elements, workers, first))
        return map(self._one, elements, itertools.count(first))  # which goes on behind an element that fails

    def _outcome(self, leaves: tuple, number: int) -> tuple:
        try:
            return (self._one_pass or self._function.outcome)(leaves)
        except Exception as error:
            tell_number(error, number)
            raise

    def _one(self, leaves: tuple, number: int) -> tuple:
        try:
            return self._checked(self._alone(leaves))
        except Exception as error:
            tell_number(error, number)
            raise

    def _checked(self, outcome: tuple) -> tuple:
        return self._same_tree(*outcome)


def _workers_for(function: UserFunction) -> int:
    """Returns the number of threads that AUTOTUNE stands for.

    Several where strings (files, names of files) become large arrays or such of any size (images, sounds): decoders let
    other threads run.  One where it matters who draws random numbers first, or writes variables.
    """
    if not _makes_arrays_of_files(function):
        return 1
    return min(os.cpu_count() or 1, _MOST_THREADS) if all(map(random.is_unseeded, function.written)) else 1


def _makes_arrays_of_files(function: UserFunction) -> bool:
    strings = any(map(_is_of_strings, function.source.specs))
    return strings and any(map(_is_large, function.result_specs or ()))


def _is_of_strings(spec: Any) -> bool:
    return isinstance(spec, TensorSpec) and dtypes.is_host_only(spec.dtype.numpy_dtype)


def _is_large(spec: Any) -> bool:
    if not isinstance(spec, TensorSpec) or dtypes.is_host_only(spec.dtype.numpy_dtype):
        return False
    if spec.shape.is_fully_defined():
        return (spec.shape.num_elements() or 0) >= _LARGE
    return spec.shape.rank is None or spec.shape.rank > 1


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


class Scan(Transformed):
    """A map that carries a state: `function(state, element) -> (state, output)`."""

    def __init__(self, source: Node, function: UserFunction, initial_state: Any) -> None:
        super().__init__(source, function)
        self._state, self._state_tree = normalized(initial_state)

    def _describe(self) -> tuple[tuple, Any]:
        first = next(self.elements(), None)
        if first is None:
            raise InvalidArgumentError(
                "Dataset.scan: the element_spec needs an element, and the dataset is empty"
            )
        return tuple(map(spec_of, first)), self._seen_tree

    def _generate(self) -> Iterator[tuple]:
        pack = rebuilder(self._state_tree)
        carried = self._state
        for leaves in self.source.elements():
            result = self._function(leaves, pack(tuple(map(as_surface, carried))))
            if not isinstance(result, tuple | list) or len(result) != 2:
                raise TypeError(
                    f"Dataset.scan: the function must return (new_state, output), not {result!r:.100}"
                )
            carried, tree = normalized(result[0])
            check_tree("scan", self._state_tree, tree)
            yield self._same_tree(*normalized(result[1]))


class Take(Node):
    """The first `count` elements (-1: all)."""

    passes_errors_on = True

    def __init__(self, source: Node, count: int) -> None:
        super().__init__(source)
        self._count = count

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


class Skip(Node):
    """What follows after the first `count` elements (-1: nothing)."""

    passes_errors_on = True

    def __init__(self, source: Node, count: int) -> None:
        super().__init__(source)
        self._count = count

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


def reduce(source: Node, function: UserFunction, initial_state: Any) -> Any:
    """Returns what `function(state, element)` makes of all elements, starting with `initial_state`."""
    state, tree = normalized(initial_state)
    pack = rebuilder(tree)
    for leaves in source.elements():
        state, new_tree = normalized(function(leaves, pack(tuple(map(as_surface, state)))))
        check_tree("reduce", tree, new_tree)
    return pack(tuple(map(as_surface, state)))
