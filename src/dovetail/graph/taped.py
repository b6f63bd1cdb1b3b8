"""Gradient tapes inside a function that is being recorded.

What the tape is asked for (enter, watch, gradient, ...) becomes nodes; when the graph runs, they drive a real tape on
the real tensors.  Whether a gradient is None is decided while recording, by the nodes between source and target.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from dovetail.autodiff.tape import (
    GradientTape,
    UnconnectedGradients,
    composed,
    has_gradients,
    use_tape_recorder,
)
from dovetail.base import nest
from dovetail.base.errors import OperatorNotAllowedInGraphError, at_user_location
from dovetail.base.settings import state
from dovetail.graph.connected import differentiable_inputs, is_smooth
from dovetail.graph.construct import variables_in
from dovetail.graph.node import Node
from dovetail.graph.recording import recording
from dovetail.ops import create
from dovetail.tensor import dtype as dt
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class TapeRecorder:
    """What stands in for a tape while a function is recorded.

    Args:
        persistent, watch_accessed: the tape's options.
    """

    def __init__(self, persistent: bool, watch_accessed: bool) -> None:
        self.persistent, self.watch_accessed = persistent, watch_accessed
        self.graph: Any = recording()
        self._live = threading.local()
        self._open: int | None = None
        self._spans: list[tuple[int, int]] = []
        self._watched: dict[int, Any] = {}
        self._used = False
        self._do("create", self._create)

    def _do(self, what: str, function: Callable, *args: Any, described: list | None = None) -> Any:
        graph: Any = recording()
        return graph.call(function, f"tf.GradientTape.{what}", args, described)

    def _start(self) -> None:
        """Nodes count as seen from here on; variables are read anew, so that the tape hears of it."""
        state.scope.forget()
        self._open = len(self.graph.nodes)

    def _stop(self) -> None:
        if self._open is not None:
            self._spans.append((self._open, len(self.graph.nodes)))
        self._open = None

    # ---- what happens when the graph runs

    def _create(self) -> None:
        self._live.tape = GradientTape(self.persistent, self.watch_accessed)
        self._live.paused = []

    def _enter(self) -> None:
        self._live.tape.__enter__()

    def _exit(self) -> None:
        self._live.tape.__exit__(None, None, None)

    def _pause(self) -> None:
        context = self._live.tape.stop_recording()
        context.__enter__()
        self._live.paused.append(context)

    def _resume(self) -> None:
        self._live.paused.pop().__exit__(None, None, None)

    def _watch(self, tensor: Any) -> None:
        self._live.tape.watch(tensor)

    def _reset(self) -> None:
        self._live.tape.reset()

    def _gradient(self, targets: list, sources: list, factors: Any) -> _Found:
        return _Found(self._live.tape.gradient(targets, sources, factors, unconnected_gradients="zero"))

    def _jacobian(self, target: Any, sources: list, vectorized: bool) -> tuple:
        return tuple(self._live.tape.jacobian(target, sources, "zero", experimental_use_pfor=vectorized))

    def _batch_jacobian(self, target: Any, source: Any, vectorized: bool) -> tuple:
        return (self._live.tape.batch_jacobian(target, source, "zero", experimental_use_pfor=vectorized),)

    # ---- what the tape is asked for while the function is recorded

    def enter(self) -> None:
        if self._open is not None:
            raise ValueError("GradientTape: the tape is already recording")
        if self._used and not self.persistent:
            self._forget()
            self._do("create", self._create)
        self._do("enter", self._enter)
        self._start()

    def exit(self) -> None:
        if self._open is not None:
            self._stop()
            self._do("exit", self._exit)

    def _forget(self) -> None:
        self._spans, self._watched, self._used = [], {}, False

    def reset(self) -> None:
        self._forget()
        self._do("reset", self._reset)
        if self._open is not None:
            self._start()

    def stop_recording(self) -> _Stopped:
        return _Stopped(self)

    def watch(self, tensor: Any) -> None:
        for leaf in nest.flatten(tensor):
            if isinstance(leaf, CompositeTensor):
                self.watch([part for part in nest.flat(leaf) if has_gradients(part)])
                continue
            if not isinstance(leaf, SymbolicTensor | Variable):
                raise OperatorNotAllowedInGraphError(
                    f"GradientTape.watch: {leaf!r:.60} is a constant of the function{at_user_location()}"
                )
            inner = leaf if isinstance(leaf, Variable) else self.graph.inside(leaf)
            self._watched[id(inner)] = inner
            self._do("watch", self._watch, leaf)

    def watched_variables(self) -> tuple:
        found = {key: leaf for key, leaf in self._watched.items() if isinstance(leaf, Variable)}
        for node in self._seen():
            for variable in variables_in((node.args, node.kwargs)):
                if self.watch_accessed and variable.trainable:
                    found[id(variable)] = variable
        return tuple(found.values())

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: Any = "none"
    ) -> Any:
        targets = nest.flat(target)
        specs = [_spec_of(source) for source in nest.flat(sources)]
        return self._differentiated(
            targets,
            sources,
            unconnected_gradients,
            specs,
            lambda wanted, out: self._parts(
                self._do("gradient", self._gradient, targets, wanted, output_gradients, described=[_HOLDER]),
                out,
            ),
        )

    def _parts(self, holder: list, described: list) -> list:
        """Returns the single gradients; one may turn out to be an `IndexedSlices`, which is no tensor."""
        return [
            self._do("part", functools.partial(_part, i), *holder, described=[spec])[0]
            for i, spec in enumerate(described)
        ]

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        specs = [
            TensorSpec(target.shape.concatenate(source.shape), source.dtype) for source in nest.flat(sources)
        ]
        return self._differentiated(
            [target],
            sources,
            unconnected_gradients,
            specs,
            lambda wanted, out: self._do(
                "jacobian", self._jacobian, target, wanted, experimental_use_pfor, described=out
            ),
        )

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        spec = TensorSpec(target.shape.concatenate(source.shape[1:]), source.dtype)
        return self._differentiated(
            [target],
            source,
            unconnected_gradients,
            [spec],
            lambda wanted, out: self._do(
                "batch_jacobian",
                self._batch_jacobian,
                target,
                wanted[0],
                experimental_use_pfor,
                described=out,
            ),
        )

    def _differentiated(
        self, targets: list, sources: Any, unconnected_gradients: Any, specs: list, record: Callable
    ) -> Any:
        """Records the gradients of the sources that the targets depend on; None (or zeros) for the others."""
        if self._used and not self.persistent:
            raise RuntimeError(
                "GradientTape.gradient was called a second time. A tape serves one call; use "
                f"tf.GradientTape(persistent=True) for several{at_user_location()}"
            )
        flat = nest.flat(sources)
        for leaf in (*flat, *targets):
            if not isinstance(leaf, TensorLike):
                raise TypeError(
                    f"GradientTape.gradient: expected tensors or variables, received {leaf!r:.60}{at_user_location()}"
                )
        connected = self._connected(targets, flat)
        pairs = list(zip(flat, specs, connected, strict=True))
        wanted = [source for source, _, there in pairs if there]
        out = [spec for _, spec, there in pairs if there]
        found = iter(record(wanted, out) if wanted else [])
        self._used = True
        zero = UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.ZERO
        result = [
            next(found) if there else _zeros(source, spec) if zero else None for source, spec, there in pairs
        ]
        return nest.pack_sequence_as(sources, composed(nest.flatten(sources), iter(result)))

    # ---- what depends on what

    def _seen(self) -> list[Node]:
        """Returns the nodes that were recorded while the tape was."""
        spans = [*self._spans, *([(self._open, len(self.graph.nodes))] if self._open is not None else [])]
        return [node for start, end in spans for node in self.graph.nodes[start:end]]

    def _connected(self, targets: list, sources: list) -> list[bool]:
        if recording() is not self.graph:  # the tape belongs to a graph around this one: the run will tell
            return [True] * len(sources)
        graph: Any = self.graph
        nodes = self._seen()
        tracked = self._tracked(nodes)
        live = {id(graph.inside(target)) for target in targets}
        for node in reversed(nodes):
            if any(id(out) in live for out in node.outputs):
                live |= differentiable_inputs(node)
        keys = [id(graph.inside(source)) for source in sources]
        return [key in live and key in tracked for key in keys]

    def _tracked(self, nodes: list[Node]) -> set[int]:
        """Returns the ids of the tensors and variables that the tape follows."""
        tracked = {id(variable) for variable in self.watched_variables()} | set(self._watched)
        for node in nodes:
            if not tracked.isdisjoint(differentiable_inputs(node)):
                tracked.update(id(out) for out in node.outputs if is_smooth(out))
        return tracked


class _Found:
    """The gradients of one call, in one slot of the graph."""

    def __init__(self, gradients: list) -> None:
        self.gradients = gradients


_HOLDER = TensorSpec((), dt.float32)


def _part(position: int, found: _Found) -> Any:
    return found.gradients[position]


class _Stopped:
    """The context of `stop_recording`."""

    def __init__(self, recorder: TapeRecorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        recorder = self._recorder
        self._was_open = recorder._open is not None
        recorder._stop()
        recorder._do("pause", recorder._pause)

    def __exit__(self, *exc: object) -> None:
        recorder = self._recorder
        recorder._do("resume", recorder._resume)
        if self._was_open:
            recorder._start()


def _spec_of(source: Any) -> TensorSpec:
    if isinstance(source, Variable):
        return TensorSpec(source.shape, source._numpy_dtype)
    return TensorSpec(source.shape, source.dtype)


def _zeros(source: Any, spec: TensorSpec) -> Any:
    return create.zeros_like(source) if spec.shape == source.shape else create.zeros(spec.shape, spec.dtype)


def _recorder_for(tape: GradientTape, before: Any) -> TapeRecorder | None:
    """Returns what stands in for a tape now: None outside of recorded functions."""
    graph = recording()
    if graph is None:
        return None
    return before or TapeRecorder(tape._persistent, tape._watch_accessed)


use_tape_recorder(_recorder_for)
