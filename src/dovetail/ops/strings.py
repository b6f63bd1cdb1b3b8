"""Joining strings, and making them of numbers and tensors; how string ops go over arrays, on the host only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.engine.text.shown import format_array
from dovetail.ops import rules
from dovetail.ops.attrs import Text, needed
from dovetail.ops.families import op
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor

STRING = dtypes.STRING
# What ops share that make one string of each.
EACH: dict[str, Any] = {"engine": "host", "differentiable": False, "shape": lambda shape, **_: shape}
GIVES_STRINGS: dict[str, Any] = {**EACH, "dtype": lambda *_, **__: STRING}


def listed(array: Any) -> list:
    """Returns the elements of an array of strings as a flat list.

    Raises:
        TypeError: the array holds numbers.
    """
    if array.dtype.kind != "O" and array.size:
        raise TypeError(f"expected strings, received {array.dtype}")
    return array.reshape(-1).tolist()


def mapped(function: Callable, array: Any, kind: Any = object) -> np.ndarray:
    """Applies a Python function to each string of an array."""
    return made(map(function, listed(array)), array.shape, kind)


def made(items: Any, shape: tuple, kind: Any = object) -> np.ndarray:
    """Makes an array of what an iterable gives, in the order of the elements."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.fromiter(items, kind, count).reshape(shape)


def _joined_shape(*shapes: tuple, separator: bytes) -> tuple:
    return rules.broadcast(*shapes)


# ---- joining ----------------------------------------------------------------------------------------------------


@op(
    "",
    engine="host",
    differentiable=False,
    shape=_joined_shape,
    dtype=lambda *_, **__: STRING,
)
def join_(xp: Any, *inputs: Any, separator: Text = b"") -> Any:
    """Joins corresponding strings."""
    arrays = np.broadcast_arrays(*inputs)
    return made(map(separator.join, zip(*map(listed, arrays), strict=True)), arrays[0].shape)


@export("strings.join")
def join(inputs: Sequence, separator: Any = "", name: str | None = None) -> Any:
    """Joins the corresponding strings of several tensors, which broadcast.

    Args:
        inputs: list of string tensors.
        separator: goes between them.
    """
    if isinstance(inputs, str | bytes):
        raise TypeError(
            f"tf.strings.join: expected a list of tensors, received {inputs!r:.60}{at_user_location()}"
        )
    return join_(*inputs, separator=separator) if len(inputs) else convert_to_tensor(b"")


# ---- numbers ----------------------------------------------------------------------------------------------------


@op("", **GIVES_STRINGS)
def as_string_(xp: Any, x: Any, *, pattern: str, plain: str) -> Any:
    """Formats numbers as strings; `plain` is the pattern of those that are no numbers."""
    if dtypes.is_host_only(x.dtype):
        return mapped(lambda value: pattern.encode() % value, x)
    if x.dtype.kind == "b":
        return made((b"true" if value else b"false" for value in x.reshape(-1).tolist()), x.shape)
    if x.dtype.kind == "c":
        real = _formatted(x.real.reshape(-1), pattern, plain)
        imaginary = _formatted(x.imag.reshape(-1), pattern, plain)
        return made((b"(%s,%s)" % pair for pair in zip(real, imaginary, strict=True)), x.shape)
    return made(_formatted(x.reshape(-1), pattern, plain), x.shape)


def _formatted(x: np.ndarray, pattern: str, plain: str) -> Iterable[bytes]:
    """Returns the strings of a vector of real numbers."""
    if dtypes.is_half(x.dtype):
        x = x.astype(np.float32)
    form, values = pattern.encode().__mod__, x.tolist()
    if pattern == plain or np.isfinite(x).all():
        return map(form, values)
    without_zeros = plain.encode().__mod__
    return ((form if abs(value) < np.inf else without_zeros)(value) for value in values)


_FILLS = ("", " ", "0", "-", "+", "#")


@export("strings.as_string as_string")
def as_string(
    input: Any,
    precision: int = -1,
    scientific: bool = False,
    shortest: bool = False,
    width: int = -1,
    fill: str = "",
    name: str | None = None,
) -> Any:
    """Returns numbers as strings, as C's printf would.

    Args:
        input: tensor of numbers, booleans or strings.
        precision: digits after the point of floats (6 when -1).
        scientific: use an exponent.
        shortest: use an exponent where that is shorter.
        width: the least number of characters.
        fill: what fills them up: "" or " " (spaces in front), "0", "-" (spaces after); "+" (spaces, and a sign in front
            of positive numbers too) and "#" are printf's.
    """
    precision, width = needed(precision), needed(width)
    if fill not in _FILLS:
        raise ValueError(f"tf.strings.as_string: fill must be one of {_FILLS}, received {fill!r:.60}")
    x = as_tensor(input)
    floating = x.dtype.is_floating or x.dtype.is_complex
    if scientific and shortest:
        raise ValueError(
            f"tf.strings.as_string: scientific and shortest exclude each other{at_user_location()}"
        )
    if not floating and x.dtype.name != "string" and (precision > -1 or scientific or shortest):
        raise ValueError(f"tf.strings.as_string: precision and notation are for floats, not {x.dtype.name}")
    if x.dtype.name == "string":
        return as_string_(x, pattern=f"%{'-' if fill == '-' else ''}{max(width, 0) or ''}s", plain="")
    letter = "e" if scientific else "g" if shortest else "f" if floating else "d"
    digits = f".{precision}" if precision > -1 else ""
    end = f"{width if width > 0 else ''}{digits}{letter}"
    fill = fill if width > -1 or fill != "0" else ""
    return as_string_(x, pattern=f"%{fill.strip()}{end}", plain=f"%{fill.strip(' 0')}{end}")


# ---- texts with tensors in them -----------------------------------------------------------------------------------


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda *_, **__: (),
    dtype=lambda *_, **__: STRING,
)
def formatted(xp: Any, *inputs: Any, parts: tuple, summarize: int) -> Any:
    """Puts the texts of arrays between literal parts."""
    texts = [*(format_array(array, summarize) for array in inputs), ""]
    return np.array(
        "".join(part + text for part, text in zip(parts, texts, strict=True)).encode(
            "utf-8", "surrogateescape"
        ),
        object,
    )


@export("strings.format")
def format_(
    template: str, inputs: Any, placeholder: str = "{}", summarize: int = 3, name: str | None = None
) -> Any:
    """Returns `template` with each placeholder replaced by the text of an input.

    Args:
        template: text with as many placeholders as there are inputs.
        inputs: a tensor, or a list of tensors.
        placeholder: what to replace.
        summarize: how many elements to show at both ends of each axis; -1 shows all.
    """
    inputs = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    parts = template.split(placeholder)
    if len(parts) - 1 != len(inputs):
        raise ValueError(
            f"tf.strings.format: {len(parts) - 1} placeholders for {len(inputs)} inputs{at_user_location()}"
        )
    literal, tensors = [parts[0]], []
    for value, part in zip(inputs, parts[1:], strict=True):
        if isinstance(value, CompositeTensor):
            literal[-1] += value._text(summarize) + part
        else:
            tensors.append(convert_to_tensor(value))
            literal.append(part)
    if not tensors:
        return convert_to_tensor("".join(literal))
    return formatted(*tensors, parts=tuple(literal), summarize=summarize)
