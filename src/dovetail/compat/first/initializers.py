"""Initializers of TensorFlow 1: functions `(shape, dtype)` that draw the same numbers for the same seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.graph.by_hand import default_graph
from dovetail.graph.recording import recording
from dovetail.tensor import dtype as dt

_DEFAULT_SEED = 87654321
_TRUNCATED_STDDEV = 0.87962566103423978  # of a normal distribution that is cut off at two deviations


def set_random_seed(seed: int) -> None:
    """Makes random operations of the default graph draw the same numbers in every session."""
    if recording() is not None:
        default_graph().seed = int(seed)
    tf.random.set_seed(int(seed))


def get_seed(op_seed: int | None) -> tuple[int | None, int | None]:
    """Returns the seeds of the graph and of an operation; both None when neither was set."""
    graph_seed = getattr(default_graph(), "seed", None) if recording() is not None else None
    if graph_seed is None and op_seed is None:
        return None, None
    own = default_graph().version if op_seed is None else int(op_seed)
    return (_DEFAULT_SEED if graph_seed is None else graph_seed), own


class Initializer:
    """Base of the initializers.

    Args:
        dtype: of the values where the call does not say.
    """

    def __init__(self, dtype: Any = "float32") -> None:
        self.dtype = dt.as_dtype(dtype)

    def __call__(self, shape: Any, dtype: Any = None, partition_info: Any = None) -> Any:
        """Returns a tensor of initial values."""
        return self._values(
            [int(size) for size in shape], self.dtype if dtype is None else dt.as_dtype(dtype)
        )

    def _values(self, shape: list, dtype: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define __call__(shape, dtype)")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make it again."""
        return {
            **{key: value for key, value in vars(self).items() if key != "dtype"},
            "dtype": self.dtype.name,
        }

    @classmethod
    def from_config(cls, config: dict) -> Initializer:
        return cls(**config)


class Zeros(Initializer):
    """Zeros; False, and empty strings."""

    def _values(self, shape: list, dtype: Any) -> Any:
        return tf.zeros(shape, dtype)


class Ones(Initializer):
    """Ones."""

    def _values(self, shape: list, dtype: Any) -> Any:
        return tf.ones(shape, dtype)


class Constant(Initializer):
    """A value: one number for all, or as many as the shape has.

    Args:
        value: the value.
        dtype: of the values where the call does not say.
        verify_shape: the value must have the shape that is asked for.
    """

    def __init__(self, value: Any = 0, dtype: Any = "float32", verify_shape: bool = False) -> None:
        super().__init__(dtype)
        self.value, self.verify_shape = value, verify_shape

    def _values(self, shape: list, dtype: Any) -> Any:
        array = np.asarray(self.value)
        if self.verify_shape and list(array.shape) != shape:
            raise TypeError(
                f"constant_initializer: the value has shape {array.shape}, expected {tuple(shape)}{at_user_location()}"
            )
        return tf.constant(self.value, dtype, shape)


class _Random(Initializer):
    """Random numbers.

    Args:
        seed: of this initializer; see `set_random_seed`.
        dtype: of the values where the call does not say.
    """

    def __init__(self, seed: int | None = None, dtype: Any = "float32") -> None:
        super().__init__(dtype)
        self.seed = seed

    def _drawn(self, kind: str, shape: list, dtype: Any, **facts: Any) -> Any:
        seeds = get_seed(self.seed)
        if seeds[0] is None:
            return getattr(tf.random, kind)(shape, dtype=dtype, **facts)
        named = f"stateless_{kind}"
        return getattr(tf.random, named)(shape, np.array(seeds, np.int64), dtype=dtype, **facts)

    def _uniform(self, shape: list, dtype: Any, low: Any, high: Any) -> Any:
        return self._drawn("uniform", shape, dtype, minval=low, maxval=high)


class RandomUniform(_Random):
    """Uniform between `minval` and `maxval`, which is 1 for None."""

    def __init__(
        self, minval: float = 0, maxval: float | None = None, seed: int | None = None, dtype: Any = "float32"
    ) -> None:
        super().__init__(seed, dtype)
        self.minval, self.maxval = minval, maxval

    def _values(self, shape: list, dtype: Any) -> Any:
        return self._uniform(shape, dtype, self.minval, 1 if self.maxval is None else self.maxval)


class RandomNormal(_Random):
    """Normal with a mean and a deviation."""

    _kind = "normal"

    def __init__(
        self, mean: float = 0.0, stddev: float = 1.0, seed: int | None = None, dtype: Any = "float32"
    ) -> None:
        super().__init__(seed, dtype)
        self.mean, self.stddev = mean, stddev

    def _values(self, shape: list, dtype: Any) -> Any:
        return self._drawn(self._kind, shape, dtype, mean=self.mean, stddev=self.stddev)


class TruncatedNormal(RandomNormal):
    """Normal, without what is more than two deviations off."""

    _kind = "truncated_normal"


class UniformUnitScaling(_Random):
    """Uniform, so that the scale of what a layer takes is kept: `factor` times `sqrt(3 / inputs)` at most."""

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: Any = "float32") -> None:
        super().__init__(seed, dtype)
        self.factor = factor

    def _values(self, shape: list, dtype: Any) -> Any:
        inputs = max(math.prod(shape[:-1]), 1)
        limit = math.sqrt(3 / inputs) * self.factor
        return self._uniform(shape, dtype, -limit, limit)


class VarianceScaling(_Random):
    """Numbers whose variance is `scale / n`.

    Args:
        scale: see above.
        mode: what n is: "fan_in", "fan_out", or "fan_avg", the mean of both.
        distribution: "truncated_normal" or "normal", which are the same, "untruncated_normal", "uniform".
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(seed, dtype)
        if scale <= 0.0:
            raise ValueError(f"scale must be positive, received {scale}{at_user_location()}")
        for what, value, options in (
            ("mode", mode, ("fan_in", "fan_out", "fan_avg")),
            ("distribution", distribution, ("normal", "uniform", "truncated_normal", "untruncated_normal")),
        ):
            if value.lower() not in options:
                raise ValueError(f"{what}: expected one of {options}, received {value!r}{at_user_location()}")
        self.scale, self.mode, self.distribution = scale, mode, distribution.lower()

    def _values(self, shape: list, dtype: Any) -> Any:
        inputs, outputs = _fans(shape)
        count = {"fan_in": inputs, "fan_out": outputs}.get(self.mode, (inputs + outputs) / 2)
        variance = self.scale / max(1.0, count)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return self._uniform(shape, dtype, -limit, limit)
        if self.distribution == "untruncated_normal":
            return self._drawn("normal", shape, dtype, stddev=math.sqrt(variance))
        stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
        return self._drawn("truncated_normal", shape, dtype, stddev=stddev)


def _fans(shape: list) -> tuple[float, float]:
    """Returns how many numbers go into, and come out of, an element of a layer with weights of that shape."""
    if len(shape) < 2:
        return (shape[0],) * 2 if shape else (1, 1)
    area = math.prod(shape[:-2])
    return shape[-2] * area, shape[-1] * area


class GlorotUniform(VarianceScaling):
    """Uniform after Glorot and Bengio."""

    _distribution = "uniform"

    def __init__(self, seed: int | None = None, dtype: Any = "float32") -> None:
        super().__init__(1.0, "fan_avg", self._distribution, seed, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "dtype": self.dtype.name}


class GlorotNormal(GlorotUniform):
    """Truncated normal after Glorot and Bengio."""

    _distribution = "truncated_normal"


def _scaled_by(scale: float, distribution: str) -> Any:
    def make(seed: int | None = None) -> VarianceScaling:
        return VarianceScaling(scale, "fan_in", distribution, seed)

    return make


he_normal, he_uniform = _scaled_by(2.0, "truncated_normal"), _scaled_by(2.0, "uniform")
lecun_normal, lecun_uniform = _scaled_by(1.0, "truncated_normal"), _scaled_by(1.0, "uniform")


class Orthogonal(_Random):
    """An orthogonal matrix times `gain`; all but the last dimension count as one."""

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: Any = "float32") -> None:
        super().__init__(seed, dtype)
        self.gain = gain

    def _values(self, shape: list, dtype: Any) -> Any:
        if len(shape) < 2:
            raise ValueError(
                f"orthogonal_initializer: expected two dimensions or more, received {shape}{at_user_location()}"
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        drawn = self._drawn("normal", [max(rows, columns), min(rows, columns)], dtype)
        q, r = tf.linalg.qr(drawn, full_matrices=False)
        q = q * tf.sign(tf.linalg.diag_part(r))
        return self.gain * tf.reshape(tf.transpose(q) if rows < columns else q, shape)


class Identity(Initializer):
    """An identity matrix times `gain`."""

    def __init__(self, gain: float = 1.0, dtype: Any = "float32") -> None:
        super().__init__(dtype)
        self.gain = gain

    def _values(self, shape: list, dtype: Any) -> Any:
        if len(shape) != 2:
            raise ValueError(
                f"identity_initializer: expected two dimensions, received {shape}{at_user_location()}"
            )
        return self.gain * tf.eye(shape[0], shape[1], dtype=dtype)
