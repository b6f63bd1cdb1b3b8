"""Masks of a call: those that come with its inputs, and those that its outputs get."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.keras.masks import mask_of, set_mask
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


def first_masks(args: tuple, kwargs: dict) -> Any:
    """Returns the masks of the first argument in its structure, None when it has none."""
    return masks_of(args[0] if args else next(iter(kwargs.values()), None))


def masks_of(first: Any) -> Any:
    """Returns the masks of a tensor, or of a structure of them in that structure; None when it has none."""
    if type(first) is Tensor or type(first) is SymbolicTensor:
        return mask_of(first)
    if type(first) is list and not any(type(one) is not Tensor or mask_of(one) is not None for one in first):
        return None
    leaves, spec = nest.flatten_spec(first)
    masks = [mask_of(leaf) for leaf in leaves]
    return nest.unflatten(spec, masks) if any(mask is not None for mask in masks) else None


def add_masks(spec: Any, args: tuple, kwargs: dict) -> None:
    """Gives `call` the mask of each argument beside which it has a parameter for it, where none is given.

    Args:
        spec: of `call`, which has such parameters.
        args: of the call.
        kwargs: of the call; the masks go there.
    """
    for position, name, mask_name, mask_position in spec.masked:
        if len(args) > mask_position or kwargs.get(mask_name) is not None:
            continue
        value = args[position] if position < len(args) else kwargs.get(name)
        found = None if value is None else masks_of(value)
        if found is not None:
            kwargs[mask_name] = found


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
    for output, mask in zip(nest.flatten(outputs), nest.flatten(found), strict=False):
        if mask is not None and isinstance(output, Tensor | SymbolicTensor):
            set_mask(output, mask)
