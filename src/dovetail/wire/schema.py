"""Message classes of the protobuf library, made of tables instead of generated code.

    messages("shop.proto", "shop", {
        "Item": {"name": (1, "string"), "price": (2, "float", "one of kind")},
        "Basket": {"items": (1, "Item", "repeated"), "notes": (2, "string", "map")},
    })

The classes live in a pool of descriptors of their own, and so get along with TensorFlow's in one process.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}
_pool = descriptor_pool.DescriptorPool()
LOCAL, _BYTES = "local://", "bytes://"


def messages(
    file: str, package: str, table: dict[str, dict[str, tuple]], module: str = __name__
) -> dict[str, Any]:
    """Returns the classes of messages by name.

    Args:
        file: a name for the table, under which its descriptors are kept.
        package: what stands before the messages' names.
        table: the fields of each message: `(number, kind)`, `(number, kind, "repeated")`, `(number, kind, "map")`
            with strings as keys, `(number, kind, "map of int32")`, or `(number, kind, "one of NAME")`; a kind is a
            scalar one or the name of a message of the table. "Outer.Inner" is a message inside of another, which
            stands before it.
        module: where the classes say that they are from.
    """
    described = descriptor_pb2.FileDescriptorProto(name=file, package=package, syntax="proto3")
    made: dict[str, Any] = {}
    for name, fields in table.items():
        outer, _, last = name.rpartition(".")
        message = made[outer].nested_type.add(name=last) if outer else described.message_type.add(name=last)
        made[name] = message
        for field, stated in fields.items():
            _add(message, f".{package}.", name, field, *stated)
    _pool.Add(described)
    return {name: _class(f"{package}.{name}", module) for name in table}


def _class(name: str, module: str) -> Any:
    made = message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))
    made.__module__ = module
    return made


@functools.lru_cache(maxsize=64)
def message_class(name: str, source: str = LOCAL) -> Any:
    """Returns the class of the messages of a full name, such as "tensorflow.Example".

    Args:
        name: with the package.
        source: "local://": ours, and those whose classes the program has imported; the path of a file with a serialized
            FileDescriptorSet; or "bytes://" and such a set in Latin-1.

    Raises:
        KeyError: there is no such message.
    """
    pools = (_pool, descriptor_pool.Default()) if source == LOCAL else (_pool_of(source),)
    for pool in pools:
        try:
            return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        except KeyError:
            continue
    raise KeyError(name)


def _pool_of(source: str) -> Any:
    if source.startswith(_BYTES):
        data = source.removeprefix(_BYTES).encode("latin-1")
    else:
        with open(source, "rb") as file:
            data = file.read()
    pool = descriptor_pool.DescriptorPool()
    for one in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.Add(one)
    return pool


def _add(message: Any, scope: str, owner: str, name: str, number: int, kind: str, how: str = "") -> None:
    if how.startswith("map"):
        entry = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        nested = message.nested_type.add(name=entry)
        nested.options.map_entry = True
        key = how.removeprefix("map of ") if " " in how else "string"
        _add(nested, scope, "", "key", 1, key)
        _add(nested, scope, "", "value", 2, kind)
        kind, how = f"{owner}.{entry}", "repeated"
    label = _Field.LABEL_REPEATED if how == "repeated" else _Field.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    if kind in _KINDS:
        field.type = _KINDS[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, scope + kind
    if how.startswith("one of "):
        group = how.removeprefix("one of ")
        names = [one.name for one in message.oneof_decl]
        if group not in names:
            message.oneof_decl.add(name=group)
            names.append(group)
        field.oneof_index = names.index(group)
