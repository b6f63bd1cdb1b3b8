"""`keras.models.experimental`: training that looks at the loss around the weights."""

from __future__ import annotations

from typing import Any

from dovetail.autodiff import GradientTape
from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.keras import checks
from dovetail.keras.models.model import Model
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.keras.training.steps import unpack_x_y_sample_weight
from dovetail.ops import array, reduction
from dovetail.ops.arithmetic import square
from dovetail.ops.math import sqrt

__all__ = ["SharpnessAwareMinimization"]


@declare
class SharpnessAwareMinimization(Model):
    """Trains a model with the gradient at the worst place near its weights, which prefers flat minima.

        e = rho * g / |g|;   the gradient of the step is that at `w + e`

    Args:
        model: the model that computes and is trained.
        rho: how far the place is.
        num_batch_splits: cut a batch into so many parts, each with a place of its own; their gradients are added.
        name: name.

    Source: P. Foret et al., 2020, "Sharpness-aware minimization for efficiently improving generalization".
    """

    def __init__(
        self, model: Any, rho: float = 0.05, num_batch_splits: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        if not isinstance(model, Model):
            raise TypeError(
                f"SharpnessAwareMinimization: model must be a model, received {model!r:.80}{at_user_location()}"
            )
        self.model, self.rho = model, checks.number(rho, "rho")
        self.num_batch_splits = (
            None if num_batch_splits is None else checks.count(num_batch_splits, "num_batch_splits", 1)
        )

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return self.model(inputs, training=training, mask=mask)

    def train_step(self, data: Any) -> dict:
        """Runs one step of training on a batch, and returns the logs."""
        x, y, sample_weight = unpack_x_y_sample_weight(data)
        count = self.num_batch_splits or 1
        columns = [
            [part] * count if part is None else array.split(part, count) for part in (x, y, sample_weight)
        ]
        columns = [[part] for part in (x, y, sample_weight)] if count == 1 else columns
        totals, outputs = None, []
        for one_x, one_y, one_weight in zip(*columns, strict=True):
            found, y_pred = self._gradients_nearby(one_x, one_y, one_weight)
            outputs.append(y_pred)
            totals = found if totals is None else [a + b for a, b in zip(totals, found, strict=True)]
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(totals or [], variables, strict=True))
        y_pred = outputs[0] if count == 1 else array.concat(outputs, axis=0)
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def _gradients(self, x: Any, y: Any, weight: Any, training: bool) -> tuple[list, Any]:
        with GradientTape() as tape:
            y_pred = self(x, training=training)
            loss = self.compiled_loss(y, y_pred, weight)
        return tape.gradient(loss, self.model.trainable_variables), y_pred

    def _gradients_nearby(self, x: Any, y: Any, weight: Any) -> tuple[list, Any]:
        """Returns the gradients at the worst place near the weights, and the outputs at the weights."""
        variables = self.model.trainable_variables
        gradients, y_pred = self._gradients(x, y, weight, False)
        squares = [reduction.reduce_sum(square(g)) for g in gradients if g is not None]
        scale = self.rho / (sqrt(sum(squares[1:], squares[0])) + 1e-12)
        moves = [None if g is None else g * scale for g in gradients]
        for variable, move in zip(variables, moves, strict=True):
            if move is not None:
                variable.assign_add(move)
        found, _ = self._gradients(x, y, weight, True)
        for variable, move in zip(variables, moves, strict=True):
            if move is not None:
                variable.assign_sub(move)
        return found, y_pred

    def get_config(self) -> dict:
        config = {"model": serialize_keras_object(self.model), "rho": self.rho, "name": self.name}
        return config | {"num_batch_splits": self.num_batch_splits}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        made = deserialize_keras_object(config["model"], custom_objects=custom_objects)
        return cls(**config | {"model": made})


own("keras.models.experimental", {"SharpnessAwareMinimization": SharpnessAwareMinimization})
