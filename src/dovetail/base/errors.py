"""The error classes of `tf.errors`, and the small helpers that make messages useful.

Every class also derives from the built-in exception that a Python programmer would expect (`ValueError`,
`IndexError`, ...), so that `except ValueError` keeps working around a failing op.
"""

from __future__ import annotations

import difflib
import functools
import os
import sys
import types
from collections.abc import Iterable


class OpError(Exception):
    """Base of the errors that ops raise.

    Args:
        message: what happened.  Also accepted in TensorFlow's order `(node_def, op, message)`.
    """

    code = 2

    def __init__(self, *args: object) -> None:
        node_def, op, message = (
            (None, None, args[0]) if len(args) == 1 else (*args[:3],) if args else (None,) * 3
        )
        super().__init__(message)
        self.node_def, self.op, self.message = node_def, op, str(message)

    @property
    def error_code(self) -> int:
        return self.code


class CancelledError(OpError):
    code = 1


class UnknownError(OpError):
    code = 2


class InvalidArgumentError(OpError, ValueError):
    code = 3


class ArgumentTypeError(InvalidArgumentError, TypeError):
    """An argument of the wrong kind.  TensorFlow raises now ValueError, now TypeError for it; this is both."""


class UnknownObjectError(TypeError, ValueError):
    """A name that stands for nothing.  Keras 2 raises ValueError for it, Keras 3 also TypeError; this is both."""


class DeadlineExceededError(OpError, TimeoutError):
    code = 4


class NotFoundError(OpError, FileNotFoundError):
    code = 5


class AlreadyExistsError(OpError, FileExistsError):
    code = 6


class PermissionDeniedError(OpError, PermissionError):
    code = 7


class ResourceExhaustedError(OpError, MemoryError):
    code = 8


class FailedPreconditionError(OpError, RuntimeError):
    code = 9


class PathKindError(FailedPreconditionError, NotADirectoryError, FileExistsError, IsADirectoryError):
    """A file stands where a directory must be, or the other way round."""


class AbortedError(OpError):
    code = 10


class OutOfRangeError(OpError, IndexError):
    code = 11


class UnimplementedError(OpError, NotImplementedError):
    code = 12


class InternalError(OpError):
    code = 13


class UnavailableError(OpError):
    code = 14


class DataLossError(OpError):
    code = 15


class UnauthenticatedError(OpError):
    code = 16


class OperatorNotAllowedInGraphError(TypeError):
    """A traced or symbolic tensor was used where Python needs a value (`if`, `while`, `int()`, iteration)."""


class DataDependentShapeError(TypeError):
    """An op whose output shape depends on values met a traced tensor.  `tf.function` answers by running op by op."""

    def __init__(self, op_name: str, message: str) -> None:
        super().__init__(message)
        self.op_name = op_name


class GraphNeededError(RuntimeError):
    """What was called works on a recorded graph.  A trace answers by recording its function first."""


class InaccessibleTensorError(TypeError):
    """A tensor of a finished trace was used outside of it."""


_OWN = (
    OpError,
    OperatorNotAllowedInGraphError,
    DataDependentShapeError,
    GraphNeededError,
    InaccessibleTensorError,
)
_KINDS = {
    ValueError: InvalidArgumentError,
    TypeError: InvalidArgumentError,
    StopIteration: OutOfRangeError,
    MemoryError: ResourceExhaustedError,
    NotImplementedError: UnimplementedError,
}


def of_python(error: Exception, where: str) -> Exception:
    """Returns what an op raises for an error of the Python function that it calls.

    It is of `tf.errors` and, where Python allows it, of the error's own built-in class as well.

    Args:
        error: what the function has raised; errors of Dovetail stay what they are.
        where: what called it, for the message.
    """
    if isinstance(error, _OWN):
        return error
    base = next((one for one in type(error).__mro__ if one.__module__ == "builtins"), Exception)
    kind = next((found for one, found in _KINDS.items() if issubclass(base, one)), UnknownError)
    message = f"{where}: {type(error).__name__}: {error}"
    try:
        raised = (kind if issubclass(kind, base) else _of_both(kind, base))(message)
    except TypeError:  # such as UnicodeDecodeError, which is made of five arguments
        raised = kind(message)
    raised.__cause__ = error
    return raised.with_traceback(error.__traceback__)


@functools.cache
def _of_both(kind: type, base: type) -> type:
    return type(kind.__name__, (kind, base), {"__module__": kind.__module__})


def suggest(name: str, candidates: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the nearest candidate, or "" when nothing is near.

    Example:
        >>> suggest("adm", ["sgd", "adam"])
        " Did you mean 'adam'?"
    """
    candidates = [str(candidate) for candidate in candidates]
    folded = {candidate.lower(): candidate for candidate in candidates}
    near = difflib.get_close_matches(str(name).lower(), list(folded), n=1, cutoff=0.6)
    return f" Did you mean '{folded[near[0]]}'?" if near else ""


PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Libraries that call methods of tensors: np.sum(tensor).
ARRAY_LIBRARIES = tuple(f"-packages{os.sep}{name}" for name in ("numpy", "scipy", "ml_dtypes"))
_FOREIGN = (
    os.sep + "site-packages" + os.sep + "jax",
    os.sep + "optree" + os.sep,
    os.sep + "contextlib.py",
    "<frozen",
    "<string>",
)


def is_framework_file(name: str) -> bool:
    """Returns whether a source file belongs to Dovetail, or to the libraries through which it calls user code."""
    return name.startswith(PACKAGE_DIR) or any(part in name for part in _FOREIGN)


def user_location() -> str:
    """Returns "file.py:12" of the innermost frame outside of Dovetail, or "" when there is none."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not is_framework_file(name) and not any(part in name for part in ARRAY_LIBRARIES):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def at_user_location() -> str:
    """Returns " (at file.py:12)" for messages, or ""."""
    where = user_location()
    return f" (at {where})" if where else ""
