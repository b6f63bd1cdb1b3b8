"""Functions of elements compiled for many elements at a time: `map` and then `batch` as one batch, mapped at once.

A function is traced once, as TensorFlow traces it, and runs for many rows in one program.  It keeps the random numbers
that a loop over the elements would have drawn: generators count their draws, so that the state before each row is
known ahead.  What a row has left behind is compared with what the next one began with; where a function draws now
more and now less, the rows after that are computed again, one by one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.settings import state
from dovetail.data.functions import UserFunction
from dovetail.data.structure import flatten, rebuilder, spec_of, stack, tensor_of
from dovetail.engine import dtypes, jax_private_module, loaded_xla, uses_xla, xla
from dovetail.function.autograph.gate import converted
from dovetail.function.trace import Program, example_of
from dovetail.tensor import Tensor, TensorSpec

LEAST_ELEMENTS = 2000  # compiling costs as much as mapping so many elements by a few ops
LEAST_BYTES, LEAST_PASSES = 1 << 25, 3  # or as so many passes over so large a set of elements
_CHUNK_BYTES = 1 << 21
_MOST_ROWS = 512
_MOST_RESTARTS = 3
_ELEMENTS_BEFORE_COMPILING = 512  # compiling costs as much as a few ops on so many batches
_LARGE_BYTES = 1 << 17  # from here on, a program takes less time than its ops do


class _Mode:
    """Whether functions are compiled at all; `enable_debug_mode` says no."""

    compiles = True


mode = _Mode()


class RowFunction:
    """A user's function of one element, compiled for many.

    Attributes:
        tree: how the leaves of a result nest.
        results: `(shape, dtype)` of each leaf of a result.
        is_pure: whether it reads no variables, and so always gives the same.
        writes: whether it changes variables, the states of random generators among them.
        chunk: how many rows to compute at a time.
    """

    def __init__(self, program: Program, tree: Any, examples: list) -> None:
        self.tree, self._program = tree, program
        outputs = program.closed.out_avals[: program.num_results]
        self.results = [(tuple(aval.shape), np.dtype(aval.dtype)) for aval in outputs]
        self.is_pure, self.writes = not program.reads, bool(program.writes)
        written = {id(variable) for variable in program.writes}
        self._counts = [id(variable) in written for variable in program.reads]
        by_row = [True] * program.num_tensors + self._counts
        engine = xla("tf.data").rows()
        self._compiled = engine.rows_program(program.run, by_row, program.options)
        self._steps: list | None = None  # what a row adds to each variable that it writes
        sizes = [(tuple(example.shape), np.dtype(example.dtype)) for example in examples]
        row_bytes = sum(math.prod(shape) * dtype.itemsize for shape, dtype in [*sizes, *self.results])
        self.chunk = max(1, min(_MOST_ROWS, _CHUNK_BYTES // max(row_bytes, 1)))
        self.row_bytes = row_bytes

    def pure(self, columns: list, size: int) -> list[np.ndarray]:
        """Returns the results for rows, in programs of `size` rows each."""
        count = len(columns[0])
        if count == size:
            return self._compiled(*columns)
        results = [np.empty((count, *shape), dtype) for shape, dtype in self.results]
        for start in range(0, count, size):
            stop = min(start + size, count)
            rows = [padded(column[start:stop], size) for column in columns]
            for result, part in zip(results, self._compiled(*rows), strict=True):
                result[start:stop] = part[: stop - start]
        return results

    def run(self, columns: list, start: int = 0) -> Made:
        """Computes rows; the variables have the values that row `start` begins with."""
        reads = self._program.reads
        values = [variable._plain()._value for variable in reads]
        size = len(columns[0])
        if self._steps is None:
            alike = [np.broadcast_to(v, (size, *v.shape)) if c else v for v, c in zip(values, self._counts)]
            written = self._compiled(*columns, *alike)[self._program.num_results :]
            position = {id(variable): i for i, variable in enumerate(reads)}
            self._steps = [
                after[0] - np.asarray(values[position[id(variable)]])
                for variable, after in zip(self._program.writes, written, strict=True)
            ]
        steps = {id(v): step for v, step in zip(self._program.writes, self._steps, strict=True)}
        given: Any = [
            _counted(np.asarray(value), steps[id(variable)], size, start) if counts else value
            for variable, value, counts in zip(reads, values, self._counts, strict=True)
        ]
        outputs = self._compiled(*columns, *given)
        split = self._program.num_results
        began = {id(variable): value for variable, value in zip(reads, given, strict=True)}
        before = [began[id(variable)] for variable in self._program.writes]
        return Made(self._program, values, outputs[:split], before, outputs[split:], start)


class Made:
    """Computed rows, and what each leaves behind.

    Attributes:
        results: arrays of (rows, ...).
        valid: the number of the first row that began with other values than the row before has left, or of rows.
    """

    def __init__(
        self, program: Program, values: list, results: list, before: list, after: list, start: int
    ) -> None:
        self._program, self._seen, self.results, self._after = program, list(values), results, after
        self.valid = len(results[0])
        for began, left in zip(before, after, strict=True):
            if len(left) - 1 <= start:  # there is no row after
                continue
            wrong = (left[start:-1] != began[start + 1 :]).reshape(len(left) - 1 - start, -1).any(axis=1)
            if wrong.any():
                self.valid = min(self.valid, start + int(wrong.argmax()) + 1)

    def holds(self) -> bool:
        """Whether the variables are what they were when the next row was computed."""
        reads = self._program.reads
        return all(variable._plain()._value is seen for variable, seen in zip(reads, self._seen, strict=True))

    def leave(self, row: int) -> None:
        """Gives the variables what a row leaves behind."""
        if not self._after:
            return
        for variable, after in zip(self._program.writes, self._after, strict=True):
            variable._store(Tensor(np.array(after[row])))
        self._seen = [variable._plain()._value for variable in self._program.reads]

    def row(self, row: int) -> tuple:
        return tuple(column[row, ...] for column in self.results)


def _counted(value: np.ndarray, step: np.ndarray, size: int, start: int) -> np.ndarray:
    """Returns value + (row - start) * step for each row."""
    numbers = (np.arange(size) - start).astype(value.dtype).reshape(-1, *(1,) * value.ndim)
    return value + numbers * step


def padded(rows: np.ndarray, size: int) -> np.ndarray:
    """Returns rows with the last repeated so that there are `size`."""
    missing = size - len(rows)
    return rows if not missing else np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])


def row_function(functions: tuple[UserFunction, ...]) -> RowFunction | None:
    """Returns users' functions, one after the other, compiled for rows; None where they must run element by element.

    That is so when the elements have no fixed shapes or are no numbers, when a function prints, checks, looks up what
    the element says (compiled code does not fail), needs values, changes Python objects, or writes variables that do
    not count.
    """
    specs = functions[0].source.specs
    found = _traced(functions, specs)
    return None if found is None else RowFunction(*found, [example_of(spec) for spec in specs])


def _traced(functions: tuple[UserFunction, ...], specs: tuple) -> tuple[Program, Any] | None:
    """Returns the program of functions for one element, and the tree of its result; None where there can be none."""
    if not specs or not all(map(_is_fixed, specs)) or any(function.changes for function in functions):
        return None
    trees: list = []

    def run(tensors: list) -> list:
        leaves, tree = tuple(tensors), functions[0].source.tree
        for function in functions:
            body, element = converted(function.function), rebuilder(tree)(leaves)
            value = body(*element) if type(element) is tuple else body(element)
            leaves, tree = flatten(tuple(value) if isinstance(value, list) else value)
            leaves = tuple(tensor_of(leaf) for leaf in leaves)
        trees.append(tree)
        return list(leaves)

    try:
        with apart():
            program = Program(run, [example_of(spec) for spec in specs], may_create=False)
    except Exception:  # noqa: BLE001  op by op it works, or raises this by itself
        return None
    return (program, trees[-1]) if _is_fit(program) else None


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Runs what is inside unseen by tapes and traces of the caller."""
    saved = state.tapes, state.scope, state.autocast, state.host_only
    state.tapes, state.scope, state.autocast, state.host_only = (), None, None, 0
    try:
        yield
    finally:
        state.tapes, state.scope, state.autocast, state.host_only = saved


class OneByOne:
    """A user's function that is compiled when it has met many large elements of one shape, such as batches.

    They come one by one and in order, so that nothing but speed depends on it.  The count decides, never a clock.
    """

    def __init__(self, function: UserFunction) -> None:
        self._function = function
        self._num_elements = 0
        self._kind: tuple | None = None
        self._compiled: tuple[Program, Any] | None = None

    def __call__(self, leaves: tuple) -> tuple[tuple, Any]:
        """Returns `(leaves, tree)` of what the function returns."""
        self._num_elements += 1
        if self._num_elements == _ELEMENTS_BEFORE_COMPILING:
            self._compile(leaves)
        if self._compiled is None or _kind_of(leaves) != self._kind:
            return self._function.outcome(leaves)
        program, tree = self._compiled
        with apart():
            return tuple(np.asarray(t._value) for t in program.call(list(map(Tensor, leaves)))), tree

    def _compile(self, leaves: tuple) -> None:
        arrays = all(type(leaf) is np.ndarray for leaf in leaves)
        if (
            not arrays
            or not mode.compiles
            or loaded_xla() is None
            or not uses_xla()
            or sum(x.nbytes for x in leaves) < _LARGE_BYTES
        ):
            return
        self._kind = _kind_of(leaves)
        self._compiled = _traced((self._function,), tuple(map(spec_of, leaves)))


def _kind_of(leaves: tuple) -> tuple:
    return tuple([(leaf.shape, leaf.dtype) for leaf in leaves])


def _is_fixed(spec: Any) -> bool:
    return (
        isinstance(spec, TensorSpec)
        and spec.shape.is_fully_defined()
        and not dtypes.is_host_only(spec.dtype.numpy_dtype)
    )


def _is_fit(program: Program) -> bool:
    private = jax_private_module()
    return (
        program._only_tensors
        and program.num_results > 0
        and not program.has_effects
        and not program.stores
        and not program.borrows
        and all(variable.dtype.is_integer for variable in program.writes)
        and not private.looks_up_by_data(program.closed, program.num_tensors)
    )


def chunks_of(elements: Iterator[tuple], size: int) -> Iterator[tuple[list, int]]:
    """Yields `size` stacked elements at a time, the last repeated where there are fewer, and how many there are."""
    group: list[tuple] = []
    for leaves in elements:
        group.append(leaves)
        if len(group) == size:
            yield _stacked(group, size)
            group = []
    if group:
        yield _stacked(group, size)


def _stacked(group: list[tuple], size: int) -> tuple[list, int]:
    return [padded(stack(list(leaves), "Dataset.map"), size) for leaves in zip(*group, strict=True)], len(
        group
    )


class RowPass:
    """One pass over a source, mapped in chunks.

    Args:
        rows: the function for many rows.
        functions: the same for one, each given what the one before returns.
        chunks: `(columns, count)`, as `chunks_of` gives them.
    """

    def __init__(
        self, rows: RowFunction, functions: tuple[UserFunction, ...], chunks: Iterator[tuple[list, int]]
    ) -> None:
        self._rows, self._functions, self._chunks = rows, functions, chunks
        self._restarts = 0

    def elements(self) -> Iterator[tuple]:
        """Yields the results one by one; a variable has then the value that it would have op by op."""
        for columns, count in self._chunks:
            row = 0
            while row < count:
                if self._restarts > _MOST_RESTARTS:
                    yield self._one(columns, row)
                    row += 1
                    continue
                made = self._rows.run(columns, row)
                stop = min(made.valid, count)
                while row < stop and made.holds():
                    made.leave(row)
                    yield made.row(row)
                    row += 1
                self._restarts += row < count

    def batches(self) -> Iterator[tuple]:
        """Yields the results stacked, as many as a chunk has."""
        for columns, count in self._chunks:
            if self._restarts:
                yield self._one_by_one(columns, 0, count)
                continue
            made = self._rows.run(columns)
            stop = min(made.valid, count)
            made.leave(stop - 1)
            results = tuple(column[:stop] for column in made.results)
            if stop < count:
                self._restarts += 1
                rest = self._one_by_one(columns, stop, count)
                results = tuple(np.concatenate(parts) for parts in zip(results, rest, strict=True))
            yield results

    def _one(self, columns: list, row: int) -> tuple:
        leaves = tuple(column[row, ...] for column in columns)
        for function in self._functions:
            leaves, _ = function.outcome(leaves)
        return leaves

    def _one_by_one(self, columns: list, start: int, stop: int) -> tuple:
        rows = [self._one(columns, row) for row in range(start, stop)]
        return tuple(stack(list(leaves), "Dataset.map") for leaves in zip(*rows, strict=True))
