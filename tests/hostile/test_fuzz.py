"""Damaged files give an error of ours, soon, and never a crash; `python -m tests.hostile.fuzz` loads many more."""

import pytest

from tests.hostile import fuzz

QUICK = ["keras", "weights", "checkpoint"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    fuzz.make_good(folder)
    return folder


@pytest.mark.parametrize("name", QUICK)
def test_a_few_damaged_files(name, folder):
    assert fuzz.run(folder, name, 11, 0, 40) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz.FORMATS)
def test_many_damaged_files(name, folder):
    assert fuzz.run(folder, name, 0, 0, 10_000) == []
