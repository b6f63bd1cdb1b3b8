"""The string functions of TensorFlow 1 whose arguments or results differ from TensorFlow 2's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.table import whole
from dovetail.tensor.composite import CompositeTensor

strings: Any = SimpleNamespace(**whole("tf.strings"))
ragged: Any = SimpleNamespace(**whole("tf.ragged"))


def _given(function: str, **values: Any) -> Any:
    """Returns the one value of an argument that has several names."""
    found = [value for value in values.values() if value is not None]
    if len(found) != 1:
        raise ValueError(
            f"tf.compat.v1.{function}: give one of {', '.join(values)}, received {len(found)}{at_user_location()}"
        )
    return found[0]


def _result(function: str, rows: Any, result_type: str) -> Any:
    if result_type not in ("SparseTensor", "RaggedTensor"):
        raise ValueError(
            f"tf.compat.v1.{function}: result_type must be 'SparseTensor' or 'RaggedTensor', received "
            f"{result_type!r}{at_user_location()}"
        )
    return rows if result_type == "RaggedTensor" else rows.to_sparse()


def split(
    input: Any = None,
    sep: Any = None,
    maxsplit: int = -1,
    result_type: str = "SparseTensor",
    source: Any = None,
    name: str | None = None,
) -> Any:
    """Splits strings into rows of words; see `tf.strings.split`.

    Args:
        input: string tensor; a scalar counts as a vector of one.
        sep: what separates words; white space by default.
        maxsplit: the most splits; -1: all.
        result_type: "SparseTensor" or "RaggedTensor".
        source: another name of `input`.
    """
    given = _given("strings.split", input=input, source=source)
    rows = strings.split(given, sep, maxsplit)
    if not isinstance(rows, CompositeTensor):
        rows = strings.split([given], sep, maxsplit)
    return _result("strings.split", rows, result_type)


def string_split(
    source: Any,
    sep: Any = None,
    skip_empty: bool = True,
    delimiter: Any = None,
    result_type: str = "SparseTensor",
    name: str | None = None,
) -> Any:
    """Splits a vector of strings at each of several characters.

    Args:
        source: vector of strings.
        sep, delimiter: each character separates words; "" makes every byte a word; a space by default.
        skip_empty: leave out empty words.
        result_type: "SparseTensor" or "RaggedTensor".
    """
    marks = sep if delimiter is None else delimiter
    marks = " " if marks is None else marks.decode() if isinstance(marks, bytes) else marks
    if marks:
        pattern = "[" + "".join(map(_escaped, marks)) + "]"
        rewrite = marks[0].replace("\\", "\\\\")
        rows = strings.split(strings.regex_replace(source, pattern, rewrite), marks[0])
    else:
        rows = strings.bytes_split(source)
    holds_any = strings.length(rows) > 0
    if not skip_empty:  # an empty string has no words all the same
        holds_any = holds_any | (strings.length(source) > 0)[:, None]
    rows = ragged.boolean_mask(rows, holds_any)
    return _result("string_split", rows, result_type)


def _escaped(character: str) -> str:
    return character if character.isalnum() else "\\" + character


def reduce_join(
    inputs: Any,
    axis: Any = None,
    keep_dims: bool | None = None,
    separator: Any = "",
    name: str | None = None,
    reduction_indices: Any = None,
    keepdims: bool | None = None,
) -> Any:
    """Joins strings along an axis; see `tf.strings.reduce_join`."""
    axis = reduction_indices if axis is None else axis
    return strings.reduce_join(inputs, axis, bool(keep_dims or keepdims), separator)


def length(input: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """Returns the number of bytes or characters; see `tf.strings.length`."""
    return strings.length(input, unit)


def substr(input: Any, pos: Any, len: Any, name: str | None = None, unit: str = "BYTE") -> Any:
    """Returns parts of strings; see `tf.strings.substr`."""
    return strings.substr(input, pos, len, unit)


def _with_first_names(name: str, function: Callable) -> Callable:
    """Returns the function with `string_tensor` as another name of its first argument, which TensorFlow 1 has."""

    @functools.wraps(function)
    def called(string_tensor: Any = None, *args: Any, input: Any = None, **kwargs: Any) -> Any:
        return function(_given(name, string_tensor=string_tensor, input=input), *args, **kwargs)

    return called


STRINGS: dict[str, Any] = {
    "length": length,
    "reduce_join": reduce_join,
    "split": split,
    "substr": substr,
    "to_hash_bucket": _with_first_names("strings.to_hash_bucket", strings.to_hash_bucket),
    "to_number": _with_first_names("strings.to_number", strings.to_number),
}

NAMES: dict[str, Any] = {
    "reduce_join": reduce_join,
    "regex_replace": strings.regex_replace,
    "string_join": strings.join,
    "string_split": string_split,
    "string_strip": strings.strip,
    "string_to_hash_bucket": STRINGS["to_hash_bucket"],
    "string_to_hash_bucket_fast": strings.to_hash_bucket_fast,
    "string_to_hash_bucket_strong": strings.to_hash_bucket_strong,
    "string_to_number": STRINGS["to_number"],
    "substr": substr,
}
