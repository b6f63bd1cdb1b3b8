"""Errors are raised short, deep inside; here they become what a user can act on, once, at the public call.

`tell` adds what the raiser could not know: the public function, what it was given, and the user's line.  It runs
only when a call has failed.
"""

from __future__ import annotations

import dis
import os
import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NoReturn

from dovetail.base.errors import (
    ARRAY_LIBRARIES,
    PACKAGE_DIR,
    ArgumentTypeError,
    DataDependentShapeError,
    InaccessibleTensorError,
    InvalidArgumentError,
    OperatorNotAllowedInGraphError,
    OpError,
    ResourceExhaustedError,
    UnimplementedError,
    at_user_location,
    is_framework_file,
    suggest,
)
from dovetail.base.settings import settings

# What a call with bad arguments may raise.  Others (files, interrupts, ...) mean something else and stay.
BAD_CALL = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OpError,
    TypeError,
    ValueError,
)
_RAISES = ("RAISE_VARARGS", "RERAISE")
_COMPLETE = (DataDependentShapeError, InaccessibleTensorError, OperatorNotAllowedInGraphError)
_PLACE = re.compile(r" \(at [^()]*:\d+\)")
_STDLIB = os.path.dirname(os.__file__) + os.sep
# Messages that name no public call: those of conversions, and those of ops, which have names of their own.
_UNNAMED = re.compile("Attempt to convert|Can(?:no|')t convert|Cannot make|The integer|[a-z_0-9]+: ")
_LIBRARIES = (
    *ARRAY_LIBRARIES,
    *(f"-packages{os.sep}{name}" for name in ("rich", "h5py", "matplotlib", "PIL")),
)
_JAX = f"-packages{os.sep}jax"
_UNKNOWN_ARGUMENT = re.compile(r"unknown argument '(\w+)'$")
_LONGEST = 80

# What Python, NumPy and JAX say of arguments that do not fit -> the same in terms of tensors.
_PLAIN = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (
            r"operands could not be broadcast together with (?:re)?(?:mapped )?shapes? (?:\[.*?\]: )?(.*)",
            r"the shapes do not broadcast together: \1",
        ),
        (
            r"(?:\w+ got i|I)ncompatible shapes for broadcasting: (?:shapes=)?(.*)",
            r"the shapes do not broadcast together: \1",
        ),
        (
            r"Array boolean indices must be concrete.*|\w+ indices must be of integer type.*",
            "the indices must be integers",
        ),
        (
            r"(?:jnp|lax)\.pad: pad_width.*|start_indices arguments to \w+ must be scalars.*",
            "an argument has another number of entries, or a tensor another rank, than needed",
        ),
        (r"(?:shape mismatch: )?(?:value array|indexing arrays).*", "the shapes do not fit together"),
        (r"matmul: Input operand 1 has a mismatch.*", "the inner sizes differ"),
        (r"arrays used as indices must be of integer.*", "the indices must be integers"),
        (
            r"Cannot cast array data from dtype\('float\w+'\) to dtype\('u?int.*",
            "the indices must be integers",
        ),
        (
            r".*(?:'bytes' and|and 'bytes'|of type 'bytes'|to float: b|concatenate str|matching types \(dtype\('S).*",
            "strings where numbers are expected",
        ),
        (r"Dtype object is not a valid JAX array type.*", "strings where numbers are expected"),
        (r"loop of ufunc does not support argument .*", "strings where numbers are expected"),
        (r"can't multiply sequence by non-int of type .*", "strings where numbers are expected"),
        (r"only 0-dimensional arrays can be converted.*", "several elements where one number is expected"),
        (r"object too deep for desired array", "a tensor has more axes than needed"),
        (r"index can't contain negative values", "a padding is negative"),
        (r"[\w.<>]+\(\) got an unexpected keyword argument ('\w+').*", r"unknown argument \1"),
        (r"[\w.<>]+\(\) missing \d+ required .* arguments?: (.*)", r"missing the argument \1"),
        (r"[\w.<>]+\(\) (takes .* given)", r"\1"),
        (r"ufunc '(\w+)' .*", r"the dtypes do not go with \1"),
        (r".*'NoneType'.*", "None where a tensor or a value is expected"),
        (r"unhashable type: '(\w+)'", r"a value of type \1 where a number or a name is expected"),
        (
            r"(?:tuple|list|string) index out of range|too many indices for array.*|axis -?\d+ is out of bounds.*"
            r"|index -?\d+ is out of bounds for axis.*|.*tuple: index out of range.*",
            "an axis or an index is out of range; a tensor has fewer axes, or an argument fewer entries, than needed",
        ),
        (
            r"not enough values to unpack.*|too many values to unpack.*|zip\(\) argument.*",
            "an argument has another number of entries, or a tensor another rank, than needed",
        ),
        (
            r"'(\w+)' object is not (?:iterable|subscriptable)|object of type '(\w+)' has no len.*"
            r"|cannot unpack non-iterable (\w+) object",
            r"one value (of type \1\2\3) where a list is expected",
        ),
        (r"'(\w+)' object is not callable", r"a value of type \1 where a function is expected"),
        (
            r"(?:.*must be a string, a bytes-like object or a (?:real )?number, not|"
            r"float\(\) argument must be a string or a (?:real )?number, not) '(\w+)'",
            r"a value of type \1 where a number is expected",
        ),
        (
            r"(?:invalid literal for int\(\) with base 10|could not convert string to float): (.*)",
            r"\1 where a number is expected",
        ),
        (
            r"'(\w+)' object cannot be interpreted as an integer|.*indices must be integers or slices, not (\w+)",
            r"a value of type \1\2 where an integer is expected",
        ),
        (r"(?:unsupported operand type\(s\) for|bad operand type for).*: (.*)", r"the types do not fit: \1"),
        (r"'[<>]=?' not supported between instances of (.*)", r"the types do not compare: \1"),
        (
            r"'(\w+)' object has no attribute '\w+'",
            r"a value of type \1 where a tensor or another kind of value is expected",
        ),
        (r"integer (?:modulo|division or modulo) by zero|division by zero", "a size or a count is zero"),
        (
            r".*[Ii]nt(?:eger)? too large to convert.*|cannot convert float \w+ to integer.*",
            "a number is too large",
        ),
        (r"cannot convert float NaN to integer", "NaN where an integer is expected"),
        (
            r"(?:Unable to allocate|array is too big|Maximum allowed dimension).*",
            r"the result does not fit into memory (\g<0>)",
        ),
        (r"negative dimensions are not allowed", "a size is negative"),
        (r"setting an array element with a sequence.*", "nested lists of uneven lengths"),
        (r".*(?:traced array|[Tt]racer).*", "it needs a value that is not known while a function is traced"),
    )
)


def plain(error: BaseException | str) -> str:
    """Returns an error's first line without the full stop and the place, in words of tensors.

    Example:
        >>> plain("tuple index out of range")[:37]
        'an axis or an index is out of range; '
    """
    text = _PLACE.sub("", str(error).strip().split("\n")[0]).rstrip(".")
    if isinstance(error, KeyError):
        text = f"unknown value {text}"
    for pattern, said in _PLAIN:
        found = pattern.fullmatch(text)
        if found is not None:
            return found.expand(said)
    return text


def cause(rule: Callable | None, shapes: list, attributes: dict, error: Exception) -> str:
    """Returns why an op has failed: what its shape rule has against the shapes, else the error in plain words.

    Args:
        rule: the op's shape rule, `f(*shapes, **attributes)`.
        shapes: of the inputs; None for absent ones.
        attributes: of the op.
        error: what its body, NumPy or JAX has raised.
    """
    said = plain(error)
    if rule is None or (said in str(error) and _raised_in(error).startswith(PACKAGE_DIR)):
        return said
    try:
        rule(*shapes, **attributes)
    except ValueError as complaint:
        return plain(complaint)
    except BAD_CALL:  # a rule may count on sound attributes
        return said
    return said


def _raised_in(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename if trace is not None else ""


def described(value: Any) -> str:
    """Returns an argument in few words: shape and dtype of what has them, else its `repr`.

    Example:
        >>> described([np.zeros((2, 3)), 1])
        '[(2, 3) float64, 1]'
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{shape} {getattr(dtype, 'name', dtype)}"
    if isinstance(value, list | tuple) and any(hasattr(item, "shape") for item in value):
        return f"[{', '.join(map(described, value[:4]))}{', ...' if len(value) > 4 else ''}]"
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001  a user's __repr__ must not hide the error that is being told
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def given(names: Iterable[str], args: tuple, kwargs: dict) -> str:
    """Returns a call's arguments for a message: "x: (2, 3) float32, axis: 'a'"."""
    named = [*zip(names, args, strict=False), *kwargs.items()]
    return ", ".join(f"{name}: {described(value)}" for name, value in named) or "no arguments"


def tell(label: str, error: Exception, names: Iterable[str], args: tuple, kwargs: dict) -> NoReturn:
    """Raises an error that a public call has run into again: named, explained, located.

    Errors that say it all already, and errors out of functions of the user's, are raised as they are.

    Args:
        label: name of the public function.
        error: what was raised inside.
        names: names of the positional parameters.
        args, kwargs: what the caller passed.
    """
    if isinstance(error, _COMPLETE) or _is_users(error) or is_ours(error, (args, kwargs)):
        raise error
    if _PLACE.search(str(error)):
        if _names_the_call(str(error), label) or not _UNNAMED.match(str(error)) or "." not in label:
            raise error
        raise kind_of(error)(f"{label}: {error}") from (None if settings.traceback_filtering else error)
    message = _labelled(label, error)
    if is_of_binding(error):
        unknown = _UNKNOWN_ARGUMENT.search(message)
        near = suggest(unknown[1], names) if unknown else ""
        message += f".{near}" if near else ""
    elif "eceived" not in message:
        message += f". Received {given(names, args, kwargs)}"
    clearer = kind_of(error)(message + at_user_location())
    raise clearer from (None if settings.traceback_filtering else error)


def is_ours(error: BaseException, given: Any = ()) -> bool:
    """True for a bug of Dovetail's: a key or an attribute that its own code took for granted is not there.

    What a check of ours says it raises by a `raise`, and what NumPy and JAX say of arguments comes out of their code.
    An argument that lacks an attribute, or is a key that is not there, is not our bug either.

    Args:
        error: what was caught.
        given: the arguments of the call, in any structure.
    """
    trace = error.__traceback__
    if not isinstance(error, AttributeError | KeyError) or isinstance(error, OpError) or trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    if dis.opname[code.co_code[trace.tb_lasti]] in _RAISES or not code.co_filename.startswith(PACKAGE_DIR):
        return False
    culprit = error.obj if isinstance(error, AttributeError) else error.args[0] if error.args else None
    return not _is_among(culprit, given)


def _is_among(value: Any, given: Any) -> bool:
    parts = given.values() if isinstance(given, dict) else given if isinstance(given, list | tuple) else ()
    return value is given or any(_is_among(value, part) for part in parts)


def locate(label: str, error: Exception) -> NoReturn:
    """As `tell`, for errors that arise later than the call whose arguments are to blame."""
    if isinstance(error, _COMPLETE) or _PLACE.search(str(error)) or _is_users(error) or is_ours(error):
        raise error
    clearer = kind_of(error)(_labelled(label, error) + at_user_location())
    raise clearer from (None if settings.traceback_filtering else error)


def _labelled(label: str, error: Exception) -> str:
    message = plain(error)
    return message if _names_the_call(message, label) else f"{label}: {message}"


def _names_the_call(message: str, label: str) -> bool:
    return message.startswith((label, label.rpartition(".")[2] + "(", label.rpartition(".")[2] + ":"))


def is_of_binding(error: Exception, frames: int = 1) -> bool:
    """True when Python itself has refused the arguments: an unknown one, a missing one, too many.

    Args:
        error: what was caught.
        frames: from the one that has caught it to the one that made the call.
    """
    trace = error.__traceback__
    for _ in range(frames - 1):
        trace = None if trace is None else trace.tb_next
    return isinstance(error, TypeError) and trace is not None and trace.tb_next is None


def _is_users(error: Exception) -> bool:
    """True when the error comes out of a function that the user has passed in, or out of a method of theirs."""
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        known = is_framework_file(name) or (name.startswith(_STDLIB) and "-packages" not in name)
        if not known and not any(part in name for part in _LIBRARIES):
            return True
        trace = trace.tb_next
    return False


def kind_of(error: Exception) -> type[Exception]:
    """Returns the class of `tf.errors` for an error: also a ValueError, TypeError, ... as the error was."""
    if isinstance(error, OpError):
        return type(error)
    if isinstance(error, MemoryError):
        return ResourceExhaustedError
    if isinstance(error, NotImplementedError):
        return UnimplementedError
    if isinstance(error, TypeError | AttributeError) and _JAX not in _raised_in(error):
        return ArgumentTypeError  # JAX says TypeError where shapes do not fit
    return InvalidArgumentError
