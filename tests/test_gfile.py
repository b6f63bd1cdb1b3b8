"""`tf.io.gfile`, and the ops that read and write whole files: TensorFlow's answers to the same calls."""

import os
import pathlib
import shutil

import numpy as np
import pytest

import dovetail as dv
from dovetail.compat.version1 import v1
from dovetail.function.function import RetracingWarning
from tests.support.parity import assert_same, outcome, reference

TEXT = "first\nsecond ü\nthird!\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name in ("[x].t", "a\\b", ".dot", "abc"):
        (tmp_path / "sub" / name).write_text("")
    return str(tmp_path)


def opened(mode, use):
    def call(tf, path):
        with tf.io.gfile.GFile(path + "/text.txt", mode) as file:
            return use(file)

    return call


READS = {
    "all": opened("r", lambda f: (f.read(), f.read(), f.readline(), f.tell())),
    "parts": opened("r", lambda f: (f.read(3), f.tell(), f.readline(), f.tell(), f.readlines())),
    "bytes": opened("rb", lambda f: (f.read(12), f.readline(), list(f))),
    "seek": opened("rb", lambda f: (f.seek(2), f.read(2), f.seek(-1, 1), f.read(1), f.seek(-3, 2), f.read())),
    "seek_far": opened("rb", lambda f: f.seek(500)),
    "seek_before": opened("rb", lambda f: f.seek(-5)),
    "seek_whence": opened("rb", lambda f: f.seek(1, 7)),
    "properties": opened("r", lambda f: (f.mode, f.size(), f.seekable(), f.next(), os.path.basename(f.name))),
    "write_to_r": opened("r", lambda f: f.write("x")),
    "read_of_w": opened("w", lambda f: (f.write("x"), f.read())),
    "mode": opened("q", lambda f: f.read()),
    "end": opened("r", lambda f: (f.read(), next(f, "no more"))),
    "append": opened("a", lambda f: (f.write("more ü"), f.flush(), f.size())),
    "missing": lambda tf, path: tf.io.gfile.GFile(path + "/no").read(),
    "missing_folder": lambda tf, path: tf.io.gfile.GFile(path + "/no/x", "w").write("x"),
    "folder": lambda tf, path: tf.io.gfile.GFile(path).read(),
    "exists": lambda tf, path: [
        tf.io.gfile.exists(path + end) for end in ("", "/no", "/text.txt", "/text.txt/x")
    ],
    "isdir": lambda tf, path: [tf.io.gfile.isdir(path + end) for end in ("", "/no", "/text.txt")],
    "nothing": lambda tf, path: (tf.io.gfile.exists(""), tf.io.gfile.glob(path + "/zz*")),
    "listdir": lambda tf, path: (
        sorted(tf.io.gfile.listdir(path)),
        sorted(tf.io.gfile.listdir(path + "/sub")),
    ),
    "listdir_file": lambda tf, path: tf.io.gfile.listdir(path + "/text.txt"),
    "listdir_no": lambda tf, path: tf.io.gfile.listdir(path + "/no"),
    "stat": lambda tf, path: [
        (s.length if not s.is_directory else 0, s.is_directory, s.mtime_nsec > 10**18)
        for s in (tf.io.gfile.stat(path + "/text.txt"), tf.io.gfile.stat(path))
    ],
    "stat_no": lambda tf, path: tf.io.gfile.stat(path + "/no"),
    "remove_no": lambda tf, path: tf.io.gfile.remove(path + "/no"),
    "remove_folder": lambda tf, path: tf.io.gfile.remove(path + "/sub"),
    "rmtree_no": lambda tf, path: tf.io.gfile.rmtree(path + "/no"),
    "rmtree": lambda tf, path: (tf.io.gfile.rmtree(path + "/sub"), tf.io.gfile.listdir(path)),
    "mkdir_again": lambda tf, path: tf.io.gfile.mkdir(path + "/sub"),
    "mkdir_deep": lambda tf, path: tf.io.gfile.mkdir(path + "/no/x"),
    "makedirs_file": lambda tf, path: tf.io.gfile.makedirs(path + "/text.txt"),
    "makedirs": lambda tf, path: (tf.io.gfile.makedirs(path + "/a/b/c"), tf.io.gfile.isdir(path + "/a/b/c")),
    "copy": lambda tf, path: (
        tf.io.gfile.copy(path + "/text.txt", path + "/new"),
        tf.io.gfile.exists(path + "/new"),
    ),
    "copy_over": lambda tf, path: tf.io.gfile.copy(path + "/text.txt", path + "/sub/abc"),
    "copy_no": lambda tf, path: tf.io.gfile.copy(path + "/no", path + "/new"),
    "rename_over": lambda tf, path: tf.io.gfile.rename(path + "/text.txt", path + "/sub/abc"),
    "rename": lambda tf, path: (
        tf.io.gfile.rename(path + "/text.txt", path + "/sub/abc", overwrite=True),
        tf.io.gfile.exists(path + "/text.txt"),
        tf.io.gfile.GFile(path + "/sub/abc").read(),
    ),
    "rename_no": lambda tf, path: tf.io.gfile.rename(path + "/no", path + "/new"),
    "globs": lambda tf, path: [
        sorted(os.path.basename(p) for p in tf.io.gfile.glob(path + "/sub/" + pattern))
        for pattern in ("*", "[[]*", "[a-c]*", "?bc", ".*", "**", "a\\\\b", "[!a]*", "[^a]*", "*.t")
    ],
    "glob_several": lambda tf, path: len(tf.io.gfile.glob([path + "/*", path + "/*/*", path + "/no/*"])),
    "walk": lambda tf, path: [
        (os.path.relpath(d, path), sorted(s), sorted(n)) for d, s, n in tf.io.gfile.walk(path, topdown=False)
    ],
    "walk_no": lambda tf, path: list(tf.io.gfile.walk(path + "/no")),
    "join": lambda tf, path: [
        tf.io.gfile.join(*p) for p in (("a", "b", "c"), ("a/", "/b"), ("gs://x", "y"), (b"a", b"b"))
    ],
    "url_of_file": lambda tf, path: (
        tf.io.gfile.exists("file://" + path),
        len(tf.io.gfile.listdir("file://" + path)),
    ),
    "scheme": lambda tf, path: tf.io.gfile.exists("zz://a"),
    "old_names": lambda tf, path: (
        tf.compat.v1.gfile.Exists(path),
        tf.compat.v1.gfile.IsDirectory(path),
        sorted(tf.compat.v1.gfile.ListDirectory(path)),
        tf.compat.v1.gfile.FastGFile(path + "/text.txt", "rb").read(),
        tf.compat.v1.gfile.Open(path + "/text.txt").read(3),
        tf.compat.v1.gfile.Stat(path + "/text.txt").length,
        tf.compat.v1.gfile.DeleteRecursively(path + "/sub"),
    ),
    "read_file": lambda tf, path: tf.io.read_file(path + "/text.txt"),
    "read_file_no": lambda tf, path: tf.io.read_file(path + "/no"),
    "read_file_folder": lambda tf, path: tf.io.read_file(path),
    "read_file_vector": lambda tf, path: tf.io.read_file([path]),
    "write_file": lambda tf, path: (
        tf.io.write_file(path + "/n/m/file", b"\0x"),
        tf.io.read_file(path + "/n/m/file"),
    ),
    "matching": lambda tf, path: len(tf.io.matching_files([path + "/*", path + "/sub/*"]).numpy()),
    "matching_none": lambda tf, path: tf.io.matching_files(path + "/zz*"),
}


@pytest.mark.parametrize("name", READS)
def test_it_does_as_tensorflow(name, folder, tmp_path_factory):
    """What is returned, and the kind of error, which is one of Python's own as well."""
    tf = reference()
    other = pathlib.Path(str(tmp_path_factory.mktemp("other")))
    os.rmdir(other)
    shutil.copytree(folder, other)
    kind, found = outcome(
        dv if name != "old_names" else _v1_module(), lambda module: READS[name](module, folder)
    )
    expected_kind, expected = outcome(tf, lambda module: READS[name](module, str(other)))
    assert kind == expected_kind, (found, expected)
    if kind == "value":
        assert_same(found, expected)
    else:
        assert type(found).__name__ == type(expected).__name__, (found, expected)


def _v1_module():
    from types import SimpleNamespace

    return SimpleNamespace(compat=SimpleNamespace(v1=v1))


def test_what_was_written_is_read_without_a_flush(tmp_path):
    with dv.io.gfile.GFile(tmp_path / "f", "w+") as file:
        file.write("abc\nde")
        file.seek(1)
        assert file.read() == "bc\nde"
        file.write("!")
    assert (tmp_path / "f").read_text() == "abc\nde!"


def test_a_file_that_is_closed_opens_again(tmp_path):
    file = dv.io.gfile.GFile(str(tmp_path / "f"), "w")
    assert not (tmp_path / "f").exists()  # nothing was written yet
    file.write("a")
    file.close()
    file.close()
    file.write("b")
    del file
    assert (tmp_path / "f").read_text() == "b"


def test_a_text_is_read_in_whole_characters(tmp_path):
    (tmp_path / "f").write_bytes("aü€𝄞".encode() + b"\xff")
    with dv.io.gfile.GFile(str(tmp_path / "f")) as file:
        assert [file.read(2), file.read(1), file.read(1)] == ["aü", "€", "𝄞"]
        with pytest.raises(UnicodeDecodeError):
            file.read()


def test_paths_and_bytes_are_paths(folder):
    path = pathlib.Path(folder)
    assert dv.io.gfile.exists(path)
    assert dv.io.gfile.listdir(os.fsencode(path / "sub" / "deep")) == []
    assert dv.io.gfile.glob(path / "t*") == [os.path.join(folder, "text.txt")]
    with pytest.raises(TypeError):
        dv.io.gfile.exists(3)


def test_folders_that_cannot_be_listed_are_told(tmp_path):
    told = []
    assert list(dv.io.gfile.walk(tmp_path / "no", onerror=told.append)) == []
    assert isinstance(told[0], dv.errors.NotFoundError)


def test_errors_name_the_path_and_the_line(folder):
    with pytest.raises(
        dv.errors.NotFoundError, match=r"no; No such file or directory \(at .*test_gfile.py:\d+\)"
    ):
        dv.io.gfile.GFile(folder + "/no").read()
    with pytest.raises(FileNotFoundError):
        dv.io.read_file(folder + "/no")


def test_urls_are_opened_through_fsspec():
    pytest.importorskip("fsspec")
    g = dv.io.gfile
    for root in ("memory://files", "ram://more"):
        g.makedirs(root + "/a")
        with g.GFile(root + "/a/text", "w") as file:
            file.write("hello\nyou")
        g.copy(root + "/a/text", root + "/b")
        assert g.exists(root + "/b") and g.isdir(root) and not g.exists(root + "/c")
        assert sorted(g.listdir(root)) == ["a", "b"] and g.stat(root + "/b").length == 9
        assert g.glob(root + "/*/t*") == [root + "/a/text"]
        assert [names for _, _, names in g.walk(root)] == [["b"], ["text"]]
        g.rename(root + "/b", root + "/d")
        assert dv.io.read_file(root + "/d").numpy() == b"hello\nyou"
        dv.io.write_file(root + "/e/f", b"x")
        assert dv.io.matching_files(root + "/e/*").numpy().tolist() == [(root + "/e/f").encode()]
        g.remove(root + "/d")
        g.rmtree(root + "/a")
        assert sorted(g.listdir(root)) == ["e"]
        with pytest.raises(dv.errors.NotFoundError):
            g.GFile(root + "/no").read()
    assert {"", "file", "ram", "memory"} <= {*g.get_registered_schemes()}


def test_a_compiled_function_reads_files_whenever_it_runs(tmp_path):
    path = str(tmp_path / "f")

    @dv.function
    def length():
        return dv.strings.length(dv.io.read_file(path)) + dv.shape(dv.io.matching_files(path + "*"))[0]

    with pytest.warns(RetracingWarning, match="it cannot be compiled: tf.io.read_file"):
        pathlib.Path(path).write_text("")
        assert int(length()) == 1
    for text in ("a", "abc"):
        pathlib.Path(path).write_text(text)
        assert int(length()) == len(text) + 1


def test_the_names_of_files_are_a_variable(folder):
    names = dv.io.match_filenames_once(folder + "/sub/a*")
    assert isinstance(names, dv.Variable)
    assert [os.path.basename(name) for name in np.asarray(names).tolist()] == [b"a\\b", b"abc"]
