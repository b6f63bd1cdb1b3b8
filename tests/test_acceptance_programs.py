"""The programs of ../shared/acceptance that tests/acceptance_programs.txt lists, each in a process of its own.

Where the folder is not, the programs skip; the list itself is checked all the same.
"""

import os
import subprocess

import pytest

from tools import acceptance
from tools.warm import Warm

AREAS = acceptance.listed()
PROGRAMS = [(area, name) for area, entry in AREAS.items() for name in entry.names]

needs_programs = pytest.mark.skipif(
    not acceptance.FOLDER.is_dir(), reason=f"{acceptance.FOLDER} is not there"
)


@pytest.fixture(scope="module")
def warm():
    with Warm() as server:
        yield server


@needs_programs
@pytest.mark.parametrize(("area", "name"), PROGRAMS, ids=[f"{area}/{name}" for area, name in PROGRAMS])
def test_program(area, name, tmp_path, warm):
    done = acceptance.run(area, name, tmp_path, warm)
    assert acceptance.passed(done), (
        f"exit status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    )


@needs_programs
def test_the_list_names_every_area_and_no_others():
    assert set(AREAS) == set(acceptance.there())


@needs_programs
def test_the_list_names_programs_that_are_there():
    there = acceptance.there()
    missing = {area: set(entry.names) - set(there[area]) for area, entry in AREAS.items()}
    assert not any(missing.values()), missing


@needs_programs
@pytest.mark.parametrize(
    "area", [area for area, entry in AREAS.items() if entry.standing == acceptance.FINISHED]
)
def test_finished_areas_are_listed_whole(area):
    assert AREAS[area].names == acceptance.there()[area]


def test_names_are_in_order_and_there_once():
    assert all(entry.names == sorted(set(entry.names)) for entry in AREAS.values())


def test_a_list_is_read_as_it_is_written():
    areas = acceptance.read_list("# why\n[data] later: tf.data in full\nbatches\n\n[function] finished\n")
    assert areas == {
        "data": acceptance.Area("later: tf.data in full", ["batches"]),
        "function": acceptance.Area("finished"),
    }


@pytest.mark.parametrize("text", ["a_name\n", "[data] some day\n", "[data] finished\nno name\n"])
def test_a_list_that_says_something_else_is_refused(text):
    with pytest.raises(ValueError, match=r"acceptance_programs.txt:\d: expected a heading"):
        acceptance.read_list(text)


@pytest.mark.parametrize(
    ("status", "printed", "good"),
    [(0, "ok\n", True), (0, "a\nok\n", True), (1, "ok\n", False), (0, "", False), (0, "ok\nb\n", False)],
)
def test_a_program_passes_when_it_ends_with_ok(status, printed, good):
    done = acceptance.subprocess.CompletedProcess([], status, stdout=printed, stderr="")
    assert acceptance.passed(done) is good


def test_programs_that_fail_or_never_end_are_seen(tmp_path, warm):
    (tmp_path / "fails.py").write_text("print('ok')\nraise ValueError('no')\n")
    done = warm.run(["run", "fails.py"], cwd=tmp_path, env=dict(os.environ), timeout=120)
    assert not acceptance.passed(done) and "ValueError: no" in done.stderr
    (tmp_path / "stays.py").write_text("import time\nprint('ok', flush=True)\ntime.sleep(600)\n")
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(["run", "stays.py"], cwd=tmp_path, env=dict(os.environ), timeout=5)
