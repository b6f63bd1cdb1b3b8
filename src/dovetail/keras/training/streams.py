"""Data for `fit`, `evaluate` and `predict` that comes in batches."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras.training.arrays import as_numpy, class_weighted
from dovetail.keras.training.gathering import Batch, Places
from dovetail.keras.training.loaders import batches_of, workers_of
from dovetail.keras.training.pace import Pace
from dovetail.keras.training.passes import Passes
from dovetail.keras.training.shuffling import epoch_generator
from dovetail.keras.training.source import Source
from dovetail.keras.training.steps import pack_x_y_sample_weight, unpack_x_y_sample_weight
from dovetail.keras.utils.batches import PyDataset

_ENDLESS = -1  # tf.data.INFINITE_CARDINALITY


class StreamData(Source):
    """Batches from a dataset, generator, `keras.utils.Sequence` or any iterable.

    Args:
        source: what gives batches `x`, `(x, y)` or `(x, y, sample_weight)`.
        steps: batches an epoch; None: until the source ends.
        shuffle: new order of the batches in each pass, where the source has a length and is indexed.
        class_weight: `{class: weight}`, which becomes part of the sample weights.

    Attributes:
        pace: how many steps the next dispatch runs.

    `num_batches` is None until the first epoch has ended, where the source does not tell.
    """

    def __init__(
        self, source: Any, steps: int | None, shuffle: bool = False, class_weight: dict | None = None
    ) -> None:
        if not any(hasattr(source, name) for name in ("__iter__", "__getitem__", "_numpy_batches")):
            raise TypeError(
                f"x must be arrays, or something that gives batches (a dataset, a generator, a Sequence), received a "
                f"{type(source).__name__}{at_user_location()}"
            )
        if steps is None and hasattr(source, "cardinality") and int(source.cardinality()) == _ENDLESS:
            raise ValueError(
                "the dataset never ends (repeat() without a count); pass steps_per_epoch (steps in evaluate and "
                f"predict), or repeat it a number of times{at_user_location()}"
            )
        self.source, self.steps, self.shuffle, self.class_weight = source, steps, shuffle, class_weight
        self._most = _length(source) if steps is None else steps
        self._passes = Passes(self._begin, steps, self._most, generators_of(source))
        self.pace = Pace(2)
        self._places: Places | None = None

    @property
    def keeps_batches(self) -> bool:
        """False for code of users, which may write the next batch into the arrays of the last while that is read."""
        return hasattr(self.source, "_numpy_batches")

    @property
    def num_batches(self) -> int | None:
        return self._passes.num_items

    def restart(self) -> None:
        """Begins a new pass; a generator goes on where it is."""
        self._passes.restart()

    def standing(self, done: int | None) -> dict:
        return self._passes.standing(done)

    def resume(self, standing: dict, done: int) -> None:
        self._passes.resume(standing, done)
        self.done = done

    def batches(self) -> Iterator[tuple[list, Any]]:
        """Yields `(leaves, spec)` for the batches of one epoch; passes over the source continue from epoch to epoch."""
        return map(self._leaves, self._passes.epoch())

    def _begin(self) -> Iterator:
        source = self.source
        if hasattr(source, "_numpy_batches"):
            return iter(source._numpy_batches())
        if _is_numbered(source):
            order = (
                epoch_generator().permutation(len(source)).tolist() if self.shuffle else range(len(source))
            )
            return batches_of(source, order, workers_of(source))
        return iter(source)

    def _leaves(self, item: Any) -> tuple[list, Any]:
        return leaves_of(item, self.class_weight)

    def places_for(self, batch: Batch) -> Places:
        """Returns room for such batches to be gathered."""
        if self._places is None or self._places.kind != batch.kind:
            self._places = Places(batch.leaves, self._most)
        return self._places

    def begin_epoch(self) -> None:
        """Tells the source that an epoch begins."""
        if hasattr(self.source, "on_epoch_begin"):
            self.source.on_epoch_begin()

    def end_epoch(self) -> None:
        """Tells the source that an epoch has ended."""
        if hasattr(self.source, "on_epoch_end"):
            self.source.on_epoch_end()


def generators_of(source: Any) -> list:
    """Returns what the passes over a dataset take random numbers from; none for other sources."""
    node: Any = getattr(source, "_node", None)
    return node.all_generators() if hasattr(node, "all_generators") else []


def leaves_of(item: Any, class_weight: dict | None) -> tuple[list, Any]:
    """Returns a batch as the source gave it, `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`: its arrays, its spec."""
    if isinstance(item, list):
        item = tuple(item)
    if isinstance(item, tuple) and len(item) > 3:
        raise ValueError(
            f"a batch must be x, (x, y) or (x, y, sample_weight), received a tuple of {len(item)}"
        )
    if class_weight is not None:
        x, y, weight = unpack_x_y_sample_weight(item)
        item = pack_x_y_sample_weight(x, y, class_weighted(y, weight, class_weight))
    if type(item) is tuple and all(type(part) is np.ndarray for part in item):
        return list(map(as_numpy, item)), _spec_of_arrays(len(item))
    leaves, spec = nest.flatten_spec(item)
    return [as_numpy(leaf) for leaf in leaves], spec


@functools.cache
def _spec_of_arrays(count: int) -> Any:
    return nest.flatten_spec((0,) * count)[1]


def _is_numbered(source: Any) -> bool:
    """Returns whether the batches are asked for by number; Keras 2's endless iterators of images can do both."""
    if not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        return False
    return isinstance(source, PyDataset) or not hasattr(source, "__next__")


def _length(source: Any) -> int | None:
    """Returns the number of batches of a source, None when it does not tell or is endless."""
    if hasattr(source, "cardinality"):
        count = int(source.cardinality())
        return count if count >= 0 else None
    try:
        return len(source)
    except TypeError:
        return None
