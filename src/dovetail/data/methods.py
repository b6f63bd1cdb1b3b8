"""What the methods of `tf.data.Dataset` stand on: its step, and their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from dovetail.base.told import Told
from dovetail.data.functions import UserFunction
from dovetail.data.node import Node
from dovetail.data.structure import as_leaf, is_dataset


class Methods(Told):
    """Base of the groups of methods that `tf.data.Dataset` is made of.

    Attributes:
        _node: the last step of the pipeline.
        _made: makes a dataset of a step.
    """

    _told_methods: ClassVar[tuple[str, ...]] = ("*",)
    _node: Node
    _made: Callable[[Node], Any]

    def _function(self, function: Callable, method: str) -> UserFunction:
        return UserFunction(function, method, self._node, self._made)


def node_of(dataset: Any, method: str) -> Node:
    """Returns the last step of a dataset that was given to a method."""
    if not is_dataset(dataset):
        raise TypeError(
            f"Dataset.{method}: expected a tf.data.Dataset, received {type(dataset).__name__} {dataset!r:.60}"
        )
    return dataset._node


def integer(value: Any, method: str, name: str) -> int:
    """Returns an argument that must be one integer."""
    array = as_leaf(value)
    if array.ndim or array.dtype.kind not in "iu":
        raise TypeError(f"Dataset.{method}: {name} must be an integer, received {value!r:.60}")
    return int(array)


def seed_of(seed: Any) -> int | None:
    """Returns a seed argument as an int."""
    return None if seed is None else integer(seed, "shuffle", "seed")
