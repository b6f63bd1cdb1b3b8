"""Facts that a layer above keeps beside tensors, without the tensors or the dispatcher knowing of them."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor


class SideTable:
    """One fact a tensor (or composite tensor), kept for as long as the tensor lives; the owner is who made the table.

    Tensors are found by identity.  A tensor keeps its facts itself, in a slot that it knows nothing of: that costs next
    to nothing, and a symbolic tensor's fact may be symbolic too, and through its graph lead back to the tensor, which a
    table would then keep alive for ever.  What has no such slot is found in the table.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        # By id of the tensor: the fact, and what takes the entry out when the tensor goes.
        self._entries: dict[int, tuple[Any, weakref.ref]] = {}

    def get(self, tensor: Any) -> Any:
        """Returns what is kept beside a tensor, None when that is nothing."""
        if type(tensor) in _WITH_SLOT:
            facts = getattr(tensor, "_beside", None)
            if facts is not None:
                return facts[1] if facts[0] is self else _other_fact(facts[2], self)
        entry = self._entries.get(id(tensor))
        return None if entry is None else entry[0]

    def keep(self, tensor: Any, fact: Any) -> None:
        """Keeps a fact beside a tensor; None takes it away."""
        if type(tensor) in _WITH_SLOT:
            others = getattr(tensor, "_beside", None)
            if others is not None:
                others = _without(others, self)
            tensor._beside = others if fact is None else (self, fact, others)
        elif fact is None:
            self._entries.pop(id(tensor), None)
        else:  # the reference dies with its entry, so it never takes out a later one
            key = id(tensor)
            self._entries[key] = fact, weakref.ref(tensor, functools.partial(self._entries.pop, key))

    def __len__(self) -> int:
        """The number of things without a slot that something is kept beside."""
        return len(self._entries)

    def __deepcopy__(self, memo: dict) -> SideTable:
        return self


# `_beside` of these is a chain `(table, fact, chain)`, the newest fact first, or None.
_WITH_SLOT = frozenset({Tensor, SymbolicTensor})


def _without(facts: Any, table: SideTable) -> Any:
    if facts is None:
        return None
    rest = _without(facts[2], table)
    return rest if facts[0] is table else (facts[0], facts[1], rest)


def _other_fact(facts: Any, table: SideTable) -> Any:
    while facts is not None:
        if facts[0] is table:
            return facts[1]
        facts = facts[2]
    return None
