"""RE2's regular expressions on byte strings: whether they match whole strings, and what replaces their matches.

RE2 says which patterns are right and is what runs in the end.  What a program does to many strings goes a shorter way
where the result is the same: a table of bytes, `bytes.replace`, or Python's `re` with the pattern translated; the
translation covers what both languages mean the same by, and gives up on all else.

Source: R. Cox, 2010, "Regular Expression Matching in the Wild" (RE2).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import re2

from dovetail.engine.text.translate import Portable, translated

_LONGEST = 2000  # bytes that Python's `re`, which may backtrack, gets to see
_REPLACES = Callable[[bytes], bytes]


class BadPatternError(ValueError):
    """A pattern, or a rewrite of its matches, that is none."""


class Pattern:
    """A compiled pattern.

    Args:
        source: the pattern, UTF-8.

    Raises:
        BadPatternError: it is no pattern.
    """

    def __init__(self, source: bytes) -> None:
        options = re2.Options()
        options.log_errors = False
        try:
            self._re2: Any = re2.compile(source, options)
        except re2.error as error:
            reason = error.args[0] if error.args else ""
            text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise BadPatternError(text) from None
        self._portable: Portable | None = translated(source)

    def matcher(self) -> Callable[[bytes], bool]:
        """Returns what tells whether a whole string matches."""
        whole = self._re2.fullmatch
        return self._fastest(
            lambda text: whole(text) is not None,
            lambda compiled: lambda text: compiled.fullmatch(text) is not None,
            lambda compiled: lambda text: compiled.fullmatch(text) is not None,
        )

    def replacer(self, rewrite: bytes, every: bool = True) -> _REPLACES:
        r"""Returns what replaces the matches in a string.

        Args:
            rewrite: what stands in their place; \1 to \9 are the groups, \0 is the match.
            every: all matches; the first otherwise.

        Raises:
            BadPatternError: the rewrite is wrong, or names a group that the pattern has not.
        """
        parts = _parts(rewrite, self._re2.groups)
        pieces = [part for part in parts if isinstance(part, bytes)]
        literal = b"".join(pieces) if len(pieces) == len(parts) else None
        short = self._portable and literal is not None and _by_bytes(self._portable, literal, every)  # type: ignore[arg-type]
        if short:
            return short
        slow = functools.partial(_replace, self._re2, parts, every)
        if self._portable is None or self._portable.matches_empty:
            return slow
        count = 0 if every else 1
        if literal is None:
            return self._fastest(
                slow,
                lambda compiled: _Rewriter(compiled, parts, b"", count),
                lambda compiled: _Rewriter(compiled, list(map(_as_text, parts)), "", count),
            )
        template = literal.replace(b"\\", b"\\\\")
        return self._fastest(
            slow,
            lambda compiled: functools.partial(_substituted, compiled, template, count),
            lambda compiled: functools.partial(_substituted, compiled, _as_text(template), count),
        )

    def _fastest(self, slow: Callable, on_bytes: Callable, on_text: Callable) -> Callable:
        """Returns the function that takes for each string the shortest way that gives RE2's result."""
        portable = self._portable
        if portable is None:
            return slow
        fast = on_bytes(re.compile(portable.source.encode(), re.IGNORECASE if portable.folds else 0))
        wide = portable.by_character and not portable.folds
        decoded = _decoded(on_text(re.compile(portable.source, re.ASCII)), slow) if wide else slow
        plain, linear = not portable.by_character and not portable.folds, portable.linear

        def function(text: bytes) -> Any:
            if not linear and len(text) > _LONGEST:
                return slow(text)
            return fast(text) if plain or text.isascii() else decoded(text)

        return fast if plain and linear else function


@functools.lru_cache(maxsize=256)
def compiled(source: bytes) -> Pattern:
    """Returns the compiled pattern; the same one for the same source."""
    return Pattern(source)


def _decoded(function: Callable, slow: Callable) -> Callable:
    """Returns a function on bytes that calls one on text; what is no UTF-8 takes the slow way."""

    def of_bytes(value: bytes) -> Any:
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return slow(value)
        found = function(text)
        return found.encode("utf-8", "surrogateescape") if isinstance(found, str) else found

    return of_bytes


def _parts(rewrite: bytes, groups: int) -> list[bytes | int]:
    """Returns what a rewrite is made of: literal bytes, and the numbers of groups."""
    parts: list[bytes | int] = []
    for piece in re.split(rb"(\\.?)", rewrite, flags=re.DOTALL):
        if not piece.startswith(b"\\"):
            parts.append(piece)
        elif piece == b"\\\\":
            parts.append(b"\\")
        elif piece[1:].isdigit():
            parts.append(int(piece[1:]))
        else:
            raise BadPatternError(
                f"invalid rewrite {rewrite!r:.80}: a backslash must be followed by a digit or a backslash"
            )
    most = max((part for part in parts if isinstance(part, int)), default=0)
    if most > groups:
        raise BadPatternError(
            f"invalid rewrite {rewrite!r:.80}: it refers to group {most}, and the pattern has {groups}"
        )
    return [part for part in parts if part != b""]


def _as_text(part: Any) -> Any:
    return part.decode("utf-8", "surrogateescape") if isinstance(part, bytes) else part


def _substituted(compiled: Any, new: Any, count: int, text: Any) -> Any:
    return compiled.sub(new, text, count)


class _Rewriter:
    """Replaces matches by what is made of their groups: cuts the text at all of them in one go.

    Args:
        pattern: a compiled pattern of Python's.
        parts: of the replacement: literals, and the numbers of groups.
        empty: the empty string of the text's type.
        count: the most matches to replace; 0: all.
    """

    def __init__(self, pattern: re.Pattern, parts: list, empty: Any, count: int) -> None:
        whole: Any = b"(%b)" % pattern.pattern if isinstance(empty, bytes) else f"({pattern.pattern})"
        self._split = re.compile(whole, pattern.flags).split
        self._parts, self._empty, self._count = parts, empty, count
        self._period = pattern.groups + 2  # the text before a match, the match, its groups

    def __call__(self, text: Any) -> Any:
        pieces = self._split(text, self._count)
        matches = len(pieces) // self._period
        if not matches:
            return text
        if None in pieces:  # a group that took no part
            pieces = [piece or self._empty for piece in pieces]
        step = len(self._parts) + 1
        out = [self._empty] * (matches * step + 1)
        out[::step] = pieces[:: self._period]
        for place, part in enumerate(self._parts, 1):
            out[place::step] = pieces[part + 1 :: self._period] if isinstance(part, int) else [part] * matches
        return self._empty.join(out)


def _by_bytes(portable: Portable, new: bytes, every: bool) -> _REPLACES | None:
    """Returns the replacement of patterns so simple that no matching is needed, None for all others."""
    if portable.literal is not None:
        old, count = portable.literal, -1 if every else 1
        return lambda text: text.replace(old, new, count)
    if portable.one_of is None or not every:
        return None
    chosen = portable.one_of
    if new == b"":
        return lambda text: text.translate(None, chosen)
    if len(new) > 1 or portable.folds:
        return None
    table = bytes(new[0] if byte in chosen else byte for byte in range(256))
    if not portable.repeated:
        return lambda text: text.translate(table)
    if new not in chosen:
        return None
    return lambda text: _squeezed(text.translate(table), new)


def _squeezed(text: bytes, byte: bytes) -> bytes:
    """Makes one of several equal bytes in a row."""
    double = byte + byte
    while double in text:
        text = text.replace(double, byte)
    return text


def _replace(pattern: Any, parts: list, every: bool, text: bytes) -> bytes:
    """Replaces matches as RE2 does: no empty match follows another match."""
    out: list[bytes] = []
    at, last, size = 0, -1, len(text)
    while at <= size:
        found = pattern.search(text, at)
        if found is None:
            break
        start, end = found.span()
        out.append(text[at:start])
        if start == end == last:
            step = _character(text, start)
            out.append(text[start : start + step])
            at = start + step
            continue
        out += [part if isinstance(part, bytes) else found.group(part) or b"" for part in parts]
        at = last = end
        if not every:
            break
    return b"".join(out) + text[at:]


def _character(text: bytes, at: int) -> int:
    """Returns how many bytes the character at a place takes; at least one."""
    for size in range(1, 5):
        try:
            text[at : at + size].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            continue
        return size
    return 1
