"""Run the acceptance programs beside the repository, ../shared/acceptance, and keep the list of those that pass.

    python -m tools.acceptance                    run every program that is not listed, say which pass
    python -m tools.acceptance --write            the same, and add those that pass to the list
    python -m tools.acceptance ragged sparse      run the programs of these areas, listed or not

The list is tests/acceptance_programs.txt: a heading for each area, in brackets, then the names of its programs.  An
area is `finished` (each of its programs must be listed) or `later: why`.  The list only grows.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT.parent / "shared" / "acceptance"
LISTED = ROOT / "tests" / "acceptance_programs.txt"
FAULTS = "known_faults"
FINISHED = "finished"
LIMIT_S = 300  # seconds
AT_ONCE = 2


@dataclass
class Area:
    """One heading of the list: its standing ("finished" or "later: ...") and the names of its programs."""

    standing: str
    names: list = field(default_factory=list)


def read_list(text):
    """Return {area: Area} of the list's text.

    Raises:
      ValueError: for a line that is no comment, no heading and no name, or a name before the first heading.
    """
    areas, area = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := re.fullmatch(r"\[(\w+)\] (finished|later: .+)", line):
            area = areas[heading[1]] = Area(heading[2])
        elif area is not None and re.fullmatch(r"\w+", line):
            area.names.append(line)
        elif line and not line.startswith("#"):
            raise ValueError(f"{LISTED.name}:{number}: expected a heading or a program's name, got {line!r}")
    return areas


def listed():
    """Return {area: Area}, as the list says."""
    return read_list(LISTED.read_text())


def there():
    """Return {area: names of its programs} of the folder; no areas when it is not there."""
    folders = [folder for folder in sorted(FOLDER.glob("programs/*")) if folder.is_dir()]
    if FOLDER.is_dir():
        folders.append(FOLDER / FAULTS)
    return {folder.name: sorted(path.stem for path in folder.glob("*.py")) for folder in folders}


def path_of(area, name):
    """Return the file of a program."""
    folder = FOLDER / FAULTS if area == FAULTS else FOLDER / "programs" / area
    return folder / f"{name}.py"


def needs_keras_2(path):
    """Return whether a program was written for Keras 2: it passes on the legacy package alone."""
    named = re.search(r"^# passes on: *([\w, ]+)", path.read_text(), re.MULTILINE)
    return named is not None and named[1].strip() == "legacy" and path.parent.name != FAULTS


def run(area, name, folder, warm):
    """Run one program unmodified, in a process of its own, and return that (finished) process.

    Args:
      area, name: the program.
      folder: the folder to run it in; it may write there.
      warm: the tools.warm.Warm that runs it.
    """
    path = path_of(area, name)
    variables = dict(os.environ)
    variables.pop("TF_USE_LEGACY_KERAS", None)
    if needs_keras_2(path):
        variables["TF_USE_LEGACY_KERAS"] = "1"
    return warm.run(["run", str(path)], cwd=folder, env=variables, timeout=LIMIT_S)


def passed(done):
    """Return whether a run ended well: exit status 0, and "ok" as the last line printed."""
    return done.returncode == 0 and done.stdout.splitlines()[-1:] == ["ok"]


def _try(program):
    """Run a program in an empty folder; return (program, whether it passed, what it said last)."""
    with TemporaryDirectory() as folder, Warm() as warm:
        try:
            done = run(*program, folder, warm)
        except subprocess.TimeoutExpired:
            return program, False, f"longer than {LIMIT_S} s"
    said = done.stderr.strip().splitlines() or ["no error, but no ok either"]
    return program, passed(done), said[-1]


def _chosen(areas):
    """Return the (area, name) to run: all of these areas, or without areas all that are not listed."""
    known = {area: entry.names for area, entry in listed().items()}
    return [
        (area, name)
        for area, names in there().items()
        for name in names
        if (area in areas if areas else name not in known.get(area, ()))
    ]


def _add(programs):
    """Write programs into the list, in order, keeping what is there."""
    lines = LISTED.read_text().splitlines()
    for area, name in programs:
        start = next(i for i, line in enumerate(lines) if line.startswith(f"[{area}] "))
        end = next(
            (i for i in range(start + 1, len(lines)) if not re.fullmatch(r"\w+", lines[i])), len(lines)
        )
        lines[start + 1 : end] = sorted({*lines[start + 1 : end], name})
    LISTED.write_text("\n".join(lines) + "\n")


def main(arguments):
    """Run what the arguments choose, print how each ended; return the exit status."""
    areas = [word for word in arguments if word != "--write"]
    if unknown := set(areas) - set(there()):
        print(f"no such area in {FOLDER}: {', '.join(sorted(unknown))}")
        return 2
    passing = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for (area, name), good, said in pool.map(_try, _chosen(areas)):
            print(
                f"{'pass' if good else 'FAIL'} {area}/{name}" + ("" if good else f": {said[:160]}"),
                flush=True,
            )
            passing += [(area, name)] * good
    print(f"{len(passing)} pass")
    if "--write" in arguments:
        _add(passing)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
