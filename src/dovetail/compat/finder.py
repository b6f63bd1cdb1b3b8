"""The import hooks: a finder that answers for TensorFlow's and Keras' modules, and placeholders for what is missing.

The finder gives Python's import system the aliases.  What it cannot do is to tell `from tf.nn import missing`, which
must succeed with a placeholder, from `hasattr(tf.nn, "missing")`, which must be False.  So the `import` statement
itself is wrapped while the aliases are installed, for the names below the three roots and for no others.
"""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from dovetail.base.settings import settings
from dovetail.compat import aliases, callers, names, notices
from dovetail.compat.missing import Placeholder
from dovetail.compat.views import View


class AliasFinder(MetaPathFinder):
    """Finds `tensorflow`, `keras`, `tf_keras` and their submodules in Dovetail."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the spec of an alias, or None for modules of others.

        Raises:
            ModuleNotFoundError: a module below one of the roots is not there.  Python would go on to search the folders
                of the parent, where it would find a file of Dovetail's and load it a second time.
        """
        root = fullname.partition(".")[0]
        if root not in aliases.ROOTS:
            return _announcing(PathFinder.find_spec(fullname, path, target)) if root == "dovetail" else None
        module = aliases.resolve(fullname)
        if module is None:
            if not path:
                return None
            raise ModuleNotFoundError(names.explain(names.shown(fullname)), name=fullname)
        if fullname == "tf_keras" and settings.keras is None:
            settings.keras = 2
        spec = ModuleSpec(fullname, AliasLoader(module), is_package=hasattr(module, "__path__"))
        spec.origin = getattr(module, "__file__", None)
        return spec

    def find_distributions(self, context: Any = None) -> Iterable[Any]:
        """Yields what `importlib.metadata.version("tensorflow")` asks for."""
        name = (getattr(context, "name", None) or "").lower().replace("_", "-")
        if name in aliases.DISTRIBUTIONS:
            metadata = importlib.import_module("dovetail.compat.distributions")
            yield metadata.AliasDistribution(name, aliases.DISTRIBUTIONS[name])

    def invalidate_caches(self) -> None:
        """Does nothing: what the finder answers never changes."""


def _announcing(spec: ModuleSpec | None) -> ModuleSpec | None:
    """Makes a module of Dovetail that is loaded from here on announce itself once it has run."""
    if spec is None or spec.loader is None:
        return spec
    loader = spec.loader
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        notices.announce(module)

    loader.exec_module = exec_module  # type: ignore[method-assign]
    return spec


class AliasLoader(Loader):
    """Hands a module that exists already to the import system, and leaves the module as it was."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        if self.spec is not None:
            module.__spec__ = self.spec  # the import system has just put the alias' spec there

    def get_source(self, fullname: str) -> None:
        """Returns None: what stands behind the alias has a loader of its own, with the source."""


_FINDER = AliasFinder()
_plain_import: list[Callable[..., Any]] = []


def install() -> None:
    """Makes `import tensorflow`, `import keras` and `import tf_keras` resolve to Dovetail in this process.

    Call it before the first of these imports.  A second call does nothing.

    Raises:
        RuntimeError: TensorFlow or Keras itself is imported already.

    Example:
        >>> from dovetail import compat
        >>> compat.install()
        >>> import tensorflow as tf
    """
    if installed():
        return
    loaded = sorted(aliases.ROOTS & set(sys.modules))
    if loaded:
        raise RuntimeError(
            f"dovetail.compat.install: {', '.join(loaded)} was imported before, so names of it may be in use. "
            "Call install() before that import."
        )
    sys.meta_path.insert(0, _FINDER)
    notices.announce_loaded()
    _plain_import.append(builtins.__import__)
    builtins.__import__ = import_with_placeholders


def uninstall() -> None:
    """Undoes `install`: the next `import tensorflow` finds TensorFlow, if there is one.

    Names that programs have imported stay what they are.
    """
    if not installed():
        return
    if builtins.__import__ is import_with_placeholders:
        builtins.__import__ = _plain_import[0]
    _plain_import.clear()
    sys.meta_path.remove(_FINDER)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in aliases.ROOTS or isinstance(module, View):
            del sys.modules[name]
    notices.withdraw()


def installed() -> bool:
    """True between `install` and `uninstall`."""
    return _FINDER in sys.meta_path


def import_with_placeholders(
    name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
) -> Any:
    """Does what the `import` statement does; what is missing below the three roots becomes a placeholder.

    Where the statement stands in a `try` that catches ImportError, the program has an answer of its own, and gets the
    error instead.
    """
    if level or name.partition(".")[0] not in aliases.ROOTS:
        return _import(name, globals, locals, fromlist, level)
    keys = tuple(fromlist or ())
    try:
        module = _import(name, globals, locals, fromlist, level)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in aliases.ROOTS:
            raise
        module = aliases.resolve(name) or aliases.search(name)
        complete = bool(keys) and all(_has(module, key) for key in keys)
        if not complete and callers.catches_import_error(sys._getframe(1)):
            raise ModuleNotFoundError(names.explain(names.shown(name)), name=name) from None
        _register(name)
        if not keys:
            return sys.modules[name.partition(".")[0]]
    missing = [key for key in keys if key != "*" and not _has(module, key)]
    if not missing:
        return module
    home = names.shown(name)
    if callers.catches_import_error(sys._getframe(1)):
        raise ImportError(
            f"cannot import name {missing[0]!r}: {names.explain(f'{home}.{missing[0]}')}", name=name
        )
    present = {key: getattr(module, key) for key in keys if hasattr(module, key)}
    return View(name, (), present | {key: Placeholder(f"{home}.{key}") for key in missing})


def _import(*args: Any) -> Any:
    # A module that was imported under the aliases and outlives them keeps calling this function.
    return (_plain_import[0] if _plain_import else builtins.__import__)(*args)


def _has(module: ModuleType, key: str) -> bool:
    return hasattr(module, key) or f"{module.__name__}.{key}" in sys.modules


def _register(name: str) -> None:
    """Puts an empty or searching module under a name that is not there, and under its missing parents."""
    parts = name.split(".")
    parent = sys.modules[parts[0]]
    for depth in range(2, len(parts) + 1):
        path = ".".join(parts[:depth])
        if path not in sys.modules:
            sys.modules[path] = aliases.resolve(path) or aliases.search(path)
        if not hasattr(parent, parts[depth - 1]):
            # `import a.b.c as m` reads the attributes and, where one is missing, this table.
            sys.modules.setdefault(f"{parent.__name__}.{parts[depth - 1]}", sys.modules[path])
        parent = sys.modules[path]
