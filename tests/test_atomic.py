"""Files and directories that are replaced whole: links, permissions, and what is somebody else's."""

import os
import stat

import pytest

from dovetail.base.atomic import replacing, replacing_all, replacing_directory

OWN = frozenset({"graph", "metadata", "variables"})


def written(path, text, replace=replacing):
    with replace(str(path)) as partial, open(partial, "w") as file:
        file.write(text)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_links_permissions_and_names_of_others_stay(tmp_path):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "model", tmp_path / "model"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    for name in ("model.partial", "model.part"):
        (tmp_path / name).write_text("mine")
    written(link, "new")
    assert link.is_symlink() and real.read_text() == "new" and mode(real) == 0o600
    with pytest.raises(ZeroDivisionError), replacing(str(link)) as partial:
        open(partial, "w").close()
        _ = 1 / 0
    assert real.read_text() == "new" and os.listdir(tmp_path / "far") == ["model"]
    assert sorted(os.listdir(tmp_path)) == ["far", "model", "model.part", "model.partial"]


def test_a_list_is_never_there_with_files_of_two_sets(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in ("a", "b", "list")]

    def write(text):
        with replacing_all(paths) as partials:
            for partial in partials:
                with open(partial, "w") as file:
                    file.write(text)

    write("1")
    replace, moved = os.replace, []

    def second_fails(source, target):
        moved.append(target)
        if len(moved) == 2:
            raise OSError("no more")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(OSError, match="no more"):
        write("2")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_directory_keeps_its_permissions_and_the_files_of_others(tmp_path):
    path, beside = tmp_path / "saved", tmp_path / "saved.partial"
    beside.mkdir()
    (beside / "mine").write_text("mine")

    def write(*names):
        with replacing_directory(str(path), OWN) as partial:
            for name in names:
                with open(os.path.join(partial, name), "w") as file:
                    file.write(name)

    write("graph", "metadata")
    path.chmod(0o700)
    (path / "graph").chmod(0o640)
    write("graph", "metadata")
    assert (mode(path), mode(path / "graph")) == (0o700, 0o640)
    (path / "notes").write_text("mine")
    write("graph")
    assert sorted(os.listdir(path)) == ["graph", "notes"]
    (tmp_path / "link").symlink_to(path)
    with replacing_directory(str(tmp_path / "link"), OWN) as partial:
        open(os.path.join(partial, "metadata"), "w").close()
    assert (tmp_path / "link").is_symlink() and sorted(os.listdir(path)) == ["metadata", "notes"]
    assert sorted(os.listdir(tmp_path)) == ["link", "saved", "saved.partial"]
