"""From a loss to an update: `minimize`, `compute_gradients`, `scale_loss`, and the pieces of a step on tensors."""

from __future__ import annotations

from typing import Any

from dovetail.autodiff.tape import GradientTape
from dovetail.base.errors import at_user_location
from dovetail.engine import host, is_tracer, xla
from dovetail.keras.optimizers import custom, rows, step
from dovetail.ops import create
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable


class Gradients:
    """Mixin of Optimizer."""

    loss_scale_factor: float | None

    def minimize(
        self, loss: Any, var_list: Any, grad_loss: Any = None, name: str | None = None, tape: Any = None
    ) -> Any:
        """Computes gradients and applies them.

        Args:
            loss: function without arguments that returns the loss; or the loss itself, with the tape that recorded it.
            var_list: variables to update, or a function that returns them (called after the loss).
            grad_loss: factors of the loss' elements; ones when None.
            name: accepted for compatibility; names nothing.
            tape: the tape, when `loss` is a tensor.

        Returns:
            `iterations`, after the step.

        Example:
            >>> w = tf.Variable(2.0)
            >>> keras.optimizers.SGD(0.1).minimize(lambda: w * w, [w])
            >>> float(w)
            1.6
        """
        return self.apply_gradients(  # type: ignore[attr-defined]
            self._scaled_gradients(loss, var_list, grad_loss, tape, self._loss_factor())
        )

    def compute_gradients(
        self, loss: Any, var_list: Any, tape: Any = None, grad_loss: Any = None
    ) -> list[tuple]:
        """Returns `(gradient, variable)` pairs; see `minimize`."""
        return self._scaled_gradients(loss, var_list, grad_loss, tape, None)

    def _scaled_gradients(
        self, loss: Any, var_list: Any, grad_loss: Any, tape: Any, factor: Any
    ) -> list[tuple]:
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

    def _loss_factor(self) -> Any:
        """Returns the factor of the loss that `apply` divides the gradients by, or None."""
        return self.loss_scale_factor

    def scale_loss(self, loss: Any) -> Any:
        """Multiplies the loss by `loss_scale_factor`; `apply` divides the gradients by it."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # ---- the pieces of a step, on tensors, for rules that users write

    def _clip_gradients(self, grads: list) -> list:
        """Clips gradients as `clipnorm`, `clipvalue` and `global_clipnorm` say."""
        given = [g if isinstance(g, TensorLike | IndexedSlices) else convert_to_tensor(g) for g in grads]
        arrays = [(g._plain() if isinstance(g, Variable) else g)._value for g in given]
        xp = xla() if any(is_tracer(rows.values_of(array)) for array in arrays) else host
        clipped = step.clip(self, xp, arrays)
        return [
            Tensor(array) if isinstance(g, TensorLike) else g._with_values(Tensor(array.values))
            for g, array in zip(given, clipped, strict=True)
        ]

    def _apply_weight_decay(self, variables: list) -> None:
        """Subtracts `variable * weight_decay * learning_rate` from the variables that decay."""
        if self.weight_decay is None:  # type: ignore[attr-defined]
            return
        for variable in variables:
            if self._use_weight_decay(variable):  # type: ignore[attr-defined]
                rate = self._decayed_lr(variable.dtype)  # type: ignore[attr-defined]
                variable.assign_sub(variable._plain() * self.weight_decay * rate)  # type: ignore[attr-defined]

    def _update_shared_variables(self, finished: Any) -> None:
        shared = self._shared  # type: ignore[attr-defined]
        if shared:
            arrays = tuple(v._plain()._value for v in shared)
            xp = xla() if is_tracer(finished) or any(map(is_tracer, arrays)) else host
            number = (finished + 1).astype(arrays[0].dtype)
            for variable, array in zip(shared, self.update_shared(xp, arrays, number)):  # type: ignore[attr-defined]
                variable.assign(Tensor(array))

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any = None) -> None:
        """Applies the rule to one variable.  Overrides take `(gradient, variable, learning_rate)`, or the first two."""
        custom.apply_rule(self, gradient, variable, learning_rate)


def _listed(variables: Any) -> list:
    return (
        list(variables)
        if isinstance(variables, list | tuple) or hasattr(variables, "__iter__")
        else [variables]
    )
