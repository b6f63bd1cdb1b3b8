"""Whether an import statement stands in a `try` that expects it to fail."""

from __future__ import annotations

import ast
import functools
import linecache
from types import FrameType

_CATCHES = frozenset({"ImportError", "ModuleNotFoundError", "AttributeError", "Exception", "BaseException"})


def catches_import_error(frame: FrameType | None) -> bool:
    """True if the statement that runs in `frame` is in the body of a `try` with a handler for ImportError.

    `with contextlib.suppress(ImportError)` counts too.  Without the source (code typed at the prompt) it is False.
    """
    if frame is None:
        return False
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    guarded = _guarded_lines("".join(lines))
    return frame.f_lineno in guarded


@functools.lru_cache(maxsize=32)
def _guarded_lines(source: str) -> frozenset[int]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return frozenset()  # a notebook cell with magics
    guarded: set[int] = set()
    for node in ast.walk(tree):
        if (isinstance(node, ast.Try) and _expects_failure(node)) or (
            isinstance(node, ast.With) and _suppresses(node)
        ):
            guarded |= _lines(node.body)
    return frozenset(guarded)


def _lines(body: list[ast.stmt]) -> set[int]:
    return set(range(body[0].lineno, (body[-1].end_lineno or body[-1].lineno) + 1))


def _catches(expected: ast.expr | None) -> bool:
    if expected is None:
        return True
    options = expected.elts if isinstance(expected, ast.Tuple) else [expected]
    return any(ast.unparse(option).rpartition(".")[2] in _CATCHES for option in options)


def _expects_failure(node: ast.Try) -> bool:
    return any(_catches(handler.type) for handler in node.handlers)


def _suppresses(node: ast.With) -> bool:
    calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
    found = [call for call in calls if ast.unparse(call.func).rpartition(".")[2] == "suppress"]
    return any(_catches(argument) for call in found for argument in call.args)
