"""Datasets over arrays as data of a run: what `tf.data` knows of the order of rows reaches the executor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.data.plan import ArrayPlan, as_indices
from dovetail.keras.training.arrays import ArrayData, Stretch
from dovetail.keras.training.pace import Pace
from dovetail.keras.training.passes import Passes
from dovetail.keras.training.streams import leaves_of

_MOST_ROWS = 1 << 22
_MOST_MAPPED_BYTES = 1 << 30
_MOST_SAMPLES = 1 << 31


class RowData(ArrayData):
    """Rows of arrays in batches, shuffled, repeated and cut as a dataset says.

    The arrays go to the device once; a pass is a sequence of row numbers, and compiled loops gather the batches.

    Args:
        plan: the arrays and the order of their rows, in batches.
        num_batches: how many a pass has; None: it is endless.
        steps: batches an epoch; None: a pass.
        class_weight: `{class: weight}`, which becomes part of the sample weights.
        generators: see `Passes`.
    """

    def __init__(
        self,
        plan: ArrayPlan,
        num_batches: int | None,
        steps: int | None,
        class_weight: dict | None,
        generators: Any = (),
    ) -> None:
        self.leaves, self.spec = leaves_of(plan.arrays, class_weight)
        self.num_samples, self.batch_size = plan.size, plan.batch_size or 1
        self.shuffle, self.checked = False, False
        self.on_device = self.order = None
        self.pace = Pace()
        self._passes = Passes(plan.runs, steps, num_batches, generators)
        self._capacity = min(self._passes.num_items or 1, max(_MOST_ROWS // self.batch_size, 1))

    @staticmethod
    def takes(plan: ArrayPlan, num_batches: int | None) -> bool:
        """True for plans of batches of numbers, or of strings as they are."""
        return (
            plan.batch_size is not None
            and 0 < plan.size < _MOST_SAMPLES
            and (not plan.is_mapped or _worth_mapping(plan, num_batches))
            and all(column.dtype.kind not in ("OSU" if plan.is_mapped else "SU") for column in plan.columns)
        )

    @property
    def num_batches(self) -> int | None:
        return self._passes.num_items

    def restart(self) -> None:
        """Begins a new pass, whatever is left of this one."""
        self._passes.restart()

    def standing(self, done: int | None) -> dict:
        return self._passes.standing(done)

    def resume(self, standing: dict, done: int) -> None:
        self._passes.resume(standing, done)
        self.done = done

    def stretches(self, steps: int | None) -> Iterator[Stretch]:
        """Yields the batches of an epoch; a smaller one ends a stretch."""
        whole: list = []
        for run in self._passes.epoch():
            if len(run) < self.batch_size:
                yield self._stretch(whole, run)
                whole = []
                continue
            whole.append(run)
            if len(whole) == self._capacity:
                yield self._stretch(whole)
                whole = []
        if whole:
            yield self._stretch(whole)

    def _stretch(self, whole: list, rest: Any = ()) -> Stretch:
        """Returns batches as row numbers; there is always room for the same number, so that one loop fits all."""
        order: np.ndarray = np.zeros((self._capacity + 1) * self.batch_size, np.int32)
        position = 0
        for run in (*whole, rest):
            order[position : position + len(run)] = as_indices(run)
            position += len(run)
        return Stretch(order, position, 0, len(whole) + (len(rest) > 0))


def _worth_mapping(plan: ArrayPlan, num_batches: int | None) -> bool:
    """True when all rows may be mapped ahead: most of them come, and the results fit into memory."""
    rows = plan.size if num_batches is None else num_batches * (plan.batch_size or 1)
    return 2 * rows >= plan.size and plan.row_bytes() * plan.size <= _MOST_MAPPED_BYTES
