"""The state of a model and of its training as nested dicts by the paths of the variables, as in Keras 3."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.tensor.convert import convert_to_tensor

_FORMATS: dict[str, Any] = {
    "backend_tensor": lambda variable: convert_to_tensor(variable.read_value()),
    "numpy_array": np.array,
}


class StateTrees:
    """`get_state_tree` and `set_state_tree`.  Only `Trainer` derives from it."""

    optimizer: Any
    trainable_variables: Any
    non_trainable_variables: Any
    metrics_variables: Any
    name: str

    def _state_parts(self) -> dict[str, list]:
        optimizer = getattr(self, "optimizer", None)
        return {
            "trainable_variables": self.trainable_variables,
            "non_trainable_variables": self.non_trainable_variables,
            "optimizer_variables": [] if optimizer is None else list(optimizer.variables),
            "metrics_variables": self.metrics_variables,
        }

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict:
        """Returns the values of all variables as nested dicts, by kind and then by the parts of their paths.

        Args:
            value_format: "backend_tensor": tensors; "numpy_array": arrays.

        Raises:
            ValueError: an unknown format, or two variables have one path.
        """
        if value_format not in _FORMATS:
            raise ValueError(
                f"{self.name}.get_state_tree: value_format must be one of {list(_FORMATS)}, received {value_format!r}"
                f"{at_user_location()}"
            )
        tree: dict = {}
        for kind, variables in self._state_parts().items():
            tree[kind] = {}
            for path, variable in self._by_path(variables).items():
                *parts, last = path.split("/")
                inner = tree[kind]
                for part in parts:
                    inner = inner.setdefault(part, {})
                inner[last] = _FORMATS[value_format](variable)
        return tree

    def set_state_tree(self, state_tree: dict) -> None:
        """Assigns what `get_state_tree` has returned, or a part of it.

        Raises:
            ValueError: an unknown kind of variables, or a path that no variable has; nothing is assigned then.
        """
        parts, assigned = self._state_parts(), []
        for kind, tree in state_tree.items():
            if kind not in parts:
                raise ValueError(
                    f"{self.name}.set_state_tree: {kind!r} is no kind of variables.{suggest(kind, parts)}"
                    f"{at_user_location()}"
                )
            known = self._by_path(parts[kind])
            for path, value in _flat(tree).items():
                if path not in known:
                    raise ValueError(
                        f"{self.name}.set_state_tree: no variable among {kind} has the path {path!r}."
                        f"{suggest(path, known)}{at_user_location()}"
                    )
                assigned.append((known[path], value))
        for variable, value in assigned:
            variable.assign(value)

    def _by_path(self, variables: list) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for variable in variables:
            path = str(getattr(variable, "path", None) or variable.name).removesuffix(":0")
            if path in found:
                raise ValueError(
                    f"{self.name}: two variables have the path {path!r}: give their layers or metrics different names"
                    f"{at_user_location()}"
                )
            found[path] = variable
        return found


def _flat(tree: dict, prefix: str = "") -> dict[str, Any]:
    """Returns the leaves of nested dicts by their paths."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found
