"""Walk the public names of dovetail: what users reach from `import dovetail as tf` without an underscore."""

import enum
import importlib
import inspect
import re
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tools.layering import LAYERS

PACKAGE = "dovetail"

# Parts of the package that serve the others. Users meet what they export, not the modules themselves.
PRIVATE_PARTS = frozenset(part for layer in LAYERS[:7] for part in layer) | {"cli"}

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Entry:
    """One public name: its path below the package, what kind of thing it is, and the object."""

    path: str
    kind: str
    value: Any


def walk():
    """Return an Entry for every public name, modules included, sorted by path."""
    package = importlib.import_module(PACKAGE)
    entries: dict[str, Entry] = {}
    _walk_module(package, "", entries, seen=set())
    return [entries[path] for path in sorted(entries)]


def resolve(path):
    """Return whether `path`, such as "keras.layers.Dense", names something in dovetail, and that thing."""
    value = importlib.import_module(PACKAGE)
    done = PACKAGE
    for name in path.split("."):
        done = f"{done}.{name}"
        try:
            value = getattr(value, name)
        except AttributeError:
            if not isinstance(value, ModuleType):
                return False, None
            try:
                value = importlib.import_module(done)
            except ModuleNotFoundError:
                return False, None
    return True, value


def signature(value):
    """Return the parameters of a callable with their defaults, without annotations, or "" if it has none.

    Enums have none either: what theirs look like depends on the version of Python.
    """
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        return ""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    plain = found.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return _ADDRESS.sub("", str(plain))


def members(cls, public=frozenset()):
    """Return (name, kind, signature) of the public methods and properties that a class brings.

    Those are its own, and what it has from bases that users cannot name.

    Args:
        public: the classes that have a public name, whose members are told there.
    """
    found = {}
    for base in reversed(_told_with(cls, public)):
        found.update(vars(base))
    rows = []
    for name, raw in sorted(found.items()):
        if name.startswith("_"):
            continue
        value = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
        if isinstance(raw, property) or not callable(value):
            rows.append((name, "attribute", ""))
        else:
            rows.append((name, "method", signature(value)))
    return rows


def _told_with(cls, public):
    """Return a class and those of its bases in this package that are told nowhere else, in the order of the MRO."""
    elsewhere = {above for base in cls.__mro__[1:] if base in public for above in base.__mro__}
    return [
        base
        for base in cls.__mro__
        if base is cls or (base.__module__.split(".")[0] == PACKAGE and base not in elsewhere)
    ]


def public_classes(entries):
    """Return the classes among the entries."""
    return frozenset(entry.value for entry in entries if entry.kind == "class")


def _public_names(module):
    declared = getattr(module, "__all__", None)
    names = dir(module) if declared is None else declared
    # `tf.__version__` is the one public name with underscores.
    return sorted(name for name in set(names) if not name.startswith("_") or name == "__version__")


def _walk_module(module, path, entries, seen):
    if id(module) in seen:
        return
    seen.add(id(module))
    for name in _public_names(module):
        value = getattr(module, name)
        child = f"{path}.{name}" if path else name
        if not isinstance(value, ModuleType):
            if _is_ours(module, value):
                entries[child] = Entry(child, _kind(value), value)
        elif _is_public_module(value, module, name):
            entries[child] = Entry(child, "module", value)
            _walk_module(value, child, entries, seen)


def _is_public_module(value, parent, name):
    if value.__name__.split(".")[0] != PACKAGE:
        return False
    return not (parent.__name__ == PACKAGE and name in PRIVATE_PARTS)


def _is_ours(module, value):
    """Tell what a module offers from what it imported for itself; `__all__` says so where there is one."""
    if hasattr(module, "__all__"):
        return True
    home = getattr(value, "__module__", None)
    return not isinstance(home, str) or home.split(".")[0] == PACKAGE


def _kind(value):
    if inspect.isclass(value):
        return "class"
    return "function" if callable(value) else f"value of type {type(value).__name__}"
