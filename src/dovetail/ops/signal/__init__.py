"""Signals, a late family: Fourier and cosine transforms, frames, windows, and what is heard in them."""

from dovetail.ops.signal import cosine, fourier, frames, mel, spectra, windows

__all__ = ["cosine", "fourier", "frames", "mel", "spectra", "windows"]
