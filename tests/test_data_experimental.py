"""The names of `tf.data.experimental`: values and errors are TensorFlow's."""

import sqlite3

import numpy as np
import pytest

import dovetail as tf
from tests.support import parity

experimental = tf.data.experimental


@pytest.fixture
def database(tmp_path):
    path = str(tmp_path / "some.db")
    connection = sqlite3.connect(path)
    connection.execute("create table t(a integer, b real, c text, d blob, e integer)")
    rows = [(1, 2.5, "x", b"\0\1", None), (2, 3, "yé", b"", 1), (-7, None, "12", None, 300)]
    connection.executemany("insert into t values(?,?,?,?,?)", rows)
    connection.commit()
    connection.close()
    return path


QUERIES = [
    ("select a, b, c from t", ("int32", "float64", "string")),
    ("select * from t", ("int64", "float64", "string", "string", "bool")),
    ("select a, b, e from t", ("string", "string", "string")),
    ("select c, b from t", ("int32", "int32")),
    ("select a from t where a > 0 order by a desc", ("uint8",)),
    ("select e from t", ("int8",)),
    ("select a from t where a > 99", ("int16",)),
    ("select a, b from t", ("int32",)),
    ("select zz from t", ("int32",)),
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: q[0])
def test_rows_of_databases_are_those_of_tensorflow(query, database):
    def found(module):
        types = tuple(getattr(module, name) for name in query[1])
        try:
            dataset = module.data.experimental.SqlDataset("sqlite", database, query[0], types)
            return [[np.asarray(leaf).tolist() for leaf in module.nest.flatten(row)] for row in dataset]
        except module.errors.OpError as error:
            return type(error).__name__

    assert found(tf) == found(parity.reference())


def test_other_databases_and_types_are_refused(database):
    with pytest.raises(tf.errors.InvalidArgumentError, match="mysql"):
        experimental.SqlDataset("mysql", database, "select a from t", (tf.int32,))
    with pytest.raises(tf.errors.InvalidArgumentError, match="float32"):
        experimental.SqlDataset("sqlite", database, "select a from t", (tf.float32,))


def test_elements_by_number():
    numbers = tf.data.Dataset.range(5)
    assert int(experimental.at(numbers, 2)) == 2
    assert experimental.at(numbers.map(lambda n: n * 2).batch(2), tf.constant(1)).numpy().tolist() == [4, 6]
    for index in (5, -1):
        with pytest.raises(tf.errors.OutOfRangeError, match=rf"range \[0, 5\):{index}"):
            experimental.at(numbers, index)


def test_padding_out_needs_dicts_of_a_known_number():
    pad = experimental.pad_to_cardinality
    for dataset in (tf.data.Dataset.range(3), tf.data.Dataset.from_tensor_slices({"a": [1, 2, 3]}).repeat(3)):
        with pytest.raises(ValueError, match="pad_to_cardinality"):
            dataset.apply(pad(5))
    with pytest.raises(ValueError, match="unknown"):
        tf.data.Dataset.from_tensor_slices({"a": [1]}).filter(lambda d: True).apply(pad(5))
    padded = tf.data.Dataset.from_tensor_slices({"a": ["x"], "valid": [1]}).apply(pad(2))
    assert len(padded) == 2
    assert [(e["a"].numpy(), bool(e["valid"])) for e in padded] == [(b"x", True), (b"", False)]


def test_sparse_batches_take_one_component_up_to_a_shape():
    rows = tf.data.Dataset.from_tensor_slices([1, 3, 2]).map(tf.range)
    assert rows.sparse_batch(2, [4]).element_spec == tf.SparseTensorSpec([None, 4], tf.int32)
    with pytest.raises(tf.errors.DataLossError, match="row shape"):
        list(rows.sparse_batch(2, [2]))
    with pytest.raises(TypeError, match="one tensor"):
        rows.map(lambda r: (r, r)).sparse_batch(2, [4])
    of_sparse = rows.map(tf.sparse.from_dense).sparse_batch(2, [4])
    assert [tf.sparse.to_dense(s).numpy().tolist() for s in of_sparse][0] == [[0, 0, 0, 0], [0, 1, 2, 0]]


@pytest.mark.parametrize("initial", [None, [0.9, 0.1]])
def test_classes_come_as_often_as_asked_for(initial):
    labels = np.repeat([0, 1], [1800, 200])[np.random.default_rng(0).permutation(2000)].astype("int32")
    rows = tf.data.Dataset.from_tensor_slices(labels)
    even = rows.rejection_resample(lambda y: y, [0.5, 0.5], initial, seed=2)
    assert even.element_spec == (tf.TensorSpec([], "int32"), tf.TensorSpec([], "int32"))
    found = [int(label) for label, _ in even]
    assert 0.38 < np.mean(found) < 0.62 and len(found) > 250
    assert found != [int(label) for label, _ in even]
    for wrong in (lambda y: y + 5, lambda y: tf.cast(y, "float32")):
        with pytest.raises((tf.errors.InvalidArgumentError, TypeError), match="class"):
            list(rows.rejection_resample(wrong, [0.5, 0.5]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="classes"):
        rows.rejection_resample(lambda y: y, [0.5, 0.2, 0.3], [0.9, 0.1])


def test_what_is_refused_says_why():
    numbers = tf.data.Dataset.range(3)
    for refused in (
        lambda: experimental.to_variant(numbers),
        lambda: experimental.from_variant(numbers, numbers.element_spec),
        lambda: experimental.get_model_proto(iter(numbers)),
        lambda: experimental.make_saveable_from_iterator(iter(numbers)),
    ):
        with pytest.raises(tf.errors.UnimplementedError, match="tf.data.experimental"):
            refused()


def test_small_names():
    numbers = tf.data.Dataset.range(3)
    iterator = iter(numbers)
    assert tf.type_spec_from_value(iterator) == tf.data.IteratorSpec(tf.TensorSpec([], "int64"))
    assert bool(experimental.get_next_as_optional(iterator).has_value())
    assert experimental.Optional is tf.experimental.Optional
    assert list(numbers.apply(experimental.copy_to_device("/cpu:0")).as_numpy_iterator()) == [0, 1, 2]
    theirs = parity.reference().data.experimental
    assert {a.name: a.value for a in theirs.AutotuneAlgorithm} == {
        a.name: a.value for a in experimental.AutotuneAlgorithm
    }
    assert theirs.SHARD_HINT == experimental.SHARD_HINT
    hinted = numbers.shard(experimental.SHARD_HINT, experimental.SHARD_HINT)
    with pytest.raises(tf.errors.FailedPreconditionError, match="SHARD_HINT"):
        list(hinted)
