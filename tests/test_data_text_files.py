"""Lines, pieces and records of text files: elements and errors are TensorFlow's, whichever way they are taken."""

import gzip
import itertools
import zlib

import numpy as np
import pytest

import dovetail as tf
from dovetail.data import make_csv
from dovetail.wire import csv
from tests.support import parity

PIECES = ['"', ",", "\n", "\r\n", "\r", "a", "1", "", "-2.5", " 7", '"x""y"', '"a,b"', '"l\nm"', "é", '""']


@pytest.fixture
def write(tmp_path):
    def written(data, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return written


def outcomes(module, dataset, most=40):
    """Returns the elements, and the class of each error in their midst."""
    found, iterator = [], iter(dataset)
    for _ in range(most):
        try:
            found.append([np.asarray(leaf).tolist() for leaf in module.nest.flatten(next(iterator))])
        except StopIteration:
            break
        except module.errors.OpError as error:
            found.append(type(error).__name__)
    return found


def same(build):
    theirs = parity.reference()
    ours = outcomes(tf, build(tf))
    assert ours == outcomes(theirs, build(theirs))
    return ours


# ---- CSV

ROWS = {
    "blank line": ("1,2\n\n3,4\n", [0, 0], {}),
    "blank line of one field": ("1\n\n3\n", [0], {}),
    "carriage returns": ("1,2\r3,4\r\n5,6", [0, 0], {}),
    "too few and too many": ("1,2\n3\n4,5,6\n7,8\n", [0, 0], {}),
    "selected": ("1,2,9\n3\n4,5,6,7\n7,8\n8,9,x\n", [0, 0], {"select_cols": [1, 2]}),
    "excluded": ("1,2,9\n4,5,6,7\n7,8\n8,9,x\n", [0, 0], {"exclude_cols": [1]}),
    "required": ("1,\n,2\nNA,3\n3,4", ["int32", 0], {"na_value": "NA"}),
    "integers": ("1,a\n1,99999999999\n1, 5 \n1,1_0\n1,+3\n1,0x10\n1,2.5\n1,-0\n", [0, 0], {}),
    "floats": ("a\n1e400\n 5 \n1_0\n+3\n0x10\ninf\n-Infinity\n1.\n.5\n1e-50\n", [0.0], {}),
    "quotes": ('a"b,c\n"x""y",z\n"q"r,s\n"multi\nline",k\n"open,\n', ["", ""], {}),
    "good behind bad quotes": ('a"b,c\n"x""y",z\n"p\nq",s\n,\n', ["d", "e"], {}),
    "no quotes": ('a"b,c\n"x""y",z\n', ["", ""], {"use_quote_delim": False}),
    "wide": ("1,2,3,4\n5,6,7,8\n", ["float64", "int64", "float32", "string"], {}),
    "tabs": ("1\t2\n3\t\n", [0, 8], {"field_delim": "\t"}),
    "an open end": ("1,2\n3,", [0, 8], {}),
    "header": ("h,i\n1,2\n", [0, 0], {"header": True}),
    "no header": ("", [0, 0], {"header": True}),
    "nothing": ("", [0, 0], {}),
    "unicode": ("é,日本\n'ü',\n", ["", "–"], {}),
    "a quoted nothing": ('"",2\n', ["d", 8], {}),
}


@pytest.mark.parametrize("block", [1 << 18, 5], ids=["whole", "blocks"])
@pytest.mark.parametrize("name", ROWS)
def test_records_are_those_of_tensorflow(name, block, write, monkeypatch):
    monkeypatch.setattr(csv, "_BLOCK", block)
    text, defaults, named = ROWS[name]
    path = write(text)
    found = same(lambda module: module.data.experimental.CsvDataset(path, defaults, **named))
    if all(type(row) is list for row in found):
        same(lambda module: module.data.experimental.CsvDataset(path, defaults, **named).batch(2))
    same(lambda module: module.data.experimental.CsvDataset(path, defaults, **named).ignore_errors().batch(2))


def test_drawn_texts_are_read_as_tensorflow_reads_them(write, monkeypatch):
    rng = np.random.default_rng(8)
    for number, block in zip(range(40), itertools.cycle([3, 11, 1 << 18])):
        monkeypatch.setattr(csv, "_BLOCK", block)
        text = "".join(rng.choice(PIECES, rng.integers(1, 30)))
        path = write(text, f"{number}.csv")
        named = {"select_cols": [0]} if number % 3 == 0 else {}
        try:
            same(lambda module, p=path, n=named: module.data.experimental.CsvDataset(p, ["d"], **n))
        except AssertionError as error:
            raise AssertionError(f"CsvDataset of {text!r} in blocks of {block}: {error}") from None


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_records(compression, write):
    data = "".join(f"{i},{i / 2}\n" for i in range(500)).encode()
    path = write(gzip.compress(data) if compression == "GZIP" else zlib.compress(data))
    ours = list(tf.data.experimental.CsvDataset(path, [0, 0.0], compression_type=compression).batch(64))
    np.testing.assert_array_equal(np.concatenate([a for a, _ in ours]), np.arange(500))
    damaged = write((gzip.compress(data) if compression == "GZIP" else zlib.compress(data))[:-40], "damaged")
    with pytest.raises(tf.errors.DataLossError, match="damaged"):
        list(tf.data.experimental.CsvDataset(damaged, [0, 0.0], compression_type=compression))


def test_errors_of_records_name_file_and_record(write):
    path = write("h\n1\nx\n")
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"not a valid int32: x \(record 2 of .*file.csv"
    ):
        list(tf.data.experimental.CsvDataset(path, [0], header=True))
    with pytest.raises(tf.errors.NotFoundError, match="nowhere"):
        list(tf.data.experimental.CsvDataset("/nowhere.csv", [0]))


def test_arguments_of_csv_datasets(write):
    path, make = write("1,2\n"), tf.data.experimental.CsvDataset
    for named in (
        {"select_cols": [1, 0]},
        {"select_cols": [0]},
        {"select_cols": [0, 1], "exclude_cols": [2]},
        {"field_delim": ",,"},
    ):
        with pytest.raises(tf.errors.InvalidArgumentError):
            make(path, [0, 0], **named)
    with pytest.raises(ValueError, match="compression_type"):
        make(path, [0, 0], compression_type="X")
    with pytest.raises(TypeError, match="bool"):
        make(path, [tf.bool, 0])


# ---- make_csv_dataset

TABLE = "a,b,c,d,e,f\n1,2.5,x,,99999999999,\n2,3,y,1,1,\n-7,1e39,z,,,\n"
MADE = {
    "found out": {},
    "label": {"label_name": "b"},
    "by position": {"select_columns": [0, 1]},
    "by name": {"select_columns": ["c", "a"]},
    "names": {"column_names": list("uvwxyz"), "header": False},
    "other names": {"column_names": list("uvwxyz")},
    "defaults": {"select_columns": ["a", "d"], "column_defaults": [0, 5]},
    "gaps": {"na_value": "x"},
    "one row": {"num_rows_for_inference": 1, "ignore_errors": True},
    "two passes": {"num_epochs": 2},
    "for ever": {"num_epochs": None},
}


def spec_of(module, dataset):
    return [(s.shape.as_list(), s.dtype.name) for s in module.nest.flatten(dataset.element_spec)]


@pytest.mark.parametrize("name", MADE)
def test_made_batches_are_those_of_tensorflow(name, write):
    path, theirs = write(TABLE), parity.reference()
    named = {"num_epochs": 1, "shuffle": False, **MADE[name]}
    built = [m.data.experimental.make_csv_dataset(path, 2, **named) for m in (tf, theirs)]
    assert spec_of(tf, built[0]) == spec_of(theirs, built[1])
    assert outcomes(tf, built[0], 5) == outcomes(theirs, built[1], 5)
    assert str(built[0].element_spec).count("OrderedDict") == 1


def test_wrong_arguments_of_made_batches(write):
    make = tf.data.experimental.make_csv_dataset
    for named, text in (
        ({"label_name": "zz"}, "label_name"),
        ({"select_columns": ["zz"]}, "zz"),
        ({"header": False}, "column_names"),
        ({"column_names": ["u", "u"]}, "u"),
        ({"column_defaults": [0]}, "6 columns"),
    ):
        with pytest.raises(ValueError, match=text):
            make(write(TABLE), 2, **named)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="no files matched"):
        make("/nowhere/*.csv", 2)


def test_shuffled_files_give_every_record_once_a_pass(write):
    for part in range(3):
        write("n\n" + "".join(f"{part * 100 + i}\n" for i in range(100)), f"part{part}.csv")
    pattern = write("", "x").removesuffix("x") + "part*.csv"
    made = tf.data.experimental.make_csv_dataset(
        pattern, 32, num_epochs=1, shuffle_buffer_size=50, shuffle_seed=1
    )
    passes = [np.concatenate([batch["n"] for batch in made]) for _ in range(2)]
    for order in passes:
        np.testing.assert_array_equal(np.sort(order), np.arange(300))
    assert passes[0].tolist() != passes[1].tolist() != sorted(passes[1])
    turns = tf.data.experimental.make_csv_dataset(
        pattern, 3, num_epochs=1, shuffle=False, num_parallel_reads=3
    )
    assert next(iter(turns))["n"].numpy().tolist() == [0, 100, 200]


@pytest.mark.parametrize(("buffer_size", "count"), [(1, 50), (7, 50), (50, 3000), (3000, 3000), (4000, 3000)])
def test_columns_are_shuffled_as_their_rows_are(buffer_size, count, write):
    path = write("".join(f"{i},{-i}\n" for i in range(count)))

    def orders(way):
        dataset = tf.data.experimental.CsvDataset(path, [0, 0]).shuffle(buffer_size, seed=3).repeat(2)
        return [[np.ravel(leaf).tolist() for leaf in element] for element in way(dataset)]

    by_row = orders(lambda ds: ds)
    by_batch = orders(lambda ds: ds.batch(64))
    assert [sum(column, []) for column in zip(*by_row)] == [sum(column, []) for column in zip(*by_batch)]


def test_fields_are_named(write):
    path = write(TABLE)
    (features, label) = next(
        iter(tf.data.experimental.make_csv_dataset(path, 3, label_name="a", num_epochs=1, shuffle=False))
    )
    assert list(features) == list("bcdef") and label.numpy().tolist() == [1, 2, -7]
    assert make_csv.Named.passes_errors_on


# ---- lines and pieces


@pytest.mark.parametrize("data", [b"a\rb\r\nc\r\r\nd\n\ne\r", b"", b"\n", b"one", b"x\n" * 3], ids=str)
def test_lines_are_those_of_tensorflow(data, write):
    path = write(data)
    same(lambda module: module.data.TextLineDataset(path))
    zipped = write(gzip.compress(data), "zipped")
    same(lambda module: module.data.TextLineDataset([zipped, zipped], "GZIP").batch(2))
    same(lambda module: module.data.Dataset.from_tensors(path).flat_map(module.data.TextLineDataset))


@pytest.mark.parametrize("data", [b"HHaabbccT", b"HHaabbcTT", b"HHaabbT", b"HHT", b"H", b""], ids=str)
def test_pieces_are_those_of_tensorflow(data, write):
    path, zipped = write(data), write(gzip.compress(data), "zipped")
    theirs = parity.reference()
    ours, expected = (outcomes(m, m.data.FixedLengthRecordDataset(path, 2, 2, 1), 5) for m in (tf, theirs))
    assert [o for o in ours if type(o) is list] == [o for o in expected if type(o) is list]
    errors = [[o for o in found if type(o) is str][:1] for found in (ours, expected)]
    assert errors[0] == errors[1] or errors == [["InvalidArgumentError"], ["InternalError"]]
    if not errors[0]:
        same(lambda m: m.data.FixedLengthRecordDataset(zipped, 2, 2, 1, compression_type="GZIP"))


def test_files_in_turn(write):
    paths = [write("a\nb\n", "1"), write("c\n", "2"), write("d\ne\n", "3")]
    turns = tf.data.TextLineDataset(paths, num_parallel_reads=2)
    assert sorted(turns.as_numpy_iterator()) == [b"a", b"b", b"c", b"d", b"e"]
    with pytest.raises(ValueError, match="num_parallel_reads"):
        tf.data.TextLineDataset(paths, num_parallel_reads=0)
    with pytest.raises(tf.errors.NotFoundError, match="nowhere"):
        list(tf.data.TextLineDataset("/nowhere"))
