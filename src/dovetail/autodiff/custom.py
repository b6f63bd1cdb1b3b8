"""`tf.custom_gradient`: functions that bring their own gradient."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dovetail.autodiff.backward import Pullback
from dovetail.autodiff.tape import GradientTape, paused_recording
from dovetail.base import nest
from dovetail.base.settings import state
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable


class _VariableListener:
    """Stands in for the tapes while a function runs, and notes the variables it reads."""

    def __init__(self) -> None:
        self.variables: dict[int, Variable] = {}
        self.tensors: list[Tensor] = []

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        """Ops are none of its business."""

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        """Neither are aliases."""

    def read_variable(self, variable: Variable, tensor: Tensor) -> None:
        if variable.trainable and id(variable) not in self.variables:
            self.variables[id(variable)] = variable
            self.tensors.append(tensor)


def custom_gradient(f: Callable | None = None) -> Callable:
    """Decorator: `f(*x)` returns `(y, grad)`, where `grad(*dy)` returns the gradients of `x`.

    When `f` reads trainable variables, `grad(*dy, variables=[...])` returns `(gradients of x, gradients of the
    variables)`.

    Example:
        >>> @tf.custom_gradient
        ... def log1pexp(x):
        ...     e = tf.exp(x)
        ...     return tf.math.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))
    """
    if f is None:
        return custom_gradient

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        inputs = [a if isinstance(a, SymbolicTensor) else _as_input(a) for a in nest.flatten(args)]
        args = nest.pack_sequence_as(args, inputs)
        tapes = state.tapes
        listener = _VariableListener()
        with paused_recording():
            state.tapes = (listener,) if tapes else ()
            result, grad_fn = f(*args, **kwargs)
        if not tapes:
            return result
        outputs, spec = nest.flatten_spec(result)
        outputs = [Tensor(convert_to_tensor(out)._value) for out in outputs]
        recorded = [t for t in inputs if isinstance(t, Tensor)]
        variables = list(listener.variables.values())
        for tape in tapes:
            for variable, tensor in zip(variables, listener.tensors, strict=True):
                tape.read_variable(variable, tensor)
        pull = Pullback(_pull(grad_fn, outputs, len(recorded), variables))
        for tape in tapes:
            tape.record(pull, (*recorded, *listener.tensors), tuple(outputs))
        return nest.unflatten(spec, outputs)

    return decorated


def _as_input(value: Any) -> Any:
    """Wraps tensors in a fresh object per call, variables by their value; leaves plain Python values alone."""
    if isinstance(value, Variable):
        return value._tensor()
    return value if not hasattr(value, "shape") or isinstance(value, Tensor) else convert_to_tensor(value)


def _pull(grad_fn: Callable, outputs: list, num_inputs: int, variables: list) -> Callable:
    def pull(incoming: list) -> list:
        filled = [out * 0 if g is None else g for g, out in zip(incoming, outputs, strict=True)]
        if variables:
            gradients, of_variables = grad_fn(*filled, variables=variables)
        else:
            gradients, of_variables = grad_fn(*filled), []
        gradients = list(gradients) if isinstance(gradients, list | tuple) else [gradients]
        if len(gradients) != num_inputs:
            raise ValueError(
                f"custom_gradient: the gradient function returned {len(gradients)} gradients for {num_inputs} inputs"
            )
        return [None if g is None else convert_to_tensor(g) for g in (*gradients, *of_variables)]

    return pull


def recompute_grad(f: Callable) -> Callable:
    """Returns `f` with its activations recomputed in the backward pass instead of kept: less memory, more time."""

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        @custom_gradient
        def inner(*inputs: Any) -> Any:
            result = f(*inputs, **kwargs)

            def grad(*dy: Any, variables: Any = None) -> Any:
                with GradientTape() as tape:
                    tape.watch(inputs)
                    again = f(*inputs, **kwargs)
                found = tape.gradient(again, [*inputs, *(variables or [])], output_gradients=list(dy))
                own = found[: len(inputs)]
                return (own, found[len(inputs) :]) if variables is not None else own

            return result, grad

        return inner(*args)

    return decorated


def grad_pass_through(f: Callable) -> Callable:
    """Returns `f` with the gradient of the identity: what comes back through its output goes to its input unchanged.

    Example:
        >>> rounded = tf.grad_pass_through(tf.round)  # a straight-through estimator
    """

    @custom_gradient
    def decorated(*args: Any, **kwargs: Any) -> Any:
        def grad(*dy: Any, variables: Any = None) -> Any:
            own = dy[0] if len(dy) == 1 else list(dy)
            return (own, [None] * len(variables)) if variables is not None else own

        return f(*args, **kwargs), grad

    return functools.wraps(f)(decorated)
