"""`tf.experimental.Optional`: a value that may not be there, such as the next element of an iterator."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.function.autograph.checks import check_later
from dovetail.ops.arithmetic import identity
from dovetail.tensor import Tensor, TensorSpec, TypeSpec, convert_to_tensor
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.spec import BatchableTypeSpec, type_spec_from_value, value_of


class Optional(CompositeTensor):
    """A value, or none: `Optional.from_value(value)`, `Optional.empty(element_spec)`.

    Inside of compiled code one that is empty has zeros for tensors, where unknown sizes are 0.

    Example:
        >>> tf.experimental.Optional.from_value(tf.constant(3)).get_value().numpy()
        3
    """

    __slots__ = ("_element_spec", "_has_value", "_value")

    def __init__(self, has_value: Any, value: Any, element_spec: Any) -> None:
        self._has_value, self._value, self._element_spec = has_value, value, element_spec

    @staticmethod
    def from_value(value: Any) -> Optional:
        """Returns an optional that holds a tensor, a composite tensor, or a structure of them."""
        value = nest.map_structure(
            lambda leaf: leaf if isinstance(leaf, CompositeTensor) else convert_to_tensor(leaf), value
        )
        spec = nest.map_structure(type_spec_from_value, value)
        return Optional(Tensor(np.array(True)), value, spec)

    @staticmethod
    def empty(element_spec: Any) -> Optional:
        """Returns an optional without a value.

        Args:
            element_spec: a `tf.TypeSpec`, or a structure of them: what the value would be.
        """
        value = nest.map_structure(lambda spec: value_of(spec, _nothing), element_spec)
        return Optional(Tensor(np.array(False)), value, element_spec)

    def has_value(self, name: str | None = None) -> Any:
        """Returns whether there is a value, as a bool scalar."""
        return self._has_value

    def get_value(self, name: str | None = None) -> Any:
        """Returns the value.

        Raises:
            InvalidArgumentError: there is none.
        """
        check_later(
            self._has_value,
            InvalidArgumentError(f"The given optional does not have a value.{at_user_location()}"),
        )
        return nest.map_structure(
            lambda leaf: leaf if isinstance(leaf, CompositeTensor) else identity(leaf), self._value
        )

    @property
    def element_spec(self) -> Any:
        """The `tf.TypeSpec` of the value, in its structure."""
        return self._element_spec

    @property
    def _type_spec(self) -> OptionalSpec:
        return OptionalSpec(self._element_spec)

    def __repr__(self) -> str:
        return f"<tf.experimental.Optional of {self._element_spec!r}>"


def _nothing(spec: TensorSpec) -> Tensor:
    shape = () if spec.shape.rank is None else tuple(0 if size is None else size for size in spec.shape)
    return Tensor(np.zeros(shape, spec.dtype.numpy_dtype))


class OptionalSpec(BatchableTypeSpec):
    """Describes a `tf.experimental.Optional`.

    Args:
        element_spec: a `tf.TypeSpec`, or a structure of them: what the value is.
    """

    __slots__ = ("_element_spec",)

    def __init__(self, element_spec: Any) -> None:
        self._element_spec = element_spec

    @staticmethod
    def from_value(value: Optional) -> OptionalSpec:
        return OptionalSpec(value.element_spec)

    @property
    def value_type(self) -> type:
        return Optional

    def _serialize(self) -> tuple:
        return (self._element_spec,)

    @property
    def _component_specs(self) -> Any:
        return (TensorSpec((), "bool"), self._element_spec)

    def _to_components(self, value: Any) -> Any:
        return (value._has_value, value._value)

    def _from_components(self, components: Any) -> Any:
        has_value, value = components
        return Optional(has_value, value, self._element_spec)

    def _batch(self, batch_size: int | None) -> TypeSpec:
        raise NotImplementedError(f"tf.OptionalSpec: optionals cannot be batched{at_user_location()}")

    _unbatch = _batch  # type: ignore[assignment]
