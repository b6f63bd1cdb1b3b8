"""Every published attack on the loaders is refused with its reason and the way forward, and does nothing before."""

import json
import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from tests.hostile import files
from tests.hostile.inotify import OpenedFiles

PROCESS_S = 120


@pytest.fixture(scope="module", params=["some", pytest.param("all", marks=pytest.mark.slow)])
def outcome(request, tmp_path_factory):
    """What all the files did, by name, with what each should say."""
    folder = tmp_path_factory.mktemp("hostile")
    target, outside = folder / "target", folder / "outside"
    target.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("secret\n")
    (outside / "evil_module.py").write_text(
        f"open({str(outside / 'owned.py')!r}, 'w')\nclass Payload: pass\n"
    )
    with h5py.File(outside / "secret.h5", "w") as file:
        file["data"] = np.ones((3, 2), "float32")
    rows = files.make(target, outside, request.param == "all")
    names = [row[0] for row in rows]
    assert len(set(names)) == len(names)
    (folder / "cases.json").write_text(json.dumps([row[:3] for row in rows]))
    before = _tree(outside)
    with OpenedFiles(outside) as opened:
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.watched", str(folder)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(outside)])},
            capture_output=True,
            text=True,
            timeout=PROCESS_S,
        )
        names = opened.names()
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads((folder / "results.json").read_text())
    return {
        "opened": names,
        "is_as_before": _tree(outside) == before,
        "strays": [str(path) for path in folder.rglob("owned*")],
        "rows": {name: {**results[name], "refusal": refusal} for name, _, _, refusal in rows},
    }


def _tree(folder):
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_file_is_refused_with_its_reason(outcome):
    wrong = {}
    for name, row in outcome["rows"].items():
        told = None if row["error"] is None else row["error"][1]
        fits = (
            told is None
            if row["refusal"] is None
            else told is not None and re.search(row["refusal"], told, re.S)
        )
        if not fits:
            wrong[name] = (row["refusal"], row["error"])
    assert not wrong, "\n".join(
        f"{name}: expected {a!r}, got {str(b)[:600]}" for name, (a, b) in wrong.items()
    )


def test_nothing_is_opened_imported_executed_or_written(outcome):
    events = {name: row["events"] for name, row in outcome["rows"].items() if row["events"]}
    assert not events, "\n".join(f"{name}: {event[:6]}" for name, event in events.items())
    assert not outcome["opened"]  # by C libraries, too
    assert outcome["is_as_before"] and not outcome["strays"]


def test_errors_are_of_kinds_that_programs_catch(outcome):
    known = re.compile(r"(ValueError|TypeError|UnknownObjectError|.*Error)$")
    never = (
        "RecursionError",
        "MemoryError",
        "SystemError",
        "UnicodeDecodeError",
        "AttributeError",
        "KeyError",
    )
    kinds = {name: row["error"][0] for name, row in outcome["rows"].items() if row["error"]}
    assert not {name: kind for name, kind in kinds.items() if kind in never or not known.match(kind)}
