"""Strings from one encoding to another, and the scripts of characters."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.engine.text import scripts, unicode
from dovetail.ops.families import op
from dovetail.ops.strings import EACH, GIVES_STRINGS, listed, made

_INT32 = np.dtype(np.int32)


def policy(errors: str, replacement_char: int, controls: bool = False) -> unicode.Policy:
    """Returns what becomes of malformed input.

    Raises:
        InvalidArgumentError: there is no such way, or the replacement is no character.
    """
    if errors not in unicode.ERRORS:
        raise InvalidArgumentError(
            f"errors must be one of {unicode.ERRORS}, received {errors!r}{at_user_location()}"
        )
    if not 0 <= replacement_char < 0x110000 or 0xD800 <= replacement_char < 0xE000:
        raise InvalidArgumentError(
            f"replacement_char must be a Unicode code point, received {replacement_char}{at_user_location()}"
        )
    return unicode.Policy(errors, replacement_char, controls)


def input_codec(encoding: str) -> str:
    """Returns Python's name of an encoding that strings are in.

    Raises:
        InvalidArgumentError: it is none.
    """
    try:
        return unicode.codec_of(encoding)
    except LookupError:
        raise InvalidArgumentError(
            f"Could not create converter for input encoding: {encoding!r}{at_user_location()}"
        ) from None


def output_codec(encoding: str) -> str:
    """Returns Python's name of an encoding that strings are made in.

    Raises:
        InvalidArgumentError: it is none of the three.
    """
    if encoding not in unicode.OUTPUTS:
        raise InvalidArgumentError(
            f"output encoding must be one of {', '.join(unicode.OUTPUTS)}, received {encoding!r}{at_user_location()}"
        )
    return unicode.OUTPUTS[encoding]


def malformed(error: unicode.MalformedError, values: list) -> InvalidArgumentError:
    """Returns the error about a malformed string."""
    return InvalidArgumentError(
        f"Invalid formatting on input string {values[error.position]!r:.60} (element {error.position})"
        f"{at_user_location()}"
    )


@op("strings.unicode_transcode", **GIVES_STRINGS)
def unicode_transcode(
    xp: Any,
    input: Any,
    *,
    input_encoding: str,
    output_encoding: str,
    errors: str = "replace",
    replacement_char: int = 65533,
    replace_control_characters: bool = False,
) -> Any:
    """Returns the strings in another encoding.

    Args:
        input: string tensor, dense or ragged.
        input_encoding: such as "UTF-8", "UTF-16-BE", "ISO-8859-1", "windows-1252", "SHIFT_JIS".
        output_encoding: "UTF-8", "UTF-16-BE" or "UTF-32-BE".
        errors: what becomes of malformed bytes: "replace", "ignore" (they vanish), "strict" (an error).
        replacement_char: the code point that replaces them.
        replace_control_characters: the characters below U+0020 count as malformed.
    """
    into, how = output_codec(output_encoding), policy(errors, replacement_char, replace_control_characters)
    values = listed(input)
    try:
        texts = unicode.decoded(values, input_codec(input_encoding), how)
    except unicode.MalformedError as error:
        raise malformed(error, values) from None
    return made((text.encode(into) for text in texts), input.shape)


@op("strings.unicode_script", **EACH, dtype=lambda *_, **__: _INT32)
def unicode_script(xp: Any, input: Any) -> Any:
    """Returns the script that each code point belongs to, by ICU's numbers (25: Latin); -1 for what is no code point.

    Example:
        >>> tf.strings.unicode_script([65, 1071, 26085, 49]).numpy().tolist()
        [25, 8, 17, 0]
    """
    if input.dtype != _INT32:
        raise TypeError(f"expected int32, received {input.dtype}")
    return scripts.scripts_of(input)
