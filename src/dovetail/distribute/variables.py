"""Variables that replicas share: mirrored ones, and ones of which each replica has a copy."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import among_replicas, state
from dovetail.distribute.reduction import ReduceOp, reduced
from dovetail.distribute.values import DistributedValues
from dovetail.tensor.sharing import VariableAggregation, VariableSynchronization, named
from dovetail.tensor.variable import Variable, enter_scope


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

    _strategy: Any
    _copies: tuple  # one variable a replica, once each has a value of its own

    @property
    def distribute_strategy(self) -> Any:
        """The strategy that the variable was created under."""
        return self._strategy

    @property
    def values(self) -> tuple:
        """The values of all replicas."""
        return self._of_replicas()

    def _of_replicas(self) -> tuple:
        return tuple(Variable._tensor(each) for each in self._copies)

    def _here(self) -> Any:
        """Returns the copy of the replica that the code runs in; None where there is none."""
        replica = state.replica
        return self._copies[replica.index] if replica is not None and self._copies else None

    def _seen(self, own: Any) -> Any:
        """Returns the value of a replica's copy as ops see it: tapes take it for that of the variable."""
        tensor = Variable._plain(own)
        for tape in state.tapes:
            tape.read_variable(self, tensor)
        wanted = state.autocast
        if wanted is not None and own._autocast and wanted != own._numpy_dtype:
            return tensor._astype(wanted)
        return tensor

    def _divide(self, first: Any = None) -> None:
        """Gives each replica a copy that holds what the variable does.

        Args:
            first: what is the copy of the first replica; a new one by default.
        """
        before, state.distribution = state.distribution, None
        replicas = range(self._strategy.num_replicas_in_sync)
        try:
            with enter_scope(None):
                self._copies = tuple(
                    first if first is not None and i == 0 else _alone(self) for i in replicas
                )
        finally:
            state.distribution = before

    def __deepcopy__(self, memo: Any) -> Any:
        clone: Any = Variable.__deepcopy__(self, memo)  # type: ignore[arg-type]
        clone._copies = tuple(clone if each is self else copy.deepcopy(each, memo) for each in self._copies)
        return clone

    def __reduce__(self) -> tuple:
        """Is a plain variable in files."""
        restore, (kind, facts, _) = Variable.__reduce__(self)  # type: ignore[arg-type]
        facts = {
            name: fact for name, fact in facts.items() if name not in ("_strategy", "_copies", "_layout")
        }
        return restore, (kind.__bases__[1], facts, np.array(self._plain()._value))  # type: ignore[attr-defined]


def _alone(variable: Any) -> Variable:
    return Variable(variable._array, trainable=False, name=variable._name, dtype=variable._numpy_dtype)


class _Mirrored(_Shared):
    """One value for all replicas.  What replicas assign is brought together first.

    Where nothing says how (`VariableAggregation.NONE`), each replica from then on has a copy: the variable's own value
    is the first one's, and what is assigned outside of replicas goes to all.
    """

    def _of_replicas(self) -> tuple:
        if self._copies:
            return super()._of_replicas()
        return (self._tensor(),) * self._strategy.num_replicas_in_sync

    def _tensor(self) -> Any:
        here = self._here()
        return super()._tensor() if here is None else self._seen(here)  # type: ignore[misc]

    def _plain(self) -> Any:
        here = self._here()
        return Variable._plain(self if here is None else here)  # type: ignore[arg-type]

    def _store(self, tensor: Any) -> None:
        for each in self._targets():
            Variable._store(each, tensor)

    def _assign_symbolic(self, value: Any) -> Any:
        for each in self._targets():
            Variable._assign_symbolic(each, value)
        return self

    def _targets(self) -> tuple:
        """Returns the variables that an assignment goes to."""
        here = self._here()
        return (self, *self._copies[1:]) if here is None else (here,)

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
        if not among_replicas():
            return getattr(super(), method)(value, *args, **kwargs)
        how, name = self.aggregation, self._name  # type: ignore[attr-defined]
        if how is VariableAggregation.NONE and self._strategy._copies_variables:
            return self._apart(method, value, args, kwargs)
        change = getattr(super(), method)
        state.replica.once(
            f"{name}.{method}", value, lambda given: change(combined(how, given, name), *args, **kwargs)
        )
        return self

    def _apart(self, method: str, value: Any, args: tuple, kwargs: dict) -> Any:
        """Changes the copy of one replica alone."""
        if not self._copies:
            self._divide(self)
            if state.scope is not None and id(self) in state.scope.written:
                for each in self._copies[1:]:
                    Variable._store(each, Variable._plain(self))  # type: ignore[arg-type]
        getattr(Variable, method)(self._here(), value, *args, **kwargs)
        return self


class _OnRead(_Shared):
    """A copy a replica; they are brought together where they are read outside of replicas."""

    def _tensor(self) -> Any:
        here = self._here()
        return self._aggregated(Variable._tensor) if here is None else self._seen(here)

    def _plain(self) -> Any:
        here = self._here()
        return self._aggregated(Variable._plain) if here is None else here._plain()

    def _aggregated(self, read: Any) -> Any:
        how = self.aggregation  # type: ignore[attr-defined]
        if how is VariableAggregation.NONE or how is VariableAggregation.ONLY_FIRST_REPLICA:
            return read(self._copies[0])
        return reduced(ReduceOp[how.name], [read(copy) for copy in self._copies])

    def _store(self, tensor: Any) -> None:
        here = self._here()
        if here is not None:
            here.assign(tensor)
            return
        summed = self.aggregation is VariableAggregation.SUM  # type: ignore[attr-defined]
        for each in self._copies:
            each.assign(tensor / len(self._copies) if summed else tensor)

    def _assign_symbolic(self, value: Any) -> Any:
        self._store(value)
        return self

    def __repr__(self) -> str:
        name, shape, dtype = self.name, self.shape, self.dtype  # type: ignore[attr-defined]
        values = (
            "" if state.scope is not None else "".join(f"\n  {i}: {x!r}" for i, x in enumerate(self.values))
        )
        return f"<tf.Variable '{name}' shape={shape} dtype={dtype.name}, one value a replica{values and ':' + values}>"


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
    if how is VariableSynchronization.NONE:
        raise ValueError(
            "tf.Variable: synchronization=NONE means nothing under a strategy. Use AUTO, ON_WRITE or, for a value of "
            f"its own on each replica, ON_READ{at_user_location()}"
        )
    on_read = how is VariableSynchronization.ON_READ
    return _kind(_OnRead, base, "SyncOnRead") if on_read else _kind(_Mirrored, base, prefix)


def share(variable: Any, strategy: Any) -> None:
    """Gives the replicas of a strategy their parts of a variable that was just created."""
    variable._strategy, variable._copies = strategy, ()
    if issubclass(type(variable), _OnRead):
        variable._divide()
