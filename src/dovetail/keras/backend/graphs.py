"""Functions and gradients over symbolic tensors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.graph.replay import Graph
from dovetail.graph.symbolic_gradients import gradients as symbolic_gradients
from dovetail.keras.backend.variables import update
from dovetail.keras.layers.core.input_layer import Input
from dovetail.keras.layers.machinery import in_graphs
from dovetail.keras.layers.machinery.context import call_context
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike


def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
    ragged: bool = False,
) -> SymbolicTensor:
    """Returns a symbolic tensor of a shape that includes the batch axis.

    Args:
        shape: sizes, None where unknown.
        ndim: number of axes of unknown size, instead of `shape`.
        dtype: `floatx` by default.
    """
    if shape is None and ndim is None:
        raise ValueError(f"K.placeholder: pass a shape or ndim{at_user_location()}")
    sizes = (None,) * int(ndim or 0) if shape is None else tuple(shape)
    return Input(batch_shape=sizes, dtype=dtype, name=name, sparse=sparse or None, ragged=ragged or None)


def is_keras_tensor(x: Any) -> bool:
    """Returns whether `x` is symbolic: the output of `keras.Input`, or of a layer or op applied to such."""
    return isinstance(x, SymbolicTensor)


class _Function:
    """What `K.function` returns."""

    def __init__(self, inputs: list, outputs: Any, updates: list, name: str | None) -> None:
        self.name = name or "function"
        self._flags = [i for i, x in enumerate(inputs) if not isinstance(x, SymbolicTensor)]
        self._inputs = [x for x in inputs if isinstance(x, SymbolicTensor)]
        self._outputs = outputs
        flat = nest.flatten(outputs)
        _check_symbolic(flat, "outputs")
        self._count = len(flat)
        self._graph = Graph(self._inputs, [*flat, *updates])

    def __call__(self, inputs: Any) -> Any:
        """Returns the outputs as NumPy, in their structure.

        Args:
            inputs: a value for each input, in order; one value when there is one input.
        """
        values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        expected = len(self._inputs) + len(self._flags)
        if len(values) != expected:
            raise ValueError(
                f"K.function {self.name!r}: expected {expected} inputs, received {len(values)}{at_user_location()}"
            )
        training = bool(values[self._flags[-1]]) if self._flags else None
        given = [value for i, value in enumerate(values) if i not in self._flags]
        tensors = [self._fitted(value, symbolic) for value, symbolic in zip(given, self._inputs, strict=True)]
        with call_context(training):
            results = self._graph.run(tensors)[: self._count]
        return nest.pack_sequence_as(self._outputs, [result.numpy() for result in results])

    def _fitted(self, value: Any, expected: SymbolicTensor) -> Any:
        tensor = convert_to_tensor(value, dtype_hint=expected.dtype)
        if not expected.shape.is_compatible_with(tensor.shape):
            raise ValueError(
                f"K.function {self.name!r}: the input {expected.name!r} has shape {expected.shape}, received "
                f"{tensor.shape}{at_user_location()}"
            )
        return tensor if tensor.dtype == expected.dtype else tensor._astype(expected.dtype)


class _SessionFunction:
    """What `K.function` returns in a graph of TensorFlow 1: it runs in the session of Keras."""

    def __init__(self, inputs: list, outputs: Any, updates: Any) -> None:
        self._inputs, self._outputs = inputs, outputs
        self._updates = [
            pair[0].assign(pair[1]) if isinstance(pair, tuple) else pair for pair in updates or ()
        ]

    def __call__(self, inputs: Any) -> Any:
        """Returns the outputs as NumPy, in their structure; see `_Function`."""
        values = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
        if len(values) != len(self._inputs):
            raise ValueError(
                f"K.function: expected {len(self._inputs)} inputs, received {len(values)}{at_user_location()}"
            )
        feeds = dict(zip(self._inputs, values, strict=True))
        return in_graphs.get_session().run([self._outputs, self._updates], feeds)[0]


def function(
    inputs: Any, outputs: Any, updates: Any = None, name: str | None = None, **kwargs: Any
) -> _Function | _SessionFunction:
    """Returns a function that computes symbolic tensors from values for others.

    Args:
        inputs: symbolic tensors, anywhere in a model: the outputs of layers can be given too.  `K.learning_phase()` in
            the list stands for the training flag, which the function then takes in that place.
        outputs: symbolic tensors, in any structure; the values come back in the same structure.
        updates: pairs (variable, symbolic new value), or what `K.update` returns; assigned in each call.
        name: shown in errors.

    Raises:
        ValueError: an output needs an input that is not among `inputs`.

    Example:
        >>> hidden = K.function([model.input], [model.layers[1].output])
        >>> hidden([data])[0].shape
        (8, 16)
    """
    if kwargs:
        raise ValueError(
            f"K.function: unknown arguments {sorted(kwargs)}; there are no sessions to configure{at_user_location()}"
        )
    given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    for value in given:
        if not isinstance(value, SymbolicTensor) and type(value) not in (int, bool):
            raise ValueError(
                f"K.function: inputs must be symbolic tensors, received {value!r:.80}{at_user_location()}"
            )
    if in_graphs.around() is not None:
        return _SessionFunction(given, outputs, updates)
    changes = [pair if isinstance(pair, SymbolicTensor) else update(*pair) for pair in updates or ()]
    _check_symbolic(changes, "updates")
    return _Function(given, outputs, changes, name)


def _check_symbolic(values: Iterable, what: str) -> None:
    for value in values:
        if not isinstance(value, SymbolicTensor):
            raise ValueError(
                f"K.function: {what} must be symbolic tensors (they come from keras.Input), received {value!r:.80}"
                f"{at_user_location()}"
            )


# ---- gradients ------------------------------------------------------------------------------------------------------


def gradients(loss: Any, variables: Any) -> list:
    """Returns the symbolic gradients of a symbolic loss, summed over its elements (see `tf.gradients`).

    Args:
        loss: symbolic tensor.
        variables: symbolic tensors that the loss was computed from, or variables; one or a list.

    Returns:
        One symbolic tensor for each; None for those that the loss does not depend on.

    Raises:
        RuntimeError: the loss has a value; `tf.GradientTape` is for those.
    """
    for source in variables if isinstance(variables, list | tuple) else [variables]:
        if not isinstance(source, TensorLike):
            raise TypeError(
                f"K.gradients: expected symbolic tensors or variables, received {source!r:.80}{at_user_location()}"
            )
    return symbolic_gradients(loss, variables)
