"""How many steps a dispatch runs: so many that it is worth a dispatch, so few that it can be interrupted."""

from __future__ import annotations

SECONDS_PER_DISPATCH = 0.2
_SECOND = 8  # steps of the dispatch after the first, which compiled, and so says nothing


class Pace:
    """Adapts the number of steps a dispatch runs to the time that they take.

    Args:
        first: steps of the first dispatch.

    Attributes:
        steps: of the next.
        is_unknown: whether it is not known yet how long steps take.
    """

    def __init__(self, first: int = 1) -> None:
        self.steps = first
        self.is_unknown = True

    def took(self, steps: int, seconds: float) -> None:
        """Notes how long a dispatch has taken."""
        if self.is_unknown:
            self.is_unknown, self.steps = False, _SECOND
        else:
            self.steps = max(1, int(steps * SECONDS_PER_DISPATCH / max(seconds, 1e-6)))
