"""What `tf.export.load` gives: functions that run programs of files."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.ops.core import Op
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


@declare
class ExportedFunction:
    """A function of a StableHLO file: called with tensors, eagerly, in a `tf.function`, or on a `keras.Input`.

    It has no gradient, and its weights are fixed.

    Attributes:
        name: in the file.
        weights: NumPy arrays.
        platforms: the kinds of devices that it was written for.
    """

    def __init__(self, name: str, program: Any, weights: list[np.ndarray]) -> None:
        self.name, self.weights, self.platforms = name, weights, program.platforms
        self._program = program
        self._held = [Tensor(one) for one in weights]  # which move to the device when they are first used
        self._op = Op(
            "exported_function",
            lambda xp, *arrays: tuple(program.run(*arrays)),
            same_dtype=0,
            differentiable=False,
            engine="xla",
            several=True,
            shape=lambda *_: [_unnamed(one.shape) for one in program.outputs],
            dtype=lambda *_: [one.dtype for one in program.outputs],
        )

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def inputs(self) -> list:
        """The shapes (texts for sizes that may be any) and dtypes of what it takes, flat."""
        return [(one.shape, as_dtype(one.dtype)) for one in self._program.inputs]

    @property
    def outputs(self) -> list:
        """The shapes and dtypes of what it gives, flat."""
        return [(one.shape, as_dtype(one.dtype)) for one in self._program.outputs]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program.

        Raises:
            TypeError: the arguments have another structure.
            UnimplementedError: it was written for other devices.
            ValueError: a tensor has another shape or dtype.
        """
        self._program.require_platform()
        given = self._program.flat(args, kwargs)
        if given is None:
            raise TypeError(
                f"{self.name}: it takes {self._program.signature}, received {_described(args, kwargs)}"
                f"{at_user_location()}"
            )
        tensors = [self._checked(one, value) for one, value in zip(self._program.inputs, given, strict=True)]
        self._check_names(tensors)
        outputs = self._op(*self._held, *tensors)
        return self._program.structured(list(outputs))

    def _checked(self, expected: Any, value: Any) -> Any:
        """Returns an argument as a tensor of the dtype and the sizes that are known."""
        try:
            tensor = convert_to_tensor(value, None if hasattr(value, "dtype") else as_dtype(expected.dtype))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.name}: it takes {self._program.signature}: {error}") from error
        fits = tensor.dtype.numpy_dtype == expected.dtype and tensor.shape.is_compatible_with(
            _unnamed(expected.shape)
        )
        if not fits:
            raise ValueError(
                f"{self.name}: it takes {self._program.signature}, received {tensor.dtype.name}{list(tensor.shape)}"
                f"{at_user_location()}"
            )
        return tensor

    def _check_names(self, tensors: list) -> None:
        """Raises ValueError where sizes of one name differ, or one is 0, which programs for any size are not for."""
        found: dict[str, int] = {}
        for expected, tensor in zip(self._program.inputs, tensors, strict=True):
            if isinstance(tensor, SymbolicTensor):
                continue
            for name, size in zip(expected.shape, tensor.shape, strict=True):
                if isinstance(name, str) and (size == 0 or found.setdefault(name, size) != size):
                    raise ValueError(
                        f"{self.name}: it takes {self._program.signature}, where each name is one size of at least 1, "
                        f"received {', '.join(str(list(one.shape)) for one in tensors)}{at_user_location()}"
                    )

    def __repr__(self) -> str:
        return f"<ExportedFunction {self.name}{self._program.signature}>"


@declare
class Loaded:
    """The functions of a StableHLO file, as attributes; calling it calls the first.

    Attributes:
        functions: all of them by name.
        signature: what the file says of itself.
    """

    def __init__(self, functions: dict[str, ExportedFunction], default: str, signature: dict) -> None:
        self.functions = MappingProxyType(functions)
        self.signature = signature
        self._default = functions[default]

    def __getattr__(self, name: str) -> ExportedFunction:
        functions = self.__dict__.get("functions", {})
        if name in functions:
            return functions[name]
        raise AttributeError(f"the file has no function {name!r}; it has {', '.join(functions)}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._default(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Loaded {', '.join(map(repr, self.functions.values()))}>"


def _unnamed(shape: tuple) -> tuple:
    return tuple(None if isinstance(size, str) else size for size in shape)


def _described(args: tuple, kwargs: dict) -> str:
    parts = [*(f"{one!r:.60}" for one in args), *(f"{name}={one!r:.60}" for name, one in kwargs.items())]
    return f"({', '.join(parts)})"
