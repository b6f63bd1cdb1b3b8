"""What is not there yet: the errors that say so, and the placeholders that raise them when they are used.

A program that imports more than it uses must run.  So `from tensorflow.keras.layers import NotThereYet` gives a
placeholder, and the error comes at its first use, with the name that was imported and the nearest one there is.
"""

from __future__ import annotations

from typing import Any, NoReturn, Union

from dovetail.compat.names import explain


class MissingAttributeError(AttributeError):
    """A module has no such name.  The message is worked out when it is read, so that `hasattr` stays cheap."""

    def __init__(self, full_name: str) -> None:
        super().__init__(full_name)
        self.full_name = full_name

    def __str__(self) -> str:
        return explain(self.full_name)


class MissingUseError(NotImplementedError):
    """A placeholder was called, subclassed or computed with."""

    def __init__(self, full_name: str) -> None:
        super().__init__(full_name)
        self.full_name = full_name

    def __str__(self) -> str:
        return explain(self.full_name)


class Placeholder:
    """Stands for a name that was imported and is not there.

    It may be stored, compared, hashed and written in type annotations, and nothing is an instance of it.  Whatever
    else is done with it raises an error.
    """

    def __init__(self, full_name: str) -> None:
        self.__name__ = self.__qualname__ = full_name.rpartition(".")[2]
        self._full_name = full_name

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise MissingUseError(self._full_name)

    __call__ = __mro_entries__ = __getitem__ = __iter__ = __len__ = __bool__ = __contains__ = _refuse
    __enter__ = __exit__ = __int__ = __float__ = __index__ = __array__ = __lt__ = __le__ = __gt__ = __ge__ = (
        _refuse
    )
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __matmul__ = __rmatmul__ = __pow__ = __rpow__ = __mod__ = __neg__ = __invert__ = __and__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingAttributeError(self.__dict__["_full_name"])

    def __instancecheck__(self, instance: object) -> bool:
        return False

    def __subclasscheck__(self, cls: type) -> bool:
        return False

    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007 - `|` is what this defines

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007

    def __repr__(self) -> str:
        return f"<{self._full_name}: not available in Dovetail yet>"
