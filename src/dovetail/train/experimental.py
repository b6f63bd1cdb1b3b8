"""`tf.train.experimental`: Python values in checkpoints."""

from __future__ import annotations

import numpy as np

from dovetail.base.errors import at_user_location

__all__ = ["PythonState"]


class PythonState:
    """Base of objects that write themselves as a string into checkpoints.

    Subclasses define `serialize() -> str` and `deserialize(string)`.
    """

    _held_as = "apart"

    def serialize(self) -> str:
        """Returns the state as a string, or bytes."""
        raise NotImplementedError(f"{type(self).__name__}: define serialize(){at_user_location()}")

    def deserialize(self, string_value: str) -> None:
        """Takes the state that `serialize` returned."""
        raise NotImplementedError(f"{type(self).__name__}: define deserialize(){at_user_location()}")

    def __saved_values__(self) -> dict[str, np.ndarray]:
        text = self.serialize()
        value: np.ndarray = np.empty((), object)
        value[()] = text.encode() if isinstance(text, str) else text
        return {"py_state": value}

    def __load_values__(self, values: dict[str, np.ndarray]) -> None:
        self.deserialize(values["py_state"].item())
