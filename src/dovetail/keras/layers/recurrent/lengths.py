"""Ragged sequences: run as dense ones with a mask, and made ragged again."""

from __future__ import annotations

from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.ops import blocks, shapes, sorting
from dovetail.ops.array import stack_values
from dovetail.ops.gather import gather_nd
from dovetail.ops.ragged.dense import to_tensor
from dovetail.ops.ragged.partition import value_columns
from dovetail.ops.ragged.tensor import RaggedTensor


class Lengths(NamedTuple):
    """The rows of a ragged batch.

    Attributes:
        mask: booleans (batch, time).
        rows: number of steps of each row.
        sequences: the ragged inputs.
    """

    mask: Any
    rows: Any
    sequences: Any

    def ragged(self, outputs: Any, backwards: bool = False) -> Any:
        """Returns dense outputs (batch, time, ...) as rows of these lengths.

        Args:
            outputs: of all steps in the order in which they were computed.
            backwards: the padding came first.
        """
        if backwards:
            outputs = blocks.reverse_sequence(shapes.reverse(outputs, axis=(1,)), self.rows, seq_axis=1)
        given = self.sequences
        places = [given.value_rowids(), value_columns(given.row_splits, given.values)]
        return given.with_values(gather_nd(outputs, stack_values(places, axis=1)))


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
    mask = sorting.sequence_mask(rows, maxlen=shapes.shape(padded)[1])
    return padded, Lengths(mask, rows, sequences)
