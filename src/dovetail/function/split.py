"""Running a recorded function in stages: see `function/stages.py`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.settings import state
from dovetail.function.by_rows import row_bytes, run_by_rows
from dovetail.function.frequency import Frequency
from dovetail.function.shaped import Shaped
from dovetail.function.stages import Stage, stages_of
from dovetail.graph.recording import FunctionGraph
from dovetail.graph.replay import Steps
from dovetail.tensor.symbolic import SymbolicTensor


class Split:
    """A recorded function of which a part runs on the host, and the rest is compiled.

    Args:
        graph: the recorded function.
        stages: what it is divided into.
        make_frequency: returns what decides which shapes a stage is compiled for.

    Attributes:
        parts: the stages, ready to run.
    """

    @staticmethod
    def of(graph: FunctionGraph, make_frequency: Callable[[], Frequency]) -> Split | None:
        """Returns the split of a graph; None when it is not divided: see `stages_of`."""
        stages = stages_of(graph)
        return None if stages is None else Split(graph, stages, make_frequency)

    def __init__(
        self, graph: FunctionGraph, stages: list[Stage], make_frequency: Callable[[], Frequency]
    ) -> None:
        self._captures, self._stages = graph.captures, stages
        places: dict[int, int] = {}
        for tensor in (*graph.inputs, *graph.captured, *(out for stage in stages for out in stage.outputs)):
            places.setdefault(id(tensor), len(places))
        self._num_places = len(places)
        self.parts = [
            (_HostPart if stage.on_host else _CompiledPart)(stage, places, make_frequency) for stage in stages
        ]
        leaves, self._spec = nest.flatten_spec(graph.structured_outputs)
        self._leaves = [
            (True, places[id(leaf)]) if isinstance(leaf, SymbolicTensor) else (False, leaf) for leaf in leaves
        ]

    def call(self, tensors: list) -> Any:
        """Runs the function on eager tensors."""
        values = self.begun(tensors)
        for part in self.parts:
            part.run(values)
        return self.result(values)

    @property
    def why(self) -> Exception | None:
        """What says that a part which should be compiled cannot be."""
        return next((part.why for part in self.parts if part.why is not None), None)

    @property
    def is_front_and_rest(self) -> bool:
        """Whether all that needs the host stands in front, and gives no result itself."""
        if [part.on_host for part in self.parts] != [True, False]:
            return False
        made = set(self.parts[1].outputs)
        return all(leaf in made for is_place, leaf in self._leaves if is_place)

    def bytes_by_rows(self, size: int) -> int | None:
        """Returns how many bytes a row of the rest's arguments has; None where rows do not depend on rows alone.

        Where they do, all rows of data may be read at once.

        Args:
            size: rows of a batch.
        """
        front, rest = self._stages
        made = {id(tensor) for tensor in front.outputs}
        taken = [tensor for tensor in rest.inputs if id(tensor) not in made]
        return row_bytes(rest.inputs) if run_by_rows(front.nodes, [*front.inputs, *taken], size) else None

    def front(self, tensors: list) -> list:
        """Runs the host part in front, and returns the arguments of the rest."""
        values = self.begun(tensors)
        self.parts[0].run(values)
        return self.parts[1].arguments(values)

    def rest(self, arguments: list) -> Any:
        """Runs what comes after the host part, and returns the result; to be traced."""
        values: list[Any] = [None] * self._num_places
        self.parts[1].put(values, self.parts[1].op_by_op(arguments))
        return self.result(values)

    def run_rest_op_by_op(self, arguments: list) -> Any:
        """Runs what comes after the host part on the host as well."""
        state.host_only += 1
        try:
            return self.rest(arguments)
        finally:
            state.host_only -= 1

    def begun(self, tensors: list) -> list:
        """Returns the places of a run, of which the arguments' are filled."""
        values: list[Any] = [None] * self._num_places
        values[: len(tensors)] = tensors
        values[len(tensors) : len(tensors) + len(self._captures)] = self._captures
        return values

    def result(self, values: list) -> Any:
        """Returns the result of a run in its structure."""
        return nest.unflatten(
            self._spec, [values[leaf] if is_place else leaf for is_place, leaf in self._leaves]
        )


class _Part:
    """A stage that takes its inputs from the places of a run, and puts its outputs there."""

    on_host: bool
    why: Exception | None = None

    def __init__(self, stage: Stage, places: dict[int, int], make_frequency: Callable[[], Frequency]) -> None:
        self._steps = Steps(stage.inputs, stage.nodes, stage.outputs, tells_where=True)
        self.inputs = [places[id(tensor)] for tensor in stage.inputs]
        self.outputs = [places[id(tensor)] for tensor in stage.outputs]
        open_sizes = any(t.shape.rank is None or None in tuple(t.shape) for t in stage.inputs)
        self._make(functools.partial(Frequency, at_once=0) if open_sizes else make_frequency)

    def _make(self, make_frequency: Callable[[], Frequency]) -> None:
        """Makes what runs the stage."""

    def arguments(self, values: list) -> list:
        """Returns the values of its inputs in a run."""
        return [values[place] for place in self.inputs]

    def put(self, values: list, outputs: list) -> None:
        """Puts its outputs into their places in a run."""
        for place, output in zip(self.outputs, outputs, strict=True):
            values[place] = output

    def run(self, values: list) -> None:
        """Runs the stage."""
        self.put(values, self._results(self.arguments(values)))

    def _results(self, arguments: list) -> list:
        raise NotImplementedError

    def op_by_op(self, arguments: list) -> list:
        """Runs the nodes where they fit, and returns the outputs."""
        return self._steps.run(arguments)

    def op_by_op_on_host(self, arguments: list) -> list:
        """Runs the nodes on the host."""
        state.host_only += 1
        try:
            return self._steps.run(arguments)
        finally:
            state.host_only -= 1


class _HostPart(_Part):
    on_host = True

    def _results(self, arguments: list) -> list:
        return self.op_by_op_on_host(arguments)


class _CompiledPart(_Part):
    on_host = False

    def _make(self, make_frequency: Callable[[], Frequency]) -> None:
        self._shaped = Shaped(self._steps.run, make_frequency())

    @property
    def why(self) -> Exception | None:  # type: ignore[override]
        return self._shaped.why

    def _results(self, arguments: list) -> list:
        program = self._shaped.program_for(arguments)
        return self.op_by_op_on_host(arguments) if program is None else program.call(arguments)
