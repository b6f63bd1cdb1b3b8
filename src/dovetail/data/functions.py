"""Calling the functions that users give to `map`, `filter` and the others, and finding out what they return."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import GraphNeededError, InvalidArgumentError
from dovetail.base.own import is_own
from dovetail.base.settings import state
from dovetail.data.node import UNKNOWN, Node
from dovetail.data.sources import Described
from dovetail.data.structure import (
    DatasetSpec,
    as_leaf,
    as_surface,
    describe,
    flatten,
    is_composite_spec,
    is_dataset,
    rebuilder,
    spec_of,
    tuple_tree,
    with_leading,
    without_leading,
)
from dovetail.function import Function
from dovetail.function.autograph.compiled_body import changes_objects
from dovetail.function.autograph.gate import converted
from dovetail.tensor import SymbolicTensor, Tensor, TensorShape, TensorSpec
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.spec import value_of
from dovetail.tensor.variable import Scope, StatelessScope


@contextlib.contextmanager
def plain_execution(scope: Scope | None = None) -> Iterator[None]:
    """Runs what is inside op by op on the host engine, unseen by tapes and traces of the caller.

    An input pipeline meets arrays of ever new shapes, for which compiled ops would be compiled again and again.

    Args:
        scope: where reads and writes of variables go; None: to the variables.
    """
    saved = state.tapes, state.scope, state.autocast
    state.tapes, state.scope, state.autocast = (), scope, None
    state.host_only += 1
    try:
        yield
    finally:
        state.host_only -= 1
        state.tapes, state.scope, state.autocast = saved


def _code(function: Any) -> Any:
    """Returns the code of a function, of what a partial application calls, or of a user's callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    if code is None and not is_own(function):
        code = getattr(type(function).__call__, "__code__", None)
    return code


class UserFunction:
    """A user's function, called with elements.

    Args:
        function: takes the components of an element as Tensors; a tuple is passed as several arguments.
        method: the Dataset method it was given to, for messages.
        source: the step whose elements it takes.
        wrap: makes a Dataset of a step, for functions that take datasets.
    """

    def __init__(self, function: Callable, method: str, source: Node, wrap: Callable[[Node], Any]) -> None:
        if not callable(function):
            raise TypeError(f"Dataset.{method}: expected a function, received {function!r:.80}")
        self.function, self.method, self.source, self._wrap = function, method, source, wrap
        self._converted: Any = None
        self._rebuild: Any = None
        self.result_specs: tuple | None = (
            None  # of what it returns; None: they are not known yet, or need values
        )
        self.written: tuple = ()  # the variables that it writes, states of random generators among them

    def __call__(self, leaves: tuple, *before: Any, scope: Scope | None = None) -> Any:
        """Returns what the function returns; `before` are arguments ahead of the element's, `scope`: see above."""
        if self._rebuild is None:
            self._rebuild = rebuilder(self.source.tree)
        element = self._rebuild(tuple(as_surface(leaf) for leaf in leaves))
        with plain_execution(scope):
            try:
                given = (*before, element) if before or type(element) is not tuple else element
                if self._converted is None:
                    self._converted = converted(self.function)
                try:
                    return self._converted(*given)
                except GraphNeededError:  # such as tf.gradients
                    if isinstance(self._converted, Function):
                        raise
                    self._converted = Function(self.function)
                    return self._converted(*given)
            except Exception as error:
                self.explain(error, leaves)
                raise

    @property
    def changes(self) -> bool:
        """Whether it changes Python objects: it is called for each element, and no more often."""
        code = _code(self.function)
        return code is not None and changes_objects(code)

    def explain(self, error: Exception, leaves: tuple) -> None:
        """Adds to an error where the function stands, and what it was called with."""
        code = getattr(self.function, "__code__", None)
        where = f' defined at "{code.co_filename}", line {code.co_firstlineno}' if code else ""
        name = getattr(self.function, "__name__", type(self.function).__name__)
        given = ", ".join(str(spec_of(leaf)) for leaf in leaves)
        note = f"raised in {name}{where}, the function given to Dataset.{self.method}, called with {given}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)

    def outcome(self, leaves: tuple, scope: Scope | None = None) -> tuple[tuple, Any]:
        """Returns `(leaves, tree)` of what the function returns."""
        return normalized(self(leaves, scope=scope))

    def truth(self, leaves: tuple) -> bool:
        """Returns what a predicate says.

        Raises:
            ValueError: it returned something else than one bool.
        """
        value = as_leaf(self(leaves))
        self.require_truth(value)
        return bool(value)

    def require_truth(self, value: Any) -> None:
        """Raises ValueError for what is no scalar bool."""
        spec = spec_of(value)
        if not isinstance(spec, TensorSpec) or spec.dtype != "bool" or spec.shape.rank not in (0, None):
            raise ValueError(
                f"Dataset.{self.method}: the predicate must return a scalar bool tensor, it returned {spec}"
            )

    def dataset(self, leaves: tuple) -> Node:
        """Returns the dataset that the function returns, as a step."""
        value = self(leaves)
        if not is_dataset(value):
            raise TypeError(
                f"Dataset.{self.method}: the function must return a tf.data.Dataset, it returned {value!r:.100}. "
                "To return tensors use map"
            )
        return value._node

    def tried(self) -> tuple[tuple, Any] | None:
        """Returns `(leaves, tree)` of the result for stand-ins; None where the function needs values.

        Raises:
            NameError, TypeError, ValueError: what it raises for stand-ins, and for the first element too.  Only
                elements that are rows of arrays are tried.
        """
        if state.host_only or state.scope is not None or self.changes:  # one of many datasets of a function
            return None
        scope = StatelessScope()
        try:
            found = self.outcome(tuple(map(self._stand_in, self.source.specs)), scope)
            self.result_specs, self.written = tuple(map(spec_of, found[0])), tuple(scope.written.values())
            return found
        except (NameError, TypeError, ValueError) as failure:
            plan = self.source.plan
            first = None if plan is None or plan.is_mapped else next(plan.elements(), None)
            if first is not None:
                try:
                    self.outcome(first, StatelessScope())
                except type(failure):
                    raise
                except Exception:  # noqa: BLE001  another element may have better values
                    return None
            return None
        except Exception:  # noqa: BLE001  whatever it needs values for, an element will tell
            return None

    def described(self) -> tuple[tuple, Any]:
        """Returns `(leaves, tree)` of the function's result with specs for leaves, without values where possible.

        No variable changes, the states of random generators among them.
        """
        stand_ins = tuple(self._stand_in(spec) for spec in self.source.specs)
        try:
            result, tree = self.outcome(stand_ins, StatelessScope())
            return tuple(map(spec_of, result)), tree
        except Exception:  # noqa: BLE001  whatever it needs values for, an element will tell
            return self._described_by_example()

    def _stand_in(self, spec: Any) -> Any:
        if isinstance(spec, DatasetSpec):
            leaves, tree = flatten(spec.element_spec)
            return self._wrap(Described(tree, leaves, UNKNOWN))
        if is_composite_spec(spec):
            return value_of(spec, lambda part: SymbolicTensor(part.shape, part.dtype))
        return SymbolicTensor(spec.shape, spec.dtype)

    def _described_by_example(self) -> tuple[tuple, Any]:
        """Calls the function with the first element; sizes that come from unknown sizes are unknown."""
        first = next(self.source.elements(), None)
        if first is None:
            raise InvalidArgumentError(
                f"Dataset.{self.method}: the element_spec follows from what the function returns, the function "
                "needs an element for it, and the dataset is empty"
            )
        result, tree = self.outcome(first, StatelessScope())
        unknown = set()
        for leaf, spec in zip(first, self.source.specs, strict=True):
            size = getattr(leaf, "shape", None) if isinstance(leaf, CompositeTensor) else None
            if isinstance(size, TensorShape):
                unknown |= {size[0]} if spec.shape[0] is None else set()
            elif type(leaf) is np.ndarray:
                sizes = spec.shape if spec.shape.rank is not None else (None,) * leaf.ndim
                unknown |= {actual for actual, size in zip(leaf.shape, sizes, strict=True) if size is None}
        return tuple(_loose_spec(leaf, unknown) for leaf in result), tree


def tell_number(error: Exception, number: int) -> None:
    """Adds to an error which element of the step it was, once."""
    note = f"it was element {number} (the first is 0)"
    if not any(one.startswith("it was element ") for one in getattr(error, "__notes__", ())):
        error.add_note(note)


class Numbered:
    """A function of elements that come one after the other: errors tell the number of the element."""

    def __init__(self, function: Callable) -> None:
        self._function, self._number = function, 0

    def __call__(self, *args: Any) -> Any:
        try:
            result = self._function(*args)
        except Exception as error:
            tell_number(error, self._number)
            self._number += 1
            raise
        self._number += 1
        return result


def normalized(value: Any) -> tuple[tuple, Any]:
    """Returns `(leaves, tree)` of what a user's function returned; a list counts as a tuple."""
    if type(value) is tuple and all(type(item) is Tensor for item in value):  # most functions return this
        return tuple(map(as_leaf, value)), tuple_tree(len(value))
    leaves, tree = flatten(tuple(value) if isinstance(value, list) else value)
    return tuple(as_leaf(leaf) for leaf in leaves), tree


def check_tree(method: str, first: Any, tree: Any) -> None:
    """Raises TypeError when a function returned another structure than before."""
    if tree != first:
        raise TypeError(
            f"Dataset.{method}: the function must always return the same structure; it returned {describe(first)} "
            f"first, and now {describe(tree)}"
        )


def _loose_spec(leaf: Any, unknown: set) -> Any:
    spec = spec_of(leaf)
    if isinstance(spec, DatasetSpec):
        return spec
    if is_composite_spec(spec):
        size = getattr(leaf, "shape", [None])[0]
        return with_leading(without_leading(spec, "map"), None) if size in unknown else spec
    return TensorSpec([None if size in unknown else size for size in spec.shape], spec.dtype)
