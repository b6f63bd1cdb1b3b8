"""What branches and loops inside compiled code share: lifting what they capture and what they write.

A branch function reads tensors and variables of the code around it, and may assign variables.  XLA's control flow needs
both spelled out: assigned variables become results, and, when a tape is watching, captured tensors become inputs, so
that the whole construct is one differentiable call on the tape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autodiff.backward import Pullback
from dovetail.base import nest
from dovetail.base.observer import Observer
from dovetail.base.settings import state
from dovetail.engine import dtypes, loops, xla
from dovetail.function.substitution import substituted
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Scope, Variable, enter_scope


class BranchScope(Scope):
    """The scope of a branch or loop body: reads come from the scope around it, writes stay inside."""

    def __init__(self, parent: Scope | None, carried: dict | None = None) -> None:
        super().__init__()
        self.parent = parent
        self.may_create = parent is None or parent.may_create
        for variable, value in (carried or {}).values():
            self.tensors[id(variable)] = value

    def first_read(self, variable: Variable) -> Tensor:
        return Tensor(variable._array) if self.parent is None else self.parent.tensor(variable)

    def created(self, variable: Variable) -> None:
        if self.parent is not None:
            self.parent.created(variable)


class CaptureTape(Observer):
    """Stands in for the tapes while a branch is traced: notes which of their tensors the branch uses."""

    def __init__(self, outer: tuple) -> None:
        self.outer = outer
        self.captured: dict[int, Tensor] = {}
        self._inside: dict[int, Tensor] = {}

    def tracks(self, tensor: Any) -> bool:
        return id(tensor) in self._inside or any(tape.tracks(tensor) for tape in self.outer)

    def note(self, tensor: Any) -> bool:
        """Captures the tensor if an outer tape follows it."""
        if id(tensor) in self._inside:
            return True
        if any(tape.tracks(tensor) for tape in self.outer):
            self.captured[id(tensor)] = tensor
            return True
        return False

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        noted = [self.note(tensor) for tensor in inputs if tensor is not None]
        if any(noted):
            self._inside.update((id(out), out) for out in outputs)

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        self.record(None, (tensor,), (other,))

    def read_variable(self, variable: Variable, tensor: Tensor) -> None:
        for tape in self.outer:
            tape.read_variable(variable, tensor)
        self.note(tensor)


class Lifted:
    """A control-flow construct being built.

    Args:
        build: `build(writes) -> list of arrays`, the construct with the final values of the variables in `writes`
            appended; it calls the user's functions through `branch`.
    """

    def __init__(self, build: Callable[[list[Variable]], list]) -> None:
        self._build = build
        self.writes: dict[int, Variable] = {}

    def run(self, extra: list[Tensor] | None = None) -> list[Tensor]:
        """Returns the construct's result tensors; assigns the variables that it writes; tells the tapes.

        Args:
            extra: tensors that enter explicitly (loop variables), besides those captured.
        """
        tapes = state.tapes
        capture = CaptureTape(tapes)
        entering = {id(t): t for t in extra or [] if capture.tracks(t)}
        state.tapes = (capture,) if tapes else ()
        try:  # traced aside, so that what prints does not do it twice when it must be built once more
            first, captured = loops().hoisted(lambda: self._build([]))
        finally:
            state.tapes = tapes
        writes = list(self.writes.values())
        tracked = list((entering | capture.captured).values())
        if tracked:
            tensors = self._differentiable(writes, tracked)
        else:
            tensors = [Tensor(value) for value in (self._build(writes) if writes else first(captured))]
        for variable, tensor in zip(writes, tensors[len(tensors) - len(writes) :], strict=True):
            variable._store(tensor)
        return tensors[: len(tensors) - len(writes)]

    def _differentiable(self, writes: list[Variable], tracked: list[Tensor]) -> list[Tensor]:
        """Builds the construct as a function of what the tapes follow, and records it as one call."""

        def construct(*values: Any) -> list:
            tapes, state.tapes = state.tapes, ()
            try:
                with substituted(tracked, values):
                    return self._build(writes)
            finally:
                state.tapes = tapes

        return call_differentiably(construct, tracked)

    def branch(
        self, function: Callable, writes: list[Variable], carried: list | None = None
    ) -> tuple[Any, list]:
        """Runs a user's function in a scope of its own.

        Returns:
            its result, and the values of `writes` after it.
        """
        inside = {id(v): (v, Tensor(value)) for v, value in zip(writes, carried or [], strict=bool(carried))}
        scope = BranchScope(state.scope, inside if carried else None)
        with enter_scope(scope):
            result = function()
            leaves, spec = nest.flatten_spec(result)
            tensors = [None if leaf is None else convert_to_tensor(leaf) for leaf in leaves]
            after = [scope.tensor(variable)._value for variable in writes]
        for tape in state.tapes:
            if isinstance(tape, CaptureTape):
                for tensor in tensors:
                    if tensor is not None:
                        tape.note(tensor)
        self.writes.update(scope.written)
        return nest.unflatten(spec, tensors), after


def call_differentiably(function: Callable, inputs: list[Tensor]) -> list[Tensor]:
    """Calls a function of flat arrays, and records it on the tapes; its gradient is recorded in the same way.

    Args:
        function: `f(*arrays) -> list of arrays`; it runs once, when it is traced.
        inputs: the tensors to differentiate by.
    """
    engine = xla("control flow")
    values, pull, again = loops().differentiable(function, [tensor._value for tensor in inputs])
    outputs = [Tensor(value) for value in values]

    def backward(incoming: list) -> list:
        filled = [
            g if g is not None else Tensor(engine.zeros(out._value.shape, out._value.dtype))
            for g, out in zip(incoming, outputs, strict=True)
        ]
        if not state.tapes:
            return [_gradient(g) for g in pull(_cotangents(engine, [g._value for g in filled]))]

        def gradients(*arrays: Any) -> list:
            _, pull_again = engine.vjp(again, *arrays[: len(inputs)])
            found = pull_again(_cotangents(engine, list(arrays[len(inputs) :])))
            return [
                engine.zeros(x.shape, x.dtype) if _is_empty(g) else g
                for x, g in zip(arrays, found, strict=False)
            ]

        return call_differentiably(gradients, [*inputs, *filled])

    call = Pullback(backward)
    for tape in state.tapes:
        tape.record(call, tuple(inputs), tuple(outputs))
    return outputs


def _cotangents(engine: Any, values: list) -> list:
    return [x if x.dtype in dtypes.DIFFERENTIABLE else engine.zero_cotangent(x) for x in values]


def _is_empty(gradient: Any) -> bool:
    """True for JAX's placeholder of the gradient of an integer."""
    return gradient.dtype.names is not None or gradient.dtype.itemsize == 0


def _gradient(value: Any) -> Tensor | None:
    return None if _is_empty(value) else Tensor(value)
