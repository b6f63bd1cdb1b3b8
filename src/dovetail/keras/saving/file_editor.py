"""`keras.saving.KerasFileEditor`: weights files looked at, changed and written again."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.keras.saving import archive
from dovetail.keras.saving.h5 import meet, member, opened
from dovetail.keras.saving.layout import places
from dovetail.keras.saving.stored import read_values, write_value

_VARS = "vars"


@declare
class KerasFileEditor:
    """Shows and changes the weights of a `.keras` or ".weights.h5" file, and writes them to another.

    Args:
        filepath: of the file, which itself is left as it is.

    Attributes:
        weights_dict: the weights in nested dicts, `{"layers": {"dense": {"0": array, "1": array}}}`.

    Objects are named by their paths, "layers/dense", or by the last part where it is the only one of that name.

    Example:
        >>> editor = KerasFileEditor("old.weights.h5")
        >>> editor.rename_object("layers/dense_2", "head")
        >>> editor.save("new.weights.h5")

    Raises:
        ValueError: it is no such file, or it is damaged.
    """

    def __init__(self, filepath: Any) -> None:
        path = os.fspath(filepath)
        self.filepath = path
        if not os.path.isfile(path):
            raise ValueError(f"KerasFileEditor: there is no file {path!r}{at_user_location()}")
        if zipfile.is_zipfile(path):
            with archive.opened_weights(path) as file:
                self.weights_dict = _tree(file, set())
        else:
            with opened(path, path) as file:
                self.weights_dict = _tree(file, set())

    def summary(self) -> None:
        """Prints the objects with the shapes and dtypes of their weights."""
        print("\n".join(["Weights structure", *_lines(self.weights_dict, 1)]))

    def compare(self, reference_model: Any) -> dict[str, Any]:
        """Compares the file with a built model, and prints where they differ.

        Returns:
            "status" ("success" or "error"), "error_count" and "match_count".
        """
        errors, matches = [], 0
        for place in places(reference_model):
            found = self._at(place.path) if place.path else self.weights_dict
            for index, variable in enumerate(place.variables):
                where = f"/{place.path}/{index}"
                value = None if found is None else found.get(str(index))
                if value is None:
                    errors.append(f"{where} is in the model and not in the file")
                elif tuple(variable.shape) != np.shape(value):
                    errors.append(
                        f"{where}: the model has {tuple(variable.shape)}, the file has {np.shape(value)}"
                    )
                else:
                    matches += 1
        print("\n".join([*errors, f"{matches} weights match, {len(errors)} do not"]))
        return {
            "status": "error" if errors else "success",
            "error_count": len(errors),
            "match_count": matches,
        }

    def rename_object(self, object_name: str, new_name: str) -> None:
        """Renames an object; of a path, only the last part may differ.

        Raises:
            ValueError: there is none of that name, or several, or one of the new name.
        """
        parent, name = self._find(object_name)
        last = new_name.rpartition("/")[2]
        if last in parent:
            raise ValueError(f"rename_object: {last!r} is there already{at_user_location()}")
        items = [(last if key == name else key, value) for key, value in parent.items()]
        parent.clear()
        parent.update(items)

    def delete_object(self, object_name: str) -> None:
        """Removes an object and all in it.

        Raises:
            ValueError: there is none of that name, or several.
        """
        parent, name = self._find(object_name)
        del parent[name]

    def add_object(self, object_path: str, weights: dict[str, Any]) -> None:
        """Adds an object with its weights.

        Args:
            object_path: such as "layers/dense_3"; what stands before the last "/" must be there.
            weights: arrays by name: "0", "1", ...

        Raises:
            ValueError: the path leads nowhere, or it is taken.
        """
        above, _, last = object_path.strip("/").rpartition("/")
        parent = self._at(above) if above else self.weights_dict
        if parent is None or last in parent:
            reason = "is there already" if parent is not None else f"has no place: there is no {above!r}"
            raise ValueError(f"add_object: {object_path!r} {reason}{at_user_location()}")
        parent[last] = _arrays(weights)

    def add_weights(self, object_name: str, weights: dict[str, Any]) -> None:
        """Adds weights to an object, or replaces those of the same names.

        Raises:
            ValueError: there is no object of that name, or several.
        """
        parent, name = self._find(object_name)
        parent[name].update(_arrays(weights))

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Removes one weight of an object.

        Raises:
            ValueError: there is no such object, or it has no such weight.
        """
        parent, name = self._find(object_name)
        if not isinstance(parent[name].get(weight_name), np.ndarray):
            known = [key for key, value in parent[name].items() if isinstance(value, np.ndarray)]
            raise ValueError(
                f"delete_weight: {object_name!r} has no weight {weight_name!r}; it has {known}{at_user_location()}"
            )
        del parent[name][weight_name]

    def save(self, filepath: Any) -> None:
        """Writes the weights to a file that ends in ".weights.h5".

        Raises:
            ValueError: the path ends otherwise.
        """
        path = os.fspath(filepath)
        if not path.endswith(".weights.h5"):
            raise ValueError(
                f"save: the path must end in '.weights.h5', received {path!r}{at_user_location()}"
            )
        with replacing(path) as partial, h5py.File(partial, "w") as file:
            _write(file, self.weights_dict)

    resave_weights = save

    # ---- names

    def _at(self, path: str) -> dict | None:
        found: Any = self.weights_dict
        for part in path.strip("/").split("/"):
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else None

    def _find(self, name: str) -> tuple[dict, str]:
        """Returns the dict that holds an object, and its key there."""
        above, _, last = name.strip("/").rpartition("/")
        if above:
            parent = self._at(above)
            if parent is not None and isinstance(parent.get(last), dict):
                return parent, last
        found = [] if above else list(_holders(self.weights_dict, last))
        if len(found) != 1:
            count = "several objects" if found else "no object"
            raise ValueError(
                f"KerasFileEditor: {self.filepath!r} has {count} {name!r}; name it by its path. There are "
                f"{list(_paths(self.weights_dict))}{at_user_location()}"
            )
        return found[0], last


def _holders(tree: dict, name: str) -> Iterator[dict]:
    if isinstance(tree.get(name), dict):
        yield tree
    for value in tree.values():
        if isinstance(value, dict):
            yield from _holders(value, name)


def _paths(tree: dict, above: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield above + name
            yield from _paths(value, f"{above}{name}/")


def _arrays(weights: dict[str, Any]) -> dict[str, Any]:
    return {str(name): np.asarray(value) for name, value in weights.items()}


def _tree(group: Any, met: set[int]) -> dict[str, Any]:
    """Returns the weights below a group; objects without any are left out."""
    meet(group, met)
    found: dict[str, Any] = {}
    for name in group:
        item = member(group, name)
        if name == _VARS and isinstance(item, h5py.Group):
            found |= read_values(item, met)
        elif isinstance(item, h5py.Group):
            below = _tree(item, met)
            if below:
                found[name] = below
    return found


def _write(group: Any, tree: dict[str, Any]) -> None:
    values = {name: value for name, value in tree.items() if not isinstance(value, dict)}
    own = group.create_group(_VARS)
    for name, value in values.items():
        write_value(own, name, value)
    for name, value in tree.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value)


def _lines(tree: dict[str, Any], depth: int) -> Iterator[str]:
    for name, value in tree.items():
        indent = "  " * depth
        if isinstance(value, dict):
            yield f"{indent}{name}"
            yield from _lines(value, depth + 1)
        else:
            yield f"{indent}{name}: shape={value.shape}, dtype={value.dtype}"
