"""`tf.compat.v1.summary`: summaries as operations that give messages, and the writer of event files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import dovetail as tf
from dovetail.compat.first.keys import GraphKeys
from dovetail.graph.by_hand import default_graph, written_graph
from dovetail.graph.hand_variable import host_call
from dovetail.ops.protos import make_tensor_proto
from dovetail.summary.plots import _bytes, _wav, png
from dovetail.summary.writer import create_file_writer
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.tensor import Tensor
from dovetail.wire.messages import Event, HistogramProto, Summary, SummaryMetadata

_LIMITS: list[float] = []


def _limits() -> np.ndarray:
    """Returns the upper ends of the buckets of histograms: they grow by a tenth each, to both sides of zero."""
    if not _LIMITS:
        value = 1e-12
        while value < 1e20:
            _LIMITS.append(value)
            value *= 1.1
        _LIMITS[:] = [-float(np.finfo(np.float64).max), *[-v for v in reversed(_LIMITS)], 0.0, *_LIMITS]
        _LIMITS.append(float(np.finfo(np.float64).max))
    return np.array(_LIMITS)


def _histogram(values: np.ndarray) -> HistogramProto:
    flat: Any = values.astype(np.float64).reshape(-1)
    limits = _limits()
    counts = np.bincount(np.searchsorted(limits, flat, side="right"), minlength=len(limits))
    used = np.flatnonzero(counts)
    made = HistogramProto(num=float(flat.size), sum=float(flat.sum()), sum_squares=float((flat * flat).sum()))
    if flat.size:
        made.min, made.max = float(flat.min()), float(flat.max())
        kept = range(max(int(used[0]) - 1, 0), int(used[-1]) + 1)
        made.bucket_limit.extend([float(limits[i]) for i in kept])
        made.bucket.extend([float(counts[i]) for i in kept])
    return made


def _tagged(name: str, family: str | None) -> tuple[str, str]:
    """Returns the tag, which is the name in its scope, and the name of the operation."""
    clean = name.replace(" ", "_")
    graph = default_graph()
    with graph.name_scope(f"{family}/{clean}" if family else clean) as scope:
        tag = scope.rstrip("/")
    return (f"{family}/{tag}" if family else tag), scope


def _node(build: Callable, args: tuple, kind: str, scope: str, collections: Any) -> Any:
    def message(*values: Any) -> list:
        content: Any = np.empty((), object)
        content[()] = build(*values).SerializeToString()
        return [Tensor(content)]

    found = written_graph().named(
        scope, lambda: host_call(message, kind, args, [TensorSpec([], "string")])[0]
    )
    keys = [GraphKeys.SUMMARIES] if collections is None else list(collections)
    written_graph().add_to_collections(keys, found)
    return found


def scalar(name: str, tensor: Any, collections: Any = None, family: str | None = None) -> Any:
    """Returns an operation that gives a message with a number.

    Args:
        name: of the summary.
        tensor: one number.
        collections: keys of the collections that it is put in, that of summaries when None.
        family: a prefix of the tag.
    """
    tag, scope = _tagged(name, family)

    def build(value: Any) -> Summary:
        return Summary(value=[Summary.Value(tag=tag, simple_value=float(value.numpy()))])

    return _node(build, (tf.convert_to_tensor(tensor),), "ScalarSummary", scope, collections)


def histogram(name: str, values: Any, collections: Any = None, family: str | None = None) -> Any:
    """Returns an operation that gives a message with how values are distributed: see `scalar`."""
    tag, scope = _tagged(name, family)

    def build(value: Any) -> Summary:
        return Summary(value=[Summary.Value(tag=tag, histo=_histogram(value.numpy()))])

    return _node(build, (tf.convert_to_tensor(values),), "HistogramSummary", scope, collections)


def image(
    name: str, tensor: Any, max_outputs: int = 3, collections: Any = None, family: str | None = None
) -> Any:
    """Returns an operation that gives a message with pictures (pictures, height, width, channels): see `scalar`."""
    tag, scope = _tagged(name, family)

    def build(value: Any) -> Summary:
        made = Summary()
        pixels = value.numpy()[:max_outputs]
        for number, picture in enumerate(_bytes(_scaled(pixels))):
            height, width, channels = picture.shape
            shown = Summary.Image(
                height=height, width=width, colorspace=channels, encoded_image_string=png(picture)
            )
            label = f"{tag}/image" if max_outputs == 1 else f"{tag}/image/{number}"
            made.value.add(tag=label, image=shown)
        return made

    return _node(build, (tf.convert_to_tensor(tensor),), "ImageSummary", scope, collections)


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """Brings floats to [0, 1], by each picture's largest; with negative ones zero is in the middle."""
    if pixels.dtype.kind not in "fV":
        return pixels
    found = []
    for picture in pixels.astype(np.float64):
        low, high = float(np.min(picture, initial=0.0)), float(np.max(picture, initial=0.0))
        if low >= 0:
            found.append(picture / high if high else picture)
        else:
            found.append(picture / (2 * max(abs(low), abs(high))) + 0.5)
    return np.stack(found) if found else pixels


def audio(
    name: str,
    tensor: Any,
    sample_rate: Any,
    max_outputs: int = 3,
    collections: Any = None,
    family: str | None = None,
) -> Any:
    """Returns an operation that gives a message with sounds (sounds, frames[, channels]): see `scalar`."""
    tag, scope = _tagged(name, family)

    def build(value: Any, rate: Any) -> Summary:
        made = Summary()
        for number, frames in enumerate(value.numpy()[:max_outputs]):
            sound = frames if frames.ndim == 2 else frames[:, None]
            shown = Summary.Audio(
                sample_rate=float(rate.numpy()),
                num_channels=sound.shape[1],
                length_frames=sound.shape[0],
                encoded_audio_string=_wav(sound, int(rate.numpy())),
                content_type="audio/wav",
            )
            made.value.add(tag=f"{tag}/audio" if max_outputs == 1 else f"{tag}/audio/{number}", audio=shown)
        return made

    args = (tf.convert_to_tensor(tensor), tf.convert_to_tensor(sample_rate, dtype_hint="float32"))
    return _node(build, args, "AudioSummary", scope, collections)


def text(name: str, tensor: Any, collections: Any = None) -> Any:
    """Returns an operation that gives a message with strings: see `scalar`."""
    return tensor_summary(name, tensor, collections=collections, _plugin="text")


def tensor_summary(
    name: str,
    tensor: Any,
    summary_description: str | None = None,
    collections: Any = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
    _plugin: str = "",
) -> Any:
    """Returns an operation that gives a message with a tensor: see `scalar`."""
    tag, scope = _tagged(name, family)
    metadata = summary_metadata or SummaryMetadata(
        display_name=display_name or "", summary_description=summary_description or ""
    )
    if _plugin:
        metadata.plugin_data.plugin_name = _plugin

    def build(value: Any) -> Summary:
        return Summary(value=[Summary.Value(tag=tag, tensor=make_tensor_proto(value), metadata=metadata)])

    return _node(build, (tf.convert_to_tensor(tensor),), "TensorSummaryV2", scope, collections)


def merge(inputs: Any, collections: Any = None, name: str | None = None) -> Any:
    """Returns an operation that gives the messages of others in one."""

    def build(*parts: Any) -> Summary:
        made = Summary()
        for part in parts:
            made.MergeFromString(part.numpy())
        return made

    scope = written_graph().unique_name(name or "Merge/MergeSummary", mark_as_used=True) + "/"
    return _node(build, tuple(inputs), "MergeSummary", scope, collections or ())


def merge_all(key: Any = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None) -> Any:
    """Returns an operation that gives the messages of all summaries of a collection; None when there are none."""
    found = written_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None


def get_summary_description(node_def: Any) -> Any:
    """Returns the description that a node of `tensor_summary` has."""
    raise NotImplementedError(
        "tf.compat.v1.summary.get_summary_description: descriptions stand in the messages"
    )


class FileWriter:
    """Writes summaries and graphs to a new event file in a folder.

    Args:
        logdir: the folder.
        graph: a graph that is written first.
        max_queue, flush_secs, filename_suffix: see `tf.summary.create_file_writer`.
        graph_def, session: accepted for TensorFlow's sake.
    """

    def __init__(
        self,
        logdir: Any,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ) -> None:
        self._logdir, self._facts = (
            os.fspath(logdir),
            (max_queue, int(flush_secs * 1000), filename_suffix or ""),
        )
        self._writer: Any = None
        self._open()
        if graph is not None:
            self.add_graph(graph)

    def _open(self) -> None:
        if self._writer is None:
            self._writer = create_file_writer(self._logdir, *self._facts)

    def get_logdir(self) -> str:
        return self._logdir

    def __enter__(self) -> FileWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Writes what a summary gave: a message, or its bytes."""
        message = Summary.FromString(summary) if isinstance(summary, bytes) else summary
        self.add_event(Event(summary=message), global_step)

    def add_event(self, event: Any, global_step: Any = None) -> None:
        """Writes an event."""
        if global_step is not None:
            event.step = int(global_step)
        self._open()
        self._writer.add_event(event)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Writes a graph."""
        self.add_event(Event(graph_def=graph.as_graph_def().SerializeToString()), global_step)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Writes that a session started or stopped."""
        self.add_event(Event(session_log=session_log), global_step)

    def flush(self) -> None:
        """Writes to the file what is still in memory."""
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Closes the file; what is written afterwards goes to a new one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def reopen(self) -> None:
        """Opens a new file, when it was closed."""
        self._open()


class FileWriterCache:
    """The writers by their folders: one each."""

    _writers: dict[str, FileWriter] = {}

    @classmethod
    def get(cls, logdir: Any) -> FileWriter:
        return cls._writers.setdefault(os.fspath(logdir), FileWriter(logdir))

    @classmethod
    def clear(cls) -> None:
        """Closes all."""
        for writer in cls._writers.values():
            writer.close()
        cls._writers.clear()


NAMES: dict[str, Any] = {
    **{f.__name__: f for f in (scalar, histogram, image, audio, text, tensor_summary, merge, merge_all)},
    **{f.__name__: f for f in (FileWriter, FileWriterCache, get_summary_description)},
}
