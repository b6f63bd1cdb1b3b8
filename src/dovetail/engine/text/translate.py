"""Reads patterns of RE2 that Python's `re` can match with the same result.

What is translated: characters, classes, `.`, groups, alternatives, anchors, repetitions of single characters, and the
flags (?i) and (?s) in front.  All are written out, so that nothing depends on what Python means by `\\s` or `$`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_DIGITS = frozenset(range(48, 58))
_WORD = _DIGITS | frozenset(range(65, 91)) | frozenset(range(97, 123)) | {95}
_SPACE = frozenset(b"\t\n\f\r ")
_ASCII = frozenset(range(128))
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROLS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13, "a": 7}
_FLAGS = re.compile(r"\(\?([is]+)\)")
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_GROUP = re.compile(r"\((\?:|\?P<[A-Za-z_]\w*>)?", re.ASCII)
_MOST_UNBOUNDED = 2


@dataclass
class Portable:
    """A pattern that Python's `re` can match.

    Attributes:
        source: the pattern for Python, ASCII.
        by_character: it counts characters, not bytes: it has `.` or what is not in a class.
        folds: upper and lower case are the same.
        matches_empty: it may match the empty string.
        linear: matching takes time in proportion to the text's length.
        literal: the one string that it matches.
        one_of: the bytes that it matches one of, or several in a row (`repeated`).
    """

    source: str
    by_character: bool = False
    folds: bool = False
    matches_empty: bool = False
    linear: bool = True
    literal: bytes | None = None
    one_of: bytes | None = None
    repeated: bool = False


class _Atom(NamedTuple):
    """One character of the text: which ones, and whether those are the ones that it must not be."""

    chosen: frozenset
    negated: bool = False


class _GiveUpError(Exception):
    """The pattern holds what the two languages may understand differently."""


def translated(source: bytes) -> Portable | None:
    """Returns a valid pattern of RE2 for Python, or None for those that only RE2 can match."""
    if source and not any(byte in b"\\.[]{}()*+?^$|" for byte in source):
        return Portable("".join(f"\\x{byte:02x}" for byte in source), literal=source)
    try:
        return _Reader(source.decode("ascii")).read()
    except (UnicodeDecodeError, _GiveUpError):
        return None


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, text: str) -> None:
        flags = _FLAGS.match(text)
        self.text, self.at = text, flags.end() if flags else 0
        self.folds, self.dot_all = (letter in flags[1] if flags else False for letter in "is")
        self.atoms: list[_Atom] = []
        self.by_character = False
        self.unbounded = 0
        self.open_ended = False  # the repetition read last has no upper bound

    def read(self) -> Portable:
        source, least = self._alternatives()
        if self.at < len(self.text):
            raise _GiveUpError
        found = Portable(
            source,
            by_character=self.by_character,
            folds=self.folds,
            matches_empty=least == 0,
            linear=self.unbounded == 0 or (self.unbounded == 1 and self.open_ended and "|" not in source),
        )
        if len(self.atoms) == 1 and not self.folds and not self.by_character and least == 1:
            rest = source.removeprefix(_written(self.atoms[0]))
            if rest in ("", "+"):
                found.one_of, found.repeated = bytes(sorted(self.atoms[0].chosen)), rest == "+"
        return found

    def _alternatives(self) -> tuple[str, int]:
        """Reads up to a closing parenthesis; returns the pattern and the length of its shortest match."""
        branches = [self._sequence()]
        while self._next("|"):
            branches.append(self._sequence())
        return "|".join(source for source, _ in branches), min(least for _, least in branches)

    def _sequence(self) -> tuple[str, int]:
        source, least = "", 0
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            piece, size = self._piece()
            source, least = source + piece, least + size
        return source, least

    def _piece(self) -> tuple[str, int]:
        character = self.text[self.at]
        self.open_ended = False
        if character == "(":
            return self._group()
        if character in "^$":
            self.at += 1
            return {"^": r"\A", "$": r"\Z"}[character], 0
        if self.text.startswith(r"\b", self.at):
            self.at += 2
            return r"\b", 0
        atom = self._atom()
        self.atoms.append(atom)
        self.by_character = self.by_character or atom.negated
        repetition, least = self._repetition()
        return _written(atom) + repetition, least

    def _group(self) -> tuple[str, int]:
        found = _GROUP.match(self.text, self.at)
        if found is None or (found[1] is None and self.text.startswith("(?", self.at)):
            raise _GiveUpError
        self.at = found.end()
        source, least = self._alternatives()
        if not self._next(")") or (self.at < len(self.text) and self.text[self.at] in "*+?{"):
            raise _GiveUpError  # what is repeated may be empty, or repeat in several ways
        self.open_ended = False
        return f"{'(?:' if found[1] == '?:' else '('}{source})", least

    def _atom(self) -> _Atom:
        character = self.text[self.at]
        self.at += 1
        if character == ".":
            return _Atom(frozenset() if self.dot_all else frozenset({10}), negated=True)
        if character == "[":
            return self._class()
        if character == "\\":
            return self._escaped()
        if character in "*+?{})":
            raise _GiveUpError
        return _Atom(frozenset({ord(character)}))

    def _escaped(self) -> _Atom:
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter.lower() in _CLASSES:
            return _Atom(_CLASSES[letter.lower()], negated=letter.isupper())
        if letter in _CONTROLS:
            return _Atom(frozenset({_CONTROLS[letter]}))
        if not letter or letter.isalnum():
            raise _GiveUpError
        return _Atom(frozenset({ord(letter)}))

    def _class(self) -> _Atom:
        """Reads what stands between brackets."""
        negated, first = self._next("^"), self.at
        chosen: set[int] = set()
        while self.at == first or not self.text.startswith("]", self.at):
            low = self._member()
            if not self.text.startswith("-", self.at) or self.text.startswith("-]", self.at):
                chosen |= low
                continue
            self.at += 1
            high = self._member()
            if len(low) != 1 or len(high) != 1:
                raise _GiveUpError
            chosen |= set(range(min(low), max(high) + 1))
        self.at += 1
        if self.folds and negated:
            raise _GiveUpError
        return _Atom(frozenset(chosen), negated)

    def _member(self) -> frozenset:
        if self.text.startswith("[:", self.at) or self.at >= len(self.text):
            raise _GiveUpError
        character = self.text[self.at]
        self.at += 1
        if character != "\\":
            return frozenset({ord(character)})
        atom = self._escaped()
        return _ASCII - atom.chosen if atom.negated and self._refuse() else atom.chosen

    def _refuse(self) -> bool:
        raise _GiveUpError

    def _repetition(self) -> tuple[str, int]:
        """Reads how often the character before comes; returns that and the least number."""
        sign = self.text[self.at : self.at + 1]
        if sign not in ("*", "+", "?", "{"):
            return "", 1
        least, most, source = {"*": (0, None, "*"), "+": (1, None, "+"), "?": (0, 1, "?")}.get(
            sign
        ) or self._count()
        self.at += len(source)
        self.unbounded += most is None
        self.open_ended = most is None
        if self._next("?"):
            source += "?"
        if self.unbounded > _MOST_UNBOUNDED:
            raise _GiveUpError
        return source, least

    def _count(self) -> tuple[int, int | None, str]:
        found = _COUNT.match(self.text, self.at)
        if found is None:
            raise _GiveUpError
        least = int(found[1])
        return least, (least if not found[2] else int(found[3]) if found[3] else None), found[0]

    def _next(self, sign: str) -> bool:
        """Reads `sign` if it comes next, and tells whether it did."""
        found = self.text.startswith(sign, self.at)
        self.at += found
        return found


def _written(atom: _Atom) -> str:
    """Returns a class of Python's; every character is written by its number."""
    if atom.negated and not atom.chosen:
        return r"(?s:.)"
    if len(atom.chosen) == 1 and not atom.negated:
        return f"\\x{min(atom.chosen):02x}"
    members = "".join(
        f"\\x{low:02x}" if low == high else f"\\x{low:02x}-\\x{high:02x}" for low, high in _runs(atom)
    )
    return f"[{'^' if atom.negated else ''}{members}]"


def _runs(atom: _Atom) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for code in sorted(atom.chosen):
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return runs
