"""TFSMLayer: a SavedModel as a layer."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.trackable import unique
from dovetail.keras import permission
from dovetail.keras.layers.machinery.layer import Layer

__all__ = ["TFSMLayer"]


class TFSMLayer(Layer):
    """Runs a function of a SavedModel, whose variables are the layer's weights.

    Args:
        filepath: the directory.
        call_endpoint: the function: an attribute of the saved object, or the name of a signature.
        call_training_endpoint: the function for `training=True`; None: the same.
        trainable: whether the weights are trained that were trainable when they were saved.

    A signature gives a dict of its outputs.  It takes one input, or a dict of inputs by their names.

    Raises:
        NotFoundError: there is no SavedModel.
        ValueError: the model has no such function.
    """

    _saves_functions = False  # a model with it has traces of its own, which contain them

    def __init__(
        self,
        filepath: Any,
        call_endpoint: str = "serve",
        call_training_endpoint: str | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(trainable=trainable, name=name, dtype=dtype)
        from dovetail.saved_model import load

        self.filepath = os.fspath(filepath)
        self.call_endpoint, self.call_training_endpoint = call_endpoint, call_training_endpoint
        model = load(self.filepath)
        self.call_endpoint_fn = _endpoint(model, call_endpoint)
        self.call_training_endpoint_fn = (
            _endpoint(model, call_training_endpoint) if call_training_endpoint else self.call_endpoint_fn
        )
        functions = (self.call_endpoint_fn, self.call_training_endpoint_fn)
        self._used = unique(variable for function in functions for variable in function.variables)

    def call(self, inputs: Any, training: Any = False, **kwargs: Any) -> Any:
        function = self.call_training_endpoint_fn if training else self.call_endpoint_fn
        if isinstance(inputs, dict) and not getattr(function, "concrete_functions", None):
            return function(**inputs, **kwargs)
        return function(inputs, **kwargs)

    def get_config(self) -> dict:
        return super().get_config() | {
            "filepath": self.filepath,
            "call_endpoint": self.call_endpoint,
            "call_training_endpoint": self.call_training_endpoint,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None, safe_mode: bool | None = None) -> Any:
        """Returns the layer of a config, where the caller allows it: a file could name any SavedModel.

        Raises:
            ValueError: nobody has allowed it.
        """
        with permission.allowing(safe_mode):
            permission.require(
                f"a TFSMLayer loads and runs the SavedModel {config.get('filepath')!r}, which a file has named"
            )
        return cls(**config)


def _endpoint(model: Any, name: str) -> Any:
    found = vars(model).get(name)
    if callable(found):
        return found
    if name in model.signatures:
        return model.signatures[name]
    functions = [one for one, value in vars(model).items() if callable(value)]
    raise ValueError(
        f"TFSMLayer: the SavedModel has no function and no signature {name!r}. Its functions are {functions}, its "
        f"signatures {list(model.signatures)}{at_user_location()}"
    )
