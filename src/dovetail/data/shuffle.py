"""`shuffle`: a uniformly random order, or the mixing of a bounded buffer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import InvalidArgumentError
from dovetail.data.node import UNKNOWN, Node
from dovetail.data.plan import ArrayPlan, reservoir
from dovetail.data.seeds import Generators


class Shuffle(Node):
    """Gives random elements of a buffer that is refilled from the source.

    With a buffer that holds the whole dataset every order is equally likely.  Datasets of array rows are shuffled as
    row numbers.
    """

    def __init__(self, source: Node, buffer_size: int, seed: Any, reshuffle: bool) -> None:
        super().__init__(source)
        if buffer_size == UNKNOWN:  # TensorFlow's way of saying "all of it"
            buffer_size = sys.maxsize
        if buffer_size < 1:
            raise InvalidArgumentError(
                f"Dataset.shuffle: buffer_size must be at least 1, received {buffer_size}"
            )
        self._buffer_size, self._renew = buffer_size, reshuffle
        self._generators = Generators(seed, reshuffle)

    def _make_plan(self) -> ArrayPlan | None:
        plan = self.source.plan
        return plan and plan.shuffle(self._buffer_size, self._generators, self._renew)

    def _generate(self) -> Iterator[tuple]:
        return reservoir(self.source.elements(), self._buffer_size, self._generators())
