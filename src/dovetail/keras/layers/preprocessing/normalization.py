"""`keras.layers.Normalization`: inputs with mean 0 and variance 1."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.ops import arithmetic
from dovetail.ops import math as tf_math
from dovetail.ops.shapes import reshape
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

__all__ = ["Normalization"]

_ROWS_AT_ONCE = 128  # of a dataset whose elements are single numbers


def batches_of(layer: Any, data: Any, steps: int | None = None, batch_size: int | None = None) -> Iterator:
    """Yields the batches of data that a layer adapts to: arrays of (batch, ...), the first part of tuples.

    Args:
        layer: for errors.
        data: an array, a tensor, a dataset of batches, a PyDataset, or an iterable of batches.
        steps: how many batches at most.
        batch_size: of the batches that an array is cut into; None: the array is one batch.
    """
    if isinstance(data, np.ndarray | TensorLike) or (
        isinstance(data, list | tuple) and not _holds_arrays(data)
    ):
        whole: Any = data if isinstance(data, TensorLike) else np.asarray(data)
        size = batch_size or max(len(whole), 1)
        parts: Any = (whole[start : start + size] for start in range(0, len(whole), size))
    elif hasattr(data, "element_spec"):
        spec = data.element_spec[0] if isinstance(data.element_spec, tuple) else data.element_spec
        parts = iter(data.batch(_ROWS_AT_ONCE) if len(getattr(spec, "shape", (None,))) == 0 else data)
    elif hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        parts = (data[i] for i in range(len(data)))
    elif hasattr(data, "__iter__"):
        parts = iter(data)
    else:
        raise TypeError(
            f"{layer.name}: adapt takes an array, a dataset or an iterable of batches, received {data!r:.60}"
            f"{at_user_location()}"
        )
    for batch in itertools.islice(parts, steps):
        yield batch[0] if isinstance(batch, tuple) else batch


def _holds_arrays(data: Any) -> bool:
    return bool(len(data)) and isinstance(data[0], np.ndarray | TensorLike)


class Normalization(Layer):
    """Returns `(inputs - mean) / sqrt(variance)` in the compute dtype, with a mean and a variance for each feature.

    Args:
        axis: the axes that keep a mean for each index; None: one mean for all.
        mean, variance: known numbers, or arrays for the axes that are kept; both or none: then `adapt` finds them.
        invert: turn it around: `inputs * sqrt(variance) + mean`.

    Weights: mean, variance, count, when they are not given.

    Example:
        >>> layer = keras.layers.Normalization(axis=None)
        >>> layer.adapt(np.array([1.0, 2.0, 3.0]))
        >>> layer(np.array([2.0])).numpy().tolist()
        [0.0]
    """

    supports_masking = True

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.input_mean, self.input_variance, self.invert = mean, variance, invert
        self._kept: tuple = ()
        self._broadcast: tuple = ()
        self.adapt_mean: Any = None
        self.adapt_variance: Any = None
        self.count: Any = None
        self._check()

    def _check(self) -> None:
        mean, variance = self.input_mean, self.input_variance
        if (mean is None) != (variance is None) or np.shape(mean) != np.shape(variance):
            raise ValueError(
                f"Normalization: mean and variance go together and have one shape, received mean={mean!r:.60} and "
                f"variance={variance!r:.60}{at_user_location()}"
            )
        if len(np.shape(mean)) > len(self.axis):
            raise ValueError(
                f"Normalization: mean has the shape {np.shape(mean)}, for the axes {self.axis}{at_user_location()}"
            )

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ValueError(
                f"{self.name}: axis {self.axis} does not fit inputs of shape {tuple(input_shape)}{at_user_location()}"
            )
        self._kept = tuple(sorted(axis % rank for axis in self.axis))
        sizes = tuple(input_shape[axis] for axis in self._kept)
        if None in sizes:
            raise ValueError(
                f"{self.name}: the axes {self.axis} must have known sizes, received inputs of shape "
                f"{tuple(input_shape)}{at_user_location()}"
            )
        self._broadcast = tuple(input_shape[axis] if axis in self._kept else 1 for axis in range(rank))
        if self.input_mean is None:
            names = (("mean", "zeros", None), ("variance", "ones", None), ("count", "zeros", "int32"))
            self.adapt_mean, self.adapt_variance, self.count = (
                self.add_weight(
                    name=name,
                    shape=() if dtype else sizes,
                    initializer=first,
                    dtype=dtype,
                    trainable=False,
                )
                for name, first, dtype in names
            )

    def _moment(self, given: Any, weight: Any) -> Any:
        if not self.built:
            return None
        if given is None:
            return reshape(weight, shape=self._broadcast)._astype(self.compute_dtype)
        values = np.asarray(given, np.float64)
        shape = [1] * len(self._broadcast)
        for place in range(1, values.ndim + 1):
            shape[self._kept[-place]] = values.shape[-place]
        whole = np.broadcast_to(values.reshape(shape), self._broadcast)
        return convert_to_tensor(np.array(whole, np.float64))._astype(self.compute_dtype)

    @property
    def mean(self) -> Any:
        """The mean, of a shape that broadcasts with the inputs; None before the layer is built."""
        return self._moment(self.input_mean, self.adapt_mean)

    @property
    def variance(self) -> Any:
        """The variance, of a shape that broadcasts with the inputs; None before the layer is built."""
        return self._moment(self.input_variance, self.adapt_variance)

    def call(self, inputs: Any) -> Any:
        x = inputs._astype(self.compute_dtype)
        deviation = arithmetic.maximum(tf_math.sqrt(self.variance), settings.epsilon)
        return x * deviation + self.mean if self.invert else (x - self.mean) / deviation

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Finds mean and variance of data, and forgets what it knew.

        Args:
            data: an array, a tensor, a dataset of batches, a PyDataset, or an iterable of batches.
            batch_size: of the batches that an array is cut into; None: it is one.
            steps: how many batches to look at; None: all.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"{self.name}: its mean and variance were given, so that there is nothing to adapt{at_user_location()}"
            )
        mean: Any = 0.0
        variance: Any = 0.0
        count = 0
        for batch in batches_of(self, data, steps, batch_size):
            x = np.asarray(batch)
            x = x.astype(np.float64 if x.dtype.itemsize > 4 or x.dtype.kind in "iu" else np.float32)
            self._fit_to(x.shape)
            others = tuple(axis for axis in range(x.ndim) if axis not in self._kept)
            number = math.prod(x.shape[axis] for axis in others)
            if not number:
                continue
            count += number
            part = number / count
            here, spread = x.mean(axis=others, dtype=np.float64), x.var(axis=others, dtype=np.float64)
            new = mean * (1 - part) + here * part
            variance = (variance + (mean - new) ** 2) * (1 - part) + (spread + (here - new) ** 2) * part
            mean = new
        if not count:
            raise ValueError(f"{self.name}: adapt received no data{at_user_location()}")
        self.adapt_mean.assign(np.asarray(mean, self.adapt_mean.dtype.numpy_dtype))
        self.adapt_variance.assign(np.asarray(variance, self.adapt_variance.dtype.numpy_dtype))
        self.count.assign(count if is_keras_2() else 0)

    def _fit_to(self, shape: tuple) -> None:
        if not self.built:
            self.build((None, *shape[1:]) if self._batched(len(shape)) else shape)
        wrong = [axis for axis in self._kept if axis >= len(shape) or shape[axis] != self._broadcast[axis]]
        if len(shape) != len(self._broadcast) or wrong:
            raise ValueError(
                f"{self.name}: was built for inputs of shape {self._build_shapes}, adapt received data of shape "
                f"{tuple(shape)}{at_user_location()}"
            )

    def _batched(self, rank: int) -> bool:
        return all(axis % rank for axis in self.axis)

    def get_config(self) -> dict:
        return super().get_config() | {
            "axis": self.axis,
            "invert": self.invert,
            "mean": np.asarray(self.input_mean).tolist(),
            "variance": np.asarray(self.input_variance).tolist(),
        }
