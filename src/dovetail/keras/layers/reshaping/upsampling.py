"""Layers that enlarge their spatial axes by repetition or interpolation."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.machinery.arguments import layout, one_of, sizes
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops.image_resize import resize_keras
from dovetail.ops.shapes import reshape, tile
from dovetail.tensor.symbolic import SymbolicTensor

__all__ = ["UpSampling1D", "UpSampling2D", "UpSampling3D"]


class UpSampling(Layer):
    """Repeats each element of the spatial axes."""

    rank = 2

    def __init__(self, size: Any = 2, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kind = type(self).__name__
        self.size = sizes(size, self.rank, f"{kind}: size")
        self.data_format = layout(data_format, kind)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def factors(self) -> tuple[int, ...]:
        """The factor of each axis of the input."""
        return (1, 1, *self.size) if self.data_format == "channels_first" else (1, *self.size, 1)

    def call(self, inputs: Any) -> Any:
        shape = tuple(inputs.shape)
        split = tuple(number for size in shape for number in (size, 1))
        multiples = tuple(number for factor in self.factors for number in (1, factor))
        repeated = tile(reshape(inputs, shape=split), multiples=multiples)  # (size, factor) for each axis
        return reshape(repeated, shape=self._enlarged(shape))

    def compute_output_spec(self, inputs: Any) -> Any:
        return SymbolicTensor(self._enlarged(tuple(inputs.shape)), inputs.dtype)

    def _enlarged(self, shape: tuple) -> tuple:
        return tuple(
            None if size is None else size * factor for size, factor in zip(shape, self.factors, strict=True)
        )

    def get_config(self) -> dict:
        size = self.size[0] if self.rank == 1 else self.size
        config = super().get_config() | {"size": size}
        return config if self.rank == 1 else config | {"data_format": self.data_format}


class UpSampling1D(UpSampling):
    """Repeats each step of (batch, steps, channels) `size` times."""

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, "channels_last", **kwargs)


class UpSampling2D(UpSampling):
    """Enlarges images.

    Args:
        size: factor of height and width, one int or two.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
        interpolation: "nearest" (repeats pixels), "bilinear", "bicubic", "lanczos3" or "lanczos5".
    """

    rank = 2

    def __init__(
        self, size: Any = 2, data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        allowed = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = one_of(interpolation, "UpSampling2D: interpolation", allowed)

    def call(self, inputs: Any) -> Any:
        if self.interpolation == "nearest":
            return super().call(inputs)
        first = self.data_format == "channels_first"
        target = self._enlarged(tuple(inputs.shape))
        return resize_keras(
            inputs,
            size=target[2:] if first else target[1:-1],
            method=self.interpolation,
            antialias=False,
            keep="",
            fill=0.0,
            channels_first=first,
        )

    def get_config(self) -> dict:
        return super().get_config() | {"interpolation": self.interpolation}


class UpSampling3D(UpSampling):
    """Repeats the elements of three spatial axes; see `UpSampling2D`."""

    rank = 3
