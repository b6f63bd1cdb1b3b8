"""`keras.Function`: the computation between symbolic tensors, as a function."""

from __future__ import annotations

from typing import Any

from dovetail.base.own import declare
from dovetail.keras.layers.core.operation import Operation
from dovetail.keras.models.model import Functional


@declare
class Function(Operation):
    """Computes `outputs` from `inputs`, by the layers and ops that were applied between them.

    Args:
        inputs: symbolic tensor, or a structure of them.
        outputs: symbolic tensors computed from them.
        name: "function", numbered, when None.

    Raises:
        ValueError: the outputs do not follow from the inputs.

    Example:
        >>> x = keras.KerasTensor((3,))
        >>> keras.Function(x, keras.ops.relu(x) + 1)(np.ones(3, "float32"))
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name)
        self._model = Functional(inputs=inputs, outputs=outputs)

    @property
    def inputs(self) -> Any:
        return self._model.inputs

    @property
    def outputs(self) -> Any:
        return self._model.outputs

    @property
    def operations(self) -> list:
        """The layers and ops, in order."""
        return self._model.layers

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._model(*args, **kwargs)

    def call(self, inputs: Any) -> Any:
        return self._model(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        return self._model.compute_output_spec(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._model.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "model": self._model.get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        model = Functional.from_config(config["model"])
        return cls(model._inputs_structure, model._outputs_structure, config["name"])
