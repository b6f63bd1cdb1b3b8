"""`LocallyConnected1D` and `LocallyConnected2D`: convolutions with another kernel at every place (of Keras 2)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.convolution.conv import BIAS, KERNEL, BaseConv, arguments
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.ops import arithmetic
from dovetail.ops.gather import gather, scatter_nd
from dovetail.ops.linalg import contraction, matmul
from dovetail.ops.shapes import reshape, transpose

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]


def _implementation(layer: Any, name: str, value: Any) -> int:
    if value not in (1, 2, 3) or isinstance(value, bool):
        raise ValueError(
            f"{type(layer).__name__}: implementation must be 1, 2 or 3, received {value!r}{at_user_location()}"
        )
    return value


class LocallyConnected(BaseConv):
    """A convolution whose kernel differs from place to place.

    The weights depend on `implementation`, as in Keras 2.  1: the kernel of each place, (places, window * channels,
    filters).  2: a full matrix from all inputs to all outputs, of which the places outside of windows do not count.
    3: those elements of that matrix that count, as one vector.
    """

    _arguments = (
        *arguments(
            "filters kernel_size strides padding data_format activation use_bias",
            KERNEL,
            BIAS,
        ),
        Argument("implementation", 1, _implementation, "int"),
    )
    filters: int
    implementation: int
    dilation_rate = (1,)

    def _begin(self) -> None:
        super()._begin()
        if self.implementation == 1 and self.padding != "valid":
            raise ValueError(
                f"{type(self).__name__}: padding={self.padding!r} needs implementation=2 or 3{at_user_location()}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: Any) -> None:
        channels = self.check_channels(input_shape)
        first = self.data_format == "channels_first"
        sizes = tuple(input_shape[2:] if first else input_shape[1:-1])
        if None in sizes:
            raise ValueError(
                f"{self.name}: the sizes of the inputs must be known, received shape {tuple(input_shape)}"
                f"{at_user_location()}"
            )
        self._windows = [
            _windows(size, window, stride, self.padding)
            for size, window, stride in zip(sizes, self.kernel_size, self.strides, strict=True)
        ]
        places = tuple(len(windows) for windows in self._windows)
        if not all(places):
            raise ValueError(
                f"{self.name}: a window of {self.kernel_size} does not fit into inputs of shape {tuple(input_shape)}"
                f"{at_user_location()}"
            )
        axes = {
            1 if first else -1: channels,
            **{i + (2 if first else 1): size for i, size in enumerate(sizes)},
        }
        self.input_spec = InputSpec(ndim=self.rank + 2, axes=axes)
        self._places, self._channels = places, channels
        self._inputs = (channels, *sizes) if first else (*sizes, channels)
        self._outputs = (self.filters, *places) if first else (*places, self.filters)
        self.kernel = self._add("kernel", self._kernel_shape())
        if self.use_bias:
            self.bias = self._add("bias", (*places, self.filters))

    def _kernel_shape(self) -> tuple:
        if self.implementation == 1:
            taps = math.prod(self.kernel_size) * self._channels
            return (math.prod(self._places), taps, self.filters)
        if self.implementation == 2:
            return (*self._inputs, *self._outputs)
        return (int(self._connected().sum()),)

    def _connected(self) -> np.ndarray:
        """Returns which outputs (rows) see which inputs (columns)."""
        rows, columns = math.prod(self._outputs), math.prod(self._inputs)
        seen: np.ndarray = np.ones((1, 1), bool)
        for size, windows in zip(self._sizes(), self._windows, strict=True):
            axis = np.zeros((len(windows), size), bool)
            for place, window in enumerate(windows):
                axis[place, window] = True
            seen = np.kron(seen, axis)
        every: np.ndarray = np.ones((self.filters, self._channels), bool)
        joined = np.kron(every, seen) if self.data_format == "channels_first" else np.kron(seen, every)
        return joined.reshape(rows, columns)

    def _sizes(self) -> tuple:
        return self._inputs[1:] if self.data_format == "channels_first" else self._inputs[:-1]

    def call(self, inputs: Any) -> Any:
        outputs = self._by_place(inputs) if self.implementation == 1 else self._by_matrix(inputs)
        if self.bias is not None:
            bias = self.bias
            if self.data_format == "channels_first":  # not transposed: so the weights of Keras 2 mean it
                bias = reshape(bias, shape=(self.filters, *self._places))
            outputs = arithmetic.add(outputs, bias)
        return self.activation(outputs)

    def _by_place(self, inputs: Any) -> Any:
        first, rank = self.data_format == "channels_first", self.rank
        windows = inputs
        for axis, places in enumerate(self._windows):  # each spatial axis becomes (places, window)
            windows = gather(windows, np.stack(places), axis=(2 if first else 1) + 2 * axis)
        start = 2 if first else 1
        order = [start + 2 * i for i in range(rank)] + [start + 2 * i + 1 for i in range(rank)]
        channel = 1 if first else 2 * rank + 1
        # Keras flattens a window in the layout of the inputs.
        order = [*order[:rank], channel, *order[rank:]] if first else [*order, channel]
        windows = transpose(windows, perm=(0, *order))
        flat = reshape(windows, shape=(-1, math.prod(self._places), int(self.kernel.shape[1])))
        outputs = contraction(flat, self.kernel, equation="bpt,ptf->bpf")
        outputs = reshape(outputs, shape=(-1, *self._places, self.filters))
        return transpose(outputs, perm=(0, rank + 1, *range(1, rank + 1))) if first else outputs

    def _by_matrix(self, inputs: Any) -> Any:
        connected = self._connected()
        flat = reshape(inputs, shape=(-1, connected.shape[1]))
        if self.implementation == 2:
            kernel = reshape(self.kernel, shape=connected.shape[::-1])
            kernel = arithmetic.multiply(kernel, connected.T.astype(inputs.dtype.numpy_dtype))
        else:
            kernel = scatter_nd(np.argwhere(connected)[:, ::-1].copy(), self.kernel, connected.shape[::-1])
        return reshape(matmul(flat, kernel), shape=(-1, *self._outputs))


def _windows(size: int, window: int, stride: int, padding: str) -> list:
    """Returns the indices that each place sees along an axis; those outside of the axis are left out."""
    if padding == "valid":
        return [np.arange(start, start + window) for start in range(0, size - window + 1, stride)]
    before = window // 2
    return [
        np.arange(max(start - before, 0), min(start - before + window, size))
        for start in range(0, size, stride)
    ]


class LocallyConnected1D(LocallyConnected):
    """A convolution over one axis whose kernel differs from place to place (of Keras 2).

    Args:
        filters: number of output channels.
        kernel_size: length of the window.
        strides: distance between windows.
        padding: "valid"; "same" with `implementation` 2 and 3.
        data_format, activation, use_bias, kernel_initializer, ...: as in `Conv1D`.
        implementation: 1, 2 or 3: how the weights are laid out.

    Weights: kernel, bias (places, filters).
    """

    rank = 1


class LocallyConnected2D(LocallyConnected):
    """A convolution over two axes whose kernel differs from place to place (of Keras 2); see `LocallyConnected1D`."""

    rank = 2
