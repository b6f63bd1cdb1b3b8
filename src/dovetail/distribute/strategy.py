"""Strategies: on which devices a program runs, in how many replicas, and how these share what they compute."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.distribute import datasets
from dovetail.distribute.context import ReplicaContext, ValueContext
from dovetail.distribute.lockstep import run_in_turns
from dovetail.distribute.reduction import gathered, reduce_op, reduced, reduced_along
from dovetail.distribute.values import PerReplica, local, part, regrouped
from dovetail.distribute.variables import class_for, share
from dovetail.function import Function, function
from dovetail.function.autograph.gate import converted
from dovetail.scopes import executing_eagerly
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.layout import Layout, Mesh

BATCH = "batch"


class Strategy:
    """A way to distribute a program over devices.  Its replicas share the variables that are created in its `scope`.

    Args:
        extended: the devices, as `Extended`.
    """

    is_strategy = True
    _prefix = "Mirrored"
    _divides_batches = False  # whether `fit` runs over all devices
    _copies_variables = True  # whether a replica may have a value of its own

    def __init__(self, extended: Extended) -> None:
        self._extended = extended
        extended.strategy = weakref.proxy(self)
        self._mesh = Mesh((len(extended.logical),), (BATCH,), extended.logical)
        self._one: Any = _Together(self)
        self._functions: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def __deepcopy__(self, memo: Any) -> Strategy:
        """Returns itself: a copy of a model or a variable runs where the first does."""
        return self

    def __reduce__(self) -> tuple:
        """Is None in files: what is read from them belongs to no strategy."""
        return type(None), ()

    # ---- what it consists of

    @property
    def num_replicas_in_sync(self) -> int:
        """How many replicas compute at a time."""
        return len(self._extended.logical)

    @property
    def extended(self) -> Extended:
        """The devices, and functions for those who write strategies."""
        return self._extended

    @property
    def cluster_resolver(self) -> None:
        """None: it runs in one process."""
        return None

    @contextlib.contextmanager
    def scope(self) -> Iterator[Strategy]:
        """Makes this the strategy of a `with` block.

        Raises:
            RuntimeError: another one is in force.
        """
        self._check_alone("scope()")
        before, state.distribution = state.distribution, self._if_chosen()
        try:
            yield self
        finally:
            state.distribution = before

    def _check_outside(self, what: str) -> None:
        """Raises RuntimeError in a replica."""
        if state.replica is not None:
            raise RuntimeError(
                f"{type(self).__name__}.{what} is called inside of a replica, where each runs for itself. Call it "
                f"outside of the function that run() calls, or in one that merge_call() calls{at_user_location()}"
            )

    def _check_count(self, what: str, structure: Any) -> None:
        """Raises ValueError for values of another number of replicas."""
        wanted = self.num_replicas_in_sync
        for leaf in nest.flatten(structure):
            if isinstance(leaf, PerReplica) and len(leaf.values) != wanted:
                raise ValueError(
                    f"{type(self).__name__}.{what}: the strategy has {wanted} replica{'s' * (wanted > 1)}, and a value "
                    f"of {len(leaf.values)} replicas was given: it is another strategy's{at_user_location()}"
                )

    def _check_alone(self, what: str) -> None:
        """Raises RuntimeError in a replica, and in the scope of another strategy."""
        self._check_outside(what)
        if state.distribution is not None and state.distribution is not self._if_chosen():
            raise RuntimeError(
                f"Mixing different tf.distribute.Strategy objects: {type(state.distribution).__name__} is in force, "
                f"and {type(self).__name__}.{what} was called{at_user_location()}"
            )

    def _if_chosen(self) -> Strategy | None:
        """Returns the strategy, None for the default one, which is as good as none."""
        return self

    @contextlib.contextmanager
    def _between_replicas(self) -> Iterator[None]:
        """Leaves the replica around it."""
        before = state.replica, state.distribution
        state.replica, state.distribution = None, self._if_chosen()
        try:
            yield
        finally:
            state.replica, state.distribution = before

    # ---- where things lie

    def adopt(self, variable: Any) -> None:
        """Gives a variable that was just created its place."""
        variable._lay_out(Layout(self._mesh))
        share(variable, self)

    def as_one(self) -> Any:
        """Returns what rules inside of a step that all devices do together, on a whole batch: one replica."""
        return self._one

    def whole_layout(self) -> Layout | None:
        """Returns the layout of what every device has all of, None where nothing is divided."""
        return Layout(self._mesh) if self._divides_batches else None

    def named(self, variable: Any) -> None:
        """Does nothing: where a variable lies does not depend on its name."""

    def class_for(self, base: type, synchronization: Any) -> type:
        """Returns the class of variables like `base` that are created under the strategy."""
        return class_for(base, synchronization, self._prefix)

    def data_layout(self, shape: tuple) -> Layout | None:
        """Returns how a batch of this shape is divided over the devices; None: it is not."""
        if not self._divides_batches or not shape:
            return None
        layout = Layout(self._mesh, (BATCH,))
        return layout if layout.divides(shape) else None

    # ---- running

    def run(self, fn: Callable, args: Any = (), kwargs: Any = None, options: Any = None) -> Any:
        """Calls a function once for each replica, with its part of every `PerReplica` value among the arguments.

        Args:
            fn: a Python function or a `tf.function`.
            args, kwargs: its arguments.
            options: accepted for TensorFlow's sake.

        Returns:
            what it returns, with a `PerReplica` value for each tensor when there are several replicas.
        """
        kwargs = kwargs or {}
        self._check_alone("run()")
        self._check_count("run()", (args, kwargs))
        if isinstance(fn, Function) and self.num_replicas_in_sync > 1 and executing_eagerly():
            return self._compiled(fn)(args, kwargs)
        return self._run(
            fn.python_function if isinstance(fn, Function) and not executing_eagerly() else fn, args, kwargs
        )

    def _compiled(self, fn: Function) -> Any:
        """Returns a `tf.function` of all replicas of a `tf.function`: inside of one, the replicas can meet."""
        found = self._functions.get(fn)
        if found is None:
            alive = weakref.ref(fn)
            found = self._functions[fn] = function(
                lambda args, kwargs: self._run(alive().python_function, args, kwargs)  # type: ignore[union-attr]
            )
        return found

    def _run(self, fn: Callable, args: Any, kwargs: dict) -> Any:
        call = fn if executing_eagerly() else converted(fn)
        if self.num_replicas_in_sync == 1:
            with ReplicaContext(self):
                return call(*args, **kwargs)

        def replica(index: int) -> Callable:
            def run(meeting: Any) -> Any:
                with ReplicaContext(self, index, meeting):
                    return call(*part(tuple(args), index), **part(dict(kwargs), index))

            return run

        with self._between_replicas():
            return regrouped(run_in_turns(list(map(replica, range(self.num_replicas_in_sync)))))

    # ---- bringing values together

    def reduce(self, reduce_op: Any, value: Any, axis: Any = None) -> Any:
        """Returns the sum or the mean over replicas and, with `axis`, over the elements along that axis.

        Args:
            reduce_op: `tf.distribute.ReduceOp`, or "SUM" or "MEAN".
            value: a `PerReplica` value, or a structure of them.
            axis: None: the values have one shape, and are reduced element by element.

        Raises:
            ValueError: the sum of a value that is the same on all replicas.
        """
        op = _reduce_op(reduce_op, "Strategy.reduce")
        self._check_outside("reduce()")
        self._check_count("reduce()", value)
        return nest.map_structure(lambda leaf: self._reduced(op, leaf, axis), value)

    def _reduced(self, op: Any, value: Any, axis: Any) -> Any:
        several = self.num_replicas_in_sync > 1
        if several and not isinstance(value, PerReplica) and axis is None:
            if op.name == "SUM":
                raise ValueError(
                    "Strategy.reduce: a value that is not per replica has no sum over replicas; it is the same on "
                    f"all: {value!r:.80}{at_user_location()}"
                )
            return convert_to_tensor(value)
        values = local(value)
        return reduced(op, values) if axis is None else reduced_along(op, values, axis)

    def gather(self, value: Any, axis: int) -> Any:
        """Returns the values of all replicas side by side along an axis, in which they may differ."""
        self._check_outside("gather()")
        self._check_count("gather()", value)
        return nest.map_structure(lambda leaf: gathered(local(leaf), axis), value)

    def experimental_local_results(self, value: Any) -> tuple:
        """Returns what each replica of this process has, as a tuple; of what is no such value, just itself."""
        if not nest.is_nested(value):
            return local(value)
        return tuple(part(value, i) for i in range(self.num_replicas_in_sync))

    unwrap = experimental_local_results

    # ---- data

    def experimental_distribute_dataset(self, dataset: Any, options: Any = None) -> Any:
        """Returns a dataset that divides each batch between the replicas, in order."""
        return datasets.DistributedDataset(dataset, self)

    def distribute_datasets_from_function(self, dataset_fn: Callable, options: Any = None) -> Any:
        """Returns a dataset of which each replica takes the next whole batch; `dataset_fn(InputContext)` makes it."""
        return datasets.from_function(dataset_fn, self)

    experimental_distribute_datasets_from_function = distribute_datasets_from_function

    def experimental_distribute_values_from_function(self, value_fn: Callable[[ValueContext], Any]) -> Any:
        """Returns what `value_fn(ValueContext)` gives for each replica."""
        count = self.num_replicas_in_sync
        return regrouped([value_fn(ValueContext(i, count)) for i in range(count)])


_reduce_op = reduce_op


class Extended:
    """The devices of a strategy.

    Args:
        logical: `(kind, index)` of the device of each replica.
        parameters: of the devices that hold variables; the same by default.
    """

    def __init__(self, logical: tuple, parameters: tuple | None = None) -> None:
        self.logical, self._parameters = logical, parameters or logical
        self.strategy: Any = None

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """Names of the devices that compute."""
        return tuple(f"/job:localhost/replica:0/task:0/device:{kind}:{i}" for kind, i in self.logical)

    @property
    def parameter_devices(self) -> tuple[str, ...]:
        """Names of the devices that hold variables."""
        return tuple(f"/job:localhost/replica:0/task:0/device:{kind}:{i}" for kind, i in self._parameters)

    @property
    def parameters(self) -> tuple:
        """`(kind, index)` of the devices that hold variables."""
        return self._parameters

    def reduce_to(self, reduce_op: Any, value: Any, destinations: Any, options: Any = None) -> Any:
        """Returns the sum or the mean over replicas."""
        return self.strategy.reduce(reduce_op, value, axis=None)

    def batch_reduce_to(self, reduce_op: Any, value_destination_pairs: Sequence, options: Any = None) -> list:
        """Returns the sums or means over replicas of several values."""
        return [self.reduce_to(reduce_op, value, where) for value, where in value_destination_pairs]

    def update(self, var: Any, fn: Callable, args: Any = (), kwargs: Any = None, group: bool = True) -> Any:
        """Calls `fn(var, *args, **kwargs)`."""
        return fn(var, *args, **(kwargs or {}))

    @contextlib.contextmanager
    def colocate_vars_with(self, colocate_with_variable: Any) -> Iterator[None]:
        """Does nothing: variables lie on all devices."""
        yield

    def broadcast_to(self, tensor: Any, destinations: Any) -> Any:
        """Returns the tensor: where it is used, XLA brings it."""
        return tensor

    def call_for_each_replica(self, fn: Callable, args: Any = (), kwargs: Any = None) -> Any:
        """Calls a function once for each replica, as `Strategy.run` does."""
        return self.strategy.run(fn, args, kwargs)

    def read_var(self, v: Any) -> Any:
        """Returns the value of a variable."""
        return v.read_value()

    def value_container(self, value: Any) -> Any:
        """Returns the variable itself: replicas have no variables of their own that belong to one."""
        return value

    def non_slot_devices(self, var_list: Sequence) -> tuple[str, ...]:
        """Returns the names of the devices that hold variables."""
        return self.parameter_devices

    def update_non_slot(
        self, colocate_with: Any, fn: Callable, args: Any = (), kwargs: Any = None, group: bool = True
    ) -> Any:
        """Calls `fn(*args, **kwargs)`."""
        return fn(*args, **(kwargs or {}))

    @property
    def worker_devices_by_replica(self) -> list[tuple[str, ...]]:
        """The name of each replica's device, in a tuple of its own."""
        return [(name,) for name in self.worker_devices]

    experimental_require_static_shapes = False
    experimental_between_graph = False
    experimental_should_init = True
    should_checkpoint = True
    should_save_summary = True

    def variable_created_in_scope(self, v: Any) -> bool:
        """True for variables that were created under the strategy."""
        return getattr(v, "_strategy", None) == self.strategy


class _Together(Strategy):
    """All replicas of a strategy as one: what `get_strategy()` is inside of the steps of `fit`."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = weakref.proxy(strategy)
        self._extended, self._mesh = strategy.extended, strategy._mesh
        self._one = self
        self._functions = weakref.WeakKeyDictionary()

    @property
    def num_replicas_in_sync(self) -> int:
        """1: the batch is whole."""
        return 1

    def class_for(self, base: type, synchronization: Any) -> type:
        """Returns the class of variables that the strategy makes."""
        return self._strategy.class_for(base, synchronization)

    def adopt(self, variable: Any) -> None:
        """Gives a variable that was just created its place under the strategy."""
        self._strategy.adopt(variable)

    def data_layout(self, shape: tuple) -> Layout | None:
        """Returns how a batch of this shape is divided over the devices; None: it is not."""
        return self._strategy.data_layout(shape)

    def whole_layout(self) -> Layout | None:
        """Returns the layout of what every device has all of."""
        return self._strategy.whole_layout()
