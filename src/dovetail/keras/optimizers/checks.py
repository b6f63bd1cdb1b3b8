"""What is checked about gradients before a step: that they exist, have a value, and fit their variables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.indexed_slices import IndexedSlices, Rows
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

_CAUSES = (
    "Likely causes: the loss does not depend on the variable; the computation left the tape through NumPy "
    "(.numpy(), np.* functions) or Python numbers; a step of it has an integer dtype; the loss was computed outside "
    "of the tape, or the variable was created or watched after it was used"
)


def label(variable: Any) -> str:
    """Returns the name by which messages call a variable."""
    return str(getattr(variable, "path", None) or variable.name)


def pairs(grads_and_vars: Iterable) -> tuple[list, list]:
    """Splits `[(gradient, variable), ...]`.

    Raises:
        ValueError: an entry is not a pair.
        TypeError: the second of a pair is not a variable.
    """
    gradients: list[Any] = []
    variables: list[Any] = []
    for pair in grads_and_vars:
        try:
            gradient, variable = pair
        except (TypeError, ValueError):
            raise ValueError(
                f"apply_gradients: expected (gradient, variable) pairs, received an entry {pair!r:.80}. "
                f"Write zip(gradients, variables){at_user_location()}"
            ) from None
        gradients.append(gradient)
        variables.append(variable)
    for variable in variables:
        if not isinstance(variable, Variable):
            hint = " The pairs seem to be swapped." if any(isinstance(g, Variable) for g in gradients) else ""
            raise TypeError(
                "apply_gradients: expected (gradient, variable) pairs, received a variable of type "
                f"{type(variable).__name__}: {variable!r:.60}.{hint} Write zip(gradients, variables)"
                f"{at_user_location()}"
            )
    return gradients, variables


def present(gradients: list, variables: list, warned: set[str]) -> tuple[list, list]:
    """Returns the gradients that exist, as Tensors, and their variables.

    Args:
        gradients: tensors, arrays or None.
        variables: the variables.
        warned: names that a warning has been given for; extended here.

    Raises:
        ValueError: there is no gradient at all.
    """
    kept, kept_variables, missing = [], [], []
    for gradient, variable in zip(gradients, variables):
        if gradient is None:
            missing.append(variable)
            continue
        kept.append(_tensor(gradient, variable))
        kept_variables.append(variable)
    if not kept:
        raise ValueError(
            f"No gradients provided for any variable: {_described(missing)}. {_CAUSES}{at_user_location()}"
        )
    new = [variable for variable in missing if label(variable) not in warned]
    if new:
        warned.update(label(variable) for variable in new)
        warnings.warn(
            f"Gradients do not exist for variables {_described(new)} when minimizing the loss; they stay as they are. "
            f"{_CAUSES}{at_user_location()}",
            stacklevel=4,
        )
    return kept, kept_variables


def _described(variables: list) -> str:
    return ", ".join(label(variable) + _flaw(variable) for variable in variables)


def _flaw(variable: Any) -> str:
    dtype = variable.dtype
    if not dtype.is_floating and not dtype.is_complex:
        return f" (its dtype {dtype.name} has no gradients)"
    return "" if variable.trainable else " (trainable=False: tapes do not watch it)"


def _tensor(gradient: Any, variable: Any) -> Any:
    if isinstance(gradient, IndexedSlices):
        return gradient
    tensor = gradient if isinstance(gradient, TensorLike) else convert_to_tensor(gradient)
    if not isinstance(tensor, Tensor):
        tensor = convert_to_tensor(tensor)
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"apply_gradients: the gradient of {label(variable)} has no value: {gradient!r:.80}{at_user_location()}"
        )
    return tensor


def lengths(gradients: list, variables: list) -> None:
    """Raises ValueError unless there is one gradient a variable."""
    if len(gradients) != len(variables):
        raise ValueError(
            f"optimizer.apply: {len(gradients)} gradients for {len(variables)} variables; there must be one for each "
            f"(None where there is none){at_user_location()}"
        )


def shapes(gradients: list, values: list, plan: Any) -> None:
    """Raises ValueError when a gradient's shape differs from its variable's."""
    for gradient, index in zip(gradients, plan.order):
        if type(gradient) is Rows:
            _check_rows(gradient, plan.variables[index])
        elif gradient.shape != values[index].shape:
            raise ValueError(
                f"apply_gradients: {label(plan.variables[index])} has shape {tuple(values[index].shape)}, its gradient "
                f"{tuple(gradient.shape)}. Is the order of gradients that of the variables?{at_user_location()}"
            )


def _check_rows(gradient: Rows, variable: Any) -> None:
    wanted = tuple(variable._array.shape)[1:]
    if tuple(gradient.values.shape) != (*gradient.indices.shape, *wanted) or gradient.indices.ndim != 1:
        raise ValueError(
            f"apply_gradients: the rows of {label(variable)} have shape {wanted}; its gradient is a tf.IndexedSlices "
            f"with values {tuple(gradient.values.shape)} and indices {tuple(gradient.indices.shape)}"
            f"{at_user_location()}"
        )
