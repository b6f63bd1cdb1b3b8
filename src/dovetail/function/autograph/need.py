"""What a function needs: nothing, its calls looked at, or its control flow rewritten.  Told from its bytecode.

What it calls is followed: a function that calls helpers of the user's needs nothing when they need nothing.  Names can
come to mean something else, so a finding tells what it rests on.
"""

from __future__ import annotations

import dis
import enum
import functools
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.function.autograph.callees import UNKNOWN, Seen, View, callees
from dovetail.function.autograph.user_code import MARK, is_user_function


class Need(enum.IntEnum):
    """What has to be done to a function before it runs on tensors without values."""

    NOTHING = 0
    CALLS = 1
    ALL = 2


_COMPREHENSIONS = frozenset({"<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"})
_CODES = dict(dis.opmap)
# Jumps that depend on a value, but for those that ask for None: only Python values are None.
_DECISIONS = frozenset(
    code
    for name, code in _CODES.items()
    if ("JUMP" in name and "_IF_" in name and "NONE" not in name) or name in ("UNARY_NOT", "FOR_ITER")
)
_ITERATIONS = frozenset({_CODES["FOR_ITER"]})
# What stands before the jumps with which `with` and `except` handle exceptions.
_HANDLERS = frozenset(_CODES[name] for name in ("WITH_EXCEPT_START", "CHECK_EXC_MATCH") if name in _CODES)


def _decides(code: types.CodeType) -> bool:
    kinds = _DECISIONS - _ITERATIONS if code.co_name in _COMPREHENSIONS else _DECISIONS
    operations = [x for x in code.co_code[::2] if x]  # caches and padding are zero
    return any(
        now in kinds and before not in _HANDLERS
        for before, now in zip([0, *operations], operations, strict=False)
    )


class Finding:
    """What a function needs, and for one that needs nothing what that rests on."""

    __slots__ = ("need", "_rests_on")

    def __init__(self, need: Need, rests_on: tuple = ()) -> None:
        self.need, self._rests_on = need, rests_on

    def holds(self, view: View) -> bool:
        """Returns whether the names in the function still lead to what they led to."""
        return all(self._leads(view, *one) for one in self._rests_on)

    @staticmethod
    def _leads(view: View, path: tuple, expected: Callable, below: Finding | None) -> bool:
        value = view.value(path)
        if value is UNKNOWN:
            return False
        what, instance = _taken_apart(value)
        return what is expected() and (below is None or below.holds(View(what, instance)))


_CALLS, _ALL = Finding(Need.CALLS), Finding(Need.ALL)
_MOST_FUNCTIONS = 64  # that are followed for one finding


class Inquiry:
    """Finds out what one function needs, and what the functions need that it calls.

    Args:
        known: `known(code)` returns a finding from before, or None.
        note: `note(code, finding)` is told what is found on the way of functions that need something.
        replaced: builtins that have another meaning for tensors.
    """

    def __init__(self, known: Callable, note: Callable, replaced: frozenset) -> None:
        self._known, self._note, self._replaced = known, note, replaced
        self._met: set[int] = set()

    def finding(self, view: View) -> Finding:
        code = view.function.__code__
        if any(map(_decides, _codes(code))):
            return _ALL
        calls = list(self._calls(code, view, frozenset()))
        if UNKNOWN in calls or len(self._met) > _MOST_FUNCTIONS:
            return _CALLS
        rests_on = []
        for call in calls:
            what, instance = _taken_apart(call.value)
            below = None
            if type(what) is types.FunctionType and is_user_function(what):
                below = self._below(what, instance)
                if below.need is not Need.NOTHING:
                    return _CALLS
            elif _is_replaced(what, self._replaced):
                return _CALLS
            if call.path is not None and (below is not None or not _is_of_module(call, view)):
                rests_on.append((call.path, weakref.ref(what), below))
        return Finding(Need.NOTHING, tuple(rests_on))

    def _calls(self, code: types.CodeType, view: View, hidden: frozenset) -> Iterator:
        yield from callees(code, view, hidden, is_method=code is view.function.__code__)
        hidden = hidden.union(code.co_cellvars)
        for inner in code.co_consts:
            if isinstance(inner, types.CodeType):
                yield from self._calls(inner, view, hidden)

    def _below(self, function: types.FunctionType, instance: Any) -> Finding:
        """Returns the finding for a function that is called; one that is being looked at needs nothing by itself."""
        if id(function) in self._met or function.__dict__.get(MARK, UNKNOWN) is None:
            return _NOTHING
        self._met.add(id(function))
        found = self._known(function.__code__)
        if found is None or found.need is Need.NOTHING:
            found = self.finding(View(function, instance))
            if found.need is not Need.NOTHING:
                self._note(function.__code__, found)
        return found


_NOTHING = Finding(Need.NOTHING)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)


def _taken_apart(value: Any) -> tuple[Any, Any]:
    """Returns what decides whether a call of a value is the gate's concern, and the instance it is bound to.

    That is a function, a class, a builtin, or the class of an object whose call is not written in Python.
    """
    kind = type(value)
    if kind is types.FunctionType:
        bound = value.__dict__.get(MARK)
        return (value, UNKNOWN) if bound is None else (bound[0], bound[1]())
    if kind is types.MethodType:
        return value.__func__, value.__self__
    if kind is types.BuiltinFunctionType or isinstance(value, type):
        return value, UNKNOWN
    if kind is functools.partial:
        return _taken_apart(value.func)
    call = getattr(kind, "__call__", None)  # noqa: B004  the function itself
    return (call, value) if type(call) is types.FunctionType else (kind, UNKNOWN)


def _is_replaced(what: Any, replaced: frozenset) -> bool:
    try:
        return what in replaced
    except TypeError:  # a method of an object that has no hash
        return False


def _is_of_module(call: Seen, view: View) -> bool:
    """Tells what a library's module holds, which stays what it is."""
    return isinstance(view.named(call.path[0]), types.ModuleType)  # type: ignore[index]
