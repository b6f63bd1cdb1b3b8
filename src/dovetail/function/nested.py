"""Calls of a `tf.function` inside of traces and recordings: its Python code runs once a signature there too.

Inside of a trace the function's program is written out into the surrounding one, which is compiled as a whole; tapes
see one call.  Inside of a recording (a function of unknown sizes) the function is recorded by itself, and its nodes are
added to the graph.

What is run as written instead, its Python code with every call:

- a function that uses tensors of the surrounding code as a closure, while a tape is active: the tape follows those
  tensors by identity, and a program does not know which they were;
- calls on tensors that carry a mask of Keras, which is no argument of the function;
- where nothing is traced or recorded: layers described on symbolic tensors, stateless calls on values;
- a function that draws on what is found out about values (data-dependent shapes): it runs op by op, as do its callers.
"""

from __future__ import annotations

from typing import Any

from dovetail.autodiff.backward import Pullback, filled, passes_gradient, pulled_back, with_rows
from dovetail.base.settings import state
from dovetail.engine import xla
from dovetail.function.trace import Program, linearized
from dovetail.ops import create
from dovetail.ops.core import Bound
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


def in_program(leaves: list) -> bool:
    """True when a call happens inside a trace that becomes part of a program."""
    scope = state.scope
    if scope is not None and (scope.describes or scope.graph is not None):
        return False
    return xla("tf.function").in_trace() and not any(
        isinstance(leaf, SymbolicTensor) or getattr(leaf, "_keras_mask", None) is not None for leaf in leaves
    )


def run_inside(program: Program, tensors: list) -> Any:
    """Writes a program into the surrounding trace, and returns its result."""
    saved, state.autocast = state.autocast, None
    try:
        reads = [variable._tensor() for variable in program.reads]
    finally:
        state.autocast = saved
    inputs = (*tensors, *reads)
    outputs = _recorded(program, inputs) if state.tapes else _plain(program, inputs)
    split = program.num_results
    for variable, tensor in zip(program.writes, outputs[split:], strict=False):
        variable._store(tensor)
    program.store_aside(outputs[split + len(program.writes) :])
    return program.rebuild(outputs[:split])


def _plain(program: Program, inputs: tuple) -> list[Tensor]:
    return [Tensor(value) for value in program.run(*[tensor._value for tensor in inputs])]


def _recorded(program: Program, inputs: tuple) -> list[Tensor]:
    """Runs a program under tapes: they are told of its ops, or, where those cannot be told again, of one call."""
    if program.notes is not None:
        values = program.run_in_full(*[tensor._value for tensor in inputs])
        outputs = program.notes.told(inputs, values)
        _tell_of_zeros(program, inputs, outputs)
        return outputs
    return _as_one_call(program, inputs)


def _tell_of_zeros(program: Program, inputs: tuple, outputs: list) -> None:
    """Gives arguments that no output depends on a gradient of zeros, as in TensorFlow."""
    live = set().union(*program.reached)
    loose = tuple(
        [t for i, t in enumerate(inputs[: program.num_tensors]) if i not in live and passes_gradient(t)]
    )
    if loose:
        zeros = Pullback(lambda incoming: [create.zeros_like(tensor) for tensor in loose])
        for tape in state.tapes:
            tape.record(zeros, loose, tuple(outputs))


def _as_one_call(program: Program, inputs: tuple) -> list[Tensor]:
    """Runs a program as one call on the tapes; what the gradient needs is kept from this run."""
    followed = [
        i
        for i, tensor in enumerate(inputs)
        if passes_gradient(tensor) and any(tape.tracks(tensor) for tape in state.tapes)
    ]
    if not followed:
        return _plain(program, inputs)
    tables = [i for i in program.look_ups if i in followed]
    others = [i for i in followed if i not in tables]
    values, pull = linearized(program.closed, set(tables), others, [tensor._value for tensor in inputs])
    outputs = [Tensor(value) for value in values]
    call = program.op.bind({})

    def backward(incoming: list) -> list:
        if state.tapes:  # the gradient is differentiated in turn
            found = pulled_back(call, inputs, tuple(outputs), incoming, followed)
        else:
            found = _pulled(call, pull, incoming, outputs, tables, followed, inputs)
        gradients: list[Any] = [None] * len(inputs)
        for position, gradient in zip(followed, found, strict=True):
            gradients[position] = gradient
        return gradients

    recorded = Pullback(backward)
    for tape in state.tapes:
        tape.record(recorded, inputs, tuple(outputs))
    return outputs


def _pulled(
    call: Bound, pull: Any, incoming: list, outputs: list, tables: list, followed: list, inputs: tuple
) -> list:
    """Returns the gradient of each input that is followed, None for variables that nothing depends on."""
    live = call.op.connected([i for i, gradient in enumerate(incoming) if gradient is not None])
    cotangents = [gradient._value for gradient in filled(incoming, tuple(outputs))]
    found = tuple(Tensor(value) for value in pull(cotangents))
    gradients = with_rows(found, followed, tables, inputs)
    return [gradient if i in live else None for i, gradient in zip(followed, gradients, strict=True)]
