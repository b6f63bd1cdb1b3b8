"""Makes Dovetail's own modules say what is nearest when a name is missing, as long as the aliases are installed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from dovetail.compat import names
from dovetail.compat.missing import MissingAttributeError
from dovetail.compat.views import View

_ABSENT = object()
_own_getattr: dict[ModuleType, Any] = {}


def announce(module: ModuleType) -> None:
    """Gives a public module of Dovetail a `__getattr__` that raises MissingAttributeError.

    A `__getattr__` that the module has, to load its parts when they are needed, is asked first.
    """
    if module in _own_getattr or not is_public(module.__name__):
        return
    own = vars(module).get("__getattr__", _ABSENT)
    _own_getattr[module] = own
    home = names.shown(module.__name__)

    def __getattr__(name: str) -> Any:
        cause: Exception | None = None
        if own is not _ABSENT:
            try:
                return own(name)
            except AttributeError as error:
                cause = error
            except ModuleNotFoundError as error:
                if error.name != f"{module.__name__}.{name}":
                    raise
                cause = error
        if name.startswith("__"):
            raise cause or AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        raise MissingAttributeError(f"{home}.{name}") from None

    module.__dict__["__getattr__"] = __getattr__


def announce_loaded() -> None:
    """Announces every public module that is loaded."""
    for name, module in list(sys.modules.items()):
        if (
            name.partition(".")[0] == "dovetail"
            and isinstance(module, ModuleType)
            and module.__name__ == name
        ):
            announce(module)


def withdraw() -> None:
    """Undoes every `announce`, and what imports of views left on the modules."""
    for module, own in _own_getattr.items():
        if own is _ABSENT:
            module.__dict__.pop("__getattr__", None)
        else:
            module.__dict__["__getattr__"] = own
        _drop_views(module)
    _own_getattr.clear()


def is_public(module_name: str) -> bool:
    """True for `dovetail` and its modules, but for those that serve the others."""
    root, _, rest = module_name.partition(".")
    return root == "dovetail" and rest.partition(".")[0] not in names.HIDDEN | {
        "compat",
        "function",
        "__main__",
    }


def _drop_views(module: ModuleType) -> None:
    # `import keras.src` leaves its mark on dovetail.keras, as every import of a submodule does on its parent.
    for key, value in list(vars(module).items()):
        if isinstance(value, View):
            del module.__dict__[key]
            hidden = sys.modules.get(f"{module.__name__}.{key}")
            if hidden is not None and not isinstance(hidden, View):
                module.__dict__[key] = hidden
