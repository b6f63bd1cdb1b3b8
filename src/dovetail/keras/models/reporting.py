"""What a model tells about itself: its summary, its picture, its weights on disk."""

from __future__ import annotations

from typing import Any


class Reporting:
    """The reporting half of `keras.Model`."""

    def summary(self, line_length: int | None = None, positions: Any = None, print_fn: Any = None) -> None:
        """Prints the layers with their output shapes and numbers of parameters."""
        raise NotImplementedError
