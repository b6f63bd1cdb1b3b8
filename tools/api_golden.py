"""Keep the public API in a file, so that every change of it is seen in review.

python -m tools.api_golden            write tests/golden/api.txt
python -m tools.api_golden --check    fail with the difference when it is not up to date
"""

import difflib
import sys
from pathlib import Path

from tools import public_api

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "api.txt"


def dump(entries):
    """Return the API as text, a line a name; a second name of one object refers to its first."""
    first_names = _first_names(entries)
    public = public_api.public_classes(entries)
    lines = []
    for entry in entries:
        name = f"tf.{entry.path}"
        first = first_names.get(id(entry.value), entry.path)
        if first != entry.path:
            lines.append(f"{name} = tf.{first}")
        elif entry.kind == "class":
            bases = ", ".join(base.__name__ for base in entry.value.__bases__ if base is not object)
            lines.append(f"class {name}{public_api.signature(entry.value)}{f' < {bases}' if bases else ''}")
            members = public_api.members(entry.value, public)
            lines += [f"    {name}.{m} {kind} {text}".rstrip() for m, kind, text in members]
        elif entry.kind == "function":
            lines.append(f"def {name}{public_api.signature(entry.value)}")
        else:
            lines.append(f"{name}: {entry.kind}")
    return "\n".join(lines) + "\n"


def difference(golden, current):
    """Return a unified diff of two dumps, "" when they are equal."""
    lines = difflib.unified_diff(
        golden.splitlines(), current.splitlines(), "tests/golden/api.txt", "the package", lineterm="", n=0
    )
    return "\n".join(lines)


def _first_names(entries):
    """Return {id: path} with the shortest path of every object that has an identity worth naming."""
    first: dict[int, str] = {}
    for entry in sorted(entries, key=lambda e: (e.path.count("."), e.path)):
        if entry.kind in ("class", "function", "module"):
            first.setdefault(id(entry.value), entry.path)
    return first


def main(arguments):
    """Write the golden file, or compare with it; return the exit status."""
    current = dump(public_api.walk())
    if arguments != ["--check"]:
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(current)
        return 0
    changes = difference(GOLDEN.read_text() if GOLDEN.exists() else "", current)
    if changes:
        print(changes)
        print("The public API has changed. If it was meant to: make golden, and a line in CHANGELOG.md.")
    return int(bool(changes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
