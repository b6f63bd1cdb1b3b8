"""Strings in an encoding as characters and back, with the three ways to treat what is malformed.

What is malformed is one character of its own: as many bytes as cannot begin a right one, at least one (Unicode's
"maximal subparts", as ICU has it).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

# Stand for malformed bytes in decoded text, which has no surrogates of its own: the first byte, and each one more.
_BAD, _MORE = "\udfff", "\udffe"
_HANDLER, _HANDLER_1252 = "dovetail.malformed", "dovetail.malformed_1252"
_LIMIT = 0x110000
OUTPUTS = {"UTF-8": "utf-8", "UTF-16-BE": "utf-16-be", "UTF-32-BE": "utf-32-be"}
ERRORS = ("strict", "replace", "ignore")
# Encodings of Python's that are none of text, or that are escapes.
_NONE = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})


def _marked(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _BAD + _MORE * (error.end - error.start - 1), error.end


def _marked_1252(error: UnicodeError) -> tuple[str, int]:
    """The bytes that Windows' code page 1252 leaves free are control characters to all other software."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return chr(error.object[error.start]), error.start + 1


codecs.register_error(_HANDLER, _marked)
codecs.register_error(_HANDLER_1252, _marked_1252)


class MalformedError(ValueError):
    """A string is not what its encoding says, or a number is no character's.

    Attributes:
        position: which one.
    """

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class Policy(NamedTuple):
    """What becomes of malformed input.

    Attributes:
        errors: "strict" (an error), "replace" or "ignore".
        replacement: the code point that stands in its place.
        controls: the characters below U+0020 are malformed, too.
    """

    errors: str = "replace"
    replacement: int = 0xFFFD
    controls: bool = False


def codec_of(encoding: str) -> str:
    """Returns Python's name of an encoding.

    Raises:
        LookupError: there is none of that name.
    """
    name = codecs.lookup(encoding).name
    if name in _NONE:
        raise LookupError(f"unknown encoding: {encoding}")
    b"".decode(name)  # says so when it turns bytes into bytes
    return name


def _texts(values: Sequence[bytes], codec: str) -> list[str]:
    """Decodes strings; malformed bytes become marks."""
    handler = _HANDLER_1252 if codec == "cp1252" else _HANDLER
    return [value.decode(codec, handler) for value in values]


def _checked(texts: list[str], policy: Policy) -> list[str]:
    """Returns the texts as the policy wants them, without marks."""
    whole = "".join(texts)
    if policy.controls and min(whole, default=" ") < " ":
        stands = {"replace": chr(policy.replacement), "ignore": None}.get(policy.errors, _BAD)
        texts = [text.translate(dict.fromkeys(range(32), stands)) for text in texts]
        whole = "".join(texts)
    if _BAD not in whole:
        return texts
    if policy.errors == "strict":
        raise MalformedError(next(i for i, text in enumerate(texts) if _BAD in text))
    stands = "" if policy.errors == "ignore" else chr(policy.replacement)
    return [text.replace(_MORE, "").replace(_BAD, stands) if _BAD in text else text for text in texts]


def code_points(text: str) -> np.ndarray:
    """Returns the code points of a text, int32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<i4")


def decoded(values: Sequence[bytes], codec: str, policy: Policy) -> list[str]:
    """Returns the strings as text.

    Raises:
        MalformedError: one is malformed, and the policy is strict.
    """
    return _checked(_texts(values, codec), policy)


def decoded_with_offsets(values: Sequence[bytes], codec: str, policy: Policy) -> tuple[list[str], np.ndarray]:
    """Returns the strings as text, and the byte at which each character begins in its string, int64."""
    marked = _texts(values, codec)
    texts = _checked(marked, policy)
    codes = code_points("".join(marked))
    sizes = np.where((codes == ord(_BAD)) | (codes == ord(_MORE)), 1, _sizes(codes, codec))
    lengths = np.fromiter(map(len, marked), np.int64, len(marked))
    offsets = np.cumsum(sizes) - sizes
    starts = np.cumsum(lengths) - lengths
    begins = np.append(offsets, sizes.sum())[starts]
    offsets = offsets - np.repeat(begins, lengths)
    kept = codes != ord(_MORE)
    if policy.errors == "ignore":
        kept &= (codes != ord(_BAD)) & ~(policy.controls & (codes < 32))
    return texts, offsets[kept]


def _sizes(codes: np.ndarray, codec: str) -> np.ndarray:
    """Returns how many bytes each character takes in an encoding."""
    sizes = _SIZES.get(codec)
    if sizes is not None:
        return sizes(codes)
    distinct, places = np.unique(codes, return_inverse=True)
    found = [len(chr(code).encode(codec, "replace")) for code in distinct.tolist()]
    return np.array(found, np.int64)[places]


def _utf8(codes: np.ndarray) -> np.ndarray:
    return 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)


def _utf16(codes: np.ndarray) -> np.ndarray:
    return 2 + 2 * (codes >= 0x10000).astype(np.int64)


def _utf32(codes: np.ndarray) -> np.ndarray:
    return np.full(codes.shape, 4, np.int64)


_SIZES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "utf-8": _utf8,
    **dict.fromkeys(("utf-16", "utf-16-be", "utf-16-le"), _utf16),
    **dict.fromkeys(("utf-32", "utf-32-be", "utf-32-le"), _utf32),
}


def characters(text: str, codec: str) -> list[bytes]:
    """Returns the characters of a text, each encoded."""
    table = {character: character.encode(codec) for character in set(text)}
    return list(map(table.__getitem__, text))


def encoded_rows(splits: np.ndarray, codes: np.ndarray, codec: str, policy: Policy) -> list[bytes]:
    """Returns the string of each row of code points.

    Args:
        splits: where the rows begin and end.
        codes: code points.

    Raises:
        MalformedError: one is no character's (surrogates included), and the policy is strict.
    """
    bad = (codes < 0) | (codes >= _LIMIT) | ((codes >= 0xD800) & (codes < 0xE000))
    if bad.any():
        if policy.errors == "strict":
            raise MalformedError(int(bad.argmax()))
        if policy.errors == "ignore":
            splits = splits - np.append(0, np.cumsum(bad))[splits]
            codes = codes[~bad]
        else:
            codes = np.where(bad, policy.replacement, codes)
    whole = codes.astype("<i4").tobytes().decode("utf-32-le").encode(codec)
    ends = np.append(0, np.cumsum(_sizes(codes, codec)))[splits].tolist()
    return [whole[start:end] for start, end in zip(ends, ends[1:], strict=False)]
