"""What a checkpoint holds beside what a program holds: `tf.train.CheckpointView` and `tf.train.TrackableView`."""

from __future__ import annotations

import os
import warnings
from typing import Any

from dovetail.base.errors import NotFoundError, at_user_location
from dovetail.train.bundle import Bundle
from dovetail.train.object_graph import GRAPH_KEY, ObjectGraph, Walk, named_children
from dovetail.train.state_file import prefix_of


class TrackableView:
    """The objects below one that a checkpoint of it would hold.

    Args:
        root: a module, model, optimizer or checkpoint.
    """

    def __init__(self, root: Any) -> None:
        self._root = root

    @property
    def root(self) -> Any:
        return self._root

    @classmethod
    def children(cls, obj: Any, save_type: str = "checkpoint", **kwargs: Any) -> dict[str, Any]:
        """Returns what an object holds itself, by name.

        Args:
            obj: the object.
            save_type: "checkpoint".

        Raises:
            ValueError: another `save_type`, or arguments besides.
        """
        if save_type != "checkpoint" or kwargs:
            raise ValueError(
                f"tf.train.TrackableView.children: expected save_type='checkpoint' alone, received {save_type!r}, "
                f"{kwargs}{at_user_location()}"
            )
        return dict(named_children(obj))

    def descendants(self) -> list[Any]:
        """Returns the root and all below it, each once, the nearest first."""
        return Walk(self._root).objects


class CheckpointView:
    """The objects of a checkpoint, by their numbers; the root has the number 0.

    Args:
        save_path: the path of the checkpoint, or a folder, of which the latest is read.

    Raises:
        NotFoundError: there is none, or it holds variables by their names alone, as TensorFlow 1 writes them.
    """

    def __init__(self, save_path: Any) -> None:
        path = prefix_of(os.fspath(save_path))
        found = Bundle(path)
        if GRAPH_KEY not in found:
            raise NotFoundError(
                f"{path!r} is a checkpoint of TensorFlow 1, which knows no objects: read it with "
                f"tf.train.load_checkpoint{at_user_location()}"
            )
        self._nodes = ObjectGraph.FromString(found.read(GRAPH_KEY).item()).nodes

    def children(self, node_id: int) -> dict[str, int]:
        """Returns the numbers of what an object holds itself, by name."""
        return {child.local_name: child.node_id for child in self._nodes[node_id].children}

    def descendants(self) -> list[int]:
        """Returns the numbers of the root and of all below it, the nearest first."""
        found = {0: None}
        waiting = [0]
        for number in waiting:
            new = [child for child in self.children(number).values() if child not in found]
            found |= dict.fromkeys(new)
            waiting += dict.fromkeys(new)
        return list(found)

    def match(self, obj: Any) -> dict[int, Any]:
        """Returns the objects below another one that stand where the checkpoint has some, by their numbers there."""
        found, waiting = {0: obj}, [0]
        for number in waiting:
            here = dict(named_children(found[number]))
            for name, child in self.children(number).items():
                if name not in here or child == 0:
                    continue
                if child not in found:
                    found[child] = here[name]
                    waiting.append(child)
                elif found[child] is not here[name]:
                    warnings.warn(
                        f"tf.train.CheckpointView.match: the object {child} of the checkpoint stands for two objects: "
                        f"{found[child]!r:.60} and {here[name]!r:.60}",
                        stacklevel=2,
                    )
        return found

    def diff(self, obj: Any) -> tuple[dict[int, Any], list[int], list[Any]]:
        """Returns what `match` does, the numbers that the checkpoint alone has, and what is below `obj` alone."""
        found = self.match(obj)
        known = {id(one) for one in found.values()}
        there = [number for number in self.descendants() if number not in found]
        return found, there, [one for one in TrackableView(obj).descendants() if id(one) not in known]
