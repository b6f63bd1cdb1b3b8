"""Sound in WAV files."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.ops.families import op
from dovetail.ops.files.content import as_string_scalar, scalar_bytes, to_string
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor

_FORMAT = struct.Struct(
    "<HHIIHH"
)  # kind, channels, rate, bytes a second, bytes a sample of all channels, bits
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_MOST_SAMPLES = 1 << 29
_FLOAT32, _INT32 = np.dtype(np.float32), np.dtype(np.int32)


class WaveError(ValueError):
    """The bytes are no WAV file, or none that is read here."""


def chunks(data: bytes) -> dict[bytes, memoryview]:
    """Returns the parts of a RIFF file by name, the first of each.

    Raises:
        WaveError: it is none, or a part is longer than the file.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise WaveError(f"Header mismatch: expected RIFF and WAVE but found {data[:4]!r} and {data[8:12]!r}")
    found: dict[bytes, memoryview] = {}
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        place += 8
        if name == b"data" and size > len(data) - place:
            raise WaveError(f"Data too short: a part of {size} bytes at byte {place} of {len(data)}")
        found.setdefault(name, memoryview(data)[place : place + size])
        place += size + size % 2
    return found


def samples_of(data: bytes) -> tuple[np.ndarray, int]:
    """Returns the samples of a WAV file, float32 in [-1, 1] of shape (samples, channels), and their rate in Hz.

    Integers of 8 to 32 bits and floats are read.

    Raises:
        WaveError: it is no such file.
    """
    parts = chunks(data)
    if b"fmt " not in parts or len(parts[b"fmt "]) < _FORMAT.size or b"data" not in parts:
        raise WaveError("Bad file: it has no format or no data")
    kind, channels, rate, _, frame_bytes, bits = _FORMAT.unpack_from(parts[b"fmt "])
    if kind == _EXTENSIBLE and len(parts[b"fmt "]) >= 26:
        kind = struct.unpack_from("<H", parts[b"fmt "], 24)[0]
    reader = _READERS.get((kind, bits))
    if reader is None:
        raise WaveError(f"Bad audio format: kind {kind} with {bits} bits a sample is not read")
    if channels < 1 or frame_bytes != channels * bits // 8:
        raise WaveError(f"Bad bytes per sample: {frame_bytes} for {channels} channels of {bits} bits")
    whole = parts[b"data"][: len(parts[b"data"]) // frame_bytes * frame_bytes]
    return reader(whole).reshape(-1, channels), rate


def _bytes8(data: memoryview) -> np.ndarray:
    return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128  # the only width without a sign


def _integers(data: memoryview, width: int) -> np.ndarray:
    padded: Any = np.zeros((len(data) // width, 4), np.uint8)
    padded[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)  # the high bytes of an int32
    return (padded.view("<i4")[:, 0] / np.float64(1 << 31)).astype(np.float32)


_READERS = {
    (_PCM, 8): _bytes8,
    (_PCM, 16): lambda data: np.frombuffer(data, "<i2").astype(np.float32) / np.float32(1 << 15),
    (_PCM, 24): lambda data: _integers(data, 3),
    (_PCM, 32): lambda data: _integers(data, 4),
    (_FLOAT, 32): lambda data: np.frombuffer(data, "<f4").astype(np.float32),
    (_FLOAT, 64): lambda data: np.frombuffer(data, "<f8").astype(np.float32),
}


def _shapes(contents: tuple, *, desired_channels: int, desired_samples: int) -> list:
    size = tuple(None if n < 0 else n for n in (desired_samples, desired_channels))
    return [size, ()]


@op("", engine="host", differentiable=False, shape=_shapes, dtype=lambda *_, **__: [_FLOAT32, _INT32])
def decode_wav_(xp: Any, contents: Any, *, desired_channels: int, desired_samples: int) -> Any:
    """Returns the samples of a WAV file and their rate."""
    data = scalar_bytes("tf.audio.decode_wav", contents)
    try:
        samples, rate = samples_of(data)
    except WaveError as error:
        raise _refused("decode_wav", str(error)) from None
    samples = samples if desired_samples < 0 else _of_length(samples, desired_samples)
    if desired_channels >= 0:
        samples = _with_channels(samples, desired_channels)
    return samples, np.asarray(rate, np.int32)


def _of_length(samples: np.ndarray, wanted: int) -> np.ndarray:
    if wanted > _MOST_SAMPLES:
        raise _refused("decode_wav", f"desired_samples is at most {_MOST_SAMPLES}, received {wanted}")
    if len(samples) >= wanted:
        return samples[:wanted]
    return np.pad(samples, ((0, wanted - len(samples)), (0, 0)))


def _with_channels(samples: np.ndarray, wanted: int) -> np.ndarray:
    """Returns the first channels; the last one is repeated where there are too few."""
    has = samples.shape[1]
    return samples[:, np.minimum(np.arange(wanted), has - 1)]


def _refused(function: str, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"tf.audio.{function}: {why}{at_user_location()}")


@export("audio.decode_wav")
def decode_wav(
    contents: Any, desired_channels: int = -1, desired_samples: int = -1, name: str | None = None
) -> Any:
    """Returns the samples of a WAV file and their rate in Hz.

    Args:
        contents: scalar string.
        desired_channels: how many channels; -1: what the file has.
        desired_samples: how many samples a channel, cut or filled up with zeros; -1: what the file has.

    Returns:
        `(samples, rate)`: float32 in [-1, 1] of shape (samples, channels), scalar int32.  Differs from TensorFlow:
        integers of 8, 24 and 32 bits and floats are read, not those of 16 bits alone.

    Raises:
        InvalidArgumentError: it is no such file.
    """
    return decode_wav_(contents, desired_channels=desired_channels, desired_samples=desired_samples)


@op("", engine="host", differentiable=False, same_dtype=0, shape=lambda *_: (), dtype=to_string)
def encode_wav_(xp: Any, audio: Any, sample_rate: Any) -> Any:
    """Returns a WAV file of 16-bit integers."""
    if audio.ndim != 2:
        raise _refused("encode_wav", f"audio must be of shape (samples, channels), received {audio.shape}")
    count, channels = audio.shape
    rate = int(sample_rate)
    if not 0 < channels < 1 << 16 or not 0 < rate < 1 << 31 or 2 * channels * count >= 1 << 31:
        raise _refused(
            "encode_wav", f"bad numbers of channels, {channels}, samples, {count}, or rate, {rate}"
        )
    scaled = np.clip(np.nan_to_num(audio) * np.float32(1 << 15), -(1 << 15), (1 << 15) - 1)
    body = (
        np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype("<i2").tobytes()
    )  # halves go outwards
    about = _FORMAT.pack(_PCM, channels, rate, rate * channels * 2 & 0xFFFFFFFF, channels * 2, 16)
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + len(body), b"WAVE", b"fmt ", len(about))
    return as_string_scalar(head + about + struct.pack("<4sI", b"data", len(body)) + body)


@export("audio.encode_wav")
def encode_wav(audio: Any, sample_rate: Any, name: str | None = None) -> Any:
    """Returns a WAV file of 16-bit samples, a scalar string.

    Args:
        audio: float32 of shape (samples, channels) in [-1, 1]; what is louder is clipped.
        sample_rate: scalar int32, in Hz.
    """
    return encode_wav_(convert_to_tensor(audio, dtype=_FLOAT32), as_tensor(sample_rate))
