"""Ragged sequences: run as dense ones with a mask, and made ragged again."""

from __future__ import annotations

from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.ops import blocks, shapes, sorting
from dovetail.ops.ragged.dense import from_tensor, to_tensor
from dovetail.ops.ragged.tensor import RaggedTensor


class Lengths(NamedTuple):
    """The rows of a ragged batch.

    Attributes:
        mask: booleans (batch, time).
        rows: number of steps of each row.
    """

    mask: Any
    rows: Any

    def ragged(self, outputs: Any, backwards: bool = False) -> Any:
        """Returns dense outputs (batch, time, ...) as rows of these lengths.

        Args:
            outputs: of all steps in the order in which they were computed.
            backwards: the padding came first.
        """
        if backwards:
            outputs = blocks.reverse_sequence(shapes.reverse(outputs, axis=(1,)), self.rows, seq_axis=1)
        return from_tensor(RaggedTensor, outputs, lengths=self.rows)


def dense(sequences: Any, mask: Any, name: str) -> tuple[Any, Lengths | None]:
    """Returns the inputs as dense tensors, and their lengths; None where they were dense.

    Raises:
        ValueError: ragged inputs with a mask beside them.
    """
    if not isinstance(sequences, RaggedTensor):
        return sequences, None
    if mask is not None:
        raise ValueError(f"{name}: a ragged tensor needs no mask: its rows have lengths{at_user_location()}")
    rows, padded = sequences.row_lengths(), to_tensor(sequences)
    return padded, Lengths(sorting.sequence_mask(rows, maxlen=shapes.shape(padded)[1]), rows)
