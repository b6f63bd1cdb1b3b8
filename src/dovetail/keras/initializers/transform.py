"""Initializers whose convolutions are Fourier transforms."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.initializers.initializer import Initializer, known_sizes, wanted_dtype
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.tensor.tensor import Tensor

__all__ = ["STFT", "STFTInitializer", "stft"]

_WINDOWS = {"bartlett": np.bartlett, "blackman": np.blackman, "hamming": np.hamming, "hann": np.hanning}
_SCALES = {"density": lambda w: np.sqrt(np.sum(w * w)), "spectrum": lambda w: np.sum(np.abs(w))}


class STFT(Initializer):
    """The kernel of a convolution that computes one part of the short-time Fourier transform.

    Args:
        side: "real" or "imag".
        window: name of a window (those of `scipy.signal`), its values, or None.
        scaling: "density" (divides by the window's Euclidean norm), "spectrum" (by its sum), or None.
        periodic: whether the window repeats after its length, rather than after one sample less.

    The shape of the weight is (frame length, 1, frequencies).
    """

    def __init__(
        self,
        side: str = "real",
        window: Any = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: side must be 'real' or 'imag', received {side!r}{at_user_location()}")
        if scaling is not None and scaling not in _SCALES:
            raise ValueError(
                f"STFT: scaling must be 'density', 'spectrum' or None, received {scaling!r}{at_user_location()}"
            )
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic
        if isinstance(window, str):
            _named_window(window, 2, periodic)

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Tensor:
        kind, sizes = wanted_dtype(self, dtype, kwargs), known_sizes(self, shape)
        if len(sizes) != 3:
            raise ValueError(
                f"STFT: expected the shape (frame length, 1, frequencies), received {sizes}{at_user_location()}"
            )
        length, _, frequencies = sizes
        frequency = np.arange(frequencies) / max(2 * (frequencies - 1), 1)
        angle = -2 * np.pi * np.arange(length)[:, None] * frequency  # (frame length, frequencies)
        kernel = np.cos(angle) if self.side == "real" else np.sin(angle)
        return Tensor(np.broadcast_to((kernel * self._weights(length))[:, None], sizes).astype(kind))

    def _weights(self, length: int) -> np.ndarray:
        """Returns the scaled window as a column."""
        if self.window is None:
            return np.ones((length, 1))
        if isinstance(self.window, str):
            window = _named_window(self.window, length, self.periodic)
        else:
            window = np.asarray(self.window, np.float64)
        if window.shape != (length,):
            raise ValueError(
                f"STFT: the window must have shape ({length},), received {window.shape}{at_user_location()}"
            )
        return (window / (1 if self.scaling is None else _SCALES[self.scaling](window)))[:, None]

    def get_config(self) -> dict:
        window = self.window if isinstance(self.window, str | None) else serialize_keras_object(self.window)
        return {"side": self.side, "window": window, "scaling": self.scaling, "periodic": self.periodic}

    @classmethod
    def from_config(cls, config: dict) -> STFT:
        return cls(**config | {"window": deserialize_keras_object(config["window"])})


def _named_window(name: str, length: int, periodic: bool) -> np.ndarray:
    if name in _WINDOWS:
        return _WINDOWS[name](length + 1)[:-1] if periodic and length > 1 else _WINDOWS[name](length)
    try:
        return importlib.import_module("scipy.signal").get_window(name, length, periodic)
    except ValueError as error:
        raise ValueError(f"STFT: no window {name!r}: {error}{at_user_location()}") from None


stft = STFTInitializer = STFT
