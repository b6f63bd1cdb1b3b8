"""`rejection_resample`: elements are left out at random, so that their classes come as often as asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.data.functions import UserFunction
from dovetail.data.node import UNKNOWN, Node
from dovetail.data.seeds import Generators
from dovetail.data.structure import LEAF, as_leaf, compose
from dovetail.tensor import convert_to_tensor

_SEEN_BEFORE = 10  # of each class: so the first elements do not decide alone what the shares are


class Resampled(Node):
    """Pairs of a class and an element; an element stays with the probability target / initial of its class, scaled.

    Args:
        source: the elements.
        class_of: returns the class (int) of an element.
        target: the shares that the classes should have.
        initial: the shares that they have; None: they are counted on the way.
        seed: of the random choices.
    """

    def __init__(
        self, source: Node, class_of: UserFunction, target: Any, initial: Any, seed: int | None
    ) -> None:
        super().__init__(source)
        self._class_of = class_of
        self._target = _shares(target, "target_dist")
        self._initial = None if initial is None else _shares(initial, "initial_dist")
        if self._initial is not None and self._initial.shape != self._target.shape:
            raise InvalidArgumentError(
                f"Dataset.rejection_resample: target_dist has {self._target.size} classes, initial_dist "
                f"{self._initial.size}{at_user_location()}"
            )
        self._generators = Generators(seed, renew=True)

    @property
    def tree(self) -> Any:
        return compose((LEAF, self.source.tree))

    @property
    def specs(self) -> tuple:
        return (*self._class_of.described()[0], *self.source.specs)

    def cardinality(self) -> int:
        return UNKNOWN

    def _generate(self) -> Iterator[tuple]:
        rng = self._generators()
        counts: Any = np.full(self._target.size, _SEEN_BEFORE, np.float64)
        kept = None if self._initial is None else _kept(self._target, self._initial)
        for leaves in self.source.elements():
            label = as_leaf(self._class_of(leaves))
            number = self._checked(label)
            if self._initial is None:
                counts[number] += 1
                kept = _kept(self._target, counts)
            if rng.random() < kept[number]:  # type: ignore[index]
                yield (label, *leaves)

    def _checked(self, label: Any) -> int:
        if label.dtype.kind not in "iu" or label.ndim:
            raise TypeError(
                f"Dataset.rejection_resample: class_func must return an integer, not {label!r:.80}"
            )
        if not 0 <= label < self._target.size:
            raise InvalidArgumentError(
                f"Dataset.rejection_resample: class {int(label)} is not in [0, {self._target.size})"
            )
        return int(label)


def _kept(target: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """Returns with which probability an element of each class stays."""
    ratios = target / np.maximum(initial / initial.sum(), np.finfo(np.float64).tiny)
    return ratios / ratios.max()


def _shares(given: Any, name: str) -> np.ndarray:
    table = np.asarray(as_leaf(convert_to_tensor(given)), np.float64)
    if table.ndim != 1 or (table < 0).any() or not table.sum() > 0:
        raise InvalidArgumentError(
            f"Dataset.rejection_resample: {name} must hold a share >= 0 for each class, received {given!r:.80}"
            f"{at_user_location()}"
        )
    return table / table.sum()
