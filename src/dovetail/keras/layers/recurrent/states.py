"""States of recurrent layers: their sizes, the first ones, and those that stay between calls."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.ops import create
from dovetail.ops.shapes import as_tensor, shape
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


def is_size(value: Any) -> bool:
    """True for the size of one state: an int, or the shape of an example's state."""
    return isinstance(value, int | TensorShape)


def size_shape(size: Any) -> tuple:
    """Returns the shape of one example's state."""
    return (size,) if isinstance(size, int) else tuple(size)


def sizes_of(cell: Any) -> Any:
    """Returns the `state_size` of a cell in which several states are a list.

    Raises:
        ValueError: there is none, or it holds something else than sizes.
    """
    found = getattr(cell, "state_size", None)
    if found is None:
        raise ValueError(f"RNN: the cell {_name(cell)} needs an attribute `state_size`{at_user_location()}")
    if is_size(found):
        return found
    if not isinstance(found, list | tuple):
        raise ValueError(
            f"RNN: state_size must be an integer, or a list or tuple of integers, received {found!r:.60}"
            f"{at_user_location()}"
        )
    return list(found)


def _name(cell: Any) -> str:
    return getattr(cell, "name", type(cell).__name__)


def map_sizes(function: Any, sizes: Any) -> Any:
    """Maps a structure whose leaves are sizes."""
    if is_size(sizes):
        return function(sizes)
    if hasattr(sizes, "_fields"):
        return type(sizes)(*(map_sizes(function, one) for one in sizes))
    return type(sizes)(map_sizes(function, one) for one in sizes)


def output_size_of(cell: Any) -> Any:
    """Returns the size of a cell's output: `output_size`, else that of its first state."""
    found = getattr(cell, "output_size", None)
    return found if found is not None else first_size(sizes_of(cell))


def first_size(sizes: Any) -> Any:
    while not is_size(sizes):
        sizes = sizes[0]
    return sizes


def batch_of(x: Any, axis: int = 0) -> Any:
    """Returns the batch size: an int, or a symbolic number where it is unknown."""
    static = x.shape[axis]
    return shape(x)[axis] if static is None else static


def zero_states(sizes: Any, batch: Any, dtype: Any) -> Any:
    """Returns zeros of shape (batch, *size) in the structure of the sizes."""
    return map_sizes(lambda size: create.zeros([batch, *size_shape(size)], dtype), sizes)


def initial_states(cell: Any, batch: Any, dtype: Any, inputs: Any = None) -> list:
    """Returns the states that a cell begins with, as a list.

    Args:
        cell: its `get_initial_state` is asked if it has one, with the arguments among inputs, batch_size and dtype
            that it takes; Keras 2 passes three, Keras 3 one.
        batch: size of the batch.
        dtype: of the states.
        inputs: of the layer; None where there are none yet.
    """
    ask = getattr(cell, "get_initial_state", None)
    if ask is None:
        found = zero_states(sizes_of(cell), batch, dtype)
    else:
        spec, given = call_spec(ask), {"inputs": inputs, "batch_size": batch, "dtype": dtype}
        found = ask(
            **{name: value for name, value in given.items() if spec.any_keyword or name in spec.names}
        )
    return as_list(found)


def as_list(states: Any) -> list:
    """Returns states as a list, a single one too."""
    return list(states) if isinstance(states, list | tuple) else [states]


class Kept:
    """The states that a stateful layer keeps between calls; no weights, and in no file.

    Args:
        states: the first ones.
        dtype: of the variables.
    """

    def __init__(self, states: list, dtype: Any) -> None:
        self.variables = nest.map_structure(
            lambda value: Variable(value, trainable=False, dtype=dtype, name="rnn_state"), states
        )

    @property
    def batch_size(self) -> int:
        return int(nest.flatten(self.variables)[0].shape[0])

    def assign(self, states: Any, owner: str) -> None:
        """Stores new states.

        Raises:
            ValueError: another number of states, or other shapes.
        """
        targets, values = nest.flatten(self.variables), [as_tensor(value) for value in nest.flatten(states)]
        if len(targets) != len(values):
            raise ValueError(
                f"{owner}: there are {len(targets)} states, received {len(values)}{at_user_location()}"
            )
        for target, value in zip(targets, values, strict=True):
            if tuple(value.shape) != tuple(target.shape):
                raise ValueError(
                    f"{owner}: a state has shape {tuple(target.shape)}, received {tuple(value.shape)}"
                    f"{at_user_location()}"
                )
        for target, value in zip(targets, values, strict=True):
            target.assign(value._astype(target.dtype) if value.dtype != target.dtype else value)

    def reset(self) -> None:
        """Sets all states to zero."""
        for variable in nest.flatten(self.variables):
            variable.assign(create.zeros_like(variable))


def default_dtype(layer: Any) -> Any:
    return layer.compute_dtype or settings.floatx


def requested(batch_size: Any, inputs: Any, dtype: Any, layer: Any) -> tuple[Any, Any]:
    """Reads the arguments of `get_initial_state` of either Keras: `(batch_size)` or `(inputs, batch_size, dtype)`."""
    if isinstance(batch_size, TensorLike) and len(batch_size.shape):
        inputs, batch_size = batch_size, None
    if inputs is not None:
        batch_size, dtype = batch_of(as_tensor(inputs)), dtype or as_tensor(inputs).dtype
    if batch_size is None:
        raise ValueError(f"{layer.name}.get_initial_state: pass batch_size{at_user_location()}")
    return batch_size, dtype or default_dtype(layer)
