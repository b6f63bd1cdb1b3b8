"""`keras.distillation`: training a small model, the student, on what a large one, the teacher, gives."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras import losses
from dovetail.keras.metrics import Mean
from dovetail.keras.models import Model
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import reduction
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]


class DistillationLoss:
    """How far a student is from its teacher.  Subclasses define `compute_loss`."""

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """Returns a scalar."""
        raise NotImplementedError(
            f"{type(self).__name__} has no compute_loss(): define it{at_user_location()}"
        )

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raises a ValueError where the outputs of the two have different structures."""
        nest.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raises a ValueError where the two models do not fit together."""


class _Compared(DistillationLoss):
    """A distance that is the weighted mean of losses, one an output."""

    loss: Any

    def _read(self, loss: Any) -> Any:
        found = nest.map_structure(lambda one: None if one is None else losses.get(one), loss)
        if all(one is None for one in nest.flatten(found)):
            raise ValueError(
                f"{type(self).__name__}: loss holds no loss, received {loss!r}{at_user_location()}"
            )
        return found

    def _mean(self, teacher_outputs: Any, student_outputs: Any, scale: float = 1.0) -> Any:
        """Returns the mean of the losses between the outputs, both divided by `scale`."""
        functions = nest.flatten(self.loss)
        pairs = list(zip(nest.flatten(teacher_outputs), nest.flatten(student_outputs), strict=True))
        if len(functions) == 1:
            functions = functions * len(pairs)
        total: Any = 0.0
        for function, (teacher, student) in zip(functions, pairs, strict=True):
            if function is not None:
                teacher, student = convert_to_tensor(teacher), convert_to_tensor(student)
                total = total + reduction.reduce_mean(function(teacher / scale, student / scale))
        return total

    def get_config(self) -> dict[str, Any]:
        return {"loss": serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        loss = config["loss"]
        return cls(**config | {"loss": loss if isinstance(loss, str) else deserialize_keras_object(loss)})


class LogitsDistillation(_Compared):
    """Compares the final outputs of both, divided by a temperature.

    Args:
        temperature: larger than 0; what both outputs are divided by.
        loss: name or function, or a structure of them like the outputs.

    Source: G. Hinton et al., 2015, "Distilling the knowledge in a neural network".
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        if not isinstance(temperature, int | float) or temperature <= 0:
            raise ValueError(
                f"LogitsDistillation: temperature must be a positive number, received {temperature!r}"
                f"{at_user_location()}"
            )
        self.temperature = temperature
        self.loss = self._read(loss)

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        self.validate_outputs(teacher_outputs, student_outputs)
        return self._mean(teacher_outputs, student_outputs, self.temperature)

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.temperature, **super().get_config()}


class FeatureDistillation(_Compared):
    """Compares what a layer of each gives.

    Args:
        loss: name or function, or a structure of them like the outputs.
        teacher_layer_name, student_layer_name: the layers; None: the outputs of the model.

    Source: A. Romero et al., 2014, "FitNets: hints for thin deep nets".
    """

    def __init__(
        self, loss: Any = "mse", teacher_layer_name: str | None = None, student_layer_name: str | None = None
    ) -> None:
        self.loss = self._read(loss)
        self.teacher_layer_name, self.student_layer_name = teacher_layer_name, student_layer_name

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        for what, model, name in (
            ("teacher", teacher, self.teacher_layer_name),
            ("student", student, self.student_layer_name),
        ):
            if name is not None and name not in (known := [layer.name for layer in model.layers]):
                raise ValueError(
                    f"FeatureDistillation: the {what} has no layer {name!r}; its layers: {known}{at_user_location()}"
                )

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        self.validate_outputs(teacher_outputs, student_outputs)
        return self._mean(teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }


class Distiller(Model):
    """Trains a student on targets and on a teacher; called, it is the student.

    Args:
        teacher: a trained model, which is frozen.
        student: the model to train, with outputs of the teacher's shapes.
        distillation_losses: one `DistillationLoss`, or a list.
        distillation_loss_weights: one number each; None: all 1.
        student_loss_weight: from 0 to 1: the share of the compiled loss; the rest is that of the distillation.
        name: of the model.

    Example:
        >>> distiller = keras.distillation.Distiller(teacher, student, keras.distillation.LogitsDistillation())
        >>> distiller.compile("adam", "mse")
        >>> distiller.fit(x, y)
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Any = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check(teacher, student, student_loss_weight)
        several = (
            distillation_losses if isinstance(distillation_losses, list | tuple) else [distillation_losses]
        )
        weights = distillation_loss_weights
        weights = [1.0] * len(several) if weights is None else nest.flatten(weights)
        if not several or len(several) != len(weights):
            raise ValueError(
                f"Distiller: expected at least one distillation loss, and a weight for each, received {len(several)} "
                f"losses and {len(weights)} weights{at_user_location()}"
            )
        for loss in several:
            loss.validate_model_compatibility(teacher, student)
        self.teacher, self.student = teacher, student
        self.distillation_losses = list(several)
        self.distillation_loss_weights = [float(weight) for weight in weights]
        self.student_loss_weight = float(student_loss_weight)
        teacher.trainable = False
        self.student_loss_tracker = Mean(name="student_loss")
        self.distillation_loss_tracker = Mean(name="distillation_loss")
        self.total_loss_tracker = Mean(name="total_loss")
        self._teachers = _with_features(teacher, several, "teacher_layer_name")
        self._students = _with_features(student, several, "student_layer_name")

    def compile(  # type: ignore[override]
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """Configures training as `Model.compile` does; a loss is needed."""
        if loss is None:
            raise ValueError(f"Distiller.compile: the student needs a loss{at_user_location()}")
        super().compile(optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        return self.student(inputs, training=training, mask=mask)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns `student_loss_weight * compiled loss + (1 - student_loss_weight) * weighted distillation losses`."""
        of_student = super().compute_loss(x, y, y_pred, sample_weight, training)
        taught, learned = self._features(x, y_pred, training)
        of_teacher: Any = 0.0
        for index, (loss, weight) in enumerate(
            zip(self.distillation_losses, self.distillation_loss_weights, strict=True)
        ):
            of_teacher = of_teacher + loss.compute_loss(taught[index], learned[index]) * weight
        share = self.student_loss_weight
        total = share * of_student + (1.0 - share) * of_teacher
        self.student_loss_tracker.update_state(of_student)
        self.distillation_loss_tracker.update_state(of_teacher)
        self.total_loss_tracker.update_state(total)
        return total

    def _features(self, x: Any, y_pred: Any, training: bool) -> tuple[list, list]:
        """Returns what each loss compares: outputs of the teacher, and of the student."""
        taught = [model(x, training=False) for model in self._teachers]
        learned = [
            y_pred if model is self.student else model(x, training=training) for model in self._students
        ]
        return taught, learned

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "teacher": serialize_keras_object(self.teacher),
            "student": serialize_keras_object(self.student),
            "distillation_losses": [serialize_keras_object(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        def read_one(inner: dict) -> Any:
            return deserialize_keras_object(inner, custom_objects)

        read: dict[str, Any] = {name: read_one(config[name]) for name in ("teacher", "student")}
        read["distillation_losses"] = [read_one(loss) for loss in config["distillation_losses"]]
        return cls(**config | read)


def _check(teacher: Any, student: Any, share: Any) -> None:
    for what, model in (("teacher", teacher), ("student", student)):
        if not isinstance(model, Model):
            raise ValueError(
                f"Distiller: the {what} must be a keras.Model, received {model!r:.60}{at_user_location()}"
            )
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
        raise ValueError(
            f"Distiller: student_loss_weight must be a number from 0 to 1, received {share!r}{at_user_location()}"
        )
    shapes = [model.output_shape if model.built else None for model in (teacher, student)]
    if None not in shapes and shapes[0] != shapes[1]:
        raise ValueError(
            f"Distiller: the outputs of the teacher have shape {shapes[0]}, those of the student {shapes[1]}; they "
            f"must be the same{at_user_location()}"
        )


def _with_features(model: Any, compared: Any, attribute: str) -> list:
    """Returns for each loss a model that gives what the loss compares."""
    names = [getattr(loss, attribute, None) for loss in compared]
    return [model if name is None else Model(model.inputs, model.get_layer(name).output) for name in names]


own("keras.distillation", [DistillationLoss, LogitsDistillation, FeatureDistillation, Distiller])
