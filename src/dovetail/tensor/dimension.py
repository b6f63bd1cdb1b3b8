"""`tf.compat.v1.Dimension`: one size of a shape, as programs for TensorFlow 1 use it (`x.shape.dims[0].value`)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any


class Dimension:
    """A size that may be unknown.

    Arithmetic with an unknown size is unknown; comparing with one gives None, as in TensorFlow.

    Attributes:
        value: the size, None when it is unknown.

    Example:
        >>> tf.TensorShape([None, 3]).dims[1].value
        3
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value: int | None = _value_of(value)

    def __int__(self) -> int:
        return operator.index(self)

    def __index__(self) -> int:
        if self.value is None:
            raise TypeError("an unknown Dimension is no number")
        return self.value

    def is_compatible_with(self, other: Any) -> bool:
        """True when the sizes are equal, or one is unknown."""
        value = _value_of(other)
        return self.value is None or value is None or self.value == value

    def assert_is_compatible_with(self, other: Any) -> None:
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {_value_of(other)} are not compatible")

    def merge_with(self, other: Any) -> Dimension:
        """Returns what either side knows; raises ValueError when they contradict."""
        self.assert_is_compatible_with(other)
        return Dimension(_value_of(other) if self.value is None else self.value)

    def __eq__(self, other: object) -> Any:
        return self._compared(other, operator.eq)

    def __ne__(self, other: object) -> Any:
        return self._compared(other, operator.ne)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compared(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compared(other, operator.ge)

    def _compared(self, other: Any, how: Callable) -> Any:
        try:
            value = _value_of(other)
        except TypeError:
            return NotImplemented
        if self.value is None and value is None and how in (operator.eq, operator.ne):
            return None
        return None if self.value is None or value is None else how(self.value, value)

    def _with(self, other: Any, how: Callable, swapped: bool = False) -> Any:
        try:
            value = _value_of(other)
        except TypeError:
            return NotImplemented
        if self.value is None or value is None:
            return Dimension(None)
        return Dimension(how(value, self.value) if swapped else how(self.value, value))

    def __add__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._with(other, operator.add)

    def __sub__(self, other: Any) -> Any:
        return self._with(other, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, operator.sub, swapped=True)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    def __rmul__(self, other: Any) -> Any:
        return self._with(other, operator.mul)

    def __floordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with(other, operator.floordiv, swapped=True)

    def __mod__(self, other: Any) -> Any:
        return self._with(other, operator.mod)

    def __rmod__(self, other: Any) -> Any:
        return self._with(other, operator.mod, swapped=True)

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return "?" if self.value is None else str(self.value)

    def __repr__(self) -> str:
        return f"Dimension({self.value})"

    def __reduce__(self) -> tuple:
        return Dimension, (self.value,)


def _value_of(size: Any) -> int | None:
    if size is None:
        return None
    return size.value if isinstance(size, Dimension) else operator.index(size)
