"""Masks: boolean tensors beside the tensors that layers pass on.

They stand in a table of Keras'.  What users write and read is `tensor._keras_mask`, as in Keras.
"""

from __future__ import annotations

from typing import Any

from dovetail.tensor.beside import SideTable
from dovetail.tensor.tensor import TensorLike

_masks = SideTable()
mask_of = _masks.get
set_mask = _masks.keep


def _attribute(tensor: Any) -> Any:
    mask = mask_of(tensor)
    if mask is None:
        raise AttributeError(f"{type(tensor).__name__!r} object has no attribute '_keras_mask'")
    return mask


TensorLike._keras_mask = property(_attribute, set_mask)  # type: ignore[attr-defined]
