"""Variables as arguments of a `tf.function`: one trace serves all variables of its specs.

A trace knows the very variables that it reads and writes.  It may be used with others in the places of the arguments
once it is sure that nothing else in it depends on which those were (an optimizer's slots would, or a closure over one
of them).  That is seen from the code, where it refers to plain values only, or by tracing it once more, with the second
variables: both traces must be the same but for the arguments.
"""

from __future__ import annotations

import copy
import math
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.bounded import Bounded
from dovetail.function.signature import Call
from dovetail.function.trace import Program
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.variable import Variable
from dovetail.tensor.variable_spec import specs_of

_MOST_KINDS = 32
_PLAIN = (bool, int, float, complex, str, bytes, type(None), types.BuiltinFunctionType)
_STATELESS_MODULES = ("dovetail", math.__name__, np.__name__)


class Rebinding:
    """The traces of one function by the kinds of their variable arguments.

    Args:
        python_function: the function.
    """

    def __init__(self, python_function: Callable) -> None:
        self._python_function = python_function
        self._proven: Bounded = Bounded(_MOST_KINDS)  # (program, its variables) by the calls' kinds
        self._first: Bounded = Bounded(_MOST_KINDS)

    def program_for(self, call: Call) -> Program | None:
        """Returns a trace made for other variables as one for those of a call; None when there is none."""
        variables = _variables(call)
        found = self._proven.get(_kind(call, variables)) if variables else None
        if found is None:
            return None
        program, before = found
        replaced = dict(zip(map(id, before), variables, strict=True))
        own = {id(variable) for variable in (*program.reads, *program.writes)} - set(replaced)
        if own & set(map(id, variables)) or any(variable._layout is not None for variable in variables):
            return None  # an argument is a variable of the function, too
        return _with_variables(program, replaced)

    def note(self, call: Call, program: Program) -> None:
        """Looks at a new trace: is it one that other variables may use?"""
        variables = _variables(call)
        if not variables or program.stores or program.notes is not None:
            return
        if any(variable._layout is not None for variable in (*program.reads, *program.writes)):
            return
        kind = _kind(call, variables)
        before = self._first.get(kind)
        if before is None:
            self._first.put(kind, (program, variables))
            arguments = set(map(id, variables))
            uses = {id(variable) for variable in (*program.reads, *program.writes)}
            plain = all(isinstance(leaf, Tensor | Variable) or _is_plain(leaf) for leaf in call.leaves)
            if plain and uses <= arguments and _refers_to_plain_values(self._python_function):
                self._proven.put(kind, (program, variables))
        elif _same_but_for_arguments(before[0], before[1], program, variables):
            self._proven.put(kind, before)


def _variables(call: Call) -> list[Variable]:
    return [leaf for leaf in call.leaves if isinstance(leaf, Variable)]


def _kind(call: Call, variables: list[Variable]) -> tuple:
    """Returns the key of a call with the specs of the variables in place of the variables."""
    given = iter(specs_of(variables))
    return tuple(
        [
            ("variable", next(given)) if i and part[:1] == ("variable",) else part
            for i, part in enumerate(call.key)
        ]
    )


def _with_variables(program: Program, replaced: dict[int, Variable]) -> Program:
    """Returns the program over other variables; both share what has been compiled."""
    found = copy.copy(program)
    found.compiled = program.compiled  # made once, for all
    found.reads = [replaced.get(id(variable), variable) for variable in program.reads]
    found.writes = [replaced.get(id(variable), variable) for variable in program.writes]
    found.__dict__.pop("_transaction", None)
    return found


def _same_but_for_arguments(one: Program, before: list, other: Program, after: list) -> bool:
    arguments = dict(zip(map(id, before), after, strict=True))
    pairs = [(one.reads, other.reads), (one.writes, other.writes)]
    return (
        all([id(arguments.get(id(v), v)) for v in old] == list(map(id, new)) for old, new in pairs)
        and one.donated == other.donated
        and one.same_results(other)
        and str(one.closed.jaxpr) == str(other.closed.jaxpr)
        and all(
            a is b or np.array_equal(a, b)
            for a, b in zip(one.closed.consts, other.closed.consts, strict=True)
        )
    )


def _refers_to_plain_values(function: Any) -> bool:
    """True for a function whose globals and closure hold nothing that could be, or hold, a variable."""
    if not isinstance(function, types.FunctionType):
        return False
    names = set(_names(function.__code__))
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    values = [function.__globals__[name] for name in names if name in function.__globals__]
    return all(map(_is_plain, [*values, *cells, *(function.__defaults__ or ())]))


def _names(code: types.CodeType) -> list[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return [*code.co_names, *(name for one in inner for name in _names(one))]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _is_plain(value: Any) -> bool:
    if isinstance(value, types.ModuleType):
        return any(value is sys.modules.get(name) for name in _STATELESS_MODULES)
    if type(value) in (list, tuple):
        return all(type(item) in _PLAIN for item in value)
    return type(value) in _PLAIN
