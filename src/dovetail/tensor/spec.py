"""`tf.TensorSpec`: the shape, dtype and name that a tensor must have."""

from __future__ import annotations

from typing import Any

from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape


class TypeSpec:
    """Base of the descriptions of tensors."""

    __slots__ = ()


class TensorSpec(TypeSpec):
    """Describes a dense tensor: `tf.TensorSpec(shape=[None, 3], dtype=tf.float32)`."""

    __slots__ = ("_shape", "_dtype", "_name")

    def __init__(self, shape: Any, dtype: Any = dt.float32, name: str | None = None) -> None:
        self._shape, self._dtype, self._name = TensorShape(shape), dt.as_dtype(dtype), name

    @property
    def shape(self) -> TensorShape:
        return self._shape

    @property
    def dtype(self) -> dt.DType:
        return self._dtype

    @property
    def name(self) -> str | None:
        return self._name

    @classmethod
    def from_tensor(cls, tensor: Any, name: str | None = None) -> TensorSpec:
        return cls(tensor.shape, tensor.dtype, name)

    @classmethod
    def from_spec(cls, spec: Any, name: str | None = None) -> TensorSpec:
        return cls(spec.shape, spec.dtype, name or spec.name)

    def is_compatible_with(self, other: Any) -> bool:
        """True when a tensor (or spec) has this dtype and a compatible shape."""
        return self._dtype == other.dtype and self._shape.is_compatible_with(other.shape)

    def most_specific_compatible_type(self, other: TensorSpec) -> TensorSpec:
        if self._dtype != other._dtype or self._shape.rank != other._shape.rank:
            return TensorSpec(None, self._dtype, self._name)
        sizes = [a if a == b else None for a, b in zip(self._shape, other._shape, strict=True)]
        return TensorSpec(sizes, self._dtype, self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and (self._shape, self._dtype, self._name) == (
            other._shape,
            other._dtype,
            other._name,
        )

    def __hash__(self) -> int:
        return hash((self._shape, self._dtype, self._name))

    def __repr__(self) -> str:
        return f"TensorSpec(shape={self._shape}, dtype={self._dtype!r}, name={self._name!r})"
