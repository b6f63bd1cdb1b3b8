"""`keras.layers.StackedRNNCells`: cells one above the other, as one cell."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.layers.recurrent.states import (
    as_list,
    initial_states,
    is_size,
    output_size_of,
    requested,
    size_shape,
    sizes_of,
)
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = ["StackedRNNCells"]


def checked_cell(cell: Any) -> Any:
    """Returns the cell.

    Raises:
        ValueError: it has no `call` or no `state_size`.
    """
    if not callable(getattr(cell, "call", None)):
        raise ValueError(f"RNN: a cell needs a method `call`, received {cell!r:.60}{at_user_location()}")
    if "state_size" not in dir(cell):
        raise ValueError(
            f"RNN: a cell needs an attribute `state_size`, received {cell!r:.60}{at_user_location()}"
        )
    return cell


class StackedRNNCells(Layer):
    """Cells of which each takes the output of the one before.

    Args:
        cells: list of cells.

    Call: `cell(inputs, states)` returns `(output of the last cell, new states)`, the states of each cell in a list.
    """

    _holds_layers = True

    def __init__(self, cells: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, list | tuple) or not cells:
            raise ValueError(
                f"StackedRNNCells: pass a list of cells, received {cells!r:.60}{at_user_location()}"
            )
        self.cells = [checked_cell(cell) for cell in cells]

    @property
    def state_size(self) -> Any:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        return output_size_of(self.cells[-1])

    def get_initial_state(self, batch_size: Any = None, inputs: Any = None, dtype: Any = None) -> list:
        """Returns the states that each cell begins with."""
        batch, dtype = requested(batch_size, inputs, dtype, self)
        return [_like(cell, initial_states(cell, batch, dtype, inputs)) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (input_shape[0], *size_shape(output_size_of(cell)))

    def call(self, inputs: Any, states: Any, training: Any = False, constants: Any = None) -> Any:
        new_states = []
        for cell, before in zip(self.cells, self._by_cell(states), strict=True):
            spec, further = call_spec(type(cell).call), {}
            if spec.accepts_training:
                further["training"] = training
            if constants is not None and "constants" in spec.names:
                further["constants"] = constants
            inputs, after = (cell if callable(cell) else cell.call)(inputs, as_list(before), **further)
            new_states.append(_like(cell, as_list(after)))
        return inputs, new_states

    def _by_cell(self, states: Any) -> list:
        """Returns the states of each cell, also where they come as one flat list."""
        counts = [1 if is_size(cell.state_size) else len(sizes_of(cell)) for cell in self.cells]
        if len(states) == len(self.cells) or len(states) != sum(counts):
            return list(states)
        rest = iter(states)
        return [[next(rest) for _ in range(count)] for count in counts]

    # ---- over a whole sequence

    def runs_sequences(self) -> bool:
        """True where every cell can run all steps as one op."""
        return all(getattr(cell, "runs_sequences", lambda: False)() for cell in self.cells)

    def over_time(
        self, x: Any, states: list | None, mask: Any, training: Any, sequence: bool
    ) -> tuple[Any, list]:
        """Runs one cell after the other over the sequence; see `UnitsCell.over_time`."""
        befores = [None] * len(self.cells) if states is None else map(as_list, self._by_cell(states))
        last = []
        for number, (cell, before) in enumerate(zip(self.cells, befores, strict=True), 1):
            x, after = cell.over_time(x, before, mask, training, sequence or number < len(self.cells))
            last.append(_like(cell, after))
        return x, last

    def forget_masks(self) -> None:
        for cell in self.cells:
            getattr(cell, "forget_masks", lambda: None)()

    # ---- configuration

    def get_config(self) -> dict:
        return super().get_config() | {"cells": [serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        config = dict(config)
        cells = [
            deserialize_keras_object(cell, custom_objects) if isinstance(cell, dict) else cell
            for cell in config.pop("cells")
        ]
        return cls(cells, **config)


def _like(cell: Any, states: list) -> Any:
    """Returns the states of a cell as its `state_size` has them: a single one stands by itself."""
    return states[0] if is_size(cell.state_size) else states
