"""Facts that a layer above keeps beside tensors, without the tensors or the dispatcher knowing of them."""

from __future__ import annotations

import functools
import weakref
from typing import Any

from dovetail.tensor.symbolic import SymbolicTensor


class SideTable:
    """One fact a tensor (or composite tensor), kept for as long as the tensor lives; the owner is who made the table.

    Tensors are found by identity.  A symbolic tensor keeps its fact itself: the fact may be symbolic too, and through
    its graph lead back to the tensor, which a table would then keep alive for ever.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        # By id of the tensor: the fact, and what takes the entry out when the tensor goes.
        self._entries: dict[int, tuple[Any, weakref.ref]] = {}

    def get(self, tensor: Any) -> Any:
        """Returns what is kept beside a tensor, None when that is nothing."""
        entry = self._entries.get(id(tensor))
        if entry is not None:
            return entry[0]
        if type(tensor) is SymbolicTensor and tensor._beside is not None:
            return tensor._beside.get(self)
        return None

    def keep(self, tensor: Any, fact: Any) -> None:
        """Keeps a fact beside a tensor; None takes it away."""
        key = id(tensor)
        if type(tensor) is SymbolicTensor:
            tensor._beside = {**(tensor._beside or {}), self: fact}
        elif fact is None:
            self._entries.pop(key, None)
        else:  # the reference dies with its entry, so it never takes out a later one
            self._entries[key] = fact, weakref.ref(tensor, functools.partial(self._entries.pop, key))

    def __len__(self) -> int:
        """The number of tensors with values that something is kept beside."""
        return len(self._entries)

    def __deepcopy__(self, memo: dict) -> SideTable:
        return self
