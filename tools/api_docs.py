"""Write the API reference, a page a public module, to docs/api.

python -m tools.api_docs
"""

import functools
import importlib
import inspect
import shutil
from collections import defaultdict
from pathlib import Path

from tools import public_api

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "api"


def render_module(path, module, entries):
    """Return the page of one module: what it is, then its classes and functions in alphabetical order."""
    name = f"tf.{path}" if path else "tf"
    parts = [f"# {name}\n", _doc(module)]
    parts += [_render_entry(entry) for entry in entries if entry.kind in ("class", "function")]
    return "\n".join(part for part in parts if part) + "\n"


def render_index(paths):
    """Return the page that lists the modules."""
    lines = ["# API reference\n", "`import dovetail as tf`; the names below are those of `tf`.\n"]
    lines += [f"- [{f'tf.{path}' if path else 'tf'}]({page_of(path)})" for path in paths]
    return "\n".join(lines) + "\n"


def page_of(path):
    """Return the file name of a module's page."""
    return f"{path or 'tf'}.md"


def write(folder=FOLDER):
    """Write every page, after removing the old ones; return how many there are."""
    modules = {"": importlib.import_module(public_api.PACKAGE)}
    members = defaultdict(list)
    for entry in public_api.walk():
        if entry.kind == "module":
            modules[entry.path] = entry.value
        members[entry.path.rpartition(".")[0]].append(entry)
    paths = [path for path in sorted(modules) if members[path]]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in paths:
        (folder / page_of(path)).write_text(render_module(path, modules[path], members[path]))
    (folder / "index.md").write_text(render_index(paths))
    return len(paths)


def _render_entry(entry):
    name = entry.path.rpartition(".")[2]
    parts = [f"## {name}\n", f"```text\n{name}{public_api.signature(entry.value)}\n```\n", _doc(entry.value)]
    if entry.kind == "class":
        rows = [(m, text) for m, kind, text in public_api.members(entry.value, _public()) if kind == "method"]
        parts += [f"- `{member}{text}` {_first_line(getattr(entry.value, member))}" for member, text in rows]
        parts += [""] if rows else []
    return "\n".join(part for part in parts if part is not None)


@functools.cache
def _public():
    return public_api.public_classes(public_api.walk())


def _doc(value):
    text = inspect.getdoc(value) if callable(value) or inspect.ismodule(value) else None
    return f"```text\n{text}\n```\n" if text else None


def _first_line(value):
    text = inspect.getdoc(value)
    return text.splitlines()[0] if text else ""


if __name__ == "__main__":
    print(f"{write()} pages in {FOLDER}")
