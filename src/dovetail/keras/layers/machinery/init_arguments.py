"""What every layer's `__init__` takes beside its own arguments: older input shapes, newer configs."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location

LEGACY_SHAPES = ("input_shape", "batch_input_shape", "input_dim", "input_length", "batch_size")


def legacy_input_shape(kind: str, kwargs: dict) -> Any:
    """Takes Keras 2's ways to state an input shape out of `kwargs`; returns the shape with its batch axis, or None."""
    batch = kwargs.pop("batch_size", None)
    full = kwargs.pop("batch_input_shape", None)
    dim, length = kwargs.pop("input_dim", None), kwargs.pop("input_length", None)
    shape = kwargs.pop("input_shape", None)
    if full is not None:
        return tuple(full)
    if shape is not None:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return (batch, *shape)
    if dim is not None:
        return (batch, dim) if length is None else (batch, length, dim)
    return None


def refuse_quantization(kind: str, kwargs: dict) -> None:
    """Takes out of `kwargs` what Keras 3's configs hold for quantized layers; None asks for nothing."""
    for name in ("quantization_config", "lora_rank", "lora_alpha"):
        if kwargs.pop(name, None) is not None:
            raise NotImplementedError(f"{kind}: {name} is not supported; leave it out{at_user_location()}")
