"""Joints: places where a lower layer calls what a higher one provides, since imports point down only.

The lower module declares one, `_stack = Joint("stack", set_by="dovetail.ops.array", called_by="lists of tensors")`, and
calls `_stack.target(...)`; the higher one sets it when it is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

JOINTS: dict[str, Joint] = {}


class JointNotSetError(RuntimeError):
    """Something is called that a module provides which was not imported."""


class Joint:
    """What a higher layer provides for a lower one to call, or to use.

    Args:
        name: unique among the joints.
        set_by: the module that provides it.
        called_by: what needs it.

    Attributes:
        target: what is provided; until it is set, a function that raises JointNotSetError.
    """

    __slots__ = ("called_by", "is_set", "name", "set_by", "target")

    def __init__(self, name: str, *, set_by: str, called_by: str) -> None:
        if name in JOINTS:
            raise ValueError(f"there is a joint {name!r} already")
        JOINTS[name] = self
        self.name, self.set_by, self.called_by, self.is_set = name, set_by, called_by, False
        self.target: Any = self._refuse

    def set(self, target: Any) -> None:
        """Provides what is called."""
        self.target, self.is_set = target, True

    def get(self) -> Any:
        """Returns what is provided; raises JointNotSetError when nothing is."""
        return self.target if self.is_set else self._refuse()

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise JointNotSetError(
            f"{self.called_by}: nothing provides {self.name!r} yet; importing {self.set_by} does"
        )

    def __repr__(self) -> str:
        return f"<joint {self.name!r}, set by {self.set_by}>"


class Recorder(NamedTuple):
    """What records calls of a function on symbolic tensors: whether it has to, and how it does."""

    needed: Callable
    record: Callable
