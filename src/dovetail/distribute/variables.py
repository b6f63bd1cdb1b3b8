"""Variables that replicas share: mirrored ones, and ones of which each replica has a copy."""

from __future__ import annotations

import enum
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas, state
from dovetail.distribute.reduction import ReduceOp, reduced
from dovetail.distribute.values import DistributedValues
from dovetail.tensor.variable import Variable


class VariableSynchronization(enum.Enum):
    """When the copies of a variable are brought together."""

    AUTO = 0
    NONE = 1
    ON_WRITE = 2
    ON_READ = 3


class VariableAggregation(enum.Enum):
    """How what replicas assign, or hold, becomes one value."""

    NONE = 0
    SUM = 1
    MEAN = 2
    ONLY_FIRST_REPLICA = 3


def named(kind: type[enum.Enum], value: Any, default: enum.Enum) -> Any:
    """Returns the member that a name, a number or the member itself means; None: the default.

    Raises:
        ValueError: there is no such member.
    """
    if value is None:
        return default
    if isinstance(value, kind):
        return value
    name = str(getattr(value, "name", value)).upper()
    if name in kind.__members__:
        return kind[name]
    raise ValueError(
        f"{kind.__name__}: expected one of {', '.join(kind.__members__)}, received {value!r}{at_user_location()}"
    )


def combined(how: VariableAggregation, values: list, name: str) -> Any:
    """Returns what replicas assign together.

    Raises:
        ValueError: nothing says how.
    """
    if how is VariableAggregation.NONE:
        raise ValueError(
            f"{name}: replicas assign to a variable that does not say how their values become one. Create it with "
            f"aggregation=tf.VariableAggregation.SUM (or MEAN, ONLY_FIRST_REPLICA){at_user_location()}"
        )
    if how is VariableAggregation.ONLY_FIRST_REPLICA:
        return values[0]
    return reduced(ReduceOp[how.name], values)


class _Shared(DistributedValues):
    """What variables under a strategy have in common; goes before `Variable` in the bases."""

    __slots__ = ()
    _strategy: Any

    @property
    def distribute_strategy(self) -> Any:
        """The strategy that the variable was created under."""
        return self._strategy

    @property
    def values(self) -> tuple:
        """The values of all replicas."""
        return self._of_replicas()


class _Mirrored(_Shared):
    """One value for all replicas.  What replicas assign is brought together first."""

    __slots__ = ()

    def _of_replicas(self) -> tuple:
        return (self._tensor(),) * self._strategy.num_replicas_in_sync  # type: ignore[attr-defined]

    def assign(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Replaces the value; in a replica, by the aggregated values of all."""
        return self._together("assign", value, args, kwargs)

    def assign_add(self, delta: Any, *args: Any, **kwargs: Any) -> Any:
        """Adds `delta`; in a replica, the aggregated deltas of all."""
        return self._together("assign_add", delta, args, kwargs)

    def assign_sub(self, delta: Any, *args: Any, **kwargs: Any) -> Any:
        """Subtracts `delta`; in a replica, the aggregated deltas of all."""
        return self._together("assign_sub", delta, args, kwargs)

    def _together(self, method: str, value: Any, args: tuple, kwargs: dict) -> Any:
        change = getattr(super(), method)
        if not among_replicas():
            return change(value, *args, **kwargs)
        how = named(VariableAggregation, self.aggregation, VariableAggregation.NONE)  # type: ignore[attr-defined]
        name = self._name  # type: ignore[attr-defined]
        state.replica.once(
            f"{name}.{method}", value, lambda given: change(combined(how, given, name), *args, **kwargs)
        )
        return self


class _OnRead(_Shared):
    """A copy a replica; they are brought together where they are read outside of replicas."""

    __slots__ = ()
    _copies: tuple

    def _of_replicas(self) -> tuple:
        return tuple(copy._tensor() for copy in self._copies)

    def _here(self) -> Variable | None:
        replica = state.replica
        return self._copies[replica.index] if replica is not None else None

    def _tensor(self) -> Any:
        here = self._here()
        return self._aggregated(Variable._tensor) if here is None else here._tensor()

    def _plain(self) -> Any:
        here = self._here()
        return self._aggregated(Variable._plain) if here is None else here._plain()

    def _aggregated(self, read: Any) -> Any:
        how = named(VariableAggregation, self.aggregation, VariableAggregation.NONE)  # type: ignore[attr-defined]
        if how in (VariableAggregation.NONE, VariableAggregation.ONLY_FIRST_REPLICA):
            return read(self._copies[0])
        return reduced(ReduceOp[how.name], [read(copy) for copy in self._copies])

    def _store(self, tensor: Any) -> None:
        here = self._here()
        if here is not None:
            here._store(tensor)
            return
        how = named(VariableAggregation, self.aggregation, VariableAggregation.NONE)  # type: ignore[attr-defined]
        share = tensor / len(self._copies) if how is VariableAggregation.SUM else tensor
        for copy in self._copies:
            copy.assign(share)


_kinds: dict[tuple[type, type, str], type] = {}


def _kind(shared: type, base: type, prefix: str) -> type:
    found = _kinds.get((shared, base, prefix))
    if found is None:
        found = type(f"{prefix}{base.__name__}", (shared, base), {"__module__": __name__})
        _kinds[shared, base, prefix] = found
    return found


def class_for(base: type, synchronization: Any, prefix: str = "Mirrored") -> type:
    """Returns the class of variables like `base` that replicas share.

    Raises:
        ValueError: `synchronization` is none of TensorFlow's.
    """
    if issubclass(base, _Shared):
        return base
    how = named(VariableSynchronization, synchronization, VariableSynchronization.AUTO)
    on_read = how is VariableSynchronization.ON_READ
    return _kind(_OnRead, base, "SyncOnRead") if on_read else _kind(_Mirrored, base, prefix)


def share(variable: Any, strategy: Any) -> None:
    """Gives the replicas of a strategy their parts of a variable that was just created."""
    named(VariableAggregation, variable.aggregation, VariableAggregation.NONE)
    variable._strategy = strategy
    if not issubclass(type(variable), _OnRead):
        return
    before, state.distribution = state.distribution, None
    try:
        variable._copies = tuple(
            Variable(variable._array, trainable=False, name=variable._name, dtype=variable._numpy_dtype)
            for _ in range(strategy.num_replicas_in_sync)
        )
    finally:
        state.distribution = before
