"""Masks: boolean tensors that travel with tensors as `_keras_mask`."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


def first_masks(args: tuple, kwargs: dict) -> Any:
    """Returns the masks of the first argument in its structure, None when it has none."""
    first = args[0] if args else next(iter(kwargs.values()), None)
    if type(first) is Tensor or type(first) is SymbolicTensor:
        return getattr(first, "_keras_mask", None)
    leaves, spec = nest.flatten_spec(first)
    masks = [getattr(leaf, "_keras_mask", None) for leaf in leaves]
    return nest.unflatten(spec, masks) if any(mask is not None for mask in masks) else None


def set_masks(layer: Any, args: tuple, outputs: Any, masks: Any) -> None:
    """Puts the masks of a layer's outputs on them."""
    if (
        masks is not None
        and not layer.supports_masking
        and type(layer).compute_mask is _plain_compute_mask(layer)
    ):
        return
    inputs = args[0] if args else None
    found = layer.compute_mask(inputs, masks)
    if found is None:
        return
    targets, given = nest.flatten(outputs), nest.flatten(found)
    if len(given) != len(targets):
        given = given[:1] * len(targets)
    for output, mask in zip(targets, given, strict=True):
        if mask is not None and isinstance(output, Tensor | SymbolicTensor):
            output._keras_mask = mask


def _plain_compute_mask(layer: Any) -> Any:
    """Returns the base class's compute_mask, which every layer without masking logic shares."""
    return type(layer).__mro__[-2].__dict__["compute_mask"]
