"""Masks of a call: those that come with its inputs, and those that its outputs get."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.keras.masks import mask_of, set_mask
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


def first_masks(args: tuple, kwargs: dict) -> Any:
    """Returns the masks of the first argument in its structure, None when it has none."""
    first = args[0] if args else next(iter(kwargs.values()), None)
    if type(first) is Tensor or type(first) is SymbolicTensor:
        return mask_of(first)
    leaves, spec = nest.flatten_spec(first)
    masks = [mask_of(leaf) for leaf in leaves]
    return nest.unflatten(spec, masks) if any(mask is not None for mask in masks) else None


def set_masks(layer: Any, args: tuple, outputs: Any, masks: Any) -> None:
    """Puts the masks that a layer computes for its outputs on them.

    Args:
        layer: the layer, which knows about masks.
        args: of the call.
        outputs: of the call.
        masks: of the first argument, in its structure; None when it has none.
    """
    inputs = args[0] if args else None
    found = layer.compute_mask(inputs, masks)
    if found is None:
        return
    targets, given = nest.flatten(outputs), nest.flatten(found)
    if len(given) != len(targets):
        given = given[:1] * len(targets)
    for output, mask in zip(targets, given, strict=True):
        if mask is not None and isinstance(output, Tensor | SymbolicTensor):
            set_mask(output, mask)
