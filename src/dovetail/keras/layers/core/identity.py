"""`keras.layers.Identity`."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.machinery.layer import Layer

__all__ = ["Identity"]


class Identity(Layer):
    """Returns its inputs."""

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs
