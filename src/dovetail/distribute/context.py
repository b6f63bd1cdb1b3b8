"""In which replica code runs: `tf.distribute.get_replica_context` and what a replica can do with the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.autodiff.custom import connected
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.joints import Joint
from dovetail.base.settings import settings, state
from dovetail.distribute.lockstep import Meeting
from dovetail.distribute.reduction import ReduceOp, gathered, reduce_op, reduced, total
from dovetail.distribute.values import part, regrouped
from dovetail.ops import shapes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor


class ReplicaContext:
    """What a function that `Strategy.run` calls may ask and do.

    Args:
        strategy: whose replica it is.
        replica_id_in_sync_group: its number.
        meeting: where it meets the others; None for an only one.
    """

    def __init__(
        self, strategy: Any, replica_id_in_sync_group: int = 0, meeting: Meeting | None = None
    ) -> None:
        self._strategy, self._id, self._meeting = strategy, int(replica_id_in_sync_group), meeting
        self._before: list[Any] = []
        self._outer: tuple = ()  # the tapes that watch all replicas

    @property
    def strategy(self) -> Any:
        """The strategy."""
        return self._strategy

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas there are."""
        return self._strategy.num_replicas_in_sync

    @property
    def replica_id_in_sync_group(self) -> Tensor:
        """The number of this replica, an int32 scalar."""
        return convert_to_tensor(self._id, "int32")

    @property
    def index(self) -> int:
        """The number of this replica, as a Python number."""
        return self._id

    @property
    def devices(self) -> tuple[str, ...]:
        """The name of the device that this replica computes on."""
        return (self._strategy.extended.worker_devices[self._id],)

    def __enter__(self) -> ReplicaContext:
        self._before.append((state.replica, state.distribution))
        self._outer = state.tapes
        state.replica, state.distribution = self, self._strategy._if_chosen()
        return self

    def __exit__(self, *exc: object) -> None:
        state.replica, state.distribution = self._before.pop()

    # ---- with the others

    def merge_call(self, merge_fn: Callable, args: Any = (), kwargs: Any = None) -> Any:
        """Calls `merge_fn(strategy, *args, **kwargs)` once for all replicas, with values of each as `PerReplica`.

        Returns:
            this replica's part of what `merge_fn` returns.
        """
        strategy = self._strategy
        if self._meeting is None:
            with strategy._between_replicas():
                return merge_fn(strategy, *args, **(kwargs or {}))

        def combine(given: list) -> list:
            every_args, every_kwargs = regrouped(given)
            result = merge_fn(strategy, *every_args, **every_kwargs)
            return [part(result, i) for i in range(len(given))]

        return self._meeting.exchange("merge_call", (tuple(args), dict(kwargs or {})), combine)

    def all_reduce(self, reduce_op: Any, value: Any, options: Any = None) -> Any:
        """Returns the sum or the mean of each tensor of a structure over all replicas.  Differentiable.

        Args:
            reduce_op: `tf.distribute.ReduceOp`, or "SUM" or "MEAN".
            value: a tensor or a structure of them, of the same shapes on every replica.
            options: accepted, XLA chooses by itself.
        """
        op = _reduce_op(reduce_op, "all_reduce")
        return nest.map_structure(lambda leaf: self._reduced(op, leaf), value)

    def _reduced(self, op: ReduceOp, value: Any) -> Any:
        tensor = convert_to_tensor(value)
        if self._meeting is None:
            return tensor

        def everywhere(given: list) -> list:
            return [reduced(op, given)] * len(given)

        def pull(gradient: Any) -> Any:
            return self._exchange("the gradient of all_reduce", gradient, everywhere)

        return connected(tensor, self._exchange("all_reduce", tensor, everywhere), pull, self._outer)

    def all_gather(self, value: Any, axis: int, options: Any = None) -> Any:
        """Returns the tensors of all replicas, side by side along an axis in which they may differ.  Differentiable."""
        return nest.map_structure(lambda leaf: self._gathered(convert_to_tensor(leaf), axis), value)

    def _gathered(self, tensor: Any, axis: int) -> Any:
        if self._meeting is None:
            return tensor

        def everywhere(given: list) -> list:
            return [gathered(given, axis)] * len(given)

        def shares(given: list) -> list:
            whole = total([dy for dy, _ in given])
            sizes = [size for _, size in given]
            starts = [sum(sizes[:i]) for i in range(len(sizes))]
            return [_slice(whole, axis, start, size) for start, size in zip(starts, sizes, strict=True)]

        def pull(gradient: Any) -> Any:
            size = tensor.shape[axis] if tensor.shape[axis] is not None else shapes.shape(tensor)[axis]
            return self._exchange("the gradient of all_gather", (gradient, size), shares)

        return connected(tensor, self._exchange("all_gather", tensor, everywhere), pull, self._outer)

    def _exchange(self, what: str, value: Any, combine: Callable[[list], list]) -> Any:
        if self._meeting is None:
            return combine([value])[0]
        return self._meeting.exchange(what, value, combine)

    def once(self, what: str, value: Any, function: Callable[[list], Any]) -> Any:
        """Calls `function(values of all replicas)` once, outside of all replicas; every replica gets its result."""
        return self._exchange(what, value, lambda given: [function(given)] * len(given))

    def update_once(self, update: Callable, gradients: list, variables: Any, summed: bool = True) -> Any:
        """Calls `update(gradients, variables)` once, with the gradients of all replicas summed.

        Args:
            summed: False: the gradients are the same on every replica already.
        """

        def run(given: list) -> Any:
            grads = (
                given[0] if not summed else [_sum_of_present(column) for column in zip(*given, strict=True)]
            )
            return update(grads, variables)

        return self.once("an optimizer's step", gradients, run)


def _slice(whole: Any, axis: int, start: Any, size: Any) -> Any:
    index: list[Any] = [slice(None)] * whole.shape.rank
    index[axis] = slice(start, start + size)
    return whole[tuple(index)]


def _sum_of_present(column: tuple) -> Any:
    present = [gradient for gradient in column if gradient is not None]
    return total(present) if present else None


_reduce_op = reduce_op


class ValueContext:
    """What `experimental_distribute_values_from_function` tells the function: which replica the value is for."""

    def __init__(self, replica_id_in_sync_group: int = 0, num_replicas_in_sync: int = 1) -> None:
        self.replica_id_in_sync_group = replica_id_in_sync_group
        self.num_replicas_in_sync = num_replicas_in_sync

    def __repr__(self) -> str:
        return (
            f"ValueContext(replica_id_in_sync_group={self.replica_id_in_sync_group}, "
            f"num_replicas_in_sync={self.num_replicas_in_sync})"
        )


def get_strategy() -> Any:
    """Returns the strategy in whose scope the code runs; outside of any, the default one of one replica."""
    return state.distribution if _is_strategy(state.distribution) else default()


def has_strategy() -> bool:
    """True in the scope of a strategy that was chosen."""
    return _is_strategy(state.distribution)


def _is_strategy(distribution: Any) -> bool:
    return distribution is not None and distribution.is_strategy


def get_replica_context() -> Any:
    """Returns the context of the replica that the code runs in; None in a strategy's scope, outside of replicas."""
    if state.replica is not None:
        return state.replica
    if not has_strategy():
        return default()._only_replica
    one = state.distribution.as_one()
    return ReplicaContext(one) if state.distribution is one else None


def in_cross_replica_context() -> bool:
    """True in the scope of a strategy, outside of its replicas."""
    return get_replica_context() is None


def experimental_set_strategy(strategy: Any) -> None:
    """Makes a strategy the one that code runs under without a scope, in this thread and in those to come; None: none.

    Raises:
        RuntimeError: called within a scope.
    """
    if state.replica is not None or state.distribution is not settings.distribution:
        raise RuntimeError(
            f"experimental_set_strategy must not be called inside of a strategy's scope{at_user_location()}"
        )
    settings.distribution = state.distribution = None if strategy is None else strategy._if_chosen()


_default = Joint(
    "default_strategy", set_by="dovetail.distribute.kinds", called_by="tf.distribute.get_strategy"
)


def use_default(strategy: Any) -> None:
    """Says which strategy rules where none was chosen."""
    _default.set(strategy)


def default() -> Any:
    """Returns the strategy of one replica that rules where none was chosen."""
    return _default.get()
