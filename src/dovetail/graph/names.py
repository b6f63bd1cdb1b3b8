"""Names of operations: unique in their graph, with the name scopes before them, by TensorFlow's rules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dovetail.ops import arithmetic
from dovetail.ops.operators import OPERATOR_CODES

_MOST_FRAMES = 10  # between an operator and the node that it becomes
_VIEW = arithmetic.add.public.__code__

# What TensorFlow calls operations, where that is not their type: by the table's name, and by that of a construct.
_NAMES = {
    "add": "Add",
    "divide": "truediv",
    "floordiv": "floordiv",
    "concat": "concat",
    "stack": "stack",
    "unstack": "unstack",
    "split": "split",
    "transpose": "transpose",
    "one_hot": "one_hot",
    "getitem": "strided_slice",
    "zeros_like": "zeros_like",
    "ones_like": "ones_like",
    "range": "range",
    "dropout": "dropout",
    "random_normal": "random_normal",
    "random_uniform": "random_uniform",
    "clip_by_value": "clip_by_value",
    "contraction": "einsum",
    "boolean_mask": "boolean_mask",
    "reduce_std": "reduce_std",
    "tf.cond": "cond",
    "tf.case": "case",
    "tf.switch_case": "switch_case",
    "tf.while_loop": "while",
    "tf.map_fn": "map",
    "tf.scan": "scan",
    "tf.foldl": "foldl",
    "tf.foldr": "foldr",
    "tf.gradients": "gradients",
    "tf.hessians": "hessians",
    "tf.group": "group_deps",
}
# Those of Python's operators.
_OPERATORS = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "floormod": "mod",
    "pow": "pow",
    "matmul": "matmul",
    "logical_and": "and",
    "logical_or": "or",
}


def base_name(node: Any) -> str:
    """Returns what an operation is called, before the name is made unique."""
    operation = node.operation
    op = getattr(operation, "op", None)
    key = operation.name if op is None else op.name
    if op is not None and key in _OPERATORS and _by_operator():
        return _OPERATORS[key]
    return _NAMES.get(key) or node.type


def _by_operator() -> bool:
    """True when what is being recorded was written with one of Python's operators: `x + y`, not `tf.add(x, y)`."""
    frame: Any = sys._getframe(2)
    for _ in range(_MOST_FRAMES):
        frame = frame.f_back
        if frame is None:
            return False
        if frame.f_code in OPERATOR_CODES:
            return frame.f_back is None or frame.f_back.f_code is not _VIEW
    return False


class Names:
    """The names that a graph has given.

    Attributes:
        scopes: the open name scopes, each in full.
    """

    def __init__(self) -> None:
        self._used: dict[str, int] = {}  # without case
        self.scopes: list[str] = []

    @property
    def scope(self) -> str:
        """The open name scope, "" at the top."""
        return self.scopes[-1] if self.scopes else ""

    def unique(self, name: str, mark_as_used: bool = True) -> str:
        """Returns `name` in the open scope, with a number when it was given before.

        Args:
            name: the name; names that differ in case only count as one.
            mark_as_used: the name is given with this call.
        """
        full = f"{self.scope}/{name}" if self.scope else name
        key = base = full.lower()
        count = self._used.get(base, 0)
        if mark_as_used:
            self._used[base] = count + 1
        if count == 0:
            return full
        while key in self._used:
            key = f"{base}_{count}"
            count += 1
        if mark_as_used:
            self._used[key] = 1
        return f"{full}_{count - 1}"

    def given(self) -> dict[str, int]:
        """Returns what `take_back` takes: the names that are given by now."""
        return dict(self._used)

    def take_back(self, given: dict[str, int]) -> None:
        """Takes back all names that were given later."""
        self._used = dict(given)

    def scope_name(self, name: str | None) -> str:
        """Returns the full name of a new scope; one that ends in "/" is entered again as it is."""
        if not name:
            return ""
        return name.rstrip("/") if name.endswith("/") else self.unique(name)

    @contextmanager
    def entered(self, full: str) -> Iterator[str]:
        """Opens a name scope by its full name."""
        self.scopes.append(full)
        try:
            yield full + "/" if full else ""
        finally:
            self.scopes.pop()
