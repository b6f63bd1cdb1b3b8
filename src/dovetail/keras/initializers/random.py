"""Initializers that draw random numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.initializers import draw
from dovetail.keras.initializers.initializer import Initializer, known_sizes, wanted_dtype
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import generator
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import enter_scope

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
    "uniform",
    "variance_scaling",
]


class RandomInitializer(Initializer):
    """An initializer that draws; the subclass says from what.

    Args:
        seed: an integer: every call gives the same values.  A `keras.random.SeedGenerator`: every call draws from it.
            None: every call draws from the global generator (`keras.utils.set_random_seed`); in Keras 3 such an
            initializer keeps to one set of values.
    """

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, dict):
            seed = deserialize_keras_object(seed)
        elif isinstance(seed, np.integer):
            seed = int(seed)
        if not (seed is None or isinstance(seed, int) or hasattr(seed, "next_key")):
            raise ValueError(
                f"{type(self).__name__}: seed must be an integer, a keras.random.SeedGenerator or None, received "
                f"{seed!r}{at_user_location()}"
            )
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        kind, sizes = wanted_dtype(self, dtype, kwargs), known_sizes(self, shape)
        return Tensor(self.values(self._key(), sizes, kind))

    def values(self, key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Draws the values with a key of the generator."""
        raise NotImplementedError

    def _key(self) -> np.ndarray:
        with enter_scope(
            None
        ):  # a layer may be built inside a traced function: its weights are values all the same
            return np.asarray(generator.key_of(self.seed)).astype(np.uint64)

    def get_config(self) -> dict:
        return {"seed": serialize_keras_object(self.seed)}


class RandomNormal(RandomInitializer):
    """Normal numbers of the given mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed)

    def values(self, key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return draw.normal(key, shape, self.mean, self.stddev, dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomNormal):
    """Normal numbers; those more than two standard deviations from the mean are drawn again."""

    def values(self, key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return draw.truncated_normal(key, shape, self.mean, self.stddev, dtype)


class RandomUniform(RandomInitializer):
    """Numbers spread evenly over [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None) -> None:
        self.minval, self.maxval = minval, maxval
        super().__init__(seed)

    def values(self, key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        return draw.uniform(key, shape, self.minval, self.maxval, dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


# The standard deviation of a standard normal distribution that is cut off at two standard deviations.
_TRUNCATED_STDDEV = 0.87962566103423978
_MODES: dict[str, Callable[[int, int], float]] = {
    "fan_in": lambda fan_in, fan_out: fan_in,
    "fan_out": lambda fan_in, fan_out: fan_out,
    "fan_avg": lambda fan_in, fan_out: (fan_in + fan_out) / 2,
}
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


class VarianceScaling(RandomInitializer):
    """Numbers of mean 0 and variance `scale / n`, where n counts a unit's connections.

    Args:
        scale: positive.
        mode: what n is: "fan_in" (inputs of a unit), "fan_out" (outputs), "fan_avg" (their mean).
        distribution: "truncated_normal" (also called "normal"), "untruncated_normal" or "uniform".
        seed: see `RandomNormal`.
        input_axes, output_axes: the axes of the weight that count as inputs and outputs, when the last two do not.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Any = None,
        input_axes: Any = None,
        output_axes: Any = None,
    ) -> None:
        if not scale > 0:
            raise ValueError(f"VarianceScaling: scale must be positive, received {scale}{at_user_location()}")
        if mode not in _MODES:
            raise ValueError(
                f"VarianceScaling: mode must be one of {[*_MODES]}, received {mode!r}{at_user_location()}"
            )
        distribution = "truncated_normal" if distribution.lower() == "normal" else distribution.lower()
        if distribution not in _DISTRIBUTIONS:
            raise ValueError(
                f"VarianceScaling: distribution must be one of {_DISTRIBUTIONS}, received {distribution!r}"
                f"{at_user_location()}"
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed)

    def values(self, key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        connections = _MODES[self.mode](*compute_fans(shape, self.input_axes, self.output_axes))
        stddev = math.sqrt(self.scale / max(1.0, connections))
        if self.distribution == "uniform":
            limit = math.sqrt(3) * stddev
            return draw.uniform(key, shape, -limit, limit, dtype)
        if self.distribution == "untruncated_normal":
            return draw.normal(key, shape, 0.0, stddev, dtype)
        return draw.truncated_normal(key, shape, 0.0, stddev / _TRUNCATED_STDDEV, dtype)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


def compute_fans(shape: tuple, input_axes: Any = None, output_axes: Any = None) -> tuple[int, int]:
    """Returns how many inputs and outputs a unit of a weight has.

    Kernels are (inputs, outputs) or (*window, inputs, outputs): each position of the window counts.
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    window = math.prod(shape[:-2])
    return shape[-2] * window, shape[-1] * window


class _Scaled(VarianceScaling):
    """A variance scaling with fixed settings."""

    settings: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None) -> None:
        super().__init__(*self.settings, seed, input_axes, output_axes)

    def get_config(self) -> dict:
        config = super().get_config()
        return {key: config[key] for key in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Scaled):
    """Uniform in [-limit, limit], limit = sqrt(6 / (fan_in + fan_out)) (X. Glorot, Y. Bengio, 2010)."""

    settings = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Scaled):
    """Truncated normal of variance 2 / (fan_in + fan_out) (X. Glorot, Y. Bengio, 2010)."""

    settings = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform in [-limit, limit], limit = sqrt(6 / fan_in) (K. He et al., 2015)."""

    settings = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal of variance 2 / fan_in (K. He et al., 2015)."""

    settings = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform in [-limit, limit], limit = sqrt(3 / fan_in) (Y. LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal of variance 1 / fan_in (Y. LeCun et al., 1998)."""

    settings = (1.0, "fan_in", "truncated_normal")


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain` (A. Saxe et al., 2014).

    Weights of a higher rank count as matrices of shape (product of the other sizes, last size).
    """

    def __init__(self, gain: float = 1.0, seed: Any = None) -> None:
        self.gain = gain
        super().__init__(seed)

    def values(self, key: np.ndarray, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(
                f"Orthogonal: expected two or more axes, received the shape {shape}{at_user_location()}"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = draw.normal(key, (max(rows, columns), min(rows, columns)), 0.0, 1.0, np.dtype(np.float64))
        q, r = np.linalg.qr(drawn)
        q = q * np.sign(np.diagonal(r))  # makes the distribution uniform over the orthogonal matrices
        return (self.gain * (q.T if rows < columns else q)).reshape(shape).astype(dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "gain": self.gain}


normal = random_normal = RandomNormal
uniform = random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
orthogonal = OrthogonalInitializer = Orthogonal
