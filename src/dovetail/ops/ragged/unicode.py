"""Strings as rows of characters or code points, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine import dtypes
from dovetail.engine.text import unicode
from dovetail.ops.create import range_of
from dovetail.ops.families import op
from dovetail.ops.ragged.rows import is_ragged
from dovetail.ops.ragged.strings import by_vector, filled, rows_shape, splits_of
from dovetail.ops.reduction import reduce_prod
from dovetail.ops.shapes import as_tensor, reshape
from dovetail.ops.shapes import shape as shape_of
from dovetail.ops.strings import listed
from dovetail.ops.strings_unicode import input_codec, malformed, output_codec, policy
from dovetail.ops.views import export

_STRING = dtypes.STRING
_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)


@op("", engine="host", differentiable=False, shape=lambda shape, **_: [*rows_shape(shape), (None,)])
def characters_of_vector(
    xp: Any,
    input: Any,
    *,
    encoding: str,
    errors: str,
    replacement_char: int,
    controls: bool,
    codes: bool,
    offsets: bool,
) -> Any:
    """Splits strings into characters, or (`codes`) into code points, and tells (`offsets`) where each begins."""
    values, how, codec = listed(input), policy(errors, replacement_char, controls), input_codec(encoding)
    begins: np.ndarray = np.zeros(0, _INT64)
    try:
        if offsets:
            texts, begins = unicode.decoded_with_offsets(values, codec, how)
        else:
            texts = unicode.decoded(values, codec, how)
    except unicode.MalformedError as error:
        raise malformed(error, values) from None
    splits = splits_of(np.fromiter(map(len, texts), np.int64, len(texts)))
    whole = "".join(texts)
    if codes:
        return [splits, unicode.code_points(whole), begins]
    return [splits, filled(unicode.characters(whole, output_codec(encoding))), begins]


characters_of_vector.dtype = lambda kind, codes, **_: [_INT64, _INT32 if codes else _STRING, _INT64]


def _by_characters(input: Any, codes: bool, offsets: bool, encoding: str, *how: Any) -> Any:
    """Returns characters or code points; with offsets, a pair."""
    errors, replacement_char, controls = how
    policy(errors, replacement_char)
    if not codes:
        output_codec(encoding)
    found = by_vector(
        lambda x: characters_of_vector(
            x,
            encoding=encoding,
            errors=errors,
            replacement_char=replacement_char,
            controls=controls,
            codes=codes,
            offsets=offsets,
        ),
        input,
    )
    return tuple(found) if offsets else found[0]


@export("strings.unicode_split")
def unicode_split(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Splits strings into rows of characters.

    Args:
        input: strings, dense or ragged.
        input_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
        errors: what becomes of malformed bytes: "replace", "ignore" (they vanish), "strict" (an error).
        replacement_char: the code point that replaces them.
    """
    return _by_characters(input, False, False, input_encoding, errors, replacement_char, False)


@export("strings.unicode_split_with_offsets")
def unicode_split_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Returns what `unicode_split` does, and the byte at which each character begins in its string (int64)."""
    return _by_characters(input, False, True, input_encoding, errors, replacement_char, False)


@export("strings.unicode_decode")
def unicode_decode(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the code points (int32) of the characters of strings, as rows.

    Args:
        input: strings, dense or ragged.
        input_encoding: such as "UTF-8", "UTF-16-BE", "ISO-8859-1", "windows-1252", "SHIFT_JIS".
        errors: what becomes of malformed bytes: "replace", "ignore" (they vanish), "strict" (an error).
        replacement_char: the code point that replaces them.
        replace_control_characters: the characters below U+0020 count as malformed.
    """
    how = (errors, replacement_char, replace_control_characters)
    return _by_characters(input, True, False, input_encoding, *how)


@export("strings.unicode_decode_with_offsets")
def unicode_decode_with_offsets(
    input: Any,
    input_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
    name: str | None = None,
) -> Any:
    """Returns what `unicode_decode` does, and the byte at which each character begins in its string (int64)."""
    how = (errors, replacement_char, replace_control_characters)
    return _by_characters(input, True, True, input_encoding, *how)


@op(
    "",
    engine="host",
    differentiable=False,
    same_dtype=0,
    shape=lambda splits, codes, **_: (None if splits[0] is None else splits[0] - 1,),
    dtype=lambda *_, **__: _STRING,
)
def encode_rows(
    xp: Any, splits: Any, codes: Any, *, encoding: str, errors: str, replacement_char: int
) -> Any:
    """Makes strings of rows of code points."""
    if codes.dtype != _INT32:
        raise TypeError(f"expected int32, received {codes.dtype}")
    codec, how = output_codec(encoding), policy(errors, replacement_char)
    try:
        return filled(unicode.encoded_rows(splits, codes, codec, how))
    except unicode.MalformedError as error:
        raise InvalidArgumentError(
            f"Code point {codes[error.position]} is out of range for Unicode, or a surrogate{at_user_location()}"
        ) from None


@export("strings.unicode_encode")
def unicode_encode(
    input: Any,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    name: str | None = None,
) -> Any:
    """Makes strings of code points along the last axis.

    Args:
        input: int32, dense or ragged, of rank 1 at least.
        output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
        errors: what becomes of numbers that are no characters: "replace", "ignore", "strict" (an error).
        replacement_char: the code point that replaces them.
    """
    options = {"encoding": output_encoding, "errors": errors, "replacement_char": replacement_char}
    rt = input if is_ragged(input) else as_tensor(input)
    if not is_ragged(rt):
        if len(rt.shape) == 0:
            raise ValueError(
                f"tf.strings.unicode_encode: expected rank 1 at least, received a scalar{at_user_location()}"
            )
        if len(rt.shape) == 1:
            size = reshape(shape_of(rt, "int64"), shape=(1,))
            return encode_rows(size * np.array([0, 1]), rt, **options)[0]
        return _dense_rows(rt, options)
    if is_ragged(rt.values) or len(rt.values.shape) > 1:
        return rt.with_values(unicode_encode(rt.values, output_encoding, errors, replacement_char))
    return encode_rows(rt.row_splits, rt.values, **options)


def _dense_rows(x: Any, options: dict) -> Any:
    """Returns the strings of a dense tensor of code points, of one axis fewer."""
    sizes = shape_of(x, "int64")
    count = reduce_prod(sizes[:-1])
    splits = range_of(count + 1, dtype="int64") * sizes[-1]
    return reshape(encode_rows(splits, reshape(x, shape=(-1,)), **options), shape=sizes[:-1])
