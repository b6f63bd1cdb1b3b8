"""What tapes would be told of a traced function: noted while it is traced, told again with each call of its program.

So a tape around a call inside of another trace sees the ops of the function, with their gradient rules, as if its
Python code had run.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.observer import Observer
from dovetail.base.settings import state
from dovetail.engine import is_tracer, jax_private_module
from dovetail.ops.core import Bound
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


class Notes(Observer):
    """Stands among the tapes while a function is traced.

    Attributes:
        failed: something happened that cannot be told again: a call whose gradient is a closure over tensors of the
            trace, as those of loops and of custom gradients are.
    """

    def __init__(self, tensors: list[Tensor]) -> None:
        self.failed = False
        self._events: list[tuple] = []
        self._alive: dict[int, Tensor] = {id(tensor): tensor for tensor in tensors}
        self._places: dict[int, int] = {}
        self._num_outputs = 0

    # ---- what dispatch calls

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        self.failed = self.failed or type(call) is not Bound
        self._note("record", (call,), inputs, outputs)

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        self._note("alias", (), tensor, other)

    def read_variable(self, variable: Variable, tensor: Tensor) -> None:
        self._note("read_variable", (variable,), tensor)

    def tracks(self, tensor: Any) -> bool:
        self.failed = True  # a loop or a branch asks, to become one call with a gradient of its own
        return False

    def _note(self, name: str, own: tuple, *tensors: Any) -> None:
        self._events.append((name, own, tensors))
        for given in tensors:
            for tensor in given if isinstance(given, tuple) else (given,):
                if tensor is not None:
                    self._alive[id(tensor)] = tensor

    # ---- what the program calls

    def finish(self, inputs: list[Tensor], outputs: list[Tensor | None]) -> list:
        """Ends the notes, and returns the values to be told of: further outputs of the program.

        Args:
            inputs: the tensors of the call, and those of the variables that it reads.
            outputs: those of the program's own outputs, None for values that are told of no tape.
        """
        self._places = {id(tensor): i for i, tensor in enumerate(inputs)}
        inner = [t for key, t in self._alive.items() if key not in self._places and is_tracer(t._value)]
        self._places.update((id(tensor), len(inputs) + i) for i, tensor in enumerate(inner))
        self._events = [(name, own, self._placed(tensors)) for name, own, tensors in self._events]
        self._outputs = [self._places.get(id(tensor)) for tensor in outputs]
        self._num_outputs = len(outputs)
        self._alive, self._places = {}, {}
        return [tensor._value for tensor in inner]

    def _placed(self, given: Any) -> Any:
        """Returns places for tensors; what has a value of its own stays as it is."""
        if isinstance(given, tuple):
            return tuple([self._placed(item) for item in given])
        return self._places.get(id(given), given)

    def without_own_outputs(self, closed: Any) -> Any:
        return jax_private_module().first_outputs(closed, self._num_outputs)

    def told(self, inputs: tuple, values: list) -> list[Tensor]:
        """Tells the tapes, and returns the program's own outputs.

        Args:
            inputs: as for `finish`.
            values: all the outputs of the program with the further ones.
        """
        tensors = [*inputs, *[Tensor(value) for value in values[self._num_outputs :]]]

        def found(given: Any) -> Any:
            if isinstance(given, tuple):
                return tuple([found(item) for item in given])
            return tensors[given] if type(given) is int else given

        for name, own, given in self._events:
            arguments = (*own, *found(given))
            for tape in state.tapes:
                getattr(tape, name)(*arguments)
        own_outputs = [Tensor(value) for value in values[: self._num_outputs]]
        for i, place in enumerate(self._outputs):
            if place is not None:
                own_outputs[i] = tensors[place]
        return own_outputs
