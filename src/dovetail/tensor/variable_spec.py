"""The spec of a variable: which variables a trace of a `tf.function` serves as an argument."""

from __future__ import annotations

from typing import Any

from dovetail.base.own import declare
from dovetail.tensor import spec as specs
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import OfOneTensor, TypeSpec
from dovetail.tensor.variable import Variable


@declare
class VariableSpec(OfOneTensor, TypeSpec):
    """What a variable is: its shape, dtype, whether it is trained.

    Args:
        shape: of the variable.
        dtype: of its elements.
        trainable: whether tapes watch it by themselves.
        alias_id: which variable it is among those of one call: variables passed twice have one number.
    """

    _has_components = False

    def __init__(
        self, shape: Any, dtype: Any = "float32", trainable: bool = True, alias_id: int | None = None
    ) -> None:
        self._shape, self._dtype = TensorShape(shape), as_dtype(dtype)
        self.trainable, self.alias_id = trainable, alias_id

    @classmethod
    def from_value(cls, value: Variable) -> VariableSpec:
        """Returns the spec of a variable."""
        return cls(value.shape, value.dtype, value.trainable)

    @property
    def value_type(self) -> type:
        return Variable

    def is_compatible_with(self, spec_or_value: Any) -> bool:
        """True when a variable (or spec) has this dtype, is trained as this says, and has a compatible shape."""
        other = spec_or_value
        return super().is_compatible_with(self.from_value(other) if isinstance(other, Variable) else other)

    def _serialize(self) -> tuple:
        return self._shape, self._dtype, self.trainable, self.alias_id

    def __repr__(self) -> str:
        return (
            f"VariableSpec(shape={self._shape}, dtype={self._dtype!r}, trainable={self.trainable!r}, "
            f"alias_id={self.alias_id!r})"
        )


def type_spec_from_value(value: Any) -> TypeSpec:
    """Returns the spec of a value: of a variable, a tensor, a composite tensor, a dataset, or what makes a tensor.

    Raises:
        TypeError: the value has none.

    Example:
        >>> tf.type_spec_from_value(tf.ones([2, 3]))
        TensorSpec(shape=(2, 3), dtype=tf.float32, name=None)
    """
    return (
        VariableSpec.from_value(value) if isinstance(value, Variable) else specs.type_spec_from_value(value)
    )


def specs_of(variables: list[Variable]) -> list[VariableSpec]:
    """Returns the specs of the variables of one call, with the numbers that tell which are one."""
    numbers: dict[int, int] = {}
    return [
        VariableSpec(v.shape, v.dtype, v.trainable, numbers.setdefault(id(v), len(numbers)))
        for v in variables
    ]
