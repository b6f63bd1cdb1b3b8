"""Protocol buffers in Python: messages are classes that list their fields, from which reading and writing follow.

    class Point(Message):
        fields = {"x": Field(1, "float"), "tags": Field(2, "string", repeated=True)}

A message behaves as those that protobuf's own compiler makes: fields are attributes with defaults, repeated ones are
lists with `add()`, maps are dicts; `HasField`, `WhichOneof`, `SerializeToString`, `FromString`, `CopyFrom`, `Clear`.
Fields that a message does not know are skipped when it is read.

Source: the encoding as https://protobuf.dev/programming-guides/encoding describes it.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {
    "double": struct.Struct("<d"),
    "fixed64": struct.Struct("<Q"),
    "float": struct.Struct("<f"),
    "fixed32": struct.Struct("<I"),
}
_WIRE_TYPES = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), _VARINT),
    **dict.fromkeys(("string", "bytes"), _BYTES),
    "double": _FIXED64,
    "fixed64": _FIXED64,
    "float": _FIXED32,
    "fixed32": _FIXED32,
}
_DEFAULTS: dict[str, Any] = {"double": 0.0, "float": 0.0, "string": "", "bytes": b"", "bool": False}


class DecodeError(ValueError):
    """The bytes are no message of this kind."""


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: its number.
        kind: "int32", "int64", "uint32", "uint64", "bool", "enum", "fixed32", "fixed64", "float", "double", "string",
            "bytes", or the class of a message.
        repeated: it is a list.
        oneof: name of the group of which one field at most is set.
        key: it is a map with keys of this kind.
    """

    number: int
    kind: Any
    repeated: bool = False
    oneof: str | None = None
    key: str | None = None


class Repeated(list):
    """The list of a repeated field; `add` appends a new message to it."""

    def __init__(self, field: Field, values: Any = ()) -> None:
        self._field = field
        super().__init__(_checked(field, value) for value in values)

    def add(self, **values: Any) -> Any:
        made = self._field.kind(**values)
        self.append(made)
        return made

    def append(self, value: Any) -> None:
        super().append(_checked(self._field, value))

    def extend(self, values: Any) -> None:
        super().extend(_checked(self._field, value) for value in values)


class MapOf(dict):
    """The dict of a map field; reading a message that is not there makes it."""

    def __init__(self, field: Field, values: Any = ()) -> None:
        self._field = field
        super().__init__(values)

    def __missing__(self, key: Any) -> Any:
        if not isinstance(self._field.kind, type):
            raise KeyError(key)
        self[key] = made = self._field.kind()
        return made


class Message:
    """Base of all messages.

    Args:
        values: values of fields by name.
    """

    fields: ClassVar[dict[str, Field]] = {}
    _by_number: ClassVar[dict[int, tuple[str, Field]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._by_number = {field.number: (name, field) for name, field in cls.fields.items()}

    @classmethod
    def add_field(cls, name: str, field: Field) -> None:
        """Adds a field to a message that can hold messages of its own class, which a class body cannot name."""
        cls.fields[name] = field
        cls._by_number[field.number] = (name, field)

    def __init__(self, **values: Any) -> None:
        self.__dict__["_values"] = {}
        self.__dict__["_is_present"] = False
        for name, value in values.items():
            field = self._field(name)
            if field.repeated:
                self._values[name] = Repeated(field, value)
            elif field.key is not None:
                self._values[name] = MapOf(field, value)
            elif isinstance(field.kind, type):
                getattr(self, name).CopyFrom(value if isinstance(value, Message) else field.kind(**value))
                getattr(self, name).SetInParent()
            elif value is not None:
                setattr(self, name, value)

    # ---- fields

    def _field(self, name: str) -> Field:
        field = self.fields.get(name)
        if field is None:
            raise AttributeError(
                f"{type(self).__name__} has no field {name!r}; it has {', '.join(self.fields)}"
            )
        return field

    def __getattr__(self, name: str) -> Any:
        if name[0] == "_":
            raise AttributeError(name)
        field = self._field(name)
        values = self._values
        if name in values:
            return values[name]
        if field.repeated or field.key is not None or isinstance(field.kind, type):
            values[name] = made = _empty(field)
            return made
        return _DEFAULTS.get(field.kind, 0)

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        if field.repeated or field.key is not None or isinstance(field.kind, type):
            raise AttributeError(
                f"{type(self).__name__}.{name} cannot be assigned: use extend(), or CopyFrom() of a message"
            )
        self._clear_others(name, field)
        self._values[name] = _checked(field, value)

    def _clear_others(self, name: str, field: Field) -> None:
        if field.oneof is not None:
            for other, one in self.fields.items():
                if one.oneof == field.oneof and other != name:
                    self._values.pop(other, None)

    def HasField(self, name: str) -> bool:
        """Returns whether a field (or one of a group) is set; repeated ones cannot be asked."""
        if any(field.oneof == name for field in self.fields.values()):
            return self.WhichOneof(name) is not None
        field = self._field(name)
        if field.repeated or field.key is not None:
            raise ValueError(f"{type(self).__name__}.{name} is repeated: look at its length")
        value = self._values.get(name)
        return value is not None and (not isinstance(value, Message) or value._is_set())

    def WhichOneof(self, group: str) -> str | None:
        """Returns the name of the field of a group that is set."""
        names = [name for name, field in self.fields.items() if field.oneof == group]
        return next((name for name in names if self.HasField(name)), None)

    def SetInParent(self) -> None:
        """Makes an empty message count as set in the message that holds it."""
        self.__dict__["_is_present"] = True

    def _is_set(self) -> bool:
        return self._is_present or any(True for _ in self._given())

    def _given(self) -> Iterator[tuple[str, Field, Any]]:
        """Yields `(name, field, value)` of what is set, in the order of the numbers."""
        for name, field in sorted(self.fields.items(), key=lambda item: item[1].number):
            value = self._values.get(name)
            if value is None or (isinstance(value, Message) and not value._is_set()):
                continue
            if isinstance(value, Repeated | MapOf) and not value:
                continue
            plain = not isinstance(value, Message | Repeated | MapOf)
            if plain and field.oneof is None and value == _DEFAULTS.get(field.kind, 0):
                continue
            yield name, field, value

    def ListFields(self) -> list[tuple[Field, Any]]:
        """Returns `(field, value)` of what is set."""
        return [(field, value) for _, field, value in self._given()]

    def ClearField(self, name: str) -> None:
        self._field(name)
        self._values.pop(name, None)

    def Clear(self) -> None:
        self._values.clear()

    def CopyFrom(self, other: Any) -> None:
        """Takes over what another message of this kind holds."""
        if type(other) is not type(self):
            raise TypeError(f"expected a {type(self).__name__}, received {type(other).__name__}")
        data = other.SerializeToString()
        self.Clear()
        self.MergeFromString(data)
        self.SetInParent()

    def MergeFrom(self, other: Any) -> None:
        self.MergeFromString(other.SerializeToString())

    # ---- bytes

    def SerializeToString(self, deterministic: bool = True) -> bytes:
        """Returns the message as bytes."""
        return b"".join(_encoded(field, value) for _, field, value in self._given())

    def ByteSize(self) -> int:
        return len(self.SerializeToString())

    @classmethod
    def FromString(cls, data: bytes) -> Any:
        """Returns the message that bytes hold."""
        made = cls()
        made.MergeFromString(data)
        return made

    def ParseFromString(self, data: bytes) -> int:
        """Takes the place of what was there by what bytes hold; returns their number."""
        self.Clear()
        return self.MergeFromString(data)

    def MergeFromString(self, data: bytes) -> int:
        data = bytes(data)
        try:
            for number, wire_type, value in _parts(data):
                name, field = self._by_number.get(number, (None, None))
                if name is not None and field is not None:
                    self._take(name, field, wire_type, value)
        except (IndexError, struct.error, UnicodeDecodeError, AttributeError, TypeError) as error:
            raise DecodeError(f"these bytes are no {type(self).__name__} ({error})") from error
        return len(data)

    def _take(self, name: str, field: Field, wire_type: int, value: Any) -> None:
        if field.key is not None:
            entry = _entry(field).FromString(value)
            getattr(self, name)[entry.key] = entry.value
        elif field.repeated:
            packed = wire_type == _BYTES and _WIRE_TYPES.get(field.kind, _BYTES) != _BYTES
            getattr(self, name).extend(_unpacked(field, value) if packed else [_decoded(field, value)])
        elif isinstance(field.kind, type):
            self._clear_others(name, field)
            getattr(self, name).MergeFromString(value)
            getattr(self, name).SetInParent()
        else:
            self._clear_others(name, field)
            self._values[name] = _decoded(field, value)

    # ---- as objects

    def __eq__(self, other: Any) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.SerializeToString() == other.SerializeToString()

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple:
        return type(self).FromString, (self.SerializeToString(),)

    def __deepcopy__(self, memo: dict) -> Any:
        return self.FromString(self.SerializeToString())

    def __str__(self) -> str:
        return "\n".join(_text(name, value) for name, _, value in self._given())

    __repr__ = __str__


def _empty(field: Field) -> Any:
    return Repeated(field) if field.repeated else MapOf(field) if field.key is not None else field.kind()


@functools.cache
def _entry(field: Field) -> type[Message]:
    """Returns the message that one pair of a map is."""
    fields = {"key": Field(1, field.key), "value": Field(2, field.kind)}
    return type("Entry", (Message,), {"fields": fields})


_INTEGERS = ("int32", "int64", "uint32", "uint64", "enum", "fixed32", "fixed64")


def _checked(field: Field, value: Any) -> Any:
    """Returns a value as a field holds it."""
    kind = field.kind
    if isinstance(kind, type):
        if not isinstance(value, kind):
            raise TypeError(f"expected a {kind.__name__}, received {value!r:.80}")
        return value
    if kind == "string":
        if isinstance(value, bytes):
            return value.decode()
        if not isinstance(value, str):
            raise TypeError(f"expected a string, received {value!r:.80}")
        return value
    if kind == "bytes":
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"expected bytes, received {value!r:.80}")
        return bytes(value)
    if kind == "bool":
        return bool(value)
    if kind in _INTEGERS:
        if int(value) != value:
            raise TypeError(f"expected an integer, received {value!r:.80}")
        return int(value)
    return _FIXED["float"].unpack(_FIXED["float"].pack(value))[0] if kind == "float" else float(value)


def varint(value: int) -> bytes:
    """Returns a number as the encoding has it."""
    value &= 0xFFFFFFFFFFFFFFFF
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _plain(kind: Any, value: Any) -> bytes:
    """Returns the bytes of one value, without its number."""
    if isinstance(value, Message):
        data = value.SerializeToString()
        return varint(len(data)) + data
    if kind == "string":
        value = value.encode()
    if kind in ("string", "bytes"):
        return varint(len(value)) + value
    return _FIXED[kind].pack(value) if kind in _FIXED else varint(int(value))


def _encoded(field: Field, value: Any) -> bytes:
    wire_type = _WIRE_TYPES.get(field.kind, _BYTES)
    tag = varint(field.number << 3 | wire_type)
    if field.key is not None:
        made = _entry(field)
        return b"".join(
            _encoded(Field(field.number, made), made(key=k, value=v)) for k, v in sorted(value.items())
        )
    if not field.repeated:
        return tag + _plain(field.kind, value)
    if wire_type == _BYTES:
        return b"".join(tag + _plain(field.kind, one) for one in value)
    data = b"".join(_plain(field.kind, one) for one in value)
    return varint(field.number << 3 | _BYTES) + varint(len(data)) + data


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """Returns the number at a place, and the place after it.

    Raises:
        IndexError: the data ends in it, or it has no end.
    """
    result = shift = 0
    while True:
        byte = data[place]
        place += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, place
        shift += 7
        if shift > 63:
            raise IndexError(place)


def _parts(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yields `(number, wire type, value)`: an integer, or bytes."""
    place = 0
    while place < len(data):
        tag, place = read_varint(data, place)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, place = read_varint(data, place)
            yield number, wire_type, value
            continue
        if wire_type == _BYTES:
            size, place = read_varint(data, place)
        elif wire_type in (_FIXED64, _FIXED32):
            size = 8 if wire_type == _FIXED64 else 4
        else:
            raise IndexError(f"wire type {wire_type}")
        if place + size > len(data):
            raise IndexError("they end too early")
        yield number, wire_type, data[place : place + size]
        place += size


def _decoded(field: Field, value: Any) -> Any:
    kind: Any = field.kind
    if isinstance(kind, type):
        return kind.FromString(value)  # type: ignore[attr-defined]
    if kind in _FIXED:
        return _FIXED[kind].unpack(value)[0]
    if kind == "string":
        return value.decode()
    if kind == "bytes":
        return value
    if kind == "bool":
        return bool(value)
    return value - (1 << 64) if value >> 63 and kind in ("int32", "int64", "enum") else value


def _unpacked(field: Field, data: bytes) -> list:
    if field.kind in _FIXED:
        return [one for (one,) in _FIXED[field.kind].iter_unpack(data)]
    values, place = [], 0
    while place < len(data):
        value, place = read_varint(data, place)
        values.append(_decoded(field, value))
    return values


def _text(name: str, value: Any) -> str:
    if isinstance(value, MapOf):
        return "\n".join(
            f"{name} {{\n  key: {key!r}\n{_indented(_text('value', one))}\n}}" for key, one in value.items()
        )
    if isinstance(value, Repeated):
        return "\n".join(_text(name, one) for one in value)
    if isinstance(value, Message):
        return f"{name} {{\n{_indented(str(value))}\n}}"
    shown = repr(value)[bytes is type(value) :] if isinstance(value, str | bytes) else value
    return f"{name}: {str(shown).lower() if isinstance(value, bool) else shown}"


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.splitlines())
