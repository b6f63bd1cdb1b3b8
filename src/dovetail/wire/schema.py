"""Message classes of the protobuf library, made of tables instead of generated code.

    messages("shop.proto", "shop", {
        "Item": {"name": (1, "string"), "price": (2, "float", "one of kind")},
        "Basket": {"items": (1, "Item", "repeated"), "notes": (2, "string", "map")},
    })

The classes live in a pool of descriptors of their own, and so get along with TensorFlow's in one process.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_KINDS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}
_pool = descriptor_pool.DescriptorPool()


def messages(
    file: str, package: str, table: dict[str, dict[str, tuple]], module: str = __name__
) -> dict[str, Any]:
    """Returns the classes of messages by name.

    Args:
        file: a name for the table, under which its descriptors are kept.
        package: what stands before the messages' names.
        table: the fields of each message: `(number, kind)`, `(number, kind, "repeated")`, `(number, kind, "map")`
            with strings as keys, `(number, kind, "map of int32")`, or `(number, kind, "one of NAME")`; a kind is a
            scalar one or the name of a message of the table.
        module: where the classes say that they are from.
    """
    described = descriptor_pb2.FileDescriptorProto(name=file, package=package, syntax="proto3")
    for name, fields in table.items():
        message = described.message_type.add(name=name)
        for field, stated in fields.items():
            _add(message, f".{package}.", name, field, *stated)
    _pool.Add(described)
    made = {}
    for name in table:
        descriptor = _pool.FindMessageTypeByName(f"{package}.{name}")
        made[name] = message_factory.GetMessageClass(descriptor)
        made[name].__module__ = module
    return made


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
