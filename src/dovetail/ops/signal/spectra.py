"""Short-time Fourier transforms: the spectra of frames, and the samples of which they are.

Source: J. B. Allen, L. R. Rabiner, "A unified approach to short-time Fourier analysis and synthesis", 1977; D. Griffin,
J. Lim, "Signal estimation from modified short-time Fourier transform", 1984.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.arithmetic import divide_no_nan
from dovetail.ops.attrs import needed
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.shapes import reshape, tile
from dovetail.ops.signal.fourier import _given, fitted, inverse_real_fourier, real_fourier
from dovetail.ops.signal.frames import frame, overlap_and_add
from dovetail.ops.signal.windows import WindowFunction, hann_window
from dovetail.ops.views import export


def _power_of_two(length: int) -> int:
    return 1 << max(length - 1, 0).bit_length()


@export("signal.stft")
def stft(
    signals: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: WindowFunction | None = hann_window,
    pad_end: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the short-time Fourier transform of real samples.

    Args:
        signals: floats (..., samples).
        frame_length: samples a window.
        frame_step: distance between windows.
        fft_length: samples a transform, zeros behind those of the window; None: the next power of two.
        window_fn: `f(frame_length, dtype=...)` -> weights; None: 1 each.
        pad_end: fill the last windows with zeros instead of leaving them out.

    Returns:
        complex (..., windows, fft_length // 2 + 1).
    """
    signals = _given(signals, "float32")
    length = needed(frame_length)
    frames = frame(signals, length, frame_step, pad_end)
    if window_fn is not None:
        frames = frames * window_fn(length, dtype=signals.dtype)
    return real_fourier(frames, lengths=[_power_of_two(length) if fft_length is None else fft_length])


@export("signal.inverse_stft")
def inverse_stft(
    stfts: Any,
    frame_length: Any,
    frame_step: Any,
    fft_length: Any = None,
    window_fn: WindowFunction | None = hann_window,
    name: str | None = None,
) -> Any:
    """Returns the samples of a short-time Fourier transform, windows added where they overlap.

    With `window_fn=tf.signal.inverse_stft_window_fn(frame_step)` it takes `tf.signal.stft` back but for the ends.

    Args:
        stfts: complex (..., windows, fft_length // 2 + 1).
        frame_length, frame_step, fft_length: as they were for `tf.signal.stft`.
        window_fn: `f(frame_length, dtype=...)` -> weights of the samples of each window; None: 1 each.

    Returns:
        floats (..., (windows - 1) * frame_step + frame_length).
    """
    stfts = _given(stfts, "complex64")
    length = needed(frame_length)
    frames = inverse_real_fourier(
        stfts, lengths=[_power_of_two(length) if fft_length is None else fft_length]
    )
    frames = fitted(frames, sizes=(length,), axes=(-1,))
    if window_fn is not None:
        frames = frames * window_fn(length, dtype=frames.dtype)
    return overlap_and_add(frames, frame_step)


@export("signal.inverse_stft_window_fn")
def inverse_stft_window_fn(
    frame_step: Any, forward_window_fn: WindowFunction = hann_window, name: str | None = None
) -> WindowFunction:
    """Returns the window function with which `tf.signal.inverse_stft` takes `tf.signal.stft` back.

    Each weight is divided by the sum of the squares of all weights that meet at its sample; a sample where all are 0
    is lost, and stays 0.

    Args:
        frame_step: distance between windows.
        forward_window_fn: the window function of the forward transform.
    """
    step = needed(frame_step)
    if step < 1:
        raise ValueError(
            f"tf.signal.inverse_stft_window_fn: frame_step must be positive, received {step}{at_user_location()}"
        )

    def inverse_window(frame_length: Any, dtype: Any) -> Any:
        length = needed(frame_length)
        window = forward_window_fn(length, dtype=dtype)
        overlaps = -(-length // step)
        squares = fitted(window * window, sizes=(overlaps * step,), axes=(-1,))
        met = reduce_sum(reshape(squares, shape=(overlaps, step)), axis=0)
        return divide_no_nan(window, tile(met, multiples=(overlaps,))[:length])

    return inverse_window
