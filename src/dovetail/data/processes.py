"""A function in worker processes, for maps that are much Python: threads of one process take turns at that."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from dovetail.base.errors import InvalidArgumentError, at_user_location, of_python
from dovetail.base.optional import optional
from dovetail.data.dataset import Dataset
from dovetail.data.functions import UserFunction
from dovetail.data.mapping import Transformed
from dovetail.data.node import Node

_AT_ONCE = 16  # elements that are sent together
_function: Any = None  # what a worker calls


class MappedInProcesses(Transformed):
    """Applies a function to every element in worker processes, in order.

    Args:
        source: the elements, arrays.
        function: called with them; it is sent to the workers, with what it has from around it.
        num_processes: number of workers; they begin with a pass and end with it.
    """

    def __init__(self, source: Node, function: UserFunction, num_processes: int) -> None:
        super().__init__(source, function)
        self._num_processes = num_processes
        self._sent = _as_bytes(function)

    def _generate(self) -> Iterator[tuple]:
        pool = ProcessPoolExecutor(
            self._num_processes, multiprocessing.get_context("spawn"), _begin, (self._sent,)
        )
        try:
            yield from self._results(pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _results(self, pool: ProcessPoolExecutor) -> Iterator[tuple]:
        elements, running = self.source.elements(), deque[Future]()
        numbers = itertools.count(0, _AT_ONCE)
        while True:
            while len(running) < 2 * self._num_processes:
                group = list(itertools.islice(elements, _AT_ONCE))
                if not group:
                    break
                running.append(pool.submit(_mapped, group, next(numbers)))
            if not running:
                return
            outcomes, failure = running.popleft().result()
            for leaves, tree in outcomes:
                yield self._same_tree(leaves, tree)
            if failure is not None:
                number, error = failure
                raise of_python(error, f"Dataset.map_in_processes: element {number}") from error


def _as_bytes(function: UserFunction) -> bytes:
    """Returns a function as bytes: its source's tree and itself."""
    content = (function.function, function.method, function.source.tree)
    try:
        return pickle.dumps(content)
    except (pickle.PicklingError, AttributeError, TypeError):
        cloudpickle = optional(
            "cloudpickle", "a lambda or an inner function in map_in_processes", "dovetail[processes]"
        )
    try:
        return cloudpickle.dumps(content)
    except Exception as error:
        raise TypeError(
            f"map_in_processes: {function.function!r:.60} cannot be sent to another process ({error}). Use one "
            f"of a module that refers to no open files, locks or the like{at_user_location()}"
        ) from error


class _Tree(Node):
    """What a worker knows of the elements."""

    def __init__(self, tree: Any) -> None:
        super().__init__()
        self._own_tree = tree

    @property
    def tree(self) -> Any:
        return self._own_tree


def _begin(sent: bytes) -> None:
    global _function
    body, method, tree = pickle.loads(sent)
    _function = UserFunction(body, method, _Tree(tree), lambda node: node)


def _that_can_be_sent(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  whatever its class needs to be made
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _mapped(group: list[tuple], first: int) -> tuple[list[tuple], tuple[int, Exception] | None]:
    """Returns the results of elements, up to the first that fails, and the number and the error of that."""
    outcomes: list[tuple] = []
    for number, leaves in enumerate(group, first):
        try:
            outcomes.append(_function.outcome(leaves))
        except Exception as error:  # noqa: BLE001  it is raised where the elements are taken
            return outcomes, (number, _that_can_be_sent(error))
    return outcomes, None


def map_in_processes(map_func: Callable, num_processes: int | None = None) -> Callable[[Dataset], Dataset]:
    """Returns a function to apply: `dataset.map(map_func)` in worker processes, for functions that are much Python.

    Each process starts in about a second, with the pass, so there must be work for them: from a millisecond an element
    on.  A program that uses it needs `if __name__ == "__main__":` around what it runs.  Dovetail only.

    Args:
        map_func: sent to the workers, with what it has from around it: they see no later changes of that, and what
            they change (variables, lists) stays with them.
        num_processes: None: one for each CPU.

    Example:
        dataset.apply(tf.data.experimental.map_in_processes(parse_text, 4)).batch(32)
    """
    count = os.cpu_count() or 1 if num_processes is None else int(num_processes)
    if count < 1:
        raise InvalidArgumentError(
            f"map_in_processes: num_processes must be at least 1, received {count}{at_user_location()}"
        )

    def transformed(dataset: Dataset) -> Dataset:
        function = UserFunction(map_func, "map_in_processes", dataset._node, Dataset)
        return Dataset(MappedInProcesses(dataset._node, function, count))

    return transformed
