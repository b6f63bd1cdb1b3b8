"""Bodies of loops over datasets: compiled once elements of one kind have come often.

A `tf.function` with such a loop runs op by op, since its elements come from Python.  The body can be a program of its
own all the same: it takes an element and the loop's variables, and returns the variables after it.
"""

from __future__ import annotations

import dis
import types
import weakref
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import DataDependentShapeError, OperatorNotAllowedInGraphError
from dovetail.base.settings import among_replicas, state
from dovetail.engine import dtypes, uses_xla
from dovetail.function.autograph.values import is_defined
from dovetail.function.frequency import CALLS_THAT_MAKE_A_SHAPE_FREQUENT
from dovetail.function.trace import Program, example_of
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor

_MOST_PROGRAMS = 32
# What a body must not do to be compiled: it changes an object in place, which a program would do once only.
_CHANGING = frozenset(
    {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard"}
    | {"clear", "sort", "reverse", "numpy", "wait", "acquire", "put"}
)
_STORING = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_ATTR", "STORE_GLOBAL", "YIELD_VALUE"})
_OWN = ("ag__", "fscope")  # variables that conversion adds
# What code that needs a value raises on tensors that have none.
_NEEDS_VALUES = (
    DataDependentShapeError,
    OperatorNotAllowedInGraphError,
    NotImplementedError,
    AttributeError,
    TypeError,
    ValueError,
)


class CompiledBody:
    """The programs of one loop's body, by the kinds of its elements and of its variables."""

    def __init__(self, outside: list) -> None:
        self.outside, self.failed = outside, False
        self._programs: Bounded = Bounded(_MOST_PROGRAMS)
        self._seen: Bounded = Bounded(_MOST_PROGRAMS)

    def run(self, item: Any, body: Callable, variables: Any) -> bool:
        """Does what `body(item)` does; returns False, having done nothing, where the body is to run as Python."""
        values = variables.get()
        if self.failed or state.tapes or not all(map(is_defined, values)):
            return False
        leaves, spec = nest.flatten_spec(item)
        start = variables.start()
        tensors = [*map(convert_to_tensor, leaves), *start.tensors]
        if not all(type(t) is Tensor and not dtypes.is_host_only(t._value.dtype) for t in tensors):
            return False
        key = (spec, start.key, *[(tensor._value.shape, tensor._value.dtype) for tensor in tensors])
        program = self._programs.get(key) or self._made(key, tensors, spec, start, body, variables)
        if program is None:
            return False
        variables.set(start.rebuilt(program.call(tensors)))
        return True

    def _made(
        self, key: tuple, tensors: list, spec: Any, start: Any, body: Callable, variables: Any
    ) -> Program | None:
        """Returns a new program; None while such elements are few, and where the body needs values."""
        count = self._seen.put(key, self._seen.get(key, 0) + 1)
        if count < CALLS_THAT_MAKE_A_SHAPE_FREQUENT:
            return None
        values, num = variables.get(), spec.num_leaves

        def run(given: list) -> list:
            variables.set(start.rebuilt(given[num:]))
            body(nest.unflatten(spec, given[:num]))
            return start.checked(variables.get())

        held, state.host_only = state.host_only, 0
        try:
            program = Program(run, [example_of(tensor) for tensor in tensors], may_create=False)
        except _NEEDS_VALUES:  # run as Python it works, or raises this by itself
            self.failed = True
            return None
        finally:
            state.host_only = held
            variables.set(values)
        program.start = start  # type: ignore[attr-defined]  # the key names its values by identity
        return self._programs.put(key, program)


_known: weakref.WeakKeyDictionary[types.CodeType, CompiledBody] = weakref.WeakKeyDictionary()


def compiled_body(over: Any, body: Callable, names: tuple) -> CompiledBody | None:
    """Returns what runs the body of a loop over a dataset compiled; None for other loops.

    What the body sees of the code around it, the loop's variables aside, must be the same objects each time the loop
    runs; where it is not, the body runs as Python from then on.
    """
    code = getattr(body, "__code__", None)
    if code is None or not hasattr(over, "element_spec"):
        return None
    if state.scope is not None or among_replicas() or not uses_xla():
        return None
    cells = zip(code.co_freevars, body.__closure__ or (), strict=True)  # type: ignore[attr-defined]
    outside = [_content(cell) for name, cell in cells if name not in names and not name.startswith(_OWN)]
    found = _known.get(code)
    if found is None:
        found = _known[code] = CompiledBody([_held(value) for value in outside])
        found.failed = changes_objects(code)
    elif not all(held() is value for held, value in zip(found.outside, outside, strict=True)):
        found.failed = True
    return None if found.failed else found


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None


def _held(value: Any) -> Callable:
    try:
        return weakref.ref(value)
    except TypeError:
        return lambda: value


def changes_objects(code: types.CodeType) -> bool:
    """True for code that changes objects in place or takes values of tensors: a program would do so once only."""
    return (
        not _CHANGING.isdisjoint(code.co_names)
        or any(at.opname in _STORING for at in dis.get_instructions(code))
        or any(changes_objects(inner) for inner in code.co_consts if isinstance(inner, types.CodeType))
    )
