"""The input of an architecture: its shape, checked, and the symbolic tensor."""

from __future__ import annotations

import warnings
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.applications.parts import Input
from dovetail.keras.layers.core.input_layer import InputLayer
from dovetail.tensor.symbolic import SymbolicTensor


def input_shape(label: str, shape: Any, sizes: tuple[int, int], static: bool, pretrained: bool) -> tuple:
    """Returns the shape of an image, without the batch axis.

    Args:
        label: name of the architecture, for the errors.
        shape: what the user passed, None for the default.
        sizes: (default, smallest) height and width.
        static: sizes must be known.
        pretrained: weights of ImageNet are loaded, which fix the channels.

    Raises:
        ValueError: not three sizes, too small, unknown where they must be known.
    """
    default, smallest = sizes
    first = settings.image_data_format == "channels_first"
    if shape is None:
        size = default if static else None
        return (3, size, size) if first else (size, size, 3)
    shape = tuple(shape)
    if len(shape) != 3:
        raise ValueError(
            f"{label}: input_shape must be three sizes, such as {(default, default, 3)}, without the batch axis; "
            f"received {shape}{at_user_location()}"
        )
    channels, *spatial = shape if first else (shape[-1], *shape[:2])
    _check_channels(label, shape, channels, pretrained)
    if any(size is not None and size < smallest for size in spatial):
        raise ValueError(
            f"{label}: images must be at least {smallest}x{smallest}, received input_shape={shape}"
            f"{at_user_location()}"
        )
    if static and None in shape:
        raise ValueError(
            f"{label}: the sizes must be known, received input_shape={shape}. Pass include_top=False or all sizes"
            f"{at_user_location()}"
        )
    return shape


def _check_channels(label: str, shape: tuple, channels: Any, pretrained: bool) -> None:
    if pretrained and channels != 3:
        raise ValueError(
            f"{label}: pretrained weights take 3 channels, received input_shape={shape}{at_user_location()}"
        )
    if channels not in (1, 3):
        warnings.warn(f"{label}: images have 1 or 3 channels mostly, received {channels}", stacklevel=5)


def check_pretrained_shape(label: str, shape: Any, size: int) -> None:
    """Raises ValueError where a classifier with pretrained weights is given another shape than it was trained on."""
    expected = (3, size, size) if settings.image_data_format == "channels_first" else (size, size, 3)
    if shape is not None and tuple(shape) != expected:
        raise ValueError(
            f"{label}: with include_top=True and pretrained weights input_shape is {expected}, received {tuple(shape)}"
            f"{at_user_location()}"
        )


def symbolic_input(label: str, tensor: Any, shape: tuple) -> tuple[Any, Any]:
    """Returns what the first layer is called on, and the inputs of the model.

    Args:
        label: name of the architecture, for the errors.
        tensor: the user's `input_tensor`, None for a new input.
        shape: of an image.
    """
    if tensor is None:
        made = Input(shape=shape)
        return made, made
    if not isinstance(tensor, SymbolicTensor):
        raise ValueError(
            f"{label}: input_tensor must be a symbolic tensor, such as keras.Input({shape}), received "
            f"{type(tensor).__name__}{at_user_location()}"
        )
    sources = source_inputs(tensor)
    return tensor, sources[0] if len(sources) == 1 else sources


def source_inputs(tensor: Any) -> list:
    """Returns the inputs that a symbolic tensor is computed from, in the order of a walk backwards."""
    found: list = []
    waiting, seen = [tensor], set()
    while waiting:
        here = waiting.pop()
        if id(here) in seen:
            continue
        seen.add(id(here))
        if here.node is None or isinstance(here.node.operation, InputLayer):
            found.append(here)
        else:
            waiting.extend(reversed(here.node.inputs))
    return found
