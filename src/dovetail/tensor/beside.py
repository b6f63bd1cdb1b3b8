"""Facts that a layer above keeps beside tensors, without the tensors or the dispatcher knowing of them."""

from __future__ import annotations

import weakref
from typing import Any

from dovetail.tensor.symbolic import SymbolicTensor


class _Entry(weakref.ref):
    """What is kept beside one tensor, for as long as the tensor lives."""

    __slots__ = ("fact", "key")

    fact: Any
    key: int


class SideTable:
    """One fact a tensor (or composite tensor), kept for as long as the tensor lives; the owner is who made the table.

    Tensors are found by identity.  A symbolic tensor keeps its fact itself: the fact may be symbolic too, and through
    its graph lead back to the tensor, which a table would then keep alive for ever.
    """

    __slots__ = ("_entries", "_forget")

    def __init__(self) -> None:
        entries: dict[int, _Entry] = {}

        def forget(entry: Any) -> None:
            key = entry.key
            if entries.get(key) is entry:  # else something newer is kept there
                del entries[key]

        self._entries, self._forget = entries, forget

    def get(self, tensor: Any) -> Any:
        """Returns what is kept beside a tensor, None when that is nothing."""
        entry = self._entries.get(id(tensor))
        if entry is not None:
            return entry.fact
        if type(tensor) is SymbolicTensor and tensor._beside is not None:
            return tensor._beside.get(self)
        return None

    def keep(self, tensor: Any, fact: Any) -> None:
        """Keeps a fact beside a tensor; None takes it away."""
        if type(tensor) is SymbolicTensor:
            tensor._beside = {**(tensor._beside or {}), self: fact}
        elif fact is None:
            self._entries.pop(id(tensor), None)
        else:
            kept = _Entry(tensor, self._forget)
            kept.key, kept.fact = id(tensor), fact
            self._entries[kept.key] = kept

    def __len__(self) -> int:
        """The number of tensors with values that something is kept beside."""
        return len(self._entries)

    def __deepcopy__(self, memo: dict) -> SideTable:
        return self
