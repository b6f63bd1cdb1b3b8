"""`model.export`: a model for serving, as a SavedModel without the code of its layers."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.function.function import Function
from dovetail.saved_model import DEFAULT_SERVING_SIGNATURE_DEF_KEY, save
from dovetail.tensor.spec import TensorSpec

_ENDPOINT = "serve"


class _Exported:
    """What a model leaves behind: its variables, and the function that serves."""

    def __init__(self, model: Any, serve: Function) -> None:
        self.serve = serve
        self.variables = list(model.variables)
        self.trainable_variables = list(model.trainable_variables)
        self.non_trainable_variables = list(model.non_trainable_variables)

    def __children__(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, list)]


def export(model: Any, filepath: Any, input_signature: Any = None) -> None:
    """Writes a model as a SavedModel with the function `serve`, which gives its outputs for any batch size.

    Raises:
        ValueError: the model does not know its inputs.
    """
    signature = _signature(model) if input_signature is None else _specs(input_signature)

    def serve(inputs: Any) -> Any:
        return model(inputs, training=False)

    made = Function(serve, input_signature=signature)
    made.get_concrete_function()
    signatures = dict.fromkeys((DEFAULT_SERVING_SIGNATURE_DEF_KEY, _ENDPOINT), made)
    save(_Exported(model, made), os.fspath(filepath), signatures=signatures)


def _signature(model: Any) -> list:
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"export: {model.name!r} does not know its inputs; pass input_signature=[tf.TensorSpec(...)]"
            f"{at_user_location()}"
        )
    return [nest.mapped(_spec, model.input)]


def _spec(tensor: Any) -> TensorSpec:
    return TensorSpec([None, *tensor.shape[1:]], tensor.dtype, tensor.name.partition(":")[0])


def _specs(given: Any) -> list:
    """Returns the signature that a program gives: specs of TensorFlow or Keras."""
    return [
        nest.mapped(lambda one: TensorSpec(one.shape, one.dtype, getattr(one, "name", None)), one)
        for one in given
    ]
