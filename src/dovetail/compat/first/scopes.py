"""Variables by name: `get_variable` in `variable_scope`s, which make them once and share them."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.compat.first.initializers import GlorotUniform, Zeros
from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.switches import resource_variables_enabled
from dovetail.graph.by_hand import written_graph
from dovetail.graph.hand_variable import GraphVariable
from dovetail.graph.recording import recording
from dovetail.scopes import init_scope
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable


class _ReuseMode(enum.Enum):
    """When `get_variable` makes a new variable."""

    AUTO_REUSE = 1


AUTO_REUSE = _ReuseMode.AUTO_REUSE


class VariableScope:
    """What `get_variable` takes for what it is not told.

    Attributes:
        name: the prefix of names, "" at the top.
        reuse: False: variables are new; True: they are there; `tf.compat.v1.AUTO_REUSE`: either.
        original_name_scope: the name scope that was entered with it.
        initializer, regularizer, dtype, constraint, custom_getter, use_resource, caching_device: see `get_variable`.
    """

    def __init__(
        self,
        reuse: Any = False,
        name: str = "",
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        name_scope: str = "",
        dtype: Any = "float32",
        use_resource: Any = None,
        constraint: Any = None,
    ) -> None:
        self.name, self.reuse, self.original_name_scope = name, reuse, name_scope
        self.initializer, self.regularizer, self.constraint = initializer, regularizer, constraint
        self.custom_getter, self.dtype = custom_getter, dt.as_dtype(dtype)
        self.use_resource, self.caching_device, self.partitioner = use_resource, caching_device, partitioner

    def reuse_variables(self) -> None:
        """From here on variables are there already."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        self.regularizer = regularizer

    def set_dtype(self, dtype: Any) -> None:
        self.dtype = dt.as_dtype(dtype)

    def set_use_resource(self, use_resource: Any) -> None:
        self.use_resource = use_resource

    def set_custom_getter(self, custom_getter: Any) -> None:
        self.custom_getter = custom_getter

    def set_partitioner(self, partitioner: Any) -> None:
        _refuse_partitioner(partitioner)

    def global_variables(self) -> list:
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list:
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)

    def trainable_variables(self) -> list:
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def get_collection(self, name: Any) -> list:
        return written_graph().get_collection(name, self.name + "/" if self.name else None)

    def get_variable(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Returns a variable of this scope: see `get_variable`."""
        return _get_variable(self, name, *args, **kwargs)


class _Store:
    """The variables by name, and the scopes, of one graph."""

    def __init__(self) -> None:
        self.variables: dict[str, Any] = {}
        self.scopes: list[VariableScope] = [VariableScope()]
        self.times_opened: dict[str, int] = {}

    def unopened(self, prefix: str) -> str:
        """Returns a name for a scope in the open one that none has had yet."""
        around = self.scopes[-1].name
        full = f"{around}/{prefix}" if around else prefix
        number, found = 0, full
        while self.times_opened.get(found):
            number += 1
            found = f"{full}_{number}"
        return prefix if number == 0 else f"{prefix}_{number}"


def _store() -> _Store:
    return written_graph().belongings.setdefault("variables", _Store())


def get_variable_scope() -> VariableScope:
    """Returns the open variable scope."""
    return _store().scopes[-1]


def _refuse_partitioner(partitioner: Any) -> None:
    if partitioner is not None:
        raise NotImplementedError(
            "variables are not divided into parts here: leave partitioner out; tf.distribute shards a variable over "
            f"devices{at_user_location()}"
        )


class variable_scope:
    """A prefix for the names of variables, and defaults for `get_variable`, in a `with` block.

    Args:
        name_or_scope: the name, or a scope that is entered again; None: `default_name`, made unique.
        default_name: see there.
        values: accepted for TensorFlow's sake.
        reuse: True: variables are there already; `tf.compat.v1.AUTO_REUSE`: they are made when they are not.
        initializer, regularizer, caching_device, custom_getter, dtype, use_resource, constraint: see `get_variable`.
        partitioner: must be None.
        auxiliary_name_scope: False opens no name scope.
    """

    def __init__(
        self,
        name_or_scope: Any = None,
        default_name: str | None = None,
        values: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        caching_device: Any = None,
        partitioner: Any = None,
        custom_getter: Any = None,
        reuse: Any = None,
        dtype: Any = None,
        use_resource: Any = None,
        constraint: Any = None,
        auxiliary_name_scope: bool = True,
    ) -> None:
        if name_or_scope is None and default_name is None:
            raise TypeError(
                f"variable_scope: pass a name, a scope, or default_name for a new one{at_user_location()}"
            )
        if not isinstance(name_or_scope, str | VariableScope | None):
            raise TypeError(
                f"variable_scope: expected a name or a scope, received {name_or_scope!r:.60}{at_user_location()}"
            )
        _refuse_partitioner(partitioner)
        self._wanted, self._default_name, self._reuse = name_or_scope, default_name, reuse
        self._auxiliary = auxiliary_name_scope
        own = {"initializer": initializer, "regularizer": regularizer, "caching_device": caching_device}
        own |= {"custom_getter": custom_getter, "dtype": dtype, "use_resource": use_resource}
        self._own = own | {"constraint": constraint}

    def __enter__(self) -> VariableScope:
        self._store, self._stack = _store(), ExitStack()
        wanted: Any = self._wanted
        around = self._store.scopes[-1]
        if wanted is None:
            wanted = self._store.unopened(self._default_name or "")
        again = isinstance(wanted, VariableScope)
        name: str = wanted.name if again else f"{around.name}/{wanted}" if around.name and wanted else wanted
        name_scope = self._name_scope(name if again else wanted)
        scope = self._scope(wanted if again else around, name or around.name, name_scope, again)
        if not again:
            self._store.times_opened[scope.name] = self._store.times_opened.get(scope.name, 0) + 1
        self._store.scopes.append(scope)
        return scope

    def _name_scope(self, name: str) -> str:
        last = name.rpartition("/")[2] if isinstance(self._wanted, VariableScope) else name
        graph: Any = recording() or written_graph()
        if not self._auxiliary or not last:
            return graph.get_name_scope()
        asked = self._default_name if self._wanted is None else last
        return self._stack.enter_context(graph.name_scope(asked))

    def _scope(self, base: VariableScope, name: str, name_scope: str, again: bool) -> VariableScope:
        own = {key: getattr(base, key) if value is None else value for key, value in self._own.items()}
        getter = self._own["custom_getter"]
        if getter is not None and base.custom_getter is not None:
            own["custom_getter"] = _nested_getter(getter, base.custom_getter)
        reuse = base.reuse if self._reuse is None else self._reuse or (False if again else base.reuse)
        return VariableScope(reuse, name, name_scope=name_scope, **own)

    def __exit__(self, *exc: object) -> None:
        scope = self._store.scopes.pop()
        for name in self._store.times_opened:
            if name.startswith(scope.name + "/"):
                self._store.times_opened[name] = 0
        self._stack.close()

    def __call__(self, function: Callable) -> Callable:
        """Makes a decorator of it: the function runs in the scope."""

        @functools.wraps(function)
        def scoped(*args: Any, **kwargs: Any) -> Any:
            again = object.__new__(type(self))
            again.__dict__.update(self.__dict__)
            with again:
                return function(*args, **kwargs)

        return scoped


def variable_op_scope(values: Any, name_or_scope: Any, default_name: str | None = None, **others: Any) -> Any:
    """The old order of the arguments of `variable_scope`."""
    return variable_scope(name_or_scope, default_name, values, **others)


def no_regularizer(_: Any) -> None:
    """A regularizer that gives no loss: it keeps a scope's from being taken."""


def _nested_getter(inner: Callable, outer: Callable) -> Callable:
    def both(getter: Callable, name: str, *args: Any, **kwargs: Any) -> Any:
        return inner(functools.partial(outer, getter), name, *args, **kwargs)

    return both


def get_variable(name: str, *args: Any, **kwargs: Any) -> Any:
    """Returns the variable of a name in the open variable scope: a new one, or the one that is there.

    Args:
        name: in the scope.
        shape: None where the initializer is a value.
        dtype: float32, or the initial value's, when None.
        initializer: a value, or a function `(shape, dtype=)`; when None the scope's, else uniform after Glorot, zeros
            for integers.
        regularizer: a function of the variable whose result is put in the collection of regularization losses.
        trainable: whether optimizers change it.
        collections: keys of the collections it is put in, that of global variables when None.
        validate_shape: False: the shape may change.
        custom_getter: called in place of this function, with it as the first argument.
        constraint: a function of the value that optimizers apply after each step.
        use_resource: False: optimizers call `_apply_dense` for it, not `_resource_apply_dense`; the scope's when None.
        caching_device, synchronization, aggregation: accepted for TensorFlow's sake.
        partitioner: must be None.

    Raises:
        ValueError: by `reuse` of the scope it should be there and is not, or the other way round; or it has another
            shape or dtype.
    """
    return _get_variable(get_variable_scope(), name, *args, **kwargs)


def get_local_variable(name: str, *args: Any, **kwargs: Any) -> Any:
    """As `get_variable`, for a variable that is neither trained nor saved."""
    kwargs.setdefault("collections", [GraphKeys.LOCAL_VARIABLES])
    return get_variable(name, *args, **kwargs | {"trainable": False})


def _get_variable(
    scope: VariableScope,
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: Any = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Any:
    _refuse_partitioner(partitioner)
    full = f"{scope.name}/{name}" if scope.name else name
    facts = {
        "shape": shape,
        "dtype": dtype if dtype is not None or _is_value(initializer) else scope.dtype,
        "initializer": scope.initializer if initializer is None else initializer,
        "regularizer": scope.regularizer if regularizer is None else regularizer,
        "trainable": trainable,
        "collections": collections,
        "validate_shape": validate_shape,
        "constraint": scope.constraint if constraint is None else constraint,
        "use_resource": scope.use_resource if use_resource is None else use_resource,
        "reuse": scope.reuse,
    }
    getter = scope.custom_getter if custom_getter is None else custom_getter
    if custom_getter is not None and scope.custom_getter is not None:
        getter = _nested_getter(custom_getter, scope.custom_getter)
    return _found_or_made(full, **facts) if getter is None else getter(_found_or_made, full, **facts)


def _found_or_made(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    reuse: Any = None,
    **others: Any,
) -> Any:
    variables = _store().variables
    found = variables.get(name)
    if found is not None:
        return _checked(found, name, shape, dtype, reuse)
    if reuse is True:
        raise ValueError(
            f"the variable {name!r} does not exist, or was not made with get_variable; reuse=tf.AUTO_REUSE in the "
            f"variable scope makes it{at_user_location()}"
        )
    made = variables[name] = _made(name, shape, dtype, initializer, **others)
    if regularizer is not None:
        with init_scope(), written_graph().name_scope(f"{name}/Regularizer/"):
            loss = regularizer(made)
        if loss is not None:
            written_graph().add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
    return made


def _checked(found: Any, name: str, shape: Any, dtype: Any, reuse: Any) -> Any:
    if reuse is False:
        raise ValueError(
            f"the variable {name!r} already exists; reuse=True or reuse=tf.AUTO_REUSE in the variable scope shares it"
            f"{at_user_location()}"
        )
    if shape is not None and not TensorShape(shape).is_compatible_with(found.shape):
        raise ValueError(
            f"the variable {name!r} is shared with shape {TensorShape(shape)}, it has {found.shape}{at_user_location()}"
        )
    if dtype is not None and dt.as_dtype(dtype).base_dtype != found.dtype.base_dtype:
        raise ValueError(
            f"the variable {name!r} is shared as {dt.as_dtype(dtype).name}, it is {found.dtype.name}"
            f"{at_user_location()}"
        )
    return found


def _made(
    name: str,
    shape: Any,
    dtype: Any,
    initializer: Any,
    trainable: bool | None,
    collections: Any,
    validate_shape: bool,
    constraint: Any,
    use_resource: bool | None = None,
    **ignored: Any,
) -> Any:
    if _is_value(initializer):
        if shape is not None and not TensorShape(shape).is_compatible_with(np.shape(initializer)):
            raise ValueError(
                f"the variable {name!r}: do not pass a shape beside an initial value{at_user_location()}"
            )
        initial: Any = initializer
    else:
        initial = _initial_value(name, shape, dt.as_dtype(dtype or "float32"), initializer)
    local = collections is not None and GraphKeys.LOCAL_VARIABLES in collections
    trains = trainable if trainable is not None else not local
    shared = {"trainable": trains, "dtype": dtype, "constraint": constraint, "validate_shape": validate_shape}
    return of_kind(make_variable(initial, name, collections, **shared), use_resource)


def of_kind(variable: Any, use_resource: bool | None) -> Any:
    """Returns a new variable, with a note of which kind it is in TensorFlow: optimizers have hooks for each.

    Args:
        use_resource: as the program says, or the open scope; None: as `resource_variables_enabled()`.
    """
    if isinstance(variable, GraphVariable):
        variable.is_reference = not (resource_variables_enabled() if use_resource is None else use_resource)
    return variable


def writes_graph(graph: Any) -> bool:
    """Whether what is stated here becomes a part of a graph that a program writes."""
    found = recording()
    while found is not None and found is not graph:
        found = found.outer
    return found is not None


def make_variable(initial: Any, full_name: str, collections: Any = None, **facts: Any) -> Any:
    """Returns a new variable: of the graph that a program writes, else one that has its value at once."""
    graph: Any = written_graph()
    if writes_graph(graph):
        with (
            nullcontext() if recording() is graph else graph.as_default()
        ):  # not in that of a loop or a branch
            kind = graph.scope_class.variable_class
            return kind(initial, collections=collections, full_name=full_name, **facts)
    made = Variable(initial, name=full_name, **facts)
    kept = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
    graph.add_to_collections([*kept, *[GraphKeys.TRAINABLE_VARIABLES][: made.trainable]], made)
    return made


def _is_value(initializer: Any) -> bool:
    return initializer is not None and (isinstance(initializer, TensorLike) or not callable(initializer))


def _initial_value(name: str, shape: Any, dtype: Any, initializer: Any) -> Callable:
    if initializer is None:
        initializer = GlorotUniform() if dtype.is_floating or dtype.is_complex else Zeros()
    if isinstance(initializer, type):
        initializer = initializer()
    if not inspect.signature(initializer).parameters:
        return initializer
    sizes = TensorShape(shape)
    if shape is None or not sizes.is_fully_defined():
        raise ValueError(
            f"the shape of the new variable {name!r} must be fully defined, received {shape!r}{at_user_location()}"
        )
    return lambda: initializer(sizes.as_list(), dtype=dtype)
