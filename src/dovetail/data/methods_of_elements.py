"""Methods of `tf.data.Dataset` that take one element at a time, or the elements of datasets of datasets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dovetail.base.errors import InvalidArgumentError
from dovetail.data import checked, combine, joining, mapping, resampling, selecting
from dovetail.data.methods import Methods, integer, node_of, seed_of
from dovetail.data.node import AUTOTUNE

if TYPE_CHECKING:
    from dovetail.data.dataset import Dataset

_log = logging.getLogger("dovetail")


class ElementMethods(Methods):
    """map, filter, take, repeat and their kin."""

    # ---- one element at a time ----

    def map(
        self,
        map_func: Callable,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns `map_func(element)` for every element; tuples are passed as several arguments.

        Args:
            map_func: takes Tensors, returns a nested structure of tensors; may use any op.
                Over 2,000 elements or more of fixed shapes, taken from arrays, it is traced once and compiled, as in
                TensorFlow, and runs for many elements at a time, with the random draws of one at a time.  It runs for
                each element by itself where it needs values, prints, checks, looks something up at a place that the
                element gives, or changes Python objects.  After 512 large elements of one shape, such as batches, it is
                compiled for one of these, under the same conditions.  Of elements with strings it is traced once,
                however few there are, where each of its ops takes many of them at once: what Python itself does in it,
                such as a draw by NumPy, happens then, and once.
            num_parallel_calls: number of threads; None: the calling thread.  AUTOTUNE: several where files become
                images or sounds, and no seed says which random numbers an element gets; else the calling thread.
            deterministic: False: with several threads, elements come as they are ready; None: what the dataset's
                options say.
        """
        workers = 1 if num_parallel_calls is None else int(num_parallel_calls)
        if workers < 1 and workers != AUTOTUNE:
            raise InvalidArgumentError(
                f"Dataset.map: num_parallel_calls must be positive or AUTOTUNE, received {workers}"
            )
        return self._checked(
            mapping.Map(
                self._node, self._function(map_func, "map"), 1 if synchronous else workers, deterministic
            )
        )

    def _checked(self, node: mapping.Map | selecting.Filter) -> Dataset:
        """Returns the dataset of a step whose function has been tried."""
        node.check()
        return self._made(node)

    def filter(self, predicate: Callable, name: str | None = None) -> Dataset:
        """Returns the elements for which `predicate` returns a true scalar bool."""
        return self._checked(selecting.Filter(self._node, self._function(predicate, "filter")))

    def take_while(self, predicate: Callable, name: str | None = None) -> Dataset:
        """Returns the elements before the first for which `predicate` is false."""
        return self._checked(selecting.TakeWhile(self._node, self._function(predicate, "take_while")))

    def scan(self, initial_state: Any, scan_func: Callable, name: str | None = None) -> Dataset:
        """Returns the outputs of `scan_func(state, element) -> (new_state, output)`."""
        return self._made(mapping.Scan(self._node, self._function(scan_func, "scan"), initial_state))

    def take(self, count: Any, name: str | None = None) -> Dataset:
        """Returns the first `count` elements (-1: all)."""
        return self._made(selecting.Take(self._node, integer(count, "take", "count")))

    def skip(self, count: Any, name: str | None = None) -> Dataset:
        """Returns what follows the first `count` elements (-1: nothing)."""
        return self._made(selecting.Skip(self._node, integer(count, "skip", "count")))

    def repeat(self, count: Any = None, name: str | None = None) -> Dataset:
        """Returns the dataset `count` times over (None or -1: for ever)."""
        return self._made(
            selecting.Repeat(self._node, -1 if count is None else integer(count, "repeat", "count"))
        )

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Returns every `num_shards`-th element, beginning with number `index`."""
        count, offset = integer(num_shards, "shard", "num_shards"), integer(index, "shard", "index")
        return self._made(selecting.Shard(self._node, count, offset))

    def enumerate(self, start: Any = 0, name: str | None = None) -> Dataset:
        """Returns pairs of an int64 counter and the element."""
        return self._made(joining.Enumerate(self._node, integer(start, "enumerate", "start")))

    def concatenate(self, dataset: Dataset, name: str | None = None) -> Dataset:
        """Returns the elements of this dataset, then those of another."""
        return self._made(joining.Concatenate(self._node, node_of(dataset, "concatenate")))

    def unique(self, name: str | None = None) -> Dataset:
        """Returns each element, a tensor, the first time it comes."""
        return self._made(checked.Unique(self._node))

    def rejection_resample(
        self,
        class_func: Callable,
        target_dist: Any,
        initial_dist: Any = None,
        seed: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Leaves elements out at random, so that classes come as often as asked for; returns pairs (class, element).

        Args:
            class_func: returns the class, an integer, of an element.
            target_dist: the shares that the classes should have.
            initial_dist: the shares that they have; None: they are counted on the way.
            seed: makes the choices repeat.
        """
        class_of = self._function(class_func, "rejection_resample")
        return self._made(
            resampling.Resampled(self._node, class_of, target_dist, initial_dist, seed_of(seed))
        )

    def ignore_errors(self, log_warning: bool = False, name: str | None = None) -> Dataset:
        """Leaves out the elements for which the `map` right before this failed."""
        report = _log.warning if log_warning else _log.debug
        return self._made(
            checked.IgnoreErrors(self._node, lambda error: report("an element is left out: %s", error))
        )

    # ---- datasets of datasets ----

    def flat_map(self, map_func: Callable, name: str | None = None) -> Dataset:
        """Returns the elements of the datasets that `map_func` returns, one dataset after the other."""
        return self._made(combine.FlatMap(self._node, self._function(map_func, "flat_map")))

    def interleave(
        self,
        map_func: Callable,
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns elements of the datasets that `map_func` returns, taken from `cycle_length` of them in turn.

        Args:
            cycle_length: datasets open at a time; by default num_parallel_calls, or the number of CPUs.
            block_length: elements taken from one before the next has its turn (default 1).
            num_parallel_calls: above 1, the open datasets are read side by side, each in a thread; None and AUTOTUNE:
                in the calling thread.
            deterministic: False: those read side by side give elements as they are ready; None: as the options say.
        """
        calls = num_parallel_calls if num_parallel_calls and num_parallel_calls > 0 else None
        cycle = cycle_length if cycle_length not in (None, AUTOTUNE) else calls or os.cpu_count() or 1
        node = combine.Interleave(
            self._node,
            self._function(map_func, "interleave"),
            int(cycle or 1),
            int(block_length or 1),
            calls or 1,
            deterministic,
        )
        return self._made(node)
