"""The aliases in the processes that a program starts: workers of `multiprocessing`, other scripts.

They do not inherit import hooks.  They do inherit PYTHONPATH and, when they are workers, `sys.path`.  So a folder with
a `tensorflow.py`, a `keras.py` and a `tf_keras.py` is put there, which install the hooks when they are imported.
"""

from __future__ import annotations

import importlib
import os
import sys

from dovetail.compat.finder import install

SHIMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "shims")


def reach_children() -> None:
    """Makes the processes that this one starts from here on run on Dovetail too."""
    inherited = os.environ.get("PYTHONPATH")
    if SHIMS not in (inherited or "").split(os.pathsep):
        os.environ["PYTHONPATH"] = SHIMS + (os.pathsep + inherited if inherited else "")
    if SHIMS not in sys.path:
        sys.path.insert(1, SHIMS)  # after the program's own folder, which is where PYTHONPATH comes


def become_alias(name: str) -> None:
    """Installs the aliases, and puts the alias in the place of the module `name` that is being imported."""
    del sys.modules[name]
    install()
    importlib.import_module(name)
