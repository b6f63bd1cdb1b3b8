"""Rows of Fourier transforms and of sounds."""

from __future__ import annotations

from typing import Any

from dovetail.raw_ops.row import enter, public, raw
from dovetail.raw_ops.static import known

enter(
    "\n".join(
        f"{way}FFT{rank}(input) = signal.{way.lower()}fft{rank.lower()}"
        for way in ("", "I")
        for rank in ("", "2D", "3D")
    )
)
enter("EncodeWav(audio, sample_rate) = audio.encode_wav")


@raw("DecodeWav", "audio sample_rate")
def decode_wav(contents: Any, *, desired_channels: int = -1, desired_samples: int = -1) -> tuple:
    return public("audio.decode_wav")(contents, desired_channels, desired_samples)


def _real(rank: str) -> None:
    """Adds the transforms of real signals over so many axes ("", "2D", "3D")."""

    def there(input: Any, fft_length: Any, *, Tcomplex: Any = "complex64") -> Any:
        found = public(f"signal.rfft{rank.lower()}")(input, known(fft_length).tolist())
        return public("cast")(found, Tcomplex)

    def back(input: Any, fft_length: Any, *, Treal: Any = "float32") -> Any:
        found = public(f"signal.irfft{rank.lower()}")(input, known(fft_length).tolist())
        return public("cast")(found, Treal)

    raw(f"RFFT{rank}")(there)
    raw(f"IRFFT{rank}")(back)


for _rank in ("", "2D", "3D"):
    _real(_rank)


def _over_axes(name: str) -> None:
    def transform(input: Any, fft_length: Any, axes: Any) -> Any:
        return public(f"signal.{name.lower()}")(input, known(fft_length).tolist(), known(axes).tolist())

    raw(name)(transform)


_over_axes("FFTND")
_over_axes("IFFTND")


@raw("RFFTND")
def real_over_axes(input: Any, fft_length: Any, axes: Any, *, Tcomplex: Any = "complex64") -> Any:
    found = public("signal.rfftnd")(input, known(fft_length).tolist(), known(axes).tolist())
    return public("cast")(found, Tcomplex)


@raw("IRFFTND")
def real_back_over_axes(input: Any, fft_length: Any, axes: Any, *, Treal: Any = "float32") -> Any:
    found = public("signal.irfftnd")(input, known(fft_length).tolist(), known(axes).tolist())
    return public("cast")(found, Treal)
