"""The syntax tree of a function, with the positions that it has in the user's file."""

from __future__ import annotations

import ast
import linecache
import types
from collections import OrderedDict
from typing import Any

MAX_FILES = 16
# filename -> (its lines, {first line: definitions that begin there})
_indexed: OrderedDict[str, tuple[list[str], dict[int, list[ast.AST]]]] = OrderedDict()


class NoSourceError(Exception):
    """The text of a function is not there: it was typed into a shell, made by `exec`, or its file has changed."""


def definition_of(function: types.FunctionType) -> ast.FunctionDef | ast.Lambda:
    """Returns a fresh syntax tree of a function or lambda; line and column numbers are those of its file.

    Raises:
        NoSourceError: the text is not to be found.
    """
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise NoSourceError(f"the source of {code.co_filename} is not available")
    found = [
        node for node in _index(code.co_filename, lines).get(code.co_firstlineno, ()) if _fits(node, code)
    ]
    if len(found) > 1:
        found = _around(found, code)
    if len(found) != 1:
        raise NoSourceError(f"{code.co_name} was not found at {code.co_filename}:{code.co_firstlineno}")
    return _parsed(found[0], lines)


def _index(filename: str, lines: list[str]) -> dict[int, list[ast.AST]]:
    known = _indexed.get(filename)
    if known is not None and known[0] is lines:
        return known[1]
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError as error:
        raise NoSourceError(f"{filename} does not parse: {error}") from None
    starts: dict[int, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            starts.setdefault(_first_line(node), []).append(node)
    _indexed[filename] = lines, starts
    while len(_indexed) > MAX_FILES:
        _indexed.popitem(last=False)
    return starts


def _first_line(node: Any) -> int:
    """Returns the line that a code object names as its first: a decorator's, if there is one."""
    decorators = getattr(node, "decorator_list", None)
    return (decorators[0] if decorators else node).lineno


def _fits(node: Any, code: types.CodeType) -> bool:
    name = getattr(node, "name", "<lambda>")
    parameters = [p.arg for p in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return name == code.co_name and code.co_varnames[: len(parameters)] == tuple(parameters)


def _around(nodes: list, code: types.CodeType) -> list:
    """Returns the innermost of the nodes around the first instruction whose place is known."""
    for line, _, column, _ in code.co_positions():
        if line is None or not column:
            continue
        inside = [node for node in nodes if _span(node)[0] <= (line, column) < _span(node)[1]]
        if inside:
            return [max(inside, key=lambda node: _span(node)[0])]
    return nodes


def _span(node: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    body = node.body[0] if isinstance(node.body, list) else node.body
    return (body.lineno, body.col_offset), (node.end_lineno, node.end_col_offset)


def _parsed(node: Any, lines: list[str]) -> Any:
    """Parses one definition once more, in a frame that leaves its columns where they are."""
    text = lines[node.lineno - 1 : node.end_lineno]
    if isinstance(node, ast.Lambda):
        text[-1] = text[-1].encode()[: node.end_col_offset].decode()
        text[0] = " " * node.col_offset + text[0].encode()[node.col_offset :].decode()
        return _from_line(node.lineno, "(", "".join(text) + "\n)", "eval")
    if node.col_offset:
        return _from_line(node.lineno, "if 1:", "".join(text), "exec").body[0]
    return ast.parse("\n" * (node.lineno - 1) + "".join(text)).body[0]


def _from_line(line: int, before: str, text: str, mode: str) -> Any:
    """Parses a text that begins at a line, with a frame in the line above it."""
    tree: Any = ast.parse("\n" * (line - 2) + before + "\n" + text, mode=mode)
    tree = tree.body if mode == "eval" else tree.body[0]
    if line == 1:  # no line is above it
        ast.increment_lineno(tree, -1)
    return tree
