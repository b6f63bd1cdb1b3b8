"""`TorchModuleWrapper`: a PyTorch module as a layer."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from dovetail.autodiff.custom import custom_gradient
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.engine import is_tracer
from dovetail.function.python_function import py_function
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

__all__ = ["TorchModuleWrapper"]


class TorchModuleWrapper(Layer):
    """Computes a `torch.nn.Module` on the CPU; its parameters are the layer's weights, and gradients pass.

    Args:
        module: the module; its buffers, such as running means, stay in it.
        name: of the layer.
        output_shape: shape of the outputs with the batch axis; None: found by a call.

    A model that holds one runs op by op, since XLA does not know the module.
    """

    _holds_layers = True

    def __init__(self, module: Any, name: str | None = None, output_shape: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        torch = sys.modules.get("torch")  # whoever made a module has imported it
        if torch is None or not isinstance(module, torch.nn.Module):
            raise ValueError(
                f"TorchModuleWrapper: expected a torch.nn.Module, received {module!r:.60}{at_user_location()}"
            )
        if any(isinstance(each, torch.nn.parameter.UninitializedParameter) for each in module.parameters()):
            raise ValueError(
                f"TorchModuleWrapper: the module has lazy parameters: call it once before{at_user_location()}"
            )
        self._torch, self.module, self._output_sizes = torch, module.to("cpu"), output_shape
        self._parameters = list(module.parameters())
        self._held = [self._weight(each) for each in self._parameters]
        self.built = True

    def _weight(self, parameter: Any) -> Any:
        value = parameter.detach().numpy().copy()
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype=None: value,
            dtype=str(value.dtype),
            trainable=parameter.requires_grad,
        )

    def parameters(self, recurse: bool = True) -> Any:
        """Returns the module's parameters."""
        return self.module.parameters(recurse=recurse)

    def call(self, *args: Any, training: Any = None, **kwargs: Any) -> Any:
        leaves, structure = nest.flatten_spec((args, kwargs))
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, TensorLike)]
        inputs = [leaves[place] for place in places]
        self.module.train(training is None or bool(training))

        def run(*tensors: Any) -> Any:
            filled = list(leaves)
            given = [self._to_torch(tensor) for tensor in tensors[: len(places)]]
            for place, value in zip(places, given, strict=True):
                filled[place] = value
            with self._torch.no_grad():
                for parameter, tensor in zip(self._parameters, tensors[len(places) :], strict=True):
                    parameter.copy_(self._to_torch(tensor).detach())
            args, kwargs = nest.unflatten(structure, filled)
            with self._torch.enable_grad():
                return self._outputs_of(self.module(*args, **kwargs), given)

        known = [*inputs, *(weight._tensor() for weight in self._held)]
        if all(type(each) is Tensor and not is_tracer(each._value) for each in known):
            return custom_gradient(run)(*known)
        return py_function(custom_gradient(run), known, self.compute_dtype)

    def _outputs_of(self, outputs: Any, given: list) -> tuple:
        """Returns the outputs as tensors, and the function of their gradients."""
        made, spec = nest.flatten_spec(outputs)
        sources = [*given, *self._parameters]

        def grad(*gradients: Any, **_: Any) -> list:
            wanted = [source for source in sources if source.requires_grad]
            pairs = [(o, g) for o, g in zip(made, gradients, strict=True) if o.requires_grad]
            found = iter(
                self._torch.autograd.grad(
                    [o for o, _ in pairs],
                    wanted,
                    [self._to_torch(g).detach() for _, g in pairs],
                    retain_graph=True,
                    allow_unused=True,
                )
                if pairs and wanted
                else []
            )
            each = [next(found, None) if source.requires_grad else None for source in sources]
            result = [None if g is None else convert_to_tensor(g.numpy()) for g in each]
            return [*result[: len(given)], *result[len(given) :]]

        tensors = [convert_to_tensor(value.detach().numpy().copy()) for value in made]
        return nest.unflatten(spec, tensors), grad

    def _to_torch(self, value: Any) -> Any:
        array = np.array(convert_to_tensor(value))
        tensor = self._torch.from_numpy(array)
        return tensor.requires_grad_() if array.dtype.kind == "f" else tensor

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._output_sizes is not None:
            return SymbolicTensor(self._output_sizes, self.compute_dtype)
        kwargs.pop("training", None)

        def example(x: Any) -> Any:
            if not isinstance(x, TensorLike):
                return x
            return self._torch.zeros(
                [size or 1 for size in x.shape], dtype=getattr(self._torch, x.dtype.name)
            )

        was = self.module.training
        self.module.eval()
        with self._torch.no_grad():
            outputs = self.module(*nest.map_structure(example, args), **nest.map_structure(example, kwargs))
        self.module.train(was)
        batch = next(x.shape[0] for x in nest.flatten((args, kwargs)) if isinstance(x, TensorLike))
        return nest.map_structure(
            lambda x: SymbolicTensor((batch, *x.shape[1:]), str(x.dtype).removeprefix("torch.")), outputs
        )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return self.compute_output_spec(SymbolicTensor(input_shape, self.compute_dtype)).shape

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the module's state into `store`, its buffers too."""
        self._write_back()
        for name, value in self.module.state_dict().items():
            store[name] = value.detach().numpy().copy()

    def load_own_variables(self, store: Any) -> None:
        names = list(store.keys())
        self.module.load_state_dict({name: self._torch.from_numpy(np.array(store[name])) for name in names})
        for weight, parameter in zip(self._held, self._parameters, strict=True):
            weight.assign(parameter.detach().numpy())

    def _write_back(self) -> None:
        with self._torch.no_grad():
            for weight, parameter in zip(self._held, self._parameters, strict=True):
                parameter.copy_(self._to_torch(weight).detach())

    @classmethod
    def from_config(cls, config: dict) -> Any:
        """Makes the layer of a config that holds the module itself.

        Raises:
            ValueError: the config came from a file, which can hold a module only as a pickle.
        """
        if sys.modules.get("torch") is None or not isinstance(
            config.get("module"), sys.modules["torch"].nn.Module
        ):
            raise ValueError(
                "a TorchModuleWrapper in a file is a pickle, which could run any code, and is never loaded. Make the "
                "layer again, TorchModuleWrapper(module), in the same model, and load its weights with "
                f"model.load_weights(path){at_user_location()}"
            )
        return cls(**config)

    def get_config(self) -> dict:
        raise NotImplementedError(
            f"{self.name}: a PyTorch module cannot be written into a config; make the layer again and load its weights"
        )
