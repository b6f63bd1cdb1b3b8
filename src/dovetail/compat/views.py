"""Modules that hold nothing themselves and find their names in Dovetail's public namespaces."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from dovetail.compat.missing import MissingAttributeError
from dovetail.compat.names import ABSENT, lookup, namespace, shown


class View(ModuleType):
    """A module whose names are looked up in a list of namespaces, at first use.

    Args:
        name: the module's name, such as "tensorflow.python.ops.math_ops".
        namespaces: paths below `dovetail`, searched in order; "" is the root.
        own: names that the view gives values of its own.
        renamed: names that go by another one in Dovetail, as paths: {"log": "math.log"}.
        refused: names that exist there and mean something else here, so that they count as missing.
        versions: find `reduce_sum_v2` as `reduce_sum`, `DenseV2` as `Dense`.
        late: a module and a key in its `TABLES`, whose names come first; it is imported when one is asked for.
        late_last: they come last: it is imported for a name that stands nowhere else.
    """

    def __init__(
        self,
        name: str,
        namespaces: tuple[str, ...] = (),
        own: Mapping[str, Any] | None = None,
        renamed: Mapping[str, str] | None = None,
        refused: frozenset[str] = frozenset(),
        versions: bool = False,
        late: tuple[str, str] | None = None,
        late_last: bool = False,
    ) -> None:
        super().__init__(name, f"Names of Dovetail as `{name}`.")
        self.__path__: list[str] = []
        self._namespaces = namespaces
        self._renamed = dict(renamed or {})
        self._refused = refused
        self._versions, self._late, self._late_last = versions, late, late_last
        self.__dict__.update(own or {})

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return dir(self)
        value = ABSENT if name.startswith("__") else self._find(name)
        if value is ABSENT:
            raise MissingAttributeError(f"{shown(self.__name__)}.{name}")
        self.__dict__[name] = value  # the next access costs what it costs in any module
        return value

    def _late_names(self) -> Mapping[str, Any]:
        if self._late is None:
            return {}
        return importlib.import_module(self._late[0]).TABLES[self._late[1]]

    def _find(self, name: str) -> Any:
        if self._late_last:
            value = self._found(name)
            return self._late_names().get(name, ABSENT) if value is ABSENT else value
        return self._late_names()[name] if name in self._late_names() else self._found(name)

    def _found(self, name: str) -> Any:
        if name in self._refused:
            return ABSENT
        if name in self._renamed:
            return find((self._renamed[name].rpartition(".")[0],), self._renamed[name].rpartition(".")[2])
        value = find(self._namespaces, name)
        if value is ABSENT and self._versions:
            for suffix in ("_v2", "_v1", "_impl", "V2", "V1"):
                if name.endswith(suffix):
                    return find(self._namespaces, name.removesuffix(suffix))
        return value

    def __dir__(self) -> list[str]:
        names = {name for name in self.__dict__ if not name.startswith("_")} | set(self._renamed)
        names |= set(self._late_names())
        module = namespace(self._namespaces[0]) if self._namespaces else None
        if module is not None:
            names.update(name for name in dir(module) if not name.startswith("_") and _has(module, name))
        return sorted(names - self._refused | set(self._late_names()))

    def __repr__(self) -> str:
        return f"<module '{self.__name__}' (Dovetail)>"


def find(namespaces: tuple[str, ...], name: str) -> Any:
    """Returns the first value that goes by `name` in one of the namespaces, or ABSENT."""
    for path in namespaces:
        try:
            module = namespace(path)
        except ImportError:
            continue  # it needs a package that is not installed; the name may stand in another one
        value = ABSENT if module is None else lookup(module, name)
        if value is not ABSENT:
            return value
    return ABSENT


def _has(module: ModuleType, name: str) -> bool:
    return lookup(module, name) is not ABSENT
