"""Sounds as pictures of their frequencies: `STFTSpectrogram` and `MelSpectrogram`."""

from __future__ import annotations

import math
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras import initializers
from dovetail.keras.layers.machinery.arguments import axis_order, count, one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.ops import arithmetic, array, shapes
from dovetail.ops import math as tf_math
from dovetail.ops.conv import convolution
from dovetail.ops.linalg import matmul
from dovetail.ops.padding import pad
from dovetail.ops.reduction import reduce_max
from dovetail.ops.signal.mel import mel_weights
from dovetail.ops.table import find
from dovetail.tensor.tensor import Tensor

__all__ = ["MelSpectrogram", "STFTSpectrogram"]

_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


def _among(*words: Any) -> Any:
    def read(layer: Any, name: str, value: Any) -> Any:
        if value is None and None in words:
            return None
        known = tuple(word for word in words if word is not None)
        return one_of(value, f"{type(layer).__name__}: {name}", known)

    return read


def _count_or_none(layer: Any, name: str, value: Any) -> int | None:
    return None if value is None else count(layer, name, value)


class STFTSpectrogram(Declared):
    """Returns the spectrum of each window of a sound, by a convolution whose kernels may be trained.

    Args:
        mode: "log" (of the magnitude), "magnitude", "psd" (power), "real", "imag", "angle", or "stft" (real parts, then
            imaginary ones).
        frame_length: samples a window.
        frame_step: distance between windows; None: half a window.
        fft_length: samples a transform, at least `frame_length`; None: the next power of two.
        window: name of a window, its values, or None.
        periodic: whether the window repeats after its length, rather than after one sample less.
        scaling: "density", "spectrum" or None; see `keras.initializers.STFT`.
        padding: "valid" or "same".
        expand_dims: give channels and frequencies an axis each.
        data_format: "channels_last" or "channels_first".

    Shapes: (batch, samples, channels) -> (batch, windows, channels * frequencies), with `expand_dims` (batch, windows,
    frequencies, channels); with channels first (batch, channels, samples) -> (batch, channels * frequencies, windows),
    with `expand_dims` (batch, channels, windows, frequencies).  Weights: real_kernel, imag_kernel (frame_length, 1,
    frequencies), those that the mode needs.
    """

    _arguments = (
        Argument("mode", "log", read=_among(*_MODES), hint="str"),
        Argument("frame_length", 256, read=count, hint="int"),
        Argument("frame_step", None, read=_count_or_none, hint="int | None"),
        Argument("fft_length", None, read=_count_or_none, hint="int | None"),
        Argument("window", "hann"),
        Argument("periodic", False, hint="bool"),
        Argument("scaling", "density", read=_among("density", "spectrum", None)),
        Argument("padding", "valid", read=_among("valid", "same"), hint="str"),
        Argument("expand_dims", False, hint="bool"),
        Argument("data_format", None, read=axis_order, hint="str | None"),
    )
    mode: str
    frame_length: int
    frame_step: int | None
    fft_length: int | None
    window: Any
    periodic: bool
    scaling: str | None
    padding: str
    expand_dims: bool
    data_format: str

    def _begin(self) -> None:
        self.input_spec = InputSpec(ndim=3)
        if self.frame_step is not None and self.frame_step > self.frame_length:
            raise ValueError(
                f"STFTSpectrogram: frame_step={self.frame_step} exceeds frame_length={self.frame_length}"
                f"{at_user_location()}"
            )
        if self.fft_length is not None and self.fft_length < self.frame_length:
            raise ValueError(
                f"STFTSpectrogram: fft_length={self.fft_length} is less than frame_length={self.frame_length}"
                f"{at_user_location()}"
            )
        self._step = self.frame_step or self.frame_length // 2
        self._points = self.fft_length or 2 ** math.ceil(math.log2(self.frame_length))
        self.real_kernel: Any = None
        self.imag_kernel: Any = None
        self._kernel_of("real")  # tells at once what the window cannot be

    def _kernel_of(self, side: str) -> Any:
        return initializers.STFT(side, self.window, self.scaling, self.periodic)

    def build(self, input_shape: Any) -> None:
        shape = (self.frame_length, 1, self._points // 2 + 1)
        for side, unused in (("real", "imag"), ("imag", "real")):
            if self.mode != unused:
                kernel = self.add_weight(
                    name=f"{side}_kernel", shape=shape, initializer=self._kernel_of(side)
                )
                setattr(self, f"{side}_kernel", kernel)

    def call(self, inputs: Any) -> Any:
        first = self.data_format == "channels_first"
        x = inputs if first else shapes.transpose(inputs, perm=(0, 2, 1))  # (batch, channels, samples)
        sizes = shapes.shape_tuple(x)
        lines = shapes.reshape(x, shape=(-1, sizes[2], 1))
        parts = [
            convolution(lines, kernel, strides=self._step, padding=self.padding.upper())
            for kernel in (self.real_kernel, self.imag_kernel)
            if kernel is not None
        ]  # (batch * channels, windows, frequencies)
        return self._arranged(self._moded(*parts), sizes)

    def _moded(self, *parts: Any) -> Any:
        if self.mode in ("real", "imag"):
            return parts[0]
        if self.mode == "stft":
            return array.concat(list(parts), -1)
        real, imag = parts
        if self.mode == "angle":
            return tf_math.atan2(imag, real)
        power = real * real + imag * imag
        if self.mode == "psd":
            return power + pad(power[..., 1:-1], paddings=[[0, 0], [0, 0], [1, 1]])
        epsilon = settings.epsilon
        magnitude = tf_math.sqrt(arithmetic.maximum(power, epsilon))
        return magnitude if self.mode == "magnitude" else tf_math.log(arithmetic.maximum(magnitude, epsilon))

    def _arranged(self, values: Any, sizes: tuple) -> Any:
        """Brings (batch * channels, windows, frequencies) into the shape that is asked for."""
        windows, frequencies = shapes.shape_tuple(values)[1:]
        whole = shapes.reshape(values, shape=(-1, sizes[1], windows, frequencies))
        first = self.data_format == "channels_first"
        if self.expand_dims:
            return whole if first else shapes.transpose(whole, perm=(0, 2, 3, 1))
        order, joined = ((0, 1, 3, 2), (-1, sizes[1] * frequencies, windows))
        if not first:
            order, joined = ((0, 2, 1, 3), (-1, windows, sizes[1] * frequencies))
        return shapes.reshape(shapes.transpose(whole, perm=order), shape=joined)


class MelSpectrogram(Declared):
    """Returns how much of each pitch, on the scale of mels, there is in each window of a sound.

    Args:
        fft_length: samples a transform.
        sequence_stride: distance between windows.
        sequence_length: samples a window; None: `fft_length`.
        window: name of a window, its values, or None.
        sampling_rate: samples a second.
        num_mel_bins: how many pitches.
        min_freq, max_freq: their range in hertz; None: up to half the sampling rate.
        power_to_db: in decibels.
        top_db: how far below the loudest value the others may lie.
        mag_exp: exponent of the magnitudes: 1 for energy, 2 for power.
        min_power: smallest power, before decibels.
        ref_power: the power of 0 decibels.

    Shapes: (samples,) or (batch, samples) -> (..., num_mel_bins, windows).
    """

    _arguments = (
        Argument("fft_length", 2048, read=count, hint="int"),
        Argument("sequence_stride", 512, read=count, hint="int"),
        Argument("sequence_length", None, read=_count_or_none, hint="int | None"),
        Argument("window", "hann"),
        Argument("sampling_rate", 16000, read=count, hint="int"),
        Argument("num_mel_bins", 128, read=count, hint="int"),
        Argument("min_freq", 20.0, hint="float"),
        Argument("max_freq", None, hint="float | None"),
        Argument("power_to_db", True, hint="bool"),
        Argument("top_db", 80.0, hint="float"),
        Argument("mag_exp", 2.0, hint="float"),
        Argument("min_power", 1e-10, hint="float"),
        Argument("ref_power", 1.0, hint="float"),
    )
    fft_length: int
    sequence_stride: int
    sequence_length: int
    window: Any
    sampling_rate: int
    num_mel_bins: int
    min_freq: float
    max_freq: float
    power_to_db: bool
    top_db: float
    mag_exp: float
    min_power: float
    ref_power: float

    def _begin(self) -> None:
        self.sequence_length = self.sequence_length or self.fft_length
        self.max_freq = self.max_freq or int(self.sampling_rate / 2)
        if self.fft_length < self.sequence_length:
            raise ValueError(
                f"MelSpectrogram: fft_length={self.fft_length} is less than sequence_length={self.sequence_length}"
                f"{at_user_location()}"
            )

    def call(self, inputs: Any) -> Any:
        wide = inputs if inputs.dtype.name in ("float32", "float64") else inputs._astype("float32")
        real, imag = find("keras.ops", "stft")(  # a late family
            wide, self.sequence_length, self.sequence_stride, self.fft_length, window=self.window
        )
        power = tf_math.sqrt(real * real + imag * imag) ** self.mag_exp  # (..., windows, frequencies)
        weights = mel_weights(
            self.num_mel_bins, self.fft_length // 2 + 1, self.sampling_rate / 2, self.min_freq, self.max_freq
        )
        mels = matmul(power, Tensor(weights.astype(wide.dtype.numpy_dtype)))
        mels = self._decibels(mels) if self.power_to_db else mels
        rank = len(mels.shape)
        order = (*range(rank - 2), rank - 1, rank - 2)
        return shapes.transpose(mels, perm=order)._astype(self.compute_dtype)

    def _decibels(self, power: Any) -> Any:
        ten = 10.0 / math.log(10.0)
        decibels = tf_math.log(arithmetic.maximum(power, self.min_power)) * ten
        decibels = decibels - 10.0 * math.log10(max(abs(self.ref_power), self.min_power))
        return arithmetic.maximum(decibels, reduce_max(decibels) - self.top_db)
