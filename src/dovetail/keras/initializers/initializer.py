"""The base class of initializers."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.base.told import Told
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape

__all__ = ["Initializer"]


class Initializer(Told):
    """Gives weights their first values.  Subclasses define `__call__(shape, dtype=None)`.

    Example:
        >>> class Halves(keras.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return tf.fill(shape, 0.5)
    """

    _told_methods = ("__init__", "__call__")

    def __init__(self) -> None:
        """Takes no arguments."""

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(shape, dtype=None)")

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> Initializer:
        return cls(**config)

    def clone(self) -> Initializer:
        return self.__class__.from_config(self.get_config())

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def known_sizes(initializer: Any, shape: Any) -> tuple[int, ...]:
    """Returns the shape as a tuple of integers.

    Raises:
        ValueError: a size is unknown.
    """
    sizes = tuple(TensorShape(shape))
    if None in sizes:
        raise ValueError(
            f"{type(initializer).__name__}: a weight needs a known shape, received {sizes}{at_user_location()}"
        )
    return sizes


def wanted_dtype(initializer: Any, dtype: Any, kwargs: dict, numeric: bool = False) -> Any:
    """Returns the NumPy dtype to make values of, after checking the arguments of `__call__`.

    Args:
        initializer: for errors.
        dtype: as given; None: `keras.config.floatx()`.
        kwargs: further arguments: Keras 2 had some for partitioned variables, and only None makes sense for them.
        numeric: whether integers (and booleans) are as good as floats.
    """
    for name, value in kwargs.items():
        if value is not None:
            raise TypeError(
                f"{type(initializer).__name__}: unknown argument {name}={value!r}{at_user_location()}"
            )
    wanted = dt.as_dtype(settings.floatx if dtype is None else dtype)
    if not (wanted.is_floating or (numeric and wanted.name != "string")):
        raise ValueError(
            f"{type(initializer).__name__}: expected a floating dtype, received {wanted.name}{at_user_location()}"
        )
    return wanted.numpy_dtype
