"""What a function needs: nothing, its calls looked at, or its control flow rewritten.  Told from its bytecode."""

from __future__ import annotations

import builtins
import dis
import enum
import types
from collections.abc import Callable
from typing import Any

from dovetail.function.autograph.user_code import is_foreign, is_user_function


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
_CALLS = frozenset(
    code for name, code in _CODES.items() if name.startswith("CALL") and "INTRINSIC" not in name
)
_UNKNOWN = object()


def need_of(code: types.CodeType, names: Callable[[str], Any], replaced: frozenset) -> Need:
    """Returns what a code object and those inside it need.

    Args:
        names: returns the value of a global or free name, raising KeyError.
        replaced: builtins that have another meaning for tensors.
    """
    if _decides(code):
        return Need.ALL
    need = Need.CALLS if _may_call_user_code(code, names, replaced) else Need.NOTHING
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            need = max(need, need_of(inner, names, replaced))
    return need


def _decides(code: types.CodeType) -> bool:
    kinds = _DECISIONS - _ITERATIONS if code.co_name in _COMPREHENSIONS else _DECISIONS
    operations = [x for x in code.co_code[::2] if x]  # caches and padding are zero
    return any(
        now in kinds and before not in _HANDLERS
        for before, now in zip([0, *operations], operations, strict=False)
    )


def _may_call_user_code(code: types.CodeType, names: Callable[[str], Any], replaced: frozenset) -> bool:
    """False when everything that is called is known to be a builtin's or a library's."""
    if not _CALLS.intersection(code.co_code[::2]):
        return False
    current: Any = _UNKNOWN
    for at in dis.get_instructions(code):
        name = at.opname
        if name == "LOAD_GLOBAL":
            current = _named(at.argval, names)
            if _wants_conversion(current, replaced):
                return True
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            if current is _UNKNOWN:
                return True
            current = (
                getattr(current, at.argval, _UNKNOWN)
                if isinstance(current, types.ModuleType | type)
                else _UNKNOWN
            )
            if _wants_conversion(current, replaced):
                return True
        elif name in ("PUSH_NULL", "CALL_FUNCTION_EX"):
            return True  # a local is called
        elif not name.startswith(("CACHE", "EXTENDED_ARG")):
            current = _UNKNOWN
    return False


def _named(name: str, names: Callable[[str], Any]) -> Any:
    try:
        return names(name)
    except KeyError:
        return getattr(builtins, name, _UNKNOWN)


def _wants_conversion(value: Any, replaced: frozenset) -> bool:
    if value is _UNKNOWN or isinstance(value, types.ModuleType):
        return False
    if isinstance(value, types.FunctionType):
        return is_user_function(value)
    if isinstance(value, types.BuiltinFunctionType | type):
        return value in replaced
    return callable(value) and not is_foreign(value)
