"""Functions of lines and records given to `map`, many elements at a time: the same results as one by one."""

import functools

import numpy as np
import pytest

import dovetail as tf
from dovetail.data import string_rows, vectorized

LINES = [b"%d,%.3f,word %d" % (i, i / 7, i % 5) for i in range(300)]
RECORDS = [
    tf.train.Example(
        features=tf.train.Features(
            feature={
                "id": tf.train.Feature(int64_list=tf.train.Int64List(value=[i])),
                "point": tf.train.Feature(float_list=tf.train.FloatList(value=[i / 2, i / 4, 1.0])),
                **(
                    {"name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"n%d" % i]))}
                    if i % 3
                    else {}
                ),
            }
        )
    ).SerializeToString()
    for i in range(90)
]
FEATURES = {
    "id": tf.io.FixedLenFeature([], tf.int64),
    "point": tf.io.FixedLenFeature([3], tf.float32),
    "name": tf.io.FixedLenFeature([], tf.string, b"none"),
}
DEFAULTS = [[0], [0.0], [""]]
SCALE = tf.Variable(2.0)


def fields(line):
    number, share, word = tf.io.decode_csv(line, DEFAULTS)
    return {
        "x": tf.stack([tf.cast(number, tf.float32), share * 2.0]),
        "y": (number > 3, tf.strings.upper(word)),
    }


def record(serialized):
    parsed = tf.io.parse_single_example(serialized, FEATURES)
    return parsed["point"] - [1.0, 2.0, 3.0], parsed["id"], parsed["name"]


TAKEN_APART = {
    "fields": (LINES, fields),
    "list": (LINES, lambda line: tf.io.decode_csv(line, DEFAULTS, select_cols=[0, 1, 2])),
    "record": (RECORDS, record),
    "dict": (RECORDS, lambda serialized: tf.io.parse_single_example(serialized, FEATURES)),
    "constant": (LINES, lambda line: (tf.strings.length(line), [1, 2])),
    "regex": (LINES, lambda line: tf.strings.regex_replace(tf.strings.lower(line), "[0-9]+", "#")),
    "hash": (LINES, lambda line: tf.strings.to_hash_bucket_fast(line, 100) + 1),
    "joined": (LINES, lambda line: tf.strings.join(["<", line, ">"])),
    "part": (LINES, lambda line: tf.strings.substr(line, 0, 1)),
    "two": ((LINES, np.arange(300)), lambda line, i: (tf.strings.length(line) + tf.cast(i, tf.int32), line)),
}
ONE_BY_ONE = {
    "split": (LINES, lambda line: tf.strings.split(line, ",")),
    "draw": (LINES, lambda line: (line, tf.random.uniform([]))),
    "variable": (LINES, lambda line: SCALE * tf.cast(tf.strings.length(line), tf.float32)),
    "numpy": (LINES, lambda line: tf.numpy_function(lambda text: len(text), [line], tf.int64)),
    "branch": (LINES, lambda line: tf.cond(tf.strings.length(line) > 14, lambda: 1, lambda: 2)),
    "sparse": (RECORDS, lambda one: tf.io.parse_single_example(one, {"id": tf.io.VarLenFeature(tf.int64)})),
    "ranks": (LINES, lambda line: tf.stack([tf.strings.length(line), 1]) + tf.strings.length(line)),
}


def mapped(given, function):
    return tf.data.Dataset.from_tensor_slices(given).map(function)


def plain(dataset):
    return [tf.nest.map_structure(np.asarray, element) for element in dataset.as_numpy_iterator()]


def is_taken_apart(dataset):
    return dataset._node._string_rows is not None


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        tf.nest.assert_same_structure(one, other)
        for x, y in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
            assert x.dtype == y.dtype and x.shape == y.shape
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", TAKEN_APART)
def test_elements_are_those_of_calls_one_by_one(name, monkeypatch):
    dataset = mapped(*TAKEN_APART[name])
    assert is_taken_apart(dataset)
    found, batches = plain(dataset), plain(dataset.batch(64))
    assert_same(
        plain(dataset.batch(64, drop_remainder=True).take(2)),
        [batch for batch in batches if len(tf.nest.flatten(batch)[0]) == 64][:2],
    )
    monkeypatch.setattr(vectorized.mode, "compiles", False)
    again = mapped(*TAKEN_APART[name])
    assert not is_taken_apart(again)
    assert_same(found, plain(again))
    assert_same(batches, plain(again.batch(64)))
    assert dataset.element_spec == again.element_spec


@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_what_must_run_one_by_one_does(name):
    dataset = mapped(*ONE_BY_ONE[name])
    assert not is_taken_apart(dataset)
    assert len(list(dataset)) == len(ONE_BY_ONE[name][0])


def test_a_function_that_changes_objects_sees_every_element():
    seen = []
    dataset = mapped(LINES, lambda line: (seen.append(1), tf.strings.length(line))[1])
    assert len(list(dataset)) == len(seen) == len(LINES)


def test_variables_are_read_when_elements_are_computed():
    dataset = mapped(*ONE_BY_ONE["variable"])
    before = float(next(iter(dataset)))
    SCALE.assign(3.0)
    assert float(next(iter(dataset))) == before * 1.5
    SCALE.assign(2.0)


BROKEN = [*LINES[:100], b"1,2", *LINES[100:150], b"x,1,a", *LINES[150:200]]


def test_an_error_comes_behind_the_elements_before_it_and_names_its_own():
    numbers = []
    with pytest.raises(tf.errors.InvalidArgumentError, match="Expect 3 fields but have 2") as raised:
        numbers.extend(float(e["x"][0]) for e in mapped(BROKEN, fields))
    assert numbers == list(range(100))
    assert any("element 100" in note for note in raised.value.__notes__)


def test_elements_behind_one_that_fails_come_when_errors_are_ignored():
    found = plain(mapped(BROKEN, fields).ignore_errors())
    assert [int(e["x"][0]) for e in found] == list(range(200))


def test_batches_behind_one_that_fails_are_those_of_elements_one_by_one(monkeypatch):
    found = plain(mapped(BROKEN, fields).batch(16).ignore_errors())
    monkeypatch.setattr(vectorized.mode, "compiles", False)
    assert_same(found, plain(mapped(BROKEN, fields).batch(16).ignore_errors()))


def test_records_before_damage_are_given(tmp_path):
    path = str(tmp_path / "records")
    with tf.io.TFRecordWriter(path) as writer:
        for one in RECORDS:
            writer.write(one)
    with open(path, "r+b") as file:
        file.truncate(file.seek(0, 2) - 5)
    dataset = tf.data.TFRecordDataset(path).map(record)
    assert is_taken_apart(dataset)
    numbers = []
    with pytest.raises(tf.errors.DataLossError):
        numbers.extend(int(number) for _, number, _ in dataset)
    assert numbers == list(range(len(RECORDS) - 1))


def test_lines_of_files_are_taken_apart_and_skipped(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_bytes(b"\n".join(LINES))
    dataset = tf.data.TextLineDataset(str(path)).map(fields)
    assert is_taken_apart(dataset)
    assert_same(plain(dataset.skip(250)), plain(mapped(LINES, fields))[250:])


def test_an_empty_source_gives_nothing():
    dataset = mapped(np.array([], object), lambda line: tf.strings.length(line))
    assert list(dataset) == list(dataset.batch(4)) == []


def test_few_elements_are_held_where_they_are_large():
    taken = []
    large = np.full((), b"x" * (1 << 21), object)

    def source():
        for i in range(20):
            taken.append(i)
            yield (large,)

    run = string_rows.Singly(lambda group: (np.zeros(len(group)),), None, source())
    next(run)
    assert len(taken) == 2


def joined(text):
    return tf.strings.reduce_join([text, text])


def beside(text):
    return tf.concat([[text], [text]], 0)


@pytest.mark.parametrize("function", [joined, beside, lambda text: tf.strings.upper([text, text])])
def test_lists_of_strings_become_tensors(function):
    texts = np.array([b"a%d" % i for i in range(40)], object)
    found = [one.numpy() for one in mapped(texts, function)]
    for text, one in zip(texts, found, strict=True):
        np.testing.assert_array_equal(one, function(tf.constant(text)).numpy())


class Counting:
    """A callable object that remembers its calls."""

    def __init__(self):
        self.seen = []

    def __call__(self, text):
        self.seen.append(1)
        return tf.strings.upper(text)


def counted(seen, text):
    seen.append(1)
    return tf.strings.upper(text)


def test_callables_that_change_objects_are_called_for_each_element():
    texts, seen, counting = np.array([b"a"] * 40, object), [], Counting()
    list(mapped(texts, functools.partial(counted, seen)))
    list(mapped(texts, counting))
    assert len(seen) == len(counting.seen) == 40
