"""`tf.autodiff.ForwardAccumulator`: Jacobian-vector products, computed along with the ops.

The derivative of a call in a direction is found from its gradient rule: the rule is linear in the gradient that it is
given, and the gradient of a linear function is its transpose.  So whatever a tape can differentiate (by a rule, a
compiled VJP, the user's own gradient) has a forward derivative too, on either engine, which can be differentiated.
"""

from __future__ import annotations

from typing import Any

from dovetail.autodiff.backward import SAME, passes_gradient, pulled_back
from dovetail.autodiff.tape import GradientTape, UnconnectedGradients
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.observer import Observer
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.base.told import Told
from dovetail.ops import create
from dovetail.ops.indexed_slices import IndexedSlices, dense
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable


@declare
class ForwardAccumulator(Observer, Told):
    """Computes Jacobian-vector products of what runs while it is active.

    Args:
        primals: tensor or variable to differentiate by, or a structure of them.
        tangents: the direction: a tensor of the same shape for each.

    Tapes and accumulators that were entered before it see its computations, so products can be differentiated: around
    a GradientTape it gives Hessian-vector products.

    Raises:
        ValueError: a primal is given twice, or a tangent of another shape.

    Example:
        >>> x = tf.constant([1.0, 2.0])
        >>> with tf.autodiff.ForwardAccumulator(x, tf.constant([1.0, 0.0])) as forward:
        ...     y = x * x
        >>> forward.jvp(y).numpy().tolist()
        [2.0, 0.0]
    """

    _told_methods = ("__init__", "jvp")

    def __init__(self, primals: Any, tangents: Any) -> None:
        self._recording = False
        self._tangents: dict[int, tuple] = {}  # id -> (the tensor, kept alive; its tangent)
        self._of_variables: dict[int, tuple] = {}
        flat = nest.flatten(primals)
        for primal, tangent in zip(flat, nest.flatten(tangents), strict=True):
            self._start_at(primal, convert_to_tensor(tangent, dtype_hint=getattr(primal, "dtype", None)))

    def _start_at(self, primal: Any, tangent: Tensor) -> None:
        if not isinstance(primal, TensorLike):
            raise TypeError(
                f"ForwardAccumulator: primals must be tensors or variables, received {primal!r:.60}{at_user_location()}"
            )
        if tuple(primal.shape) != tuple(tangent.shape):
            raise ValueError(
                f"ForwardAccumulator: the tangent of a primal of shape {tuple(primal.shape)} has shape "
                f"{tuple(tangent.shape)}; they must be equal{at_user_location()}"
            )
        table = self._of_variables if isinstance(primal, Variable) else self._tangents
        if id(primal) in table:
            raise ValueError(
                "ForwardAccumulator: a tensor is given twice as a primal. Give it once, with the sum of its tangents"
                f"{at_user_location()}"
            )
        table[id(primal)] = (primal, tangent)

    def __enter__(self) -> ForwardAccumulator:
        if self._recording:
            raise ValueError(f"ForwardAccumulator: the accumulator is already recording{at_user_location()}")
        if state.scope is not None and state.scope.graph is not None:
            raise NotImplementedError(
                "ForwardAccumulator: it cannot be recorded in a graph of unknown sizes; call the function without an "
                f"input_signature, or use tapes{at_user_location()}"
            )
        state.tapes = (*state.tapes, self)
        self._recording = True
        return self

    def __exit__(self, *exc: object) -> None:
        state.tapes = tuple(tape for tape in state.tapes if tape is not self)
        self._recording = False

    # ---- what dispatch calls

    def tracks(self, tensor: Any) -> bool:
        return id(tensor) in self._tangents

    def read_variable(self, variable: Variable, tensor: Tensor) -> None:
        found = self._of_variables.get(id(variable))
        if found is not None:
            self._tangents[id(tensor)] = (tensor, found[1])

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        self.record(SAME, (tensor,), (other,))

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        moving = [i for i, tensor in enumerate(inputs) if id(tensor) in self._tangents]
        if not moving or not any(map(passes_gradient, outputs)):
            return
        tapes = state.tapes
        state.tapes = tapes[: tapes.index(self)] if self in tapes else ()
        try:
            tangents = [self._tangents[id(inputs[i])][1] for i in moving]
            found = tangents if call is SAME else _pushed(call, inputs, outputs, moving, tangents)
        finally:
            state.tapes = tapes
        for out, tangent in zip(outputs, found, strict=True):
            if tangent is not None:
                self._tangents[id(out)] = (out, tangent)

    # ---- what users call

    def jvp(self, primals: Any, unconnected_gradients: Any = UnconnectedGradients.NONE) -> Any:
        """Returns the derivative of each tensor of a structure in the direction of the tangents.

        Args:
            primals: tensors, variables or `tf.IndexedSlices` that were computed while the accumulator was active.
            unconnected_gradients: "none" gives None for what does not depend on the primals, "zero" zeros.
        """
        zero = UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.ZERO
        found = [self._derivative_of(leaf, zero) for leaf in nest.flatten(primals)]
        return nest.pack_sequence_as(primals, found)

    def _derivative_of(self, value: Any, zero: bool) -> Any:
        if isinstance(value, IndexedSlices):
            rows = self._derivative_of(value.values, zero)
            return None if rows is None else value._with_values(rows)
        table = self._of_variables if isinstance(value, Variable) else self._tangents
        found = table.get(id(value))
        if found is not None:
            return found[1]
        return create.zeros_like(value) if zero else None


def _pushed(call: Any, inputs: tuple, outputs: tuple, moving: list[int], tangents: list) -> list:
    """Returns the tangent of each output (None: it has none), given those of the inputs at the positions `moving`."""
    seeds = [create.ones_like(out) if passes_gradient(out) else None for out in outputs]
    with GradientTape(watch_accessed_variables=False) as transposing:
        transposing.watch([seed for seed in seeds if seed is not None])
        gradients = [dense(g) for g in pulled_back(call, inputs, outputs, list(seeds), moving)]
    pairs = [(g, t) for g, t in zip(gradients, tangents, strict=True) if g is not None]
    if not pairs:
        return [None] * len(outputs)
    found = iter(
        transposing.gradient(
            [g for g, _ in pairs],
            [seed for seed in seeds if seed is not None],
            output_gradients=[t for _, t in pairs],
        )
    )
    return [None if seed is None else next(found) for seed in seeds]
