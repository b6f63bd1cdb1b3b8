"""Datasets on disk: save, load, snapshot and cache; TensorFlow reads what we write, and the other way round."""

import collections
import glob
import os
import pathlib

import numpy as np
import pytest

import dovetail as tf
from tests.support import parity

Pair = collections.namedtuple("Pair", "x y")


def mixed(module):
    """Elements of many kinds: numbers, strings, ragged and sparse tensors, nested."""

    def element(i):
        return {
            "i": i,
            "pair": (module.cast(i, "float32") / 2, module.strings.as_string(i)),
            "named": Pair(module.cast(i, "uint8"), module.cast(i, "bool")),
            "half": module.cast([i, 7], "bfloat16"),
            "complex": module.complex(module.cast(i, "float64"), module.constant(2.0, "float64")),
            "ragged": module.RaggedTensor.from_row_lengths(module.range(3 * i), [i, 2 * i]),
            "sparse": module.sparse.from_dense(module.stack([i, module.zeros_like(i)])),
            "texts": module.fill([i], "é"),
            "empty": module.zeros([0, 3]),
        }

    return module.data.Dataset.range(4).map(element)


def plain(module, dataset):
    return [
        [np.asarray(part).tolist() for part in module.nest.flatten(element, expand_composites=True)]
        for element in dataset
    ]


def text_of(spec):
    """Returns a spec as text that is the same for both frameworks."""
    return " ".join(str(spec).replace("dovetail", "tf").split()).replace("'<class", "<class")


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_tensorflow_reads_what_we_save(compression, tmp_path):
    theirs, path = parity.reference(), str(tmp_path / "ours")
    mixed(tf).save(path, compression=compression)
    loaded = theirs.data.Dataset.load(path, compression=compression)
    assert plain(theirs, loaded) == plain(tf, mixed(tf))
    assert int(loaded.cardinality()) == 4
    assert sorted(map(str, theirs.nest.flatten(loaded.element_spec))) == sorted(
        map(str, theirs.nest.flatten(mixed(theirs).element_spec))
    )


@pytest.mark.parametrize("compression", [None, "GZIP"])
def test_we_read_what_tensorflow_saves(compression, tmp_path):
    theirs, path = parity.reference(), str(tmp_path / "theirs")
    mixed(theirs).save(path, compression=compression)
    loaded = tf.data.Dataset.load(path, compression=compression)
    assert plain(tf, loaded) == plain(theirs, mixed(theirs))
    assert tf.nest.flatten(loaded.element_spec) == tf.nest.flatten(mixed(tf).element_spec)
    with pytest.raises((tf.errors.DataLossError, AssertionError)):
        assert plain(tf, tf.data.Dataset.load(path, compression="ZLIB")) == []


def test_shards_are_read_in_turn_or_by_a_function(tmp_path):
    path = str(tmp_path / "shards")
    tf.data.Dataset.range(10).save(path, shard_func=lambda i: i % 3)
    theirs = parity.reference().data.Dataset.load(path)
    assert sorted(theirs.as_numpy_iterator()) == list(range(10))
    loaded = tf.data.Dataset.load(path)
    assert len(loaded) == 10 and list(loaded.as_numpy_iterator()) == list(range(10))
    last = tf.data.Dataset.load(path, reader_func=lambda shards: shards.skip(2).flat_map(lambda shard: shard))
    assert list(last.as_numpy_iterator()) == [2, 5, 8]
    with pytest.raises(TypeError, match="reader_func"):
        tf.data.Dataset.load(path, reader_func=lambda shards: 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="shard_func"):
        tf.data.Dataset.range(3).save(path, shard_func=lambda i: tf.cast(i, "float32"))
    assert len(tf.data.Dataset.load(path)) == 10  # a save that fails leaves what was there


def test_dicts_in_their_own_order_and_no_elements(tmp_path):
    path = str(tmp_path / "ordered")
    tf.data.Dataset.range(2).map(lambda i: collections.OrderedDict(b=i, a=-i)).save(path)
    for module in (tf, parity.reference()):
        assert [int(e["a"]) for e in module.data.Dataset.load(path)] == [0, -1]
    tf.data.Dataset.range(0).save(path)
    for module in (tf, parity.reference()):
        assert list(module.data.Dataset.load(path)) == []
    tf.data.Dataset.range(3).filter(lambda i: i > 0).save(path)
    assert len(tf.data.Dataset.load(path)) == 2


def test_what_cannot_be_saved_or_loaded_says_so(tmp_path):
    class Mine(tf.experimental.ExtensionType):
        value: tf.Tensor

    path = str(tmp_path / "none")
    with pytest.raises(tf.errors.UnimplementedError, match="Mine"):
        tf.data.Dataset.range(2).map(lambda i: Mine(i)).save(path)
    with pytest.raises(tf.errors.UnimplementedError, match="dataset of datasets"):
        tf.data.Dataset.range(4).window(2).save(path)
    with pytest.raises(tf.errors.UnimplementedError, match="checkpoint_args"):
        tf.data.Dataset.range(4).save(path, checkpoint_args={})
    with pytest.raises(ValueError, match="SNAPPY"):
        tf.data.Dataset.range(4).save(path, compression="SNAPPY")
    with pytest.raises(tf.errors.NotFoundError, match="none"):
        tf.data.Dataset.load(path)
    good = str(tmp_path / "good")
    tf.data.Dataset.range(4).save(good)
    with pytest.raises(tf.errors.InvalidArgumentError, match="dtypes"):
        tf.data.Dataset.load(good, tf.TensorSpec([], "float32"))
    with pytest.raises(tf.errors.DataLossError, match="component 0 of element 0"):
        list(tf.data.Dataset.load(good, tf.TensorSpec([2], "int64")))


# ---- damage


def files_below(folder):
    return sorted(p for p in glob.glob(f"{folder}/**", recursive=True) if os.path.isfile(p))


@pytest.mark.parametrize("way", ["save", "snapshot", "cache"])
def test_damaged_files_give_errors_that_name_them(way, tmp_path):
    """Cut, changed or emptied, a file gives its elements or an error that names it, and never anything else."""

    def made(folder):
        rows = tf.data.Dataset.from_tensor_slices(
            {"n": np.arange(6), "s": ["a", "bc", "", "é", "x" * 40, "y"], "f": np.ones((6, 3), "float32")}
        )
        if way == "save":
            if not os.path.exists(folder):
                rows.save(folder)
            return tf.data.Dataset.load(folder)
        return rows.snapshot(folder) if way == "snapshot" else rows.cache(f"{folder}/c")

    original = plain(tf, made(str(tmp_path / "0")))
    rng = np.random.default_rng(5)
    names = [os.path.relpath(p, tmp_path / "0") for p in files_below(tmp_path / "0")]
    assert len(names) >= 2
    for number in range(1, 60):
        folder = str(tmp_path / str(number))
        assert plain(tf, made(folder)) == original
        files = files_below(folder)
        path = files[number % len(files)]
        data = bytearray(pathlib.Path(path).read_bytes())
        kind = number % 4
        if kind == 0:
            data = data[: rng.integers(len(data))]
        elif kind == 1:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        elif kind == 2:
            data = (
                data[: len(data) // 2]
                + bytes(rng.integers(0, 256, 30, dtype=np.uint8))
                + data[len(data) // 2 :]
            )
        else:
            data = bytearray(rng.integers(0, 256, len(data), dtype=np.uint8))
        with open(path, "wb") as file:
            file.write(data)
        try:
            found = plain(tf, made(folder))
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
            assert os.path.basename(folder) in str(error)
        else:
            assert all(row in original for row in found) or "spec" in path


# ---- snapshot, cache, fingerprint


def test_a_snapshot_is_written_by_a_complete_pass(tmp_path):
    calls = []

    def noted(i):
        calls.append(int(i))
        return np.int64(i)

    rows = (
        tf.data.Dataset.range(4)
        .map(lambda i: tf.numpy_function(noted, [i], tf.int64))
        .snapshot(str(tmp_path))
    )
    iterator = iter(rows)
    next(iterator)
    del iterator
    assert files_below(tmp_path) == []
    for _ in range(2):
        assert list(rows.as_numpy_iterator()) == [0, 1, 2, 3]
    assert calls == [0, 0, 1, 2, 3]
    other = tf.data.Dataset.range(5).snapshot(str(tmp_path))
    assert list(other.as_numpy_iterator()) == [0, 1, 2, 3, 4]
    assert len(os.listdir(tmp_path)) == 2
    doubled = tf.data.Dataset.range(5).snapshot(
        str(tmp_path / "in_shards"), shard_func=lambda i: i % 2, reader_func=lambda d: d.flat_map(lambda x: x)
    )
    assert list(doubled.as_numpy_iterator()) == [0, 1, 2, 3, 4]
    assert list(doubled.as_numpy_iterator()) == [0, 2, 4, 1, 3]


def test_caches_in_files_keep_composites_and_tell_other_datasets(tmp_path):
    class Mine(tf.experimental.ExtensionType):
        value: tf.Tensor
        rows: tf.RaggedTensor

    def made():
        return tf.data.Dataset.range(3).map(
            lambda i: (
                Mine(i, tf.ragged.stack([tf.range(i), tf.range(i)])),
                tf.experimental.Optional.from_value(i),
            )
        )

    path = str(tmp_path / "c")
    for _ in range(2):
        found = list(made().cache(path))
        assert [int(mine.value) for mine, _ in found] == [0, 1, 2]
        assert found[2][0].rows.to_list() == [[0, 1], [0, 1]]
        assert [int(optional.get_value()) for _, optional in found] == [0, 1, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="another dataset"):
        list(tf.data.Dataset.range(3).cache(path))
    with (
        open(f"{path}2.data.part", "wb"),
        pytest.raises(tf.errors.AlreadyExistsError, match="another iterator"),
    ):
        list(tf.data.Dataset.range(3).cache(f"{path}2"))


def test_fingerprints():
    numbers = tf.data.Dataset.range

    def adding(k):
        return lambda i: i + k

    alike = [
        lambda: numbers(3),
        lambda: numbers(3).map(adding(1)).batch(2),
        lambda: numbers(9).shuffle(3, seed=1),
    ]
    for make in alike:
        assert int(make().fingerprint()) == int(make().fingerprint())
    rows = tf.data.Dataset.from_tensor_slices
    made = [
        numbers(3),
        numbers(4),
        numbers(3).map(adding(1)),
        numbers(3).map(adding(2)),
        numbers(3).map(lambda i: i - 1),
        numbers(3).batch(2),
        numbers(3).batch(3),
        numbers(3).shuffle(3, seed=1),
        numbers(3).shuffle(3, seed=2),
        rows([1, 2]),
        rows([1, 3]),
        rows(["a", "b"]),
        rows(tf.ragged.constant([[1], []])),
        rows(tf.ragged.constant([[2], []])),
    ]
    assert len({int(dataset.fingerprint()) for dataset in made}) == len(made)
    assert made[0].fingerprint().dtype == tf.uint64
