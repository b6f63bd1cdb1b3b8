"""From a summary to its event: which writer, which step, whether at all; also inside compiled code."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.function.run_time import call_with_values
from dovetail.graph.record import record_call
from dovetail.graph.recording import recording
from dovetail.ops.protos import make_tensor_proto
from dovetail.summary.writer import SummaryWriter, now
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.variable import Variable
from dovetail.wire.messages import Event, Summary, SummaryMetadata

Build = Callable[[np.ndarray], np.ndarray]


def should_record_summaries() -> Any:
    """Returns whether summaries are recorded now: there is a writer, and `record_if` does not say no."""
    if now.writer is None or now.writer._closed:
        return convert_to_tensor(False)
    return convert_to_tensor(now.records() if callable(now.records) else now.records)


@contextlib.contextmanager
def record_if(condition: Any) -> Iterator[None]:
    """Records the summaries of a `with` block where the condition holds.

    Args:
        condition: a bool, a boolean tensor, or a function that returns one, which is called for each summary.
    """
    before, now.records = now.records, condition
    try:
        yield
    finally:
        now.records = before


def flush(writer: Any = None, name: str | None = None) -> None:
    """Writes to the file what the writer (the default one when None) has in memory."""
    target = now.writer if writer is None else writer
    if target is not None:
        target.flush()


def write(tag: str, tensor: Any, step: Any = None, metadata: Any = None, name: str | None = None) -> Any:
    """Writes a tensor under a tag; which of TensorBoard's plugins shows it, the metadata say.

    Args:
        tag: name in the file.
        tensor: the value, or a function without arguments that returns it, called where it is recorded.
        step: the step, `tf.summary.experimental.get_step()` when None.
        metadata: `SummaryMetadata`, or its bytes.
        name: accepted for compatibility; names nothing.

    Returns:
        a boolean tensor: whether it was recorded.

    Raises:
        ValueError: there is a writer, and no step.
    """
    held = metadata if not hasattr(metadata, "SerializeToString") else metadata.SerializeToString()
    known = None if held is None else SummaryMetadata.FromString(held)
    return record("write", tag, tensor, step, metadata=known)


def record(
    label: str, tag: str | None, data: Any, step: Any, build: Build | None = None, metadata: Any = None
) -> Any:
    """Writes one summary to the default writer.

    Args:
        label: name of the public function, for errors.
        tag: of the summary; None: the data are serialized `Summary` messages.
        data: tensor, or a function that returns it.
        step: see `write`.
        build: makes of the data's array what is written.
        metadata: `SummaryMetadata`.

    Returns:
        a boolean tensor: whether it is recorded.
    """
    writer: SummaryWriter | None = now.writer
    if writer is None or writer._closed or (state.scope is not None and state.scope.describes):
        return convert_to_tensor(False)
    condition = should_record_summaries()
    step = _step(label, step)
    value = convert_to_tensor(data() if callable(data) and not hasattr(data, "dtype") else data)
    facts = {"label": label, "tag": tag, "writer": writer, "build": build, "metadata": metadata}
    if recording() is not None:
        record_call(_emit, f"tf.summary.{label}", (value, step, condition), facts)
    elif isinstance(value, SymbolicTensor):
        raise TypeError(
            f"tf.summary.{label}: a symbolic tensor has no value while the model is built. Write summaries inside a "
            f"layer's call(){at_user_location()}"
        )
    else:
        _emit(value, step, condition, **facts)
    return condition


def _step(label: str, step: Any) -> Any:
    found = now.step if step is None else step
    if found is None:
        raise ValueError(
            f"tf.summary.{label}: no step was given, and there is no default step. Pass step=..., or call "
            f"tf.summary.experimental.set_step{at_user_location()}"
        )
    return convert_to_tensor(found.read_value() if isinstance(found, Variable) else found)


def _emit(
    value: Any,
    step: Any,
    condition: Any,
    label: str,
    tag: str | None,
    writer: SummaryWriter,
    build: Build | None,
    metadata: Any,
) -> None:
    def write_values(array: Any, number: Any, wanted: Any) -> None:
        if not bool(np.asarray(wanted)):
            return
        summary = _summary(tag, np.asarray(array), build, metadata)
        writer.add_event(Event(step=int(np.asarray(number)), summary=summary))

    call_with_values(f"tf.summary.{label}", write_values, [value, step, condition])


def _summary(tag: str | None, array: np.ndarray, build: Build | None, metadata: Any) -> Summary:
    if tag is None:
        made = Summary()
        for part in array.reshape(-1).tolist():
            made.MergeFromString(part)
        return made
    tensor = make_tensor_proto(array if build is None else build(array))
    return Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata or SummaryMetadata())])
