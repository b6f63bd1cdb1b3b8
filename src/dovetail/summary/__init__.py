"""`tf.summary`: values over time, written to files that TensorBoard shows.

writer = tf.summary.create_file_writer("logs")
with writer.as_default():
    tf.summary.scalar("loss", 0.5, step=1)
"""

from dovetail.base.own import declare
from dovetail.summary import experimental
from dovetail.summary.plots import audio, graph, histogram, image, scalar, text
from dovetail.summary.recording import flush, record_if, should_record_summaries, write
from dovetail.summary.tracing import trace_export, trace_off, trace_on
from dovetail.summary.writer import SummaryWriter, create_file_writer, create_noop_writer

__all__ = [
    "SummaryWriter",
    "audio",
    "create_file_writer",
    "create_noop_writer",
    "experimental",
    "flush",
    "graph",
    "histogram",
    "image",
    "record_if",
    "scalar",
    "should_record_summaries",
    "text",
    "trace_export",
    "trace_off",
    "trace_on",
    "write",
]

declare(SummaryWriter)
