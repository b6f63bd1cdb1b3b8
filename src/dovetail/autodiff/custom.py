"""`tf.custom_gradient`: functions that bring their own gradient.

The ops of the function stay visible to the tapes, but its outputs are new tensors, which lead back to the arguments by
the user's gradient alone.  So a value that the gradient captured from the function is still a function of the
arguments, and the gradient can be differentiated.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from dovetail.autodiff.backward import SAME, Pullback, passes_gradient
from dovetail.autodiff.tape import GradientTape, paused_recording
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.joints import Joint, Recorder
from dovetail.base.observer import Observer
from dovetail.base.settings import state
from dovetail.engine import is_tracer, loops
from dovetail.ops import create
from dovetail.ops.indexed_slices import dense
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import StatelessScope, Variable, enter_scope


class _VariableListener(Observer):
    """Stands among the tapes while a function runs, and notes the trainable variables that it reads.

    Args:
        known: variables that are none of its business: the arguments.
    """

    def __init__(self, known: list) -> None:
        self.known = {id(value) for value in known}
        self.variables: list[Variable] = []
        self.tensors: list[Tensor] = []

    def read_variable(self, variable: Variable, tensor: Tensor) -> None:
        if variable.trainable and id(variable) not in self.known:
            self.known.add(id(variable))
            self.variables.append(variable)
            self.tensors.append(tensor)


_recorder = Joint("record_custom", set_by="dovetail.graph.gradients", called_by="tf.custom_gradient")


def use_recorder(needed: Callable, recorder: Callable) -> None:
    """Tells how symbolic tensors are taken: `needed(*values) -> bool`, `recorder(function, args, kwargs)`."""
    _recorder.set(Recorder(needed, recorder))


def _plain(args: tuple) -> bool:
    return all(type(arg) is Tensor for arg in args)


class _CustomGradient:
    """A function with its own gradient; binds to instances as functions do."""

    def __init__(self, function: Callable, hidden: bool = False) -> None:
        self._function, self._hidden = function, hidden
        functools.update_wrapper(self, function)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        return _CustomGradient(self._function.__get__(instance, owner), self._hidden)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (state.scope is not None or not _plain(args)) and _recorder.get().needed(args):
            return _recorder.get().record(self._function, args, kwargs)
        leaves = [_as_argument(leaf) for leaf in nest.flat(args)]
        args = nest.pack(args, leaves)
        tapes = state.tapes
        listener = _VariableListener([*leaves, *kwargs.values()])
        try:
            state.tapes = (listener,) if self._hidden else (*tapes, listener)
            result, gradient = self._function(*args, **kwargs)
        finally:
            state.tapes = tapes
        inputs = [(i, _tensor_of(leaf)) for i, leaf in enumerate(leaves) if _is_value(leaf)]
        call = _Call(gradient, [i for i, _ in inputs], len(leaves), listener.variables)
        return call.attached(result, [tensor for _, tensor in inputs], listener.tensors)


def connected(x: Tensor, value: Tensor, pull: Callable[[Any], Any], outer: tuple = ()) -> Any:
    """Returns `value` as a tensor of its own, which tapes connect to `x`: of its gradient `g`, `x` gets `pull(g)`.

    Args:
        x: what the value was made of, in the eyes of the tapes.
        value: a tensor, whose making the tapes in `outer` have seen.
        outer: tapes for which the result is just another name of `value`.
    """
    if isinstance(value, SymbolicTensor):
        return value
    result = Tensor(value._value)
    call = Pullback(lambda gradients: [None if gradients[0] is None else pull(gradients[0])])
    for tape in state.tapes:
        if tape in outer:
            tape.record(SAME, (value,), (result,))
        else:
            tape.record(call, (x,), (result,))
    return result


class _Call:
    """One call of a function with its own gradient.

    Args:
        gradient: the user's gradient function.
        places: positions of the arguments that are tensors.
        num_arguments: how many arguments there are, structures taken apart.
        variables: the trainable variables that the function has read.
    """

    def __init__(self, gradient: Callable, places: list[int], num_arguments: int, variables: list) -> None:
        self.gradient, self.places = gradient, places
        self.num_arguments, self.variables = num_arguments, variables
        if variables:
            _require_variables_argument(gradient, variables)

    def attached(self, result: Any, inputs: list, read: list) -> Any:
        """Returns the result as new tensors, connected to the inputs and the variables' values by the gradient."""
        leaves, spec = nest.flatten_spec(result)
        if any(isinstance(leaf, SymbolicTensor) for leaf in leaves):
            return result
        known = [*inputs, *read]
        outputs = [convert_to_tensor(leaf)._value for leaf in leaves]
        traced = any(map(is_tracer, outputs))
        if not traced and not state.tapes:
            return result
        if traced:
            outputs = loops().with_gradient([t._value for t in known], outputs, self._on_arrays)
        tensors = [Tensor(value) for value in outputs]
        pull = Pullback(functools.partial(self.pull, tensors))
        for tape in state.tapes:
            for variable, tensor in zip(self.variables, read, strict=True):
                tape.read_variable(variable, tensor)
            tape.record(pull, tuple(known), tuple(tensors))
        return nest.unflatten(spec, tensors)

    def _on_arrays(self, *cotangents: Any) -> list:
        with paused_recording():
            found = self._gradients([Tensor(value) for value in cotangents])
        return [None if g is None else g._value for g in found]

    def pull(self, outputs: list, incoming: list) -> list:
        """Returns the gradients of the tensors among the arguments, and of the variables."""
        return self._gradients(
            [create.zeros_like(out) if g is None else g for g, out in zip(incoming, outputs, strict=True)]
        )

    def _gradients(self, incoming: list) -> list:
        if self.variables:
            own, of_variables = self.gradient(*incoming, variables=self.variables)
        else:
            own, of_variables = self.gradient(*incoming), []
        every = [*self._chosen(_flat(own)), *_flat(of_variables)]
        return [None if g is None else convert_to_tensor(g) for g in every]

    def _chosen(self, gradients: list) -> list:
        """Returns the gradients of the arguments that are tensors."""
        if len(gradients) == self.num_arguments:
            return [gradients[i] for i in self.places]
        if len(gradients) == len(self.places):
            return gradients
        raise ValueError(
            f"custom_gradient: the gradient function returned {len(gradients)} gradients for {self.num_arguments} "
            f"inputs{at_user_location()}"
        )


def _flat(gradients: Any) -> list:
    return nest.flat(nest.map_structure(dense, gradients))


def _require_variables_argument(gradient: Callable, variables: list) -> None:
    try:
        parameters = inspect.signature(gradient).parameters.values()
    except (TypeError, ValueError):  # a function that does not say
        return
    if not any(p.name == "variables" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise TypeError(
            f"custom_gradient: the function reads trainable variables ({variables[0].name}), so its gradient function "
            "must take them: `def grad(*dy, variables=None): return gradients_of_inputs, gradients_of_variables`"
            f"{at_user_location()}"
        )


def _as_argument(value: Any) -> Any:
    """Converts what holds numbers; leaves tensors, variables and plain Python values alone."""
    if isinstance(value, Tensor | Variable | SymbolicTensor) or not hasattr(value, "shape"):
        return value
    return convert_to_tensor(value)


def _is_value(value: Any) -> bool:
    return isinstance(value, Tensor | Variable)


def _tensor_of(value: Any) -> Tensor:
    return value._tensor() if isinstance(value, Variable) else value


def custom_gradient(f: Callable | None = None) -> Any:
    """Decorator: `f(*x)` returns `(y, grad)`, where `grad(*dy)` returns the gradients of `x`.

    When `f` reads trainable variables, `grad(*dy, variables=[...])` returns `(gradients of x, gradients of the
    variables)`.

    Example:
        >>> @tf.custom_gradient
        ... def log1pexp(x):
        ...     e = tf.exp(x)
        ...     return tf.math.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))
    """
    return custom_gradient if f is None else _CustomGradient(f)


def recompute_grad(f: Callable) -> Callable:
    """Returns `f` with its activations recomputed in the backward pass instead of kept: less memory, more time.

    The second run begins with what variables and random generators held before the first, and assigns nothing.
    """

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        def inner(*inputs: Any) -> Any:
            outputs, before = _first_run(f, inputs, kwargs)

            def grad(*dy: Any, variables: Any = None) -> Any:
                with enter_scope(StatelessScope(state.scope, before)):
                    return _recomputed(f, inputs, kwargs, dy, variables)

            return outputs, grad

        return _CustomGradient(inner, hidden=True)(*args)

    return decorated


class _Noting(StatelessScope):
    """Notes what variables held when they were first looked at."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.before: dict[int, Tensor] = {}

    def first_read(self, variable: Variable) -> Tensor:
        found = self.before[id(variable)] = super().first_read(variable)
        return found


def _first_run(f: Callable, inputs: tuple, kwargs: dict) -> tuple[Any, list[tuple[Variable, Tensor]]]:
    """Runs `f`; returns what it gives, and what the variables that it has assigned held before."""
    scope = _Noting(state.scope)
    with enter_scope(scope):
        outputs = f(*inputs, **kwargs)
    for key, variable in scope.written.items():
        variable._store(scope.tensors[key])
    return outputs, [(variable, scope.before[key]) for key, variable in scope.written.items()]


def _recomputed(f: Callable, inputs: tuple, kwargs: dict, dy: tuple, variables: list | None) -> Any:
    """Runs `f` again, on a tensor of its own for each argument, and differentiates it."""
    leaves = [_copied(leaf) for leaf in nest.flat(inputs)]
    with GradientTape() as tape:
        tape.watch([leaf for leaf in leaves if isinstance(leaf, Tensor) and passes_gradient(leaf)])
        again = f(*nest.pack(inputs, leaves), **kwargs)
    sources = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
    found = tape.gradient(again, [*sources, *(variables or [])], output_gradients=list(dy))
    own = found[: len(sources)]
    return own if variables is None else (own, found[len(sources) :])


def _copied(leaf: Any) -> Any:
    """Returns another tensor of the same value, which the tapes know to be the same."""
    if not _is_value(leaf):
        return leaf
    tensor = _tensor_of(leaf)
    copy = Tensor(tensor._value)
    for tape in state.tapes:
        tape.alias(tensor, copy)
    return copy


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
