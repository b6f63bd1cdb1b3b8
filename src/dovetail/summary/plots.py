"""The summaries that TensorBoard has a tab for: numbers, histograms, images, sounds, texts, graphs."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops.shapes import as_tensor
from dovetail.scopes import get_current_name_scope
from dovetail.summary.recording import record
from dovetail.summary.writer import now
from dovetail.tensor import dtype as dt
from dovetail.wire.messages import Event, GraphDef, SummaryMetadata


def _metadata(plugin: str, description: str | None) -> SummaryMetadata:
    return SummaryMetadata(plugin_data={"plugin_name": plugin}, summary_description=description)


def _tag(name: str) -> str:
    """Returns the tag of a summary: its name, below the name scopes around."""
    if not isinstance(name, str):
        raise TypeError(f"tf.summary: name must be a string, received {name!r:.80}{at_user_location()}")
    scope = get_current_name_scope()
    return f"{scope}/{name}" if scope else name


def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Writes a number.

    Args:
        name: its tag, below the name scopes around.
        data: a scalar, written as float32.
        step: the step, `tf.summary.experimental.get_step()` when None.
        description: shown beside it, in Markdown.

    Returns:
        a boolean tensor: whether it was recorded.

    Raises:
        ValueError: the data is no scalar, or there is no step.
    """
    value = as_tensor(data)
    if value.shape.rank not in (0, None):
        raise ValueError(
            f"tf.summary.scalar: {name!r} must be a scalar, received a tensor of shape {value.shape}"
            f"{at_user_location()}"
        )
    value = value._astype(dt.as_dtype("float32"))
    return record("scalar", _tag(name), value, step, metadata=_metadata("scalars", description))


def histogram(
    name: str, data: Any, step: Any = None, buckets: int | None = None, description: str | None = None
) -> Any:
    """Writes how values are distributed: rows of left edge, right edge and count.

    Args:
        name, step, description: see `scalar`.
        data: numbers of any shape.
        buckets: how many rows; 30 when None.
    """
    count = 30 if buckets is None else int(buckets)
    metadata = _metadata("histograms", description)
    return record("histogram", _tag(name), data, step, lambda x: _buckets(x, count), metadata)


def _buckets(values: np.ndarray, count: int) -> np.ndarray:
    flat: Any = values.astype(np.float64).reshape(-1)
    if not flat.size or not count:
        return np.zeros((count, 3))
    low, high = flat.min(), flat.max()
    if low == high:
        counts = np.zeros(count)
        counts[-1] = flat.size
        return np.stack([np.full(count, low), np.full(count, high), counts], axis=1)
    edges = np.linspace(low, high, count + 1)
    if not np.isfinite(high - low):
        return np.stack([edges[:-1], edges[1:], np.zeros(count)], axis=1)
    places = np.minimum(np.floor((flat - low) / ((high - low) / count)).astype(np.int64), count - 1)
    return np.stack([edges[:-1], edges[1:], np.bincount(places, minlength=count)], axis=1)


def image(
    name: str, data: Any, step: Any = None, max_outputs: int = 3, description: str | None = None
) -> Any:
    """Writes pictures.

    Args:
        name, step, description: see `scalar`.
        data: (pictures, height, width, channels); 1 channel is grey, 2 grey and alpha, 3 colours, 4 colours and alpha.
            Floats are in [0, 1], integers are bytes.
        max_outputs: how many of them are written.
    """
    pictures = as_tensor(data)
    if pictures.shape.rank not in (4, None):
        raise ValueError(
            f"tf.summary.image: {name!r} must have the shape (pictures, height, width, channels), received "
            f"{pictures.shape}{at_user_location()}"
        )
    metadata = _metadata("images", description)
    return record("image", _tag(name), pictures, step, lambda x: _pictures(x[:max_outputs]), metadata)


def _pictures(pixels: np.ndarray) -> np.ndarray:
    """Returns width, height and the PNG files."""
    height, width = pixels.shape[1:3]
    return _strings(
        [str(width).encode(), str(height).encode(), *(png(picture) for picture in _bytes(pixels))]
    )


def _bytes(pixels: np.ndarray) -> np.ndarray:
    """Returns pixels of 8 bits, or of 16 where there are 16."""
    if pixels.dtype.kind in "fV":
        return np.floor(np.clip(pixels.astype(np.float64) * 255.5, 0, 255)).astype(np.uint8)
    if pixels.dtype == np.uint16:
        return pixels
    return np.clip(pixels, 0, 255).astype(np.uint8) if pixels.dtype != bool else pixels.astype(np.uint8) * 255


_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def png(pixels: np.ndarray) -> bytes:
    """Returns a picture of (height, width, channels) bytes, or 16-bit numbers, as a PNG file."""
    height, width, channels = pixels.shape
    if channels not in _COLOURS:
        raise ValueError(f"tf.summary.image: a picture has 1 to 4 channels, received {channels}")
    rows = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(">"))).view(np.uint8)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, _COLOURS[channels], 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _strings(values: Any) -> np.ndarray:
    array: Any = np.empty(len(values), object)
    array[:] = values
    return array


def text(name: str, data: Any, step: Any = None, description: str | None = None) -> Any:
    """Writes strings, which are shown as Markdown; a matrix of them as a table.

    Args:
        name, step, description: see `scalar`.
        data: strings of any shape.
    """
    return record("text", _tag(name), as_tensor(data), step, metadata=_metadata("text", description))


def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: int = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> Any:
    """Writes sounds.

    Args:
        name, step, description: see `scalar`.
        data: (sounds, frames, channels), floats in [-1, 1].
        sample_rate: frames a second.
        max_outputs: how many of them are written.
        encoding: "wav", or None, which means that.
    """
    if encoding not in (None, "wav"):
        raise ValueError(
            f"tf.summary.audio: encoding must be 'wav', received {encoding!r}{at_user_location()}"
        )
    sounds, rate = as_tensor(data), int(sample_rate)
    if sounds.shape.rank not in (3, None):
        raise ValueError(
            f"tf.summary.audio: {name!r} must have the shape (sounds, frames, channels), received {sounds.shape}"
            f"{at_user_location()}"
        )

    def build(frames: np.ndarray) -> np.ndarray:
        files = [[_wav(sound, rate), b""] for sound in frames[:max_outputs]]
        return _strings([part for file in files for part in file]).reshape(len(files), 2)

    return record("audio", _tag(name), sounds, step, build, _metadata("audio", description))


def _wav(frames: np.ndarray, rate: int) -> bytes:
    """Returns (frames, channels) in [-1, 1] as a WAV file of 16 bits."""
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(frames.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(np.clip(frames, -1, 1) * 32767).astype("<i2").tobytes())
    return held.getvalue()


def graph(graph_data: Any) -> Any:
    """Writes a graph, a `GraphDef` or something with `as_graph_def()`, to the default writer.

    Returns:
        a boolean tensor: whether there is a writer.
    """
    found = graph_data.as_graph_def() if hasattr(graph_data, "as_graph_def") else graph_data
    if not isinstance(found, GraphDef) and not hasattr(found, "SerializeToString"):
        raise TypeError(
            f"tf.summary.graph: expected a GraphDef, received {graph_data!r:.80}{at_user_location()}"
        )
    writer = now.writer
    if writer is None or writer._closed:
        return as_tensor(False)
    writer.add_event(Event(graph_def=found.SerializeToString()))
    return as_tensor(True)
