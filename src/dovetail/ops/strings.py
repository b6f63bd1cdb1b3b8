"""The first string ops: join, as_string, format.  Strings live on the host engine only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import dtypes
from dovetail.ops import rules
from dovetail.ops.attrs import needed
from dovetail.ops.families import op
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor

_STRING = dtypes.STRING


def _each(function: Any, *arrays: Any) -> np.ndarray:
    """Applies a Python function to corresponding elements of arrays of one shape."""
    out = np.empty(arrays[0].shape, object)
    flat = out.reshape(-1)
    for i, items in enumerate(zip(*(array.reshape(-1).tolist() for array in arrays), strict=True)):
        flat[i] = function(*items)
    return out


def _joined_shape(*shapes: tuple, separator: str) -> tuple:
    return rules.broadcast(*shapes)


@op(
    "",
    engine="host",
    differentiable=False,
    shape=_joined_shape,
    dtype=lambda *_, **__: _STRING,
)
def join_(xp: Any, *inputs: Any, separator: str = "") -> Any:
    """Joins corresponding strings."""
    glue = separator.encode()
    return _each(lambda *parts: glue.join(parts), *np.broadcast_arrays(*inputs))


@export("strings.join")
def join(inputs: Sequence, separator: str = "", name: str | None = None) -> Any:
    """Joins the corresponding strings of several tensors, which broadcast.

    Args:
        inputs: list of string tensors.
        separator: goes between them.
    """
    return join_(*inputs, separator=separator)


@op("", engine="host", differentiable=False, shape=lambda shape, **_: shape, dtype=lambda *_, **__: _STRING)
def as_string_(xp: Any, x: Any, *, pattern: str) -> Any:
    """Formats numbers as strings."""
    if dtypes.is_host_only(x.dtype):
        return x
    if x.dtype.kind == "b":
        return _each(lambda value: b"true" if value else b"false", x)
    if x.dtype.kind == "c":
        return _each(lambda value: f"({pattern % value.real},{pattern % value.imag})".encode(), x)
    return _each(lambda value: (pattern % value).encode(), x)


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
        input: tensor of numbers or booleans.
        precision: digits after the point of floats (6 when -1).
        scientific: use an exponent.
        shortest: use an exponent where that is shorter.
        width: the least number of characters.
        fill: what fills them up: "" or " " (spaces in front), "0", "-" (spaces after).
    """
    precision, width = needed(precision), needed(width)
    if fill not in ("", " ", "0", "-"):
        raise ValueError(f"tf.strings.as_string: fill must be '', ' ', '0' or '-', received {fill!r:.60}")
    x = as_tensor(input)
    floating = x.dtype.is_floating or x.dtype.is_complex
    if scientific and shortest:
        raise ValueError(
            f"tf.strings.as_string: scientific and shortest exclude each other{at_user_location()}"
        )
    if not floating and (precision > -1 or scientific or shortest):
        raise ValueError(f"tf.strings.as_string: precision and notation are for floats, not {x.dtype.name}")
    letter = "e" if scientific else "g" if shortest else "f" if floating else "d"
    digits = f".{precision}" if precision > -1 else ""
    padding = f"{fill if fill != ' ' else ''}{width}" if width > -1 else ""
    return as_string_(x, pattern=f"%{padding}{digits}{letter}")


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
    if not inputs:
        return convert_to_tensor(template)
    return formatted(*map(convert_to_tensor, inputs), parts=tuple(parts), summarize=summarize)


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda *_, **__: (),
    dtype=lambda *_, **__: _STRING,
)
def formatted(xp: Any, *inputs: Any, parts: Any, summarize: int) -> Any:
    """Puts the texts of tensors between the parts of a text."""
    texts = [_text(array, summarize) for array in inputs]
    text = "".join(part + text for part, text in zip(parts, [*texts, ""], strict=True))
    return np.array(text.encode(), object)


def _text(array: np.ndarray, summarize: int) -> str:
    if not array.ndim:
        value: Any = array.item()
        return f'"{value.decode()}"' if isinstance(value, bytes) else _number_text(value, array.dtype)
    rows = [_text(np.asarray(row, array.dtype), summarize) for row in array]
    if summarize >= 0 and len(rows) > 2 * summarize:
        rows = [*rows[:summarize], "...", *rows[len(rows) - summarize :]]
    return "[" + ("\n " if array.ndim > 1 else " ").join(rows) + "]"


def _number_text(value: Any, dtype: np.dtype) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    return f"{value:g}" if dtype.kind == "f" else str(value)
