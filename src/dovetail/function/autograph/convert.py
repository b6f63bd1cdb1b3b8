"""From a function of the user's to one whose control flow works on tensors without values."""

from __future__ import annotations
import __future__

import ast
import builtins
import importlib
import itertools
import types
import weakref
from collections import ChainMap
from collections.abc import Callable
from typing import Any

from dovetail.function.autograph.callees import UNKNOWN, View
from dovetail.function.autograph.need import Finding, Inquiry, Need
from dovetail.function.autograph.source import definition_of

OPERATORS = "ag__"
_PREFIX = "ag__"
_FUTURE_ANNOTATIONS = __future__.annotations.compiler_flag
_GENERATORS = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR


class NotConvertibleError(Exception):
    """A function uses what conversion does not know."""


class Converted:
    """What is known of one code object: what it needs, and its converted code once there is one."""

    __slots__ = ("alive", "code", "failed", "finding", "tree")

    def __init__(self, alive: Any, finding: Finding) -> None:
        self.alive, self.finding = alive, finding
        self.code: types.CodeType | None = None
        self.tree: ast.AST | None = None
        self.failed: str | None = None

    @property
    def need(self) -> Need:
        return self.finding.need


class Converter:
    """Converts functions, each code object once.

    Args:
        operators: what converted code calls `ag__`.
        replaced: builtins that have another meaning for tensors.
        is_loop_option: tells whether a value is `set_loop_options`.
    """

    def __init__(self, operators: Any, replaced: frozenset, is_loop_option: Callable[[Any], bool]) -> None:
        self._cell = types.CellType(operators)
        self._replaced, self._is_loop_option = replaced, is_loop_option
        self._known: dict[int, Converted] = {}

    def known(self, function: types.FunctionType, instance: Any = UNKNOWN) -> Converted:
        """Returns the entry of the function's code object, which lives as long as that does.

        Args:
            instance: what the function is bound to, if anything.
        """
        code = function.__code__
        entry = self._known.get(id(code))
        if entry is not None and entry.alive() is code:
            if entry.need is not Need.NOTHING:
                return entry
            view = View(function, instance)
            if entry.finding.holds(view):
                return entry
        else:
            view = View(function, instance)
        return self._note(code, Inquiry(self._found, self._note, self._replaced).finding(view))

    def _found(self, code: types.CodeType) -> Finding | None:
        entry = self._known.get(id(code))
        return entry.finding if entry is not None and entry.alive() is code else None

    def _note(self, code: types.CodeType, finding: Finding) -> Converted:
        key, known = id(code), self._known
        alive = weakref.ref(code, lambda _: known.pop(key, None))
        known[key] = entry = Converted(alive, finding)
        return entry

    def convert(self, function: types.FunctionType, entry: Converted) -> types.FunctionType:
        """Returns the converted function; its globals, closure, defaults and attributes are the original's.

        Raises:
            Exception: whatever is in the way.
        """
        if entry.code is None:
            entry.tree = self.tree(function, entry.need)
            entry.code = _compiled(entry.tree, function)
        closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        closure[OPERATORS] = self._cell
        cells = tuple(closure[name] for name in entry.code.co_freevars)
        made = types.FunctionType(
            entry.code, function.__globals__, function.__name__, function.__defaults__, cells
        )
        made.__kwdefaults__ = function.__kwdefaults__
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        made.__doc__ = function.__doc__
        made.__dict__.update(function.__dict__)
        return made

    def tree(self, function: types.FunctionType, need: Need) -> ast.AST:
        """Returns the converted syntax tree."""
        if function.__code__.co_flags & _GENERATORS:
            raise NotConvertibleError("generators and coroutines run as they are")
        node = definition_of(function)
        _prepare(node, function)
        if need is Need.CALLS:
            return _Calls().visit(node)
        passes = importlib.import_module("dovetail.function.autograph.passes")
        return ast.fix_missing_locations(passes.rewritten(node, _names_of(function), self._is_loop_option))


def _names_of(function: types.FunctionType) -> ChainMap:
    """Returns the free variables (those that have a value), globals and builtins that a function sees."""
    free = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            free[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return ChainMap(free, function.__globals__, vars(builtins))


def _prepare(node: Any, function: types.FunctionType) -> None:
    """Removes what belongs to the definition, and spells out what only works where the function stands."""
    arguments = node.args
    arguments.defaults = [ast.copy_location(ast.Constant(None), x) for x in arguments.defaults]
    arguments.kw_defaults = [x and ast.copy_location(ast.Constant(None), x) for x in arguments.kw_defaults]
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
    parts = function.__qualname__.split(".")
    owner = parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else ""
    first = [*arguments.posonlyargs, *arguments.args][:1]
    if owner or "__class__" in function.__code__.co_freevars:
        _ClassNames(owner.lstrip("_"), first[0].arg if first else "").visit(node)


class _ClassNames(ast.NodeTransformer):
    """Spells `super()` and names like `__private` as Python does inside a class."""

    def __init__(self, owner: str, first: str) -> None:
        self.owner, self.first = owner, first

    def _mangled(self, name: str) -> str:
        private = self.owner and name.startswith("__") and not name.endswith("__")
        return f"_{self.owner}{name}" if private else name

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._mangled(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._mangled(node.id)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args and self.first:
            names = [ast.Name("__class__", ast.Load()), ast.Name(self.first, ast.Load())]
            node.args = [ast.copy_location(name, node) for name in names]
        return node


_LOAD = ast.Load()
_LOCATION = ("lineno", "col_offset", "end_lineno", "end_col_offset")


class _Calls(ast.NodeTransformer):
    """Turns `f(x)` into `ag__.call(f)(x)`."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not (isinstance(node.func, ast.Name) and node.func.id == "super"):
            at = {name: getattr(node.func, name) for name in _LOCATION}
            call = ast.Attribute(ast.Name(OPERATORS, _LOAD, **at), "call", _LOAD, **at)
            node.func = ast.Call(call, [node.func], [], **at)
        return node


def _compiled(node: Any, function: types.FunctionType) -> types.CodeType:
    """Compiles the converted function as if it stood in the user's file."""
    original = function.__code__
    is_lambda = isinstance(node, ast.Lambda)
    if not is_lambda:
        node.name = _PREFIX + original.co_name  # so that the original's name still means what it did
    at = {name: getattr(node, name) for name in _LOCATION}
    body = ast.Expr(node, **at) if is_lambda else node
    free = [*original.co_freevars, OPERATORS]
    names: list[ast.stmt] = [
        ast.Assign([ast.Name(name, ast.Store(), **at)], ast.Constant(None, **at), **at) for name in free
    ]
    no_arguments = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    outer = ast.FunctionDef("outer", no_arguments, [*names, body], [], **at)
    outer.type_params = []  # type: ignore[attr-defined]
    module = ast.Module([outer], [])
    flags = original.co_flags & _FUTURE_ANNOTATIONS
    compiled = compile(module, original.co_filename, "exec", flags=flags, dont_inherit=True)
    wanted = "<lambda>" if is_lambda else node.name
    code = _inside(_inside(compiled, "outer"), wanted)
    return code.replace(co_name=original.co_name, co_qualname=original.co_qualname)


def _inside(code: types.CodeType, name: str) -> types.CodeType:
    inner = (x for x in code.co_consts if isinstance(x, types.CodeType) and x.co_name == name)
    return next(itertools.islice(inner, 1))
