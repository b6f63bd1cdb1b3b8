"""The outputs of a call as one attribute of its op: what follows from them is worked out once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dovetail.ops.records.outputs import Output


class Layout:
    """The outputs of a call.

    Args:
        outputs: in the order of the results.

    Attributes:
        wanted: the features that they read: key -> kind.
        sizes, sizes_alone: how many arrays each has, for many records and for one without an axis.
    """

    __slots__ = ("_hash", "outputs", "sizes", "sizes_alone", "wanted")

    def __init__(self, outputs: Sequence[Output]) -> None:
        self.outputs = tuple(outputs)
        self.wanted = {key: kind for output in outputs for key, kind in output.columns().items()}
        self.sizes = [len(output.specs(None)) for output in outputs]
        self.sizes_alone = [len(output.alone_specs()) for output in outputs]
        self._hash = hash(self.outputs)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Layout) and self.outputs == other.outputs)

    def __repr__(self) -> str:
        return f"<{len(self.outputs)} features>"

    def arrays(self, columns: dict, count: int, defaults: Iterator[Any], single: bool) -> list:
        """Returns the arrays of all outputs.

        Args:
            columns: the features by key.
            count: the number of records.
            defaults: those of the outputs that have one, in order.
            single: there is one record, without an axis.
        """
        found: list = []
        for output in self.outputs:
            arrays = output.arrays(columns, count, next(defaults) if output.takes_default else None)
            found += output.alone(arrays) if single else arrays
        return found

    def specs(self, count: int | None, single: bool) -> list[tuple]:
        """Returns shape and dtype of all arrays."""
        return [
            spec
            for output in self.outputs
            for spec in (output.alone_specs() if single else output.specs(count))
        ]

    def built(self, parts: Sequence[Any], single: bool) -> list:
        """Returns the values that the arrays, as tensors, make up."""
        found, start = [], 0
        for output, size in zip(self.outputs, self.sizes_alone if single else self.sizes, strict=True):
            found.append(output.build(parts[start : start + size], single))
            start += size
        return found
