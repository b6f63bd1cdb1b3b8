"""`keras.Operation`: a user's function of tensors that symbolic tensors can go through; `keras.Function`."""

from __future__ import annotations

import inspect
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.naming import auto_name
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.tensor.symbolic import SymbolicTensor


class _LayersToo(type):
    """Layers are operations as well, as they are in Keras 3."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (cls is Operation and isinstance(instance, Layer))


@declare
class Operation(metaclass=_LayersToo):
    """A function of tensors without state.  Subclasses define `call`, and `compute_output_spec` where they want to.

    Args:
        name: the class' name, numbered, when None.

    On symbolic tensors it becomes a part of the model; `compute_output_spec` tells what comes out, which follows from
    running `call` on the symbolic tensors where it is not defined.

    Example:
        >>> class Square(keras.Operation):
        ...     def call(self, x):
        ...         return x * x
        >>> x = keras.Input((3,))
        >>> model = keras.Model(x, Square()(x))
    """

    _arguments: dict[str, Any]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        instance = super().__new__(cls)
        try:
            bound = inspect.signature(cls.__init__).bind(instance, *args, **kwargs).arguments
        except TypeError:  # __init__ will say what is wrong
            bound = {}
        instance._arguments = {name: value for name, value in bound.items() if value is not instance}
        return instance

    def __init__(self, name: str | None = None) -> None:
        if name is not None and not isinstance(name, str):
            raise ValueError(
                f"{type(self).__name__}: name must be a string, received {name!r}{at_user_location()}"
            )
        self.name = name or auto_name(type(self).__name__)
        self._layer: OperationLayer | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, SymbolicTensor) for leaf in nest.flatten((args, kwargs))):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs.  Subclasses override it."""
        raise NotImplementedError(f"{type(self).__name__} has no call(): define it{at_user_location()}")

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the symbolic outputs for symbolic inputs."""
        if self._layer is None:
            self._layer = OperationLayer(self)
        return self._layer(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns tensors (symbolic ones) that have the shapes and dtypes of the outputs."""
        return OperationLayer(self).compute_output_spec(*args, **kwargs)

    @property
    def input(self) -> Any:
        """What the first symbolic call took."""
        return self._called().input

    @property
    def output(self) -> Any:
        """What the first symbolic call gave."""
        return self._called().output

    def _called(self) -> Any:
        if self._layer is None:
            raise AttributeError(f"{self.name} has not been called on symbolic tensors{at_user_location()}")
        return self._layer

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that it was made with, and its name where `__init__` takes one."""
        config = {name: serialize_keras_object(value) for name, value in self._arguments.items()}
        takes_name = "name" in inspect.signature(type(self).__init__).parameters
        return {"name": self.name, **config} if takes_name else config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{name: deserialize_keras_object(value) for name, value in config.items()})


class OperationLayer(Layer):
    """How an operation stands in a model.

    Args:
        operation: an `Operation`, or its config.
    """

    def __init__(self, operation: Any, name: str | None = None) -> None:
        super().__init__(name=name or operation.name)
        self.operation = operation

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self.operation.call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if type(self.operation).compute_output_spec is Operation.compute_output_spec:
            return super().compute_output_spec(*args, **kwargs)
        return self.operation.compute_output_spec(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "operation": serialize_keras_object(self.operation)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        operation = deserialize_keras_object(config["operation"])
        layer = operation._layer = cls(operation, config["name"])
        return layer


own("keras.src.layers", {"OperationLayer": OperationLayer})
