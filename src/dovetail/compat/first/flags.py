"""`tf.compat.v1.flags` and `tf.compat.v1.app`: the flags of programs, which the package absl has."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from dovetail.base.optional import optional


def _absl(name: str) -> ModuleType:
    return optional(f"absl.{name}", f"tf.compat.v1.{name}", "'dovetail[flags]'")


class AbslNames(Mapping):
    """The public names of a module of absl, which is imported when one is asked for.

    Args:
        module: below absl.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def _names(self) -> dict[str, Any]:
        return {name: value for name, value in vars(_absl(self._module)).items() if not name.startswith("_")}

    def __getitem__(self, name: str) -> Any:
        return self._names()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


def run(main: Callable | None = None, argv: list[str] | None = None) -> None:
    """Parses the flags of the command line, calls `main(arguments that are no flags)`, and exits."""
    found = main if main is not None else sys.modules["__main__"].main
    _absl("app").run(found, argv=argv)


APP: dict[str, Any] = {"run": run}
