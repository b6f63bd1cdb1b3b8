"""Columns of features from the bytes of many `tf.train.Example`s.

Messages that are written in the usual order are read side by side: one pass of NumPy over all records reads the next
feature of each.  Records of other forms (fields in another order, repeated, unpacked or unknown) are brought to the
usual form by the protobuf library first, and so are those that have many more features than the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from dovetail.wire.examples import Example
from dovetail.wire.varints import gathered, length_at, lengths_at, numbers_in

_FIRST, _SECOND = 0x0A, 0x12  # the tags of fields 1 and 2 that have a length
_KIND_OF_TAG = {0x0A: "string", 0x12: "float32", 0x1A: "int64"}
_TAG_OF_KIND = {kind: tag for tag, kind in _KIND_OF_TAG.items()}
_FIELDS = {"bytes_list": "string", "float_list": "float32", "int64_list": "int64"}
_NUMPY = {"string": np.dtype(object), "float32": np.dtype("<f4"), "int64": np.dtype(np.int64)}
_FEW = 64  # records that are cheaper to read one by one
_MOST_ROUNDS, _SPARSE_ROUNDS, _SPARSE = 2000, 64, 16  # rounds over all records, and over but a few
_SPARE = 1024  # bytes after the last record, so that headers read there stay in bounds
# Three headers of one byte of length each, and the number of bytes after the first: 12 v, kind v-2, 0A v-4.
_THREE, _THREE_MASK = (1 << 8) + (1 << 24) + (1 << 40), (1 << 48) - 1
_THREE_BASE = _SECOND - (2 << 24) + (_FIRST << 32) - (4 << 40)


class Column(NamedTuple):
    """A feature of many records.

    Attributes:
        values: all values one after the other: float32, int64, or bytes as objects.
        counts: int64 (n,), how many each record has.
        present: bool (n,), whether a record has the feature at all.
    """

    values: Any
    counts: Any
    present: Any


class FormError(ValueError):
    """A record is no message of its kind.

    Attributes:
        index: which.
    """

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class KindError(ValueError):
    """A feature holds values of another kind than wanted.

    Attributes:
        key, index: which feature of which record.
        found, wanted: kinds.
    """

    def __init__(self, key: bytes, index: int, found: str, wanted: str) -> None:
        super().__init__(key, index, found, wanted)
        self.key, self.index, self.found, self.wanted = key, index, found, wanted


Slices = Callable[
    [bytes, Any, Any], Any
]  # `f(data, begins, ends)` -> the strings there, None: it does not serve


def _no_slices(data: bytes, begins: Any, ends: Any) -> None:
    pass


def read_columns(
    records: Sequence[bytes], wanted: dict[bytes, str], slices: Slices = _no_slices
) -> dict[bytes, Column]:
    """Returns the wanted features of records.

    Args:
        records: serialized Examples.
        wanted: key -> "float32", "int64" or "string".
        slices: a faster way to cut strings out.

    Raises:
        FormError: a record is no Example.
        KindError: a feature is there, but of another kind.
    """
    if len(records) == 1:
        return _of_one(records[0], wanted)
    if len(records) <= _FEW:
        return of_maps([_parsed(record, i).features.feature for i, record in enumerate(records)], wanted)
    usual = list(records)
    changed: Any = np.zeros(len(records), bool)
    while True:
        reading = _Reading(usual, wanted, slices)
        columns = reading.run()
        if columns is not None:
            return columns
        if (reading.odd & changed).any():
            raise FormError(int((reading.odd & changed).argmax()))
        changed |= reading.odd
        for i in np.flatnonzero(reading.odd).tolist():
            usual[i] = _in_usual_form(records[i], i, wanted)


def _parsed(record: bytes, index: int) -> Any:
    try:
        return Example.FromString(record)
    except DecodeError:
        raise FormError(index) from None


def _in_usual_form(record: bytes, index: int, wanted: Iterable[bytes]) -> bytes:
    given, made = _parsed(record, index).features.feature, Example()
    for key in wanted:
        name = _name(key)
        if name in given:
            made.features.feature[name].CopyFrom(given[name])
            made.features.feature[name].DiscardUnknownFields()
    return made.SerializeToString()


def _name(key: bytes) -> str:
    return key.decode("utf-8", "replace")


# ---- one message at a time


_FIELD_OF_KIND = {kind: field for field, kind in _FIELDS.items()}
_NONE: Any = np.zeros(1, np.int64)
_THERE: Any = np.ones(1, bool)
_MISSING: Any = np.zeros(1, bool)


def _of_one(record: bytes, wanted: dict[bytes, str]) -> dict[bytes, Column]:
    """Returns the wanted features of one record: what `of_maps` does, with less ado."""
    features, columns = _parsed(record, 0).features.feature, {}
    for key, kind in wanted.items():
        feature = features.get(_name(key))
        field = None if feature is None else feature.WhichOneof("kind")
        if field is None:
            columns[key] = Column(np.zeros(0, _NUMPY[kind]), _NONE, _MISSING)
            continue
        if field != _FIELD_OF_KIND[kind]:
            raise KindError(key, 0, _FIELDS[field], kind)
        values = getattr(feature, field).value[:]
        columns[key] = Column(_array(values, kind), np.array((len(values),)), _THERE)
    return columns


def of_maps(maps: Sequence[Any], wanted: dict[bytes, str]) -> dict[bytes, Column]:
    """Returns the wanted features of maps from names to Features; see `read_columns`."""
    columns = {}
    for key, kind in wanted.items():
        name = _name(key)
        columns[key] = of_features([one.get(name) for one in maps], key, kind)
    return columns


def of_features(features: Sequence[Any], key: bytes, kind: str, index: int | None = None) -> Column:
    """Returns the column of some Features (None: not there).

    Args:
        features: Features.
        key, index: for errors; `index` where they all belong to one record.
        kind: the wanted one.
    """
    parts: list = []
    counts, present = [0] * len(features), [False] * len(features)
    for i, feature in enumerate(features):
        field = None if feature is None else feature.WhichOneof("kind")
        if field is None:
            continue
        if _FIELDS[field] != kind:
            raise KindError(key, i if index is None else index, _FIELDS[field], kind)
        values = getattr(feature, field).value
        present[i], counts[i] = True, len(values)
        parts.extend(values)
    return Column(_array(parts, kind), np.array(counts, np.int64), np.array(present, bool))


def _array(values: list, kind: str) -> Any:
    if kind != "string":
        return np.array(values, _NUMPY[kind])
    array: Any = np.empty(len(values), object)
    array[:] = values
    return array


# ---- many messages side by side


class _Found(NamedTuple):
    """Where a feature of some records stands.

    Attributes:
        rows: which records.
        kinds: the tag of the list's kind; 0: there is no list.
        starts, ends: where the list's bytes stand; `direct`: where its only string, or its numbers, stand.
        direct: see there; all of the wanted kind.
    """

    rows: Any
    kinds: Any
    starts: Any
    ends: Any
    direct: bool = False


class _Reading:
    """One reading of many records.

    Attributes:
        odd: bool (n,), the records that are not of the usual form.
    """

    def __init__(self, records: Sequence[bytes], wanted: dict[bytes, str], slices: Slices) -> None:
        self._slices = slices
        self._bytes = b"".join([*records, bytes(_SPARE)])
        self._data: Any = np.frombuffer(self._bytes, np.uint8)
        size = len(self._bytes)
        # The two and the eight bytes from each place on, as numbers.
        self._two: Any = np.ndarray((size - 1,), "<u2", self._bytes, strides=(1,))
        self._eight: Any = np.ndarray((size - 7,), "<u8", self._bytes, strides=(1,))
        sizes: Any = np.fromiter(map(len, records), np.int64, len(records))
        self._ends: Any = np.cumsum(sizes)
        self._starts = self._ends - sizes
        self._last = size - _SPARE // 2
        self._wanted = wanted
        self._keys = list(wanted)
        self._places = {key: i for i, key in enumerate(self._keys)}
        self.odd: Any = np.zeros(len(records), bool)

    def run(self) -> dict[bytes, Column] | None:
        """Returns the columns, or None when records are not of the usual form (those found so far are `odd`)."""
        found = self._locate()
        if self.odd.any():
            return None
        columns = {key: self._column(key, parts) for key, parts in zip(self._keys, found, strict=True)}
        return None if self.odd.any() else columns

    def _header(self, places: Any, tag: int | None, ends: Any) -> tuple[Any, Any, Any]:
        """Reads a tag (None: that of a kind of list) and a length.

        Returns:
            `(where what they announce begins, where it ends, whether the tag is as expected and the end in bounds)`
        """
        both = self._two[places]
        fits = (both & 0xFF) == tag if tag is not None else _IS_KIND[both & 0xFF]
        if (both < 0x8000).all():
            begin = places + 2
            until = begin + (both >> 8)
        else:
            length, begin = lengths_at(self._data, places + 1, self._last)
            until = np.minimum(begin + length, self._last)
        return begin, until, fits & (until <= ends)

    def _locate(self) -> list[list[_Found]]:
        """Returns where the wanted features stand."""
        rows = np.flatnonzero(self._ends > self._starts)
        ends = self._ends[rows]
        places, until, good = self._header(self._starts[rows], _FIRST, ends)
        good &= until == ends
        self.odd[rows[~good]] = True
        active = good & (places < ends)
        rows, places, ends = rows[active], places[active], ends[active]
        found: list[list[_Found]] = [[] for _ in self._keys]
        rounds = 0
        while len(rows):
            rows, places, ends = self._next(rows, places, ends, found)
            rounds += 1
            if rounds >= (_MOST_ROUNDS if len(rows) > _SPARSE else _SPARSE_ROUNDS + 4 * len(self._keys)):
                self.odd[rows] = True
                break
        return found

    def _next(self, rows: Any, places: Any, ends: Any, found: list) -> tuple[Any, Any, Any]:
        """Reads the next feature of each record; returns the records that have more, and where these begin."""
        entry, after, good = self._header(places, _FIRST, ends)
        if good.all():
            size = self._size_of_one_key(entry, after)
            if size:
                first = int(entry[0]) + 2
                which = self._places.get(self._bytes[first : first + size - 2], -1)
                if which < 0 or self._is_read(which, rows, entry + size, after, found):
                    return _rest(rows, after, ends)
        key, key_end, fits = self._header(entry, _FIRST, after)
        good &= fits
        value, value_end, fits = self._header(key_end, _SECOND, after)
        good &= fits & (value_end == after)
        if not good.all():
            self.odd[rows[~good]] = True
            rows, after, ends, key, key_end, value = (
                part[good] for part in (rows, after, ends, key, key_end, value)
            )
        self._note(rows, self._which(key, key_end), value, after, found)
        return _rest(rows, after, ends)

    def _size_of_one_key(self, entry: Any, after: Any) -> int:
        """Returns how many bytes the key takes with its header where all entries have the same short one; else 0."""
        first = int(entry[0])
        size = self._bytes[first + 1] + 2
        if self._bytes[first] != _FIRST or size > 129 or int((after - entry).min()) < size:
            return 0
        keys = _windows(self._data, size)[entry]
        return size if (keys == keys[0]).all() else 0

    def _is_read(self, which: int, rows: Any, places: Any, after: Any, found: list) -> bool:
        """Notes the values of one feature, whose key has been read; returns whether all have the usual form."""
        if self._is_plain(which, rows, places, after, found):
            return True
        value, value_end, good = self._header(places, _SECOND, after)
        if not (good & (value_end == after)).all():
            return False
        found[which].append(self._value(rows, value, after))
        return True

    def _is_plain(self, which: int, rows: Any, places: Any, after: Any, found: list) -> bool:
        """Notes the values where each is one string or one run of packed numbers of the wanted kind, and all short."""
        rest = after - places - 2
        if int(rest.min()) < 4 or int(rest.max()) > 127:
            return False
        tag = _TAG_OF_KIND[self._wanted[self._keys[which]]]
        expected = rest * _THREE + (_THREE_BASE + (tag << 16))
        if not ((self._eight[places] & _THREE_MASK) == expected.view(np.uint64)).all():
            return False
        found[which].append(_Found(rows, np.full(len(rows), tag), places + 6, after, direct=True))
        return True

    def _which(self, starts: Any, ends: Any) -> Any:
        """Returns the place of each key among the wanted ones; -1: it is none of them."""
        get, data = self._places.get, self._bytes
        keys = [get(data[a:b], -1) for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        return np.array(keys, np.int64)

    def _note(self, rows: Any, which: Any, starts: Any, ends: Any, found: list) -> None:
        """Adds where the lists of values stand to what was found."""
        for place in set(which.tolist()) - {-1}:
            chosen = np.flatnonzero(which == place)
            found[place].append(self._value(rows[chosen], starts[chosen], ends[chosen]))

    def _value(self, rows: Any, starts: Any, ends: Any) -> _Found:
        """Reads which kind of list a Feature holds; one without any is not there."""
        kinds = np.where(starts < ends, self._data[starts], 0)
        begin, until, good = self._header(starts, None, ends)
        good = (good & (until == ends)) | (kinds == 0)
        self.odd[rows[~good]] = True
        return _Found(rows, kinds, np.where(kinds == 0, ends, begin), ends)

    # ---- values

    def _column(self, key: bytes, parts: list[_Found]) -> Column:
        kind = self._wanted[key]
        if len(parts) == 1 and parts[0].direct:
            rows = parts[0].rows
            values, own = _direct(self._slices, self._data, self._bytes, kind, parts[0])
            if own is None:
                self.odd[rows] = True  # some are damaged; protobuf says which
        else:
            found = _of_lists(parts)
            if len(found.rows) > 1:
                self.odd[found.rows[1:][found.rows[1:] == found.rows[:-1]]] = True  # the key comes twice
            rows, kinds, starts, ends = found[:4]
            if not kinds.all():
                rows, kinds, starts, ends = (part[kinds != 0] for part in found[:4])
            wrong = kinds != _TAG_OF_KIND[kind]
            if wrong.any() and not self.odd.any():
                at = int(wrong.argmax())
                raise KindError(key, int(rows[at]), _KIND_OF_TAG[int(kinds[at])], kind)
            values, own = (
                self._strings(rows, starts, ends)
                if kind == "string"
                else self._packed(kind, rows, starts, ends)
            )
        if own is not None and len(rows) == len(self.odd):
            return Column(values, own, np.ones(len(rows), bool))
        counts: Any = np.zeros(len(self.odd), np.int64)
        present: Any = np.zeros(len(self.odd), bool)
        counts[rows], present[rows] = 0 if own is None else own, True
        return Column(values, counts, present)

    def _packed(self, kind: str, rows: Any, starts: Any, ends: Any) -> tuple[Any, Any]:
        """Returns the numbers of lists, and how many each has."""
        filled = starts < ends
        begin, until, good = self._header(starts, _FIRST, ends)
        good = (good & (until == ends)) | ~filled
        self.odd[rows[~good]] = True
        found = _Found(rows, None, np.where(filled & good, begin, ends), ends)
        values, own = _direct(self._slices, self._data, self._bytes, kind, found)
        if own is None:
            self.odd[rows] = True
        return values, own

    def _strings(self, rows: Any, starts: Any, ends: Any) -> tuple[Any, Any]:
        """Returns the strings of lists, and how many each has."""
        counts: Any = np.zeros(len(rows), np.int64)
        found: list[tuple] = []
        active = np.flatnonzero(starts < ends)
        places = starts[active]
        while len(active):
            if found and len(active) <= _SPARSE:
                for i, place in zip(active.tolist(), places.tolist(), strict=True):
                    begins, untils, good = _strings_of_one(self._bytes, place, int(ends[i]))
                    self.odd[rows[i]] |= not good
                    counts[i] += len(begins)
                    found.append((np.full(len(begins), i), begins, untils))
                break
            begin, until, good = self._header(places, _FIRST, ends[active])
            self.odd[rows[active[~good]]] = True
            found.append((active[good], begin[good], until[good]))
            counts[active[good]] += 1
            more = good & (until < ends[active])
            active, places = active[more], until[more]
        return self._sliced(found), counts

    def _sliced(self, found: list[tuple]) -> Any:
        """Returns the strings of ranges, by record and then in their order."""
        if not found:
            return np.empty(0, object)
        rows, begins, untils = (np.concatenate(parts) for parts in zip(*found, strict=True))
        if len(found) > 1:
            order = np.argsort(rows, kind="stable")
            begins, untils = begins[order], untils[order]
        return _sliced(self._slices, self._bytes, begins, untils)


_IS_KIND: Any = np.zeros(256, bool)
_IS_KIND[list(_KIND_OF_TAG)] = True


def _rest(rows: Any, after: Any, ends: Any) -> tuple[Any, Any, Any]:
    more = after < ends
    return (rows, after, ends) if more.all() else (rows[more], after[more], ends[more])


def _windows(data: Any, size: int) -> Any:
    """Returns the `size` bytes from each place on."""
    return np.ndarray((len(data) - size + 1, size), np.uint8, data, strides=(1, 1))


def _direct(slices: Slices, data: Any, whole: bytes, kind: str, found: _Found) -> tuple[Any, Any]:
    """Returns the values of lists that are one string, or one run of packed numbers, and how many each has.

    The second is None where a run is damaged.
    """
    if kind == "string":
        return _sliced(slices, whole, found.starts, found.ends), np.ones(len(found.rows), np.int64)
    sizes = found.ends - found.starts
    if kind == "float32":
        if (sizes & 3).any():
            return np.zeros(0, "<f4"), None
        return np.frombuffer(gathered(data, found.starts, sizes).tobytes(), "<f4"), sizes >> 2
    read = numbers_in(gathered(data, found.starts, sizes), sizes)
    return (np.zeros(0, np.int64), None) if read is None else read


def _sliced(slices: Slices, data: bytes, begins: Any, untils: Any) -> Any:
    found = slices(data, begins, untils)
    if found is not None:
        return found
    values: Any = np.empty(len(begins), object)
    values[:] = [data[a:b] for a, b in zip(begins.tolist(), untils.tolist(), strict=True)]
    return values


def _of_lists(parts: list[_Found]) -> _Found:
    """Returns what was found in several rounds, by record; all as lists' bytes."""
    if not parts:
        nothing: Any = np.zeros(0, np.int64)
        return _Found(nothing, nothing, nothing, nothing)
    lists = [part._replace(starts=part.starts - 2) if part.direct else part for part in parts]
    if len(lists) == 1:
        return lists[0]
    whole = [np.concatenate(columns) for columns in list(zip(*lists, strict=True))[:4]]
    order = np.argsort(whole[0], kind="stable")
    rows, kinds, starts, ends = (column[order] for column in whole)
    return _Found(rows, kinds, starts, ends)


def _strings_of_one(data: bytes, place: int, end: int) -> tuple[Any, Any, bool]:
    """Returns where the strings of one list begin and end, and whether it is of the usual form."""
    begins: list[int] = []
    untils: list[int] = []
    good = True
    while place < end:
        size, begin = length_at(data, place + 1)
        good = data[place] == _FIRST and begin + size <= end
        if not good:
            break
        place = begin + size
        begins.append(begin)
        untils.append(place)
    return np.array(begins, np.int64), np.array(untils, np.int64), good
