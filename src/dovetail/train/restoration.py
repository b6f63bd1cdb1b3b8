"""Reading a checkpoint into objects, now and later: what is not there yet gets its value when it is attached."""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from dovetail.base.errors import DataLossError, at_user_location
from dovetail.base.trackable import await_children
from dovetail.tensor.variable import Variable
from dovetail.train.bundle import Bundle
from dovetail.train.object_graph import (
    GRAPH_KEY,
    VALUE,
    ObjectGraph,
    Walk,
    has_own_values,
    named_children,
)
from dovetail.wire.protobuf import DecodeError

_log = logging.getLogger("dovetail")

# What optimizers before Keras 2.11 called what they hold.
_OLDER_NAMES = {"iter": "_iterations", "learning_rate": "_learning_rate"}


class Restoration:
    """A checkpoint, and which of its objects have been found.

    Args:
        bundle: the file.
        root: the object that its root belongs to.

    Attributes:
        found: the objects that were found, by their nodes.
        given: the nodes whose values were read.
        is_expected: somebody has asked what is missing, or said that something may be.
    """

    def __init__(self, bundle: Bundle, root: Any) -> None:
        self.bundle, self.root = bundle, root
        try:
            self.nodes = list(ObjectGraph.FromString(bundle.read(GRAPH_KEY).item()).nodes)
        except DecodeError as error:
            raise DataLossError(f"{bundle.prefix}: the graph of its objects is damaged: {error}") from error
        self.found: dict[int, Any] = {}
        self.given: set[int] = set()
        self.is_expected = False
        self._slots: list[tuple[Any, Any]] = []
        self.follow(root, 0)

    def __del__(self) -> None:
        """Tells of values that nothing took, when nothing can take them any more."""
        unused = [] if getattr(self, "is_expected", True) else self.unused()
        if unused:
            _log.warning(
                "%r has values that no object took, %s among them; if that is meant so, call "
                "restore(...).expect_partial()",
                self.bundle.prefix,
                unused[:8],
            )

    def follow(self, item: Any, number: int) -> None:
        """Gives values to an object and to all that the checkpoint knows below it, as far as it is there."""
        pending, seen = [(item, number)], set()
        for owner, place in pending:
            if place in seen:
                continue
            seen.add(place)
            node = self._node(place)
            self.found[place] = owner
            if node.attributes and place not in self.given:
                self._give(owner, node)
                self.given.add(place)
            self._slots.extend((owner, slot) for slot in node.slot_variables)
            known = {} if isinstance(owner, Variable) else dict(named_children(owner))
            for edge in node.children:
                child = known.get(edge.local_name, known.get(_OLDER_NAMES.get(edge.local_name, "")))
                if child is not None:
                    pending.append((child, edge.node_id))
            if any(edge.node_id not in self.found for edge in node.children):
                await_children(owner, (id(self), place), functools.partial(self.follow, number=place))
        self._give_slots()

    def _node(self, number: int) -> Any:
        if not 0 <= number < len(self.nodes):
            raise DataLossError(
                f"{self.bundle.prefix}: the graph of its objects names the node {number}, which is not there"
            )
        return self.nodes[number]

    def _give(self, item: Any, node: Any) -> None:
        keys = {attribute.name: attribute.checkpoint_key for attribute in node.attributes}
        if isinstance(item, Variable):
            if VALUE in keys:
                assign(item, self.bundle.read(keys[VALUE]), f"{self.bundle.prefix}: {keys[VALUE]!r}")
        elif has_own_values(item):
            values = {part: read for name, key in keys.items() for part, read in self._parts(name, key)}
            try:
                item.__load_values__(values)
            except (KeyError, IndexError, TypeError) as error:
                raise DataLossError(
                    f"{self.bundle.prefix}: the values {sorted(values)} are none of a {type(item).__name__} "
                    f"({error!r:.200})"
                ) from error

    def _parts(self, name: str, key: str) -> list[tuple[str, np.ndarray]]:
        """Returns the value of an object, or the parts of it, which stand behind a dash: see `has_own_values`."""
        if key in self.bundle:
            return [(name, self.bundle.read(key))]
        keys = [part for part in self.bundle.names() if part.startswith(f"{key}-")]
        return [(name + part.removeprefix(key), self.bundle.read(part)) for part in keys]

    def _give_slots(self) -> None:
        """Gives values to slots of optimizers, which older optimizers keep by the variable that they are for."""
        left = []
        for optimizer, slot in self._slots:
            variable = self.found.get(slot.original_variable_node_id)
            own = (
                None
                if variable is None or not hasattr(optimizer, "get_slot")
                else _slot(optimizer, variable, slot)
            )
            if own is None:
                left.append((optimizer, slot))
            elif slot.slot_variable_node_id not in self.given:
                self._give(own, self._node(slot.slot_variable_node_id))
                self.given.add(slot.slot_variable_node_id)
        self._slots = left

    # ---- what is missing

    def unused(self) -> list[str]:
        """Returns the keys of values in the file that no object took."""
        return [
            attribute.checkpoint_key
            for number, node in enumerate(self.nodes)
            if number not in self.given
            for attribute in node.attributes
        ]

    def without_value(self) -> list[str]:
        """Returns the paths of objects with values below the root for which the file has none."""
        given = self.ids_given()
        valued = Walk(self.root).valued()
        return ["/".join(path) for path, item in valued if id(item) not in given and must_have_value(item)]

    def ids_given(self) -> set[int]:
        """Returns the ids of the objects that have got values."""
        return {id(self.found[number]) for number in self.given if number in self.found}


def must_have_value(item: Any) -> bool:
    """Random states are not asked for: other frameworks have none where ours are."""
    return getattr(item, "_held_as", None) != "state"


def _slot(optimizer: Any, variable: Any, slot: Any) -> Any:
    try:
        return optimizer.get_slot(variable, slot.slot_name)
    except (KeyError, ValueError, AttributeError):
        return None


def assign(variable: Any, value: np.ndarray, where: str) -> None:
    """Stores a value of a checkpoint in a variable.

    Raises:
        ValueError: its shape does not fit.
    """
    if not variable.shape.is_compatible_with(value.shape):
        raise ValueError(
            f"{where} has the shape {value.shape}, the variable {variable.name!r} has {tuple(variable.shape)}"
            f"{at_user_location()}"
        )
    # Also while a layer is built in a trace: it is the variable's first value.
    variable._take(value if value.dtype == object else np.array(value, variable._numpy_dtype))
