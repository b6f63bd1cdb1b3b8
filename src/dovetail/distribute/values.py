"""Values that differ from replica to replica."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.base import nest
from dovetail.scopes import executing_eagerly
from dovetail.tensor.composite import CompositeTensor, is_composite
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.spec import TypeSpec, type_spec_from_value
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class DistributedValues:
    """Base of what has a value on each replica."""

    __slots__ = ()

    def _of_replicas(self) -> tuple:
        raise NotImplementedError


class PerReplica(DistributedValues, CompositeTensor):
    """One value a replica.

    Args:
        values: tensors, or composite tensors, in the order of the replicas.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = tuple(values)

    @property
    def values(self) -> tuple:
        """The values, in the order of the replicas."""
        return self._values

    @property
    def _type_spec(self) -> PerReplicaSpec:
        return PerReplicaSpec(*map(type_spec_from_value, map(_in_graph, self._values)))

    def __repr__(self) -> str:
        lines = (f"  {i}: {value!r}" for i, value in enumerate(self._values))
        return "PerReplica:{\n" + ",\n".join(lines) + "\n}"


class PerReplicaSpec(TypeSpec):
    """The spec of one value a replica: `PerReplicaSpec(spec of replica 0, spec of replica 1, ...)`."""

    def __init__(self, *value_specs: Any) -> None:
        self._value_specs = tuple(value_specs)

    @property
    def value_type(self) -> type:
        return PerReplica

    def _serialize(self) -> tuple:
        return self._value_specs

    @property
    def _component_specs(self) -> tuple:
        return self._value_specs

    def _to_components(self, value: Any) -> tuple:
        return value.values

    def _from_components(self, components: Any) -> PerReplica:
        return PerReplica(components)


def local(value: Any) -> tuple:
    """Returns the values of all replicas; of what is no such value, just itself."""
    if isinstance(value, PerReplica):
        return value.values
    return value._of_replicas() if isinstance(value, DistributedValues) else (value,)


def regrouped(results: list) -> Any:
    """Returns one structure whose leaves hold what each replica has there.

    Args:
        results: one structure a replica, all alike.

    A leaf that is the same object everywhere (None, a variable, a small number) is kept as it is.
    """
    if len(results) == 1:
        return results[0]
    return nest.map_structure(_joined, *results)


def _joined(*values: Any) -> Any:
    if all(value is values[0] for value in values) and not isinstance(values[0], TensorLike):
        return values[0]
    if isinstance(values[0], Variable) and all(value is values[0] for value in values):
        return values[0]
    return PerReplica([value if executing_eagerly() else _in_graph(value) for value in values])


def _in_graph(value: Any) -> Any:
    return value if isinstance(value, TensorLike) or is_composite(value) else convert_to_tensor(value)


def part(structure: Any, replica: int) -> Any:
    """Returns a structure with the values of one replica."""
    return nest.map_structure(
        lambda leaf: leaf.values[replica] if isinstance(leaf, PerReplica) else leaf, structure
    )
