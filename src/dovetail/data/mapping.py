"""Steps whose elements a user's function makes: map and scan; and the reduction of all elements."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import InvalidArgumentError
from dovetail.data.functions import UserFunction, check_tree, normalized, tell_number
from dovetail.data.mapped_columns import MappedRows
from dovetail.data.node import INFINITE, Node
from dovetail.data.one_pass import OnePass, one_pass
from dovetail.data.ordering import keeps_order
from dovetail.data.plan import ArrayPlan
from dovetail.data.string_rows import Batched, Singly, StringRows, string_rows
from dovetail.data.structure import (
    as_surface,
    rebuilder,
    spec_of,
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
from dovetail.ops import random_keys
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
    return (
        min(os.cpu_count() or 1, _MOST_THREADS) if all(map(random_keys.is_unseeded, function.written)) else 1
    )


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


def reduce(source: Node, function: UserFunction, initial_state: Any) -> Any:
    """Returns what `function(state, element)` makes of all elements, starting with `initial_state`."""
    state, tree = normalized(initial_state)
    pack = rebuilder(tree)
    for leaves in source.elements():
        state, new_tree = normalized(function(leaves, pack(tuple(map(as_surface, state)))))
        check_tree("reduce", tree, new_tree)
    return pack(tuple(map(as_surface, state)))
