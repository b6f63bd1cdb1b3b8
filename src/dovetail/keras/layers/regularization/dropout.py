"""Layers that act in training only: dropout and noise; and the penalty on activity."""

from __future__ import annotations

import math
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import regularizers
from dovetail.keras.idiom import layers_own_generators
from dovetail.keras.layers.machinery.arguments import layout
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.random import SeedGenerator
from dovetail.ops import random
from dovetail.ops.shapes import shape

__all__ = [
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
]

_ALPHA_OF_DROPPED = -1.6732632423543772 * 1.0507009873554805  # what selu gives for minus infinity


class _Random(Layer):
    """A layer that draws when it trains.

    Args:
        seed: of the layer's own generator; None: one from the global generator.
        draws: whether there is anything to draw.
    """

    supports_masking = True

    def __init__(self, seed: int | None = None, draws: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        own = seed is not None or (draws and layers_own_generators())
        self.seed_generator = SeedGenerator(seed) if own else None

    def check_rate(self, rate: Any, upper: float = 1.0) -> float:
        if not isinstance(rate, int | float) or not 0 <= rate <= upper:
            raise ValueError(
                f"{type(self).__name__}: expected a number from 0 to {upper:g}, received {rate!r}{at_user_location()}"
            )
        return rate

    def get_config(self) -> dict:
        return super().get_config() | {"seed": self.seed}


class Dropout(_Random):
    """Sets elements to 0 with probability `rate` in training, and divides the others by `1 - rate`.

    Args:
        rate: probability, from 0 to 1.
        noise_shape: shape of the mask; 1 along axes whose elements are dropped together, None for the input's size.
        seed: of the layer's own generator; None: one from the global generator.

    Source: N. Srivastava et al., 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, bool(rate), **kwargs)
        self.rate = self.check_rate(rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        if not all(size is None or (isinstance(size, int) and size > 0) for size in self.noise_shape or ()):
            raise ValueError(
                f"noise_shape must hold positive integers and None, received {noise_shape!r:.80}"
            )

    def mask_shape(self, inputs: Any) -> tuple | None:
        """Returns the shape of the mask, with -1 for sizes of the input."""
        if self.noise_shape is None:
            return None
        return tuple(-1 if size is None else size for size in self.noise_shape)

    def call(self, inputs: Any, training: Any = False) -> Any:
        if not training or not self.rate:
            return inputs
        return random.draw_dropout(
            inputs, rate=self.rate, noise_shape=self.mask_shape(inputs), seed=self.seed_generator
        )

    def get_config(self) -> dict:
        return super().get_config() | {"rate": self.rate, "noise_shape": self.noise_shape}


class _SpatialDropout(Dropout):
    """Drops whole channels."""

    rank = 2

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        self.data_format = layout(data_format, type(self).__name__)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def mask_shape(self, inputs: Any) -> tuple:
        ones = (1,) * self.rank
        return (-1, -1, *ones) if self.data_format == "channels_first" else (-1, *ones, -1)

    def get_config(self) -> dict:
        config = super().get_config() | {"data_format": self.data_format}
        del config["noise_shape"], config["trainable"]  # which Keras 3 does not read here
        return config


class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of (batch, steps, channels) in training; see `SpatialDropout2D`."""

    rank = 1

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, "channels_last", seed, name, dtype, **kwargs)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["data_format"]
        return config


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images in training.

    Args:
        rate: probability, from 0 to 1.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
        seed: of the layer's own generator; None: one from the global generator.
    """

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes in training; see `SpatialDropout2D`."""

    rank = 3


class GaussianNoise(_Random):
    """Adds normal noise of mean 0 in training.

    Args:
        stddev: standard deviation of the noise.
        seed: of the layer's own generator; None: one from the global generator.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, bool(stddev), **kwargs)
        self.stddev = self.check_rate(stddev, math.inf)

    def call(self, inputs: Any, training: Any = False) -> Any:
        if not training or not self.stddev:
            return inputs
        return inputs + _normal(self, inputs, 0.0, self.stddev)

    def get_config(self) -> dict:
        return super().get_config() | {"stddev": self.stddev}


class GaussianDropout(_Random):
    """Multiplies with normal noise of mean 1 in training.

    Args:
        rate: the noise has the variance `rate / (1 - rate)`, that of dropout.
        seed: of the layer's own generator; None: one from the global generator.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, bool(rate), **kwargs)
        self.rate = self.check_rate(rate)
        if self.rate == 1:
            raise ValueError(f"GaussianDropout: rate must be less than 1{at_user_location()}")

    def call(self, inputs: Any, training: Any = False) -> Any:
        if not training or not self.rate:
            return inputs
        return inputs * _normal(self, inputs, 1.0, math.sqrt(self.rate / (1.0 - self.rate)))

    def get_config(self) -> dict:
        return super().get_config() | {"rate": self.rate}


class AlphaDropout(_Random):
    """Dropout that keeps mean and variance of inputs that a `selu` network made.

    Args:
        rate: probability, from 0 to 1.
        noise_shape: shape of the mask, None for sizes of the input.
        seed: of the layer's own generator; None: one from the global generator.

    Source: G. Klambauer et al., 2017, "Self-normalizing neural networks".
    """

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed, bool(rate), **kwargs)
        self.rate = self.check_rate(rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def call(self, inputs: Any, training: Any = False) -> Any:
        if not training or not self.rate:
            return inputs
        rate, low = self.rate, _ALPHA_OF_DROPPED
        drawn = random.draw_uniform(shape=self._mask_shape(inputs), seed=self.seed_generator)
        kept = (drawn >= rate)._astype(inputs.dtype)
        scale = ((1 - rate) * (1 + rate * low**2)) ** -0.5 if rate < 1 else 0.0
        return (inputs * kept + (1 - kept) * low) * scale - scale * low * rate

    def _mask_shape(self, inputs: Any) -> Any:
        given = self.noise_shape or (None,) * len(inputs.shape)
        own = _known_shape(inputs)
        return tuple(own[axis] if size is None else size for axis, size in enumerate(given))

    def get_config(self) -> dict:
        return super().get_config() | {"rate": self.rate, "noise_shape": self.noise_shape}


def _known_shape(inputs: Any) -> Any:
    """Returns the sizes as ints, or as symbolic numbers where they are unknown."""
    static = tuple(inputs.shape)
    return (
        static if None not in static else [shape(inputs)[i] if s is None else s for i, s in enumerate(static)]
    )


def _normal(layer: Any, inputs: Any, mean: float, stddev: float) -> Any:
    return random.draw_normal(
        shape=_known_shape(inputs), mean=mean, stddev=stddev, dtype=inputs.dtype, seed=layer.seed_generator
    )


class ActivityRegularization(Layer):
    """Returns its inputs, and adds a penalty on them to the losses.

    Args:
        l1: factor of the sum of absolute values.
        l2: factor of the sum of squares.
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1, self.l2 = l1, l2

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict:
        config = super().get_config()
        del config["activity_regularizer"]
        return config | {"l1": self.l1, "l2": self.l2}
