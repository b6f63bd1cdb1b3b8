"""`keras.layers.Rescaling`."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.settings import settings
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["Rescaling"]


class Rescaling(Layer):
    """Returns `inputs * scale + offset` in the compute dtype.

    Args:
        scale, offset: numbers, or lists with one number a channel.

    Example:
        >>> keras.layers.Rescaling(1 / 255)(tf.constant([255, 0])).numpy().tolist()
        [1.0, 0.0]
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs: Any) -> Any:
        inputs = inputs._astype(self.compute_dtype)
        scaled = inputs * _factor(self.scale, inputs.dtype, True)
        if np.ndim(self.offset) or self.offset:
            return scaled + _factor(self.offset, inputs.dtype, False)
        return scaled

    def get_config(self) -> dict:
        values = {"scale": self.scale, "offset": self.offset}
        return super().get_config() | {
            name: value.tolist() if hasattr(value, "tolist") else value for name, value in values.items()
        }


def _factor(value: Any, dtype: Any, is_scale: bool) -> Any:
    """Returns a number, or a tensor with one number a channel."""
    if not np.ndim(value):
        return float(value)
    tensor = convert_to_tensor(value, dtype)
    if is_scale and settings.image_data_format == "channels_first":
        tensor = tensor[(..., *(None,) * (3 - len(tensor.shape)))]
    return tensor
