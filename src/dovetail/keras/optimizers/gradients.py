"""From a loss to gradients, and gradients clipped: as tensors, outside of the pure step."""

from __future__ import annotations

from typing import Any

from dovetail.autodiff.tape import GradientTape
from dovetail.base.errors import at_user_location
from dovetail.engine import host, is_tracer, xla
from dovetail.keras.optimizers import rows, step
from dovetail.ops import create
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable


def of_loss(loss: Any, var_list: Any, grad_loss: Any, tape: Any, factor: Any) -> list[tuple]:
    """Returns `(gradient, variable)` pairs of `Optimizer.minimize`; the gradients are those of `loss * factor`."""
    if isinstance(grad_loss, GradientTape):  # tf.keras 2.11: minimize(loss, var_list, tape)
        grad_loss, tape = None, grad_loss
    if callable(loss) and not isinstance(loss, Tensor):
        tape = tape if tape is not None else GradientTape()
        with tape:
            if not callable(var_list):
                tape.watch([v for v in _listed(var_list) if v.trainable])
            loss = loss()
    elif tape is None:
        raise ValueError(
            "minimize: the loss is a tensor, so the tape that recorded it is needed: minimize(loss, var_list, "
            f"tape=tape). Or pass a function that returns the loss{at_user_location()}"
        )
    variables = _listed(var_list() if callable(var_list) else var_list)
    if factor is not None:
        ones = create.ones_like(loss)
        grad_loss = (ones if grad_loss is None else grad_loss) * factor
    found = tape.gradient(loss, variables, output_gradients=grad_loss)
    return list(zip(found, variables))


def clipped(optimizer: Any, grads: list) -> list:
    """Clips gradients as `clipnorm`, `clipvalue` and `global_clipnorm` say."""
    given = [g if isinstance(g, TensorLike | IndexedSlices) else convert_to_tensor(g) for g in grads]
    arrays = [(g._plain() if isinstance(g, Variable) else g)._value for g in given]
    xp = xla() if any(is_tracer(rows.values_of(array)) for array in arrays) else host
    clipped = step.clip(optimizer, xp, arrays)
    return [
        Tensor(array) if isinstance(g, TensorLike) else g._with_values(Tensor(array.values))
        for g, array in zip(given, clipped, strict=True)
    ]


def _listed(variables: Any) -> list:
    return (
        list(variables)
        if isinstance(variables, list | tuple) or hasattr(variables, "__iter__")
        else [variables]
    )
