"""Iterators over datasets as operations of graphs."""

from __future__ import annotations

import itertools
import weakref
from typing import Any

import dovetail as tf
from dovetail.base import nest
from dovetail.base.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    at_user_location,
)
from dovetail.compat.first.fed_datasets import (
    give_methods,
    tensors_of,
    variables_of,
    with_constants,
    with_values,
)
from dovetail.data.dataset import Dataset
from dovetail.data.iterators import Iterator
from dovetail.graph.by_hand import current_session
from dovetail.graph.hand_variable import host_call
from dovetail.graph.recording import recording
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.variable import enter_scope

_numbers = itertools.count()
_HANDLE = "iterator/"

# By sessions, the iterators that gave one their handles, by these.
_by_handle: weakref.WeakKeyDictionary[Any, weakref.WeakValueDictionary] = weakref.WeakKeyDictionary()


class _NoSession:
    """What runs graphs in no session."""


_NO_SESSION = _NoSession()


def _runner() -> Any:
    """Returns the session that runs."""
    return current_session() or _NO_SESSION


class GraphIterator:
    """An iterator whose elements are tensors of a graph: each run of a session that needs them takes the next ones.

    Each session goes through the elements by itself.

    Args:
        element_spec: of the elements.
        dataset: goes through it; None: what an initializer says.
        starts: it needs no initializer.
    """

    def __init__(self, element_spec: Any, dataset: Any = None, starts: bool = False) -> None:
        self.element_spec = element_spec
        self._handle = f"{_HANDLE}{next(_numbers)}"
        # Where sessions stand.
        self._passes: weakref.WeakKeyDictionary[Any, _Pass] = weakref.WeakKeyDictionary()
        self._once = dataset if starts else None
        self._initializer = None if starts or dataset is None else self.make_initializer(dataset)

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> GraphIterator:
        """Returns an iterator that `make_initializer(dataset)` sends through one dataset after another."""
        return GraphIterator(_spec(output_types, output_shapes))

    @staticmethod
    def from_string_handle(
        string_handle: Any, output_types: Any, output_shapes: Any = None, output_classes: Any = None
    ) -> GraphIterator:
        """Returns an iterator that takes elements of that whose handle is fed."""
        return _ByHandle(_spec(output_types, output_shapes), string_handle)

    @property
    def initializer(self) -> Any:
        """The operation that lets it begin.

        Raises:
            ValueError: it begins by itself, or is made from a structure.
        """
        if self._initializer is None:
            raise ValueError(
                "the iterator does not have an initializer: it begins by itself, or takes its dataset from "
                f"make_initializer(dataset){at_user_location()}"
            )
        return self._initializer

    def make_initializer(self, dataset: Any, name: str | None = None) -> Any:
        """Returns the operation that sends it through a dataset.

        Raises:
            TypeError: its elements are of another structure, dtypes or shapes.
        """
        _require_same(self.element_spec, _in_eager(dataset))
        tensors, variables = tensors_of(dataset), variables_of(dataset)

        def begin(*values: Any) -> None:
            known = dict(zip(map(id, tensors), values, strict=True))
            self._passes[_runner()] = _Pass(with_values(dataset, known), variables)

        return _named(name, _operation, begin, "MakeIterator", tuple(tensors))

    def string_handle(self, name: str | None = None) -> Any:
        """Returns the handle that `from_string_handle` takes, as a tensor."""

        def give() -> list:
            _by_handle.setdefault(_runner(), weakref.WeakValueDictionary())[self._handle] = self
            return [tf.constant(self._handle)]

        spec = [TensorSpec([], "string")]
        return _named(name, host_call, give, "IteratorToStringHandle", (), spec)[0]

    def pull(self) -> Any:
        """Returns the next element for the session that runs.

        Raises:
            FailedPreconditionError: its initializer did not run in the session.
            OutOfRangeError: there is none.
        """
        session = _runner()
        found = self._passes.get(session)
        if found is None:
            if self._once is None:
                raise FailedPreconditionError(
                    "the iterator has not been initialized: run its initializer in this session first"
                    f"{at_user_location()}"
                )
            found = _Pass(with_constants(self._once), variables_of(self._once))
            self._passes[session] = found
        return found.next_for(session)

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element as tensors of the graph.

        Sessions raise `tf.errors.OutOfRangeError` after the last.
        """
        return self._element((), self.pull, name)

    def _element(self, args: tuple, pull: Any, name: str | None) -> Any:
        specs, structure = nest.flatten_spec(self.element_spec)
        if any(not isinstance(spec, TensorSpec) for spec in specs):
            raise NotImplementedError(
                f"iterators of graphs give dense tensors; the elements are {self.element_spec}{at_user_location()}"
            )
        found = _named(
            name, host_call, lambda *given: nest.flat(pull(*given)), "IteratorGetNext", args, specs
        )
        return nest.unflatten(structure, found)

    @property
    def output_types(self) -> Any:
        return get_output_types(self)

    @property
    def output_shapes(self) -> Any:
        return get_output_shapes(self)


class _Pass:
    """A session's way through a dataset.

    Args:
        dataset: with values for the tensors that it is made of.
        variables: what functions of it read.
    """

    def __init__(self, dataset: Any, variables: list) -> None:
        self._variables, self._elements = variables, iter(dataset)

    def next_for(self, session: Any) -> Any:
        for variable in self._variables:
            if session is not _NO_SESSION:
                variable.enter(session)
            variable.require_value()
        return self._elements.get_next()


class _ByHandle(GraphIterator):
    """Takes elements of the iterator whose handle is fed."""

    def __init__(self, element_spec: Any, handle: Any) -> None:
        super().__init__(element_spec)
        self._fed = handle

    def get_next(self, name: str | None = None) -> Any:
        return self._element((self._fed,), lambda handle: _with_handle(handle.numpy().decode()).pull(), name)


def _with_handle(handle: str) -> GraphIterator:
    """Returns the iterator that gave the session that runs its handle.

    Raises:
        InvalidArgumentError: it is no handle.
        NotFoundError: it is one of another session.
    """
    if not handle.startswith(_HANDLE):
        raise InvalidArgumentError(
            f"{handle!r:.60} is no handle of an iterator: feed what session.run(iterator.string_handle()) returns"
            f"{at_user_location()}"
        )
    given = _by_handle.get(_runner())
    found = None if given is None else given.get(handle)
    if found is None:
        raise NotFoundError(
            f"the session has no iterator {handle!r:.60}: run its string_handle() in this session"
            f"{at_user_location()}"
        )
    return found


def _require_same(expected: Any, given: Any) -> None:
    """Requires elements that an iterator gives.

    Raises:
        ValueError: they nest in another way.
        TypeError: they have other dtypes or shapes.
    """
    wanted, structure = nest.flatten_spec(expected)
    found, other = nest.flatten_spec(given)
    if structure == other and all(map(_fits, wanted, found)):
        return
    kind = TypeError if structure == other else ValueError
    raise kind(
        f"make_initializer: expected a dataset with elements {expected}, received {given}{at_user_location()}"
    )


def _fits(wanted: Any, found: Any) -> bool:
    if not isinstance(wanted, TensorSpec) or not isinstance(found, TensorSpec):
        return wanted == found
    return wanted.dtype == found.dtype and wanted.shape.is_compatible_with(found.shape)


def _named(name: str | None, function: Any, *args: Any) -> Any:
    return function(*args) if name is None else recording().named(name, function, *args)  # type: ignore[union-attr]


def _operation(function: Any, name: str, args: tuple = ()) -> Any:
    host_call(function, name, args, [], effect=True)
    return recording().nodes[-1]  # type: ignore[union-attr]


def _spec(types: Any, shapes: Any) -> Any:
    leaves, structure = nest.flatten_spec(types)
    sizes = [None] * len(leaves) if shapes is None else _shapes(shapes, structure)
    return nest.unflatten(structure, [TensorSpec(s, t) for s, t in zip(sizes, leaves, strict=True)])


def _shapes(shapes: Any, structure: Any) -> list:
    """Returns a shape a leaf; shapes are sequences themselves, and stand where the leaves do."""
    if structure.is_leaf():
        return [shapes]
    found: list = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for key in sorted(part):
                walk(part[key])
        elif isinstance(part, tf.TensorShape) or part is None or _is_sizes(part):
            found.append(part)
        else:
            for inner in part:
                walk(inner)

    walk(shapes)
    return found


def _is_sizes(part: Any) -> bool:
    return all(size is None or isinstance(size, int) for size in part)


def _in_eager(dataset: Any) -> Any:
    with enter_scope(None):
        return dataset.element_spec


def make_one_shot_iterator(dataset: Any, shared_name: str | None = None) -> Any:
    """Returns an iterator that goes once through a dataset, without an initializer."""
    if recording() is None:
        return iter(dataset)
    with_constants(dataset)  # it refuses placeholders
    return GraphIterator(_in_eager(dataset), dataset, starts=True)


def make_initializable_iterator(dataset: Any, shared_name: str | None = None) -> GraphIterator:
    """Returns an iterator that begins each time its initializer runs.

    Raises:
        RuntimeError: there is no graph: use `iter(dataset)`.
    """
    if recording() is None:
        raise RuntimeError(
            f"make_initializable_iterator works in graphs; use iter(dataset){at_user_location()}"
        )
    return GraphIterator(_in_eager(dataset), dataset)


def _part(name: str) -> Any:
    def get(dataset_or_iterator: Any) -> Any:
        with enter_scope(None):
            spec = dataset_or_iterator.element_spec
        return nest.map_structure(lambda leaf: getattr(leaf, name), spec)

    get.__doc__ = f"Returns the {name} of the parts of the elements of a dataset or an iterator."
    return get


get_output_types, get_output_shapes = _part("dtype"), _part("shape")


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """Returns the classes of the parts of the elements of a dataset or an iterator."""
    with enter_scope(None):
        spec = dataset_or_iterator.element_spec
    return nest.map_structure(lambda leaf: leaf.value_type, spec)


def _give_methods(kind: Any) -> None:
    """Gives datasets the methods that they had in TensorFlow 1."""
    kind.make_one_shot_iterator = make_one_shot_iterator
    kind.make_initializable_iterator = make_initializable_iterator
    kind.output_types, kind.output_shapes = property(get_output_types), property(get_output_shapes)
    kind.output_classes = property(get_output_classes)


_give_methods(Dataset)
give_methods(Dataset)


class _Iterators(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, GraphIterator | Iterator)


class IteratorV1(metaclass=_Iterators):
    """Iterators over datasets, in graphs: see `GraphIterator`."""

    from_structure = staticmethod(GraphIterator.from_structure)
    from_string_handle = staticmethod(GraphIterator.from_string_handle)


NAMES: dict[str, Any] = {
    **{f.__name__: f for f in (make_initializable_iterator, make_one_shot_iterator, get_output_classes)},
    "get_output_types": get_output_types,
    "get_output_shapes": get_output_shapes,
    "Iterator": IteratorV1,
}
