"""What a code object calls, as far as its bytecode tells: an abstract run that follows names, not values.

A global or free name, an attribute of what it stands for, an object that a known class makes, a local that is assigned
once: these are followed.  Whatever else is called is `UNKNOWN`.
"""

from __future__ import annotations

import builtins
import dis
import sys
import types
from collections.abc import Callable
from typing import Any

from dovetail.base.own import is_own

UNKNOWN: Any = object()
HARMLESS: Any = object()  # needs no look: the exit of a `with`, or a function whose code is looked at anyway
SELF, _OBJECT = object(), object()  # in paths: the instance of a method, an object of the class so far
_NULL: Any = object()
_WITH_ATTRIBUTES = (types.ModuleType, type)


class Made:
    """An object that does not exist yet, of a class that is known."""

    __slots__ = ("kind",)

    def __init__(self, kind: type) -> None:
        self.kind = kind


class Seen:
    """A value, and the path (a name, then attributes) by which a function finds it; None for what cannot change."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: tuple | None) -> None:
        self.value, self.path = value, path

    def attribute(self, name: Any) -> Any:
        value = attribute(self.value, name)
        return UNKNOWN if value is UNKNOWN else Seen(value, None if self.path is None else (*self.path, name))


class View:
    """What the names in a function stand for.

    Args:
        function: whose names.
        instance: what it is bound to, or UNKNOWN.
    """

    __slots__ = ("_free", "_instance", "function")

    def __init__(self, function: types.FunctionType, instance: Any = UNKNOWN) -> None:
        self.function, self._instance = function, instance
        self._free = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

    def named(self, name: Any) -> Any:
        """Returns what a name stands for."""
        if name is SELF:
            return self._instance
        if name in self._free:
            try:
                return self._free[name].cell_contents
            except ValueError:  # not assigned yet
                return UNKNOWN
        names = self.function.__globals__
        return names[name] if name in names else getattr(builtins, name, UNKNOWN)

    def value(self, path: tuple) -> Any:
        """Returns what a path leads to."""
        value = self.named(path[0])
        for name in path[1:]:
            if value is UNKNOWN:
                break
            value = attribute(value, name)
        return value


def attribute(value: Any, name: Any) -> Any:
    """Returns what stands under a name in a value, without running code of the user's."""
    if name is _OBJECT:
        return Made(value)
    if isinstance(value, _WITH_ATTRIBUTES):
        return getattr(value, name, UNKNOWN)
    new = type(value) is Made
    kind = value.kind if new else type(value)
    of_class = next((one.__dict__[name] for one in kind.__mro__ if name in one.__dict__), UNKNOWN)
    own = {} if new else getattr(value, "__dict__", {})
    if name in own and not hasattr(type(of_class), "__set__"):
        return own[name]
    if type(of_class) is types.FunctionType:
        return of_class if new else types.MethodType(of_class, value)
    if type(of_class) is staticmethod:
        return of_class.__func__
    return of_class if callable(of_class) else UNKNOWN


def callees(code: types.CodeType, view: View, hidden: frozenset, is_method: bool) -> list:
    """Returns what a code object calls: `Seen`s, and UNKNOWN once for all that is not known.

    Args:
        hidden: free names of the code that belong to a function around it, not to the view.
        is_method: whether the first parameter is the view's instance.
    """
    walk = _Walk(code, view, hidden)
    if is_method and code.co_argcount and code.co_varnames[0] not in code.co_cellvars:
        walk.locals[0] = view.named(SELF)
        if walk.locals[0] is not UNKNOWN:
            walk.locals[0] = Seen(walk.locals[0], (SELF,))
    return walk.run()


class _Walk:
    """One pass over the instructions of a code object, with a stack of what is known."""

    def __init__(self, code: types.CodeType, view: View, hidden: frozenset) -> None:
        self.code, self.view, self.hidden = code, view, hidden
        self.stack: list[Any] = []
        self.locals: dict[int, Any] = {}
        self.names: dict[str, Any] = {}
        self.found: list[Any] = []

    def run(self) -> list:
        instructions = _decoded(self.code.co_code)
        opcodes = {opcode for _, opcode, _ in instructions}
        if opcodes.isdisjoint(_ALL_CALLS):
            return self.found
        labels = () if opcodes.isdisjoint(_JUMPS) else _labels(self.code, instructions)
        self.stores, self.num_parameters = _stores(instructions), _num_parameters(self.code)
        for at, opcode, argument in instructions:
            if at in labels:
                self.stack.clear()  # other ways lead here
            step = _STEPS.get(opcode)
            if step is None:
                self.other(opcode, argument)
            else:
                step(self, argument)
            if self.found and self.found[-1] is UNKNOWN:
                break
        return self.found

    def other(self, opcode: int, argument: int) -> None:
        """Takes and leaves as much as the instruction does; nothing is known of what it leaves."""
        stack = self.stack
        if opcode in _OTHER_CALLS:
            self.found.append(UNKNOWN)
        effect = dis.stack_effect(opcode, argument if opcode >= dis.HAVE_ARGUMENT else None, jump=False)
        if effect < 0:
            del stack[effect:]
        if stack:
            stack[-1] = UNKNOWN
        stack.extend([UNKNOWN] * effect)

    def top(self) -> Any:
        return self.stack.pop() if self.stack else UNKNOWN

    def named(self, name: str) -> None:
        seen = self.names.get(name)
        if seen is None:
            value = self.view.named(name)
            seen = self.names[name] = UNKNOWN if value is UNKNOWN else Seen(value, (name,))
        self.stack.append(seen)

    def load_global(self, argument: int) -> None:
        self.named(self.code.co_names[argument >> 1])
        if argument & 1:
            self.stack.insert(-1 if _NULL_FIRST else len(self.stack), _NULL)

    def load_fast(self, argument: int) -> None:
        self.stack.append(self.locals.get(argument, UNKNOWN))

    def store_fast(self, argument: int) -> None:
        value = self.top()
        if self.stores.count(argument) == 1 and argument >= self.num_parameters:
            self.locals[argument] = value  # whoever reads it, reads this

    def load_deref(self, argument: int) -> None:
        name = _cell_name(self.code, argument)
        if name in self.code.co_freevars and name not in self.hidden:
            self.named(name)
        else:
            self.stack.append(UNKNOWN)

    def load_attribute(self, argument: int) -> None:
        method = _NAMES_HAVE_FLAG and argument & 1
        self._attribute(argument >> 1 if _NAMES_HAVE_FLAG else argument, bool(method))

    def load_method(self, argument: int) -> None:
        self._attribute(argument, True)

    def _attribute(self, index: int, method: bool) -> None:
        value = self.top()
        name = self.code.co_names[index]
        self.stack.append(value.attribute(name) if type(value) is Seen else UNKNOWN)
        if method:
            self.stack.append(UNKNOWN)

    def call(self, argument: int) -> None:
        first, second = -argument - 2, -argument - 1
        stack = self.stack
        callee = stack[first] if len(stack) >= -first else UNKNOWN
        self._called(stack[second] if callee is _NULL else callee, -first)

    def call_spread(self, argument: int) -> None:
        """Meets `f(*args, **kwargs)`."""
        count = 2 + (argument & 1)
        stack = self.stack
        callee = stack[-count] if len(stack) >= count else UNKNOWN
        self._called(UNKNOWN if callee is _NULL else callee, count + 1)

    def _called(self, callee: Any, taken: int) -> None:
        del self.stack[-taken:]
        if callee is not HARMLESS:
            self.found.append(callee if type(callee) is Seen else UNKNOWN)
        made = type(callee) is Seen and isinstance(callee.value, type) and _makes_its_own(callee.value)
        self.stack.append(callee.attribute(_OBJECT) if made else UNKNOWN)

    def make_function(self, argument: int) -> None:
        self.other(dis.opmap["MAKE_FUNCTION"], argument)
        self.stack[-1:] = [HARMLESS]

    def enter(self, _: int) -> None:
        """Meets `with`: how a block begins and ends is not for the gate."""
        manager = self.top()
        ours = type(manager) is Seen and type(manager.value) is Made and _enters_itself(manager.value.kind)
        self.stack += [HARMLESS, manager if ours else UNKNOWN]

    def copy(self, argument: int) -> None:
        self.stack.append(self.stack[-argument] if len(self.stack) >= argument else UNKNOWN)

    def swap(self, argument: int) -> None:
        stack = self.stack
        if len(stack) >= argument:
            stack[-1], stack[-argument] = stack[-argument], stack[-1]
        else:
            stack.clear()


def _makes_its_own(kind: type) -> bool:
    made_by_object = not any("__new__" in one.__dict__ for one in kind.__mro__[:-1])
    return made_by_object or kind.__module__ == "builtins" or is_own(kind)


def _enters_itself(kind: type) -> bool:
    """Tells of our own managers, by their signature, that `with kind() as x` gives the manager itself."""
    enter = getattr(kind, "__enter__", None)
    return is_own(kind) and getattr(enter, "__annotations__", {}).get("return") == kind.__name__


def _num_parameters(code: types.CodeType) -> int:
    rest = bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)  # *args, **kwargs
    return code.co_argcount + code.co_kwonlyargcount + rest


def _cell_name(code: types.CodeType, argument: int) -> str:
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    return (*code.co_varnames, *cells, *code.co_freevars)[argument]


def _decoded(raw: bytes) -> list[tuple[int, int, int]]:
    """Returns the place, code and argument of each instruction, without caches and the parts of long arguments."""
    found, at, high = [], 0, 0
    for opcode, argument in zip(raw[::2], raw[1::2], strict=True):
        if opcode == _EXTENDED:
            high = (argument | high) << 8
        elif opcode:
            found.append((at, opcode, argument | high))
            high = 0
        at += 2
    return found


def _labels(code: types.CodeType, instructions: list) -> frozenset:
    """Returns the places that jumps lead to."""
    if _NAMES_HAVE_FLAG:  # jumps have caches
        return frozenset(dis.findlabels(code.co_code))  # type: ignore[arg-type]
    return frozenset(
        at + 2 + 2 * (-argument if opcode in _BACKWARD else argument)
        for at, opcode, argument in instructions
        if opcode in _JUMPS
    )


def _stores(instructions: list) -> list[int]:
    """Returns the local variables that are assigned, each as often as it is; twice where two go by together."""
    found = [argument for _, opcode, argument in instructions if opcode in _STORES]
    if _DOUBLE_STORES:
        pairs = [argument for _, opcode, argument in instructions if opcode in _DOUBLE_STORES]
        found += [local for argument in pairs for local in (argument >> 4, argument & 15)] * 2
    return found


# ---- Python's versions differ in these
_NAMES_HAVE_FLAG = sys.version_info >= (3, 12)  # of LOAD_ATTR: whether a method is called
_NULL_FIRST = sys.version_info < (3, 13)
_CODES = dis.opmap
_EXTENDED = dis.EXTENDED_ARG
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_BACKWARD = frozenset(code for name, code in _CODES.items() if "JUMP_BACKWARD" in name)
_STORES = frozenset({_CODES["STORE_FAST"], _CODES.get("DELETE_FAST", -1)})
_DOUBLE_STORES = frozenset(code for name, code in _CODES.items() if name.startswith("STORE_FAST_"))
_IDLE = ("RESUME", "NOP", "PRECALL", "KW_NAMES", "CACHE", "MAKE_CELL", "COPY_FREE_VARS", "RETURN_GENERATOR")
_TAKEN = {
    **dict.fromkeys(("POP_TOP", "STORE_GLOBAL", "STORE_DEREF", "RETURN_VALUE", "LIST_APPEND", "SET_ADD"), 1),
    **dict.fromkeys(("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE"), 1),
    **dict.fromkeys((name for name in _CODES if name.startswith("POP_JUMP")), 1),
    **dict.fromkeys(("STORE_ATTR", "DELETE_SUBSCR", "MAP_ADD"), 2),
    "STORE_SUBSCR": 3,
}
_BUILT = {
    "BUILD_LIST": list,
    "BUILD_TUPLE": tuple,
    "BUILD_SET": set,
    "BUILD_MAP": dict,
    "BUILD_CONST_KEY_MAP": dict,
    "BUILD_STRING": str,
    "FORMAT_VALUE": str,
}


def _takes(count: int) -> Callable:
    def step(walk: _Walk, _: int) -> None:
        del walk.stack[-count:]

    return step


def _builds(opcode: int, kind: type) -> Callable:
    built = Seen(Made(kind), None)

    def step(walk: _Walk, argument: int) -> None:
        walk.other(opcode, argument)
        walk.stack[-1:] = [built]

    return step


def _pushes(value: Any) -> Callable:
    return lambda walk, _: walk.stack.append(value)


_STEPS: dict[int, Callable[[_Walk, int], None]] = {
    _CODES[name]: step
    for name, step in {
        **dict.fromkeys(_IDLE, lambda walk, _: None),
        **{name: _takes(count) for name, count in _TAKEN.items()},
        **{name: _builds(_CODES[name], kind) for name, kind in _BUILT.items() if name in _CODES},
        "LOAD_GLOBAL": _Walk.load_global,
        "LOAD_FAST": _Walk.load_fast,
        "STORE_FAST": _Walk.store_fast,
        "LOAD_DEREF": _Walk.load_deref,
        "LOAD_CONST": lambda walk, at: walk.stack.append(Seen(walk.code.co_consts[at], None)),
        "LOAD_ATTR": _Walk.load_attribute,
        "LOAD_METHOD": _Walk.load_method,
        "CALL": _Walk.call,
        "CALL_FUNCTION_EX": _Walk.call_spread,
        "MAKE_FUNCTION": _Walk.make_function,
        "BEFORE_WITH": _Walk.enter,
        "COPY": _Walk.copy,
        "SWAP": _Walk.swap,
        "PUSH_NULL": _pushes(_NULL),
        "LOAD_BUILD_CLASS": _pushes(HARMLESS),
        "PUSH_EXC_INFO": lambda walk, _: walk.stack.clear(),
    }.items()
    if name in _CODES
}
_ALL_CALLS = frozenset(
    code for name, code in _CODES.items() if name.startswith("CALL") and "INTRINSIC" not in name
)
_OTHER_CALLS = _ALL_CALLS.difference(_STEPS)
