"""The objects of a loaded SavedModel."""

from __future__ import annotations

import os
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.trackable import AWAITING, attached, attributes
from dovetail.tensor.variable import Variable


class Loaded:
    """An object of a SavedModel: what it held are its attributes, variables and functions among them."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if AWAITING in self.__dict__:
            attached(self)

    def __getattr__(self, name: str) -> Any:
        known = [one for one in vars(self) if not one.startswith("_")]
        raise AttributeError(
            f"the loaded object has no attribute {name!r}; it has {', '.join(known[:12]) or 'none'}"
        )

    def __children__(self) -> list[tuple[str, Any]]:
        return attributes(self)


class CallableLoaded(Loaded):
    """One that was callable."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return vars(self)["__call__"](*args, **kwargs)


class Asset:
    """A file that belongs to a model: it is saved with it.

    Args:
        path: of the file.

    Attributes:
        asset_path: the path, a scalar string tensor; where a model was loaded from, that of its own copy.
    """

    def __init__(self, path: Any) -> None:
        self._variable = Variable(path, trainable=False, dtype="string", name="asset_path")

    @property
    def path(self) -> str:
        """The path as text."""
        return os.fsdecode(self._variable.numpy())

    @property
    def asset_path(self) -> Any:
        return self._variable.read_value()


class Resource:
    """An object that is made anew when a model is loaded, as a table: functions of the model make it and fill it.

    Attributes:
        handle: what raw operations know it by.
    """

    def __init__(self) -> None:
        self._handle: Any = None

    @property
    def handle(self) -> Any:
        if self._handle is None:
            make = vars(self).get("_create_resource")
            if make is None:
                raise ValueError(
                    f"a resource of the SavedModel has no function that makes it{at_user_location()}"
                )
            self._handle = make()
            fill = vars(self).get("_initialize")
            if fill is not None:
                fill()
        return self._handle


class Captured:
    """A tensor inside of a function, which other functions (gradients that are written by hand) refer to.

    Args:
        name: of the tensor.
        function: of the function.
    """

    def __init__(self, name: str, function: str) -> None:
        self.name, self.function = name, function

    def __repr__(self) -> str:
        return f"the tensor {self.name!r} of the function {self.function!r}"
