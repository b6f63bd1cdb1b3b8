"""`tf.summary.trace_on` and `trace_export`: the graphs of functions as they are traced, and profiles."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.function.function import Function, traced_by
from dovetail.function.signature import Call
from dovetail.profiler import experimental as profiler_
from dovetail.scopes import get_current_name_scope
from dovetail.summary.recording import record
from dovetail.tensor.spec import TensorSpec
from dovetail.wire.messages import GraphDef, SummaryMetadata
from dovetail.wire.protobuf import Field, Message

_lock = threading.Lock()


class _FunctionGraphs(Message):
    fields = {"pre_optimization_graph": Field(2, GraphDef)}


class _RunMetadata(Message):
    fields = {"function_graphs": Field(4, _FunctionGraphs, repeated=True)}


@dataclasses.dataclass
class _Running:
    """A trace that is on.

    Attributes:
        graph, profiler: what it collects.
        making: what make the graphs of the functions so far, the latest last.
    """

    graph: bool
    profiler: bool
    making: list[Callable[[], Any]] = dataclasses.field(default_factory=list)

    def note(self, function: Function, call: Call) -> None:
        specs = [one if isinstance(one, TensorSpec) else TensorSpec.from_tensor(one) for one in call.tensors]
        args, kwargs = call.rebuild(specs)
        self.making.append(lambda: function.get_concrete_function(*args, **kwargs).graph)


_running: _Running | None = None


def trace_on(graph: bool = True, profiler: bool = False, profiler_outdir: Any = None) -> None:
    """Begins to collect the graphs of functions, and a profile.

    Args:
        graph: collect the graph of each `tf.function` that is traced from now on; what was traced before is not traced
            again.
        profiler: record a profile, too.
        profiler_outdir: the folder for it.

    Raises:
        ValueError: a trace is on already, or there is no folder for the profile.
    """
    global _running
    with _lock:
        if _running is not None:
            raise ValueError(
                f"tf.summary.trace_on: a trace is on already; call trace_export or trace_off{at_user_location()}"
            )
        if profiler and profiler_outdir is None:
            raise ValueError(
                f"tf.summary.trace_on: profiler=True needs profiler_outdir, a folder{at_user_location()}"
            )
        if profiler:
            profiler_.start(profiler_outdir)
        _running = _Running(graph, profiler)
        if graph:
            traced_by.append(_running.note)


def trace_off() -> None:
    """Ends the trace, and forgets what it has collected; does nothing where none is on."""
    _end(save=False)


def _end(save: bool) -> _Running | None:
    """Ends the trace and returns it; `save` writes its profile."""
    global _running
    with _lock:
        ended, _running = _running, None
        if ended is None:
            return None
        if ended.graph:
            traced_by.remove(ended.note)
        if ended.profiler:
            profiler_.stop(save)
        return ended


def trace_export(name: str, step: Any = None, profiler_outdir: Any = None) -> None:
    """Ends the trace, and writes what it has collected: graphs to the default writer, a profile to its folder.

    TensorBoard shows the graphs: operations by name and type, and what they are made of.

    Args:
        name: of the summary.
        step: see `tf.summary.write`.
        profiler_outdir: None: `trace_on` takes it.

    Raises:
        ValueError: no trace is on, there is no step, or a `profiler_outdir` was given.
    """
    if profiler_outdir is not None:
        raise ValueError(
            f"tf.summary.trace_export: pass profiler_outdir to trace_on, not here{at_user_location()}"
        )
    ended = _end(save=True)
    if ended is None:
        raise ValueError(
            f"tf.summary.trace_export: no trace is on; call tf.summary.trace_on first{at_user_location()}"
        )
    found = _RunMetadata()
    for make in ended.making:
        found.function_graphs.add(pre_optimization_graph=_definition(make()))
    plugin = "graph_run_metadata" if ended.profiler else "graph_run_metadata_graph"
    metadata = SummaryMetadata(plugin_data={"plugin_name": plugin, "content": b"1"})
    scope = get_current_name_scope()
    tag = f"{scope}/{name}" if scope else name
    record("trace_export", tag, found.SerializeToString(), step, metadata=metadata)


def _definition(graph: Any) -> GraphDef:
    """Returns the operations of a graph as a message: their names, their types, and whose outputs they take."""
    made = GraphDef()
    for operation in graph.get_operations():
        inputs = [tensor.name.removesuffix(":0") for tensor in operation.inputs]
        made.node.add(name=operation.name, op=operation.type, input=inputs)
    return made
