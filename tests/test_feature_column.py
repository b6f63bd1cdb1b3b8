"""`tf.feature_column` with `DenseFeatures`, beside TensorFlow's."""

import json

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

FEATURES = {
    "x": np.array([[-1.0], [0.5], [2.0]], "float32"),
    "v": np.array([[1, 2], [3, 4], [5, 6]], "float32"),
    "c": np.array([["a"], ["z"], ["b"]]),
    "cc": np.array([["a", ""], ["b", "a"], ["", ""]]),
    "h": np.array([["p"], ["q"], ["r"]]),
    "i": np.array([[0], [1], [2]]),
    "ii": np.array([[0, 1], [1, -1], [-1, -1]]),
    "w": np.array([[0.5], [2.0], [3.0]], "float32"),
    "n": np.array([[10], [-11], [12]]),
    "flat": np.array([1, 2, 3]),
}
TABLE = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


def numeric(fc, **more):
    return fc.numeric_column("x", **more)


def identity(fc, key="i", **more):
    return fc.categorical_column_with_identity(key, 3, **more)


def words(fc, key="c", **more):
    return fc.categorical_column_with_vocabulary_list(key, ["a", "b"], **more)


def hashed(fc, key="h", size=5, **more):
    return fc.categorical_column_with_hash_bucket(key, size, **more)


def buckets(fc):
    return fc.bucketized_column(numeric(fc), [0.0, 0.5])


def embedded(module, column, **more):
    return module.feature_column.embedding_column(
        column, 2, initializer=module.constant_initializer(TABLE), **more
    )


COLUMNS = {
    "numeric": lambda m, fc: numeric(fc),
    "flat": lambda m, fc: fc.numeric_column("flat"),
    "normalized": lambda m, fc: fc.numeric_column("v", shape=2, normalizer_fn=lambda x: x * 2 + 1),
    "buckets": lambda m, fc: buckets(fc),
    "wide_buckets": lambda m, fc: fc.bucketized_column(fc.numeric_column("v", shape=(2,)), [2, 4.5]),
    "words": lambda m, fc: fc.indicator_column(words(fc)),
    "words_default": lambda m, fc: fc.indicator_column(words(fc, default_value=1)),
    "words_oov": lambda m, fc: fc.indicator_column(words(fc, num_oov_buckets=2)),
    "many_words": lambda m, fc: fc.indicator_column(words(fc, "cc")),
    "integers": lambda m, fc: fc.indicator_column(fc.categorical_column_with_vocabulary_list("n", [12, 10])),
    "integers_oov": lambda m, fc: fc.indicator_column(
        fc.categorical_column_with_vocabulary_list("n", [12], num_oov_buckets=3)
    ),
    "identity": lambda m, fc: fc.indicator_column(identity(fc)),
    "identity_outside": lambda m, fc: fc.indicator_column(identity(fc, "n", default_value=1)),
    "hashed": lambda m, fc: fc.indicator_column(hashed(fc)),
    "hashed_integers": lambda m, fc: fc.indicator_column(hashed(fc, "n", 50, dtype=m.int64)),
    "crossed": lambda m, fc: fc.indicator_column(fc.crossed_column(["c", "h"], 7)),
    "crossed_many": lambda m, fc: fc.indicator_column(
        fc.crossed_column([words(fc, "cc"), identity(fc, "ii")], 9)
    ),
    "crossed_mixed": lambda m, fc: fc.indicator_column(
        fc.crossed_column([buckets(fc), "h", words(fc)], 11, hash_key=5)
    ),
    "crossed_crosses": lambda m, fc: fc.indicator_column(
        fc.crossed_column([fc.crossed_column(["c", "h"], 3), identity(fc)], 13)
    ),
    "crossed_integers": lambda m, fc: fc.indicator_column(fc.crossed_column([identity(fc), buckets(fc)], 6)),
    "weighted": lambda m, fc: fc.indicator_column(fc.weighted_categorical_column(identity(fc), "w")),
    "embedding": lambda m, fc: embedded(m, identity(fc, "ii")),
    "embedding_sum": lambda m, fc: embedded(m, identity(fc, "ii"), combiner="sum"),
    "embedding_sqrtn": lambda m, fc: embedded(m, identity(fc, "ii"), combiner="sqrtn", max_norm=1.5),
    "embedding_weighted": lambda m, fc: embedded(
        m, fc.weighted_categorical_column(identity(fc), "w"), combiner="sqrtn"
    ),
    "embedding_of_buckets": lambda m, fc: embedded(m, buckets(fc)),
}


def tensors(module):
    return {name: module.constant(value) for name, value in FEATURES.items()}


@pytest.fixture(scope="module")
def peer():
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow, pytest.importorskip("tf_keras")


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_those_of_tensorflow(name, peer):
    tensorflow, tf_keras = peer
    ours, theirs = (COLUMNS[name](module, module.feature_column) for module in (tf, tensorflow))
    assert ours.name == theirs.name and tuple(ours.variable_shape) == tuple(theirs.variable_shape)
    layer, other = keras.layers.DenseFeatures(ours), tf_keras.layers.DenseFeatures(theirs)
    found = layer(tensors(tf))
    close(found, other(tensors(tensorflow)))
    spec, wanted = ours.parse_example_spec, theirs.parse_example_spec
    assert {key: (type(one).__name__, one.dtype.name) for key, one in spec.items()} == {
        key: (type(one).__name__, one.dtype.name) for key, one in wanted.items()
    }
    again = keras.layers.DenseFeatures.from_config(layer.get_config())
    if "embedding" not in name:
        close(again(tensors(tf)), found)
    assert again.compute_output_shape({"x": (3, 1)}) == (3, *found.shape[1:])


def test_several_columns_come_in_the_order_of_their_names(peer):
    tensorflow, tf_keras = peer
    made = []
    for module, layers in ((tf, keras.layers), (tensorflow, tf_keras.layers)):
        fc = module.feature_column
        columns = [
            fc.numeric_column("v", shape=(2,)),
            buckets(fc),
            numeric(fc),
            fc.indicator_column(words(fc)),
        ]
        apart = {}
        made.append([layers.DenseFeatures(columns)(tensors(module), cols_to_output_tensors=apart)])
        made[-1] += [apart[column] for column in columns]
    for ours, theirs in zip(*made, strict=True):
        close(ours, theirs)


def test_sparse_and_ragged_features(peer):
    tensorflow, tf_keras = peer
    made = []
    for module, layers in ((tf, keras.layers), (tensorflow, tf_keras.layers)):
        fc = module.feature_column
        texts = module.SparseTensor([[0, 0], [0, 1], [2, 0]], ["a", "a", "b"], [3, 2])
        numbers = module.SparseTensor(
            [[0, 1], [1, 0], [2, 0]], module.constant([2, 0, 1], module.int64), [3, 2]
        )
        columns = [
            fc.indicator_column(words(fc)),
            embedded(module, identity(fc)),
            fc.indicator_column(fc.crossed_column(["i", "c"], 8)),
        ]
        made.append(layers.DenseFeatures(columns)({"c": texts, "i": numbers}))
    close(*made)
    ragged = keras.layers.DenseFeatures(tf.feature_column.indicator_column(words(tf.feature_column)))
    assert ragged({"c": tf.ragged.constant([["a", "b"], [], ["q", "b", "b"]])}).numpy().tolist() == [
        [1, 1],
        [0, 0],
        [0, 2],
    ]


def test_vocabularies_of_files(peer, tmp_path):
    tensorflow, tf_keras = peer
    (tmp_path / "words.txt").write_text("b\na\nz\n")
    made = []
    for module, layers in ((tf, keras.layers), (tensorflow, tf_keras.layers)):
        fc, parts = module.feature_column, []
        for more in (
            {},
            {"vocabulary_size": 2},
            {"vocabulary_size": 2, "num_oov_buckets": 2},
            {"default_value": 1},
        ):
            column = fc.categorical_column_with_vocabulary_file("c", str(tmp_path / "words.txt"), **more)
            parts.append(layers.DenseFeatures(fc.indicator_column(column))(tensors(module)))
        made.append(parts)
    for ours, theirs in zip(*made, strict=True):
        close(ours, theirs)


def test_columns_along_time(peer):
    tensorflow, tf_keras = peer
    made = []
    for module, home in ((tf, keras), (tensorflow, tf_keras)):
        fc, sparse = module.feature_column, module.SparseTensor
        places = [[0, 0], [0, 1], [1, 0]]
        features = {
            "s": sparse(places, [1.0, 2.0, 3.0], [3, 2]),
            "wide": sparse(places, [1.0, 2.0, 3.0], [3, 4]),
            "k": sparse(places, module.constant([0, 2, 1], module.int64), [3, 2]),
            "t": sparse(places, ["a", "q", "b"], [3, 2]),
        }
        counted = fc.sequence_categorical_column_with_identity("k", 3)
        texts = fc.sequence_categorical_column_with_vocabulary_list("t", ["a", "b"], num_oov_buckets=1)
        bins = fc.sequence_categorical_column_with_hash_bucket("t", 4)
        for columns in (
            [fc.sequence_numeric_column("s")],
            [fc.sequence_numeric_column("wide", shape=(2,), default_value=9.0)],
            [fc.sequence_numeric_column("s"), fc.indicator_column(counted)],
            [embedded(module, counted), fc.indicator_column(texts)],
            [fc.indicator_column(bins)],
        ):
            made.append(home.experimental.SequenceFeatures(columns)(features))
    half = len(made) // 2
    for ours, theirs in zip(made[:half], made[half:], strict=True):
        close(ours[0], theirs[0])
        close(ours[1], theirs[1])


def test_models_train_on_columns():
    fc = tf.feature_column
    columns = [numeric(fc), fc.indicator_column(words(fc)), fc.embedding_column(identity(fc), 2)]
    model = keras.Sequential([keras.layers.DenseFeatures(columns), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    given = {name: FEATURES[name] for name in ("x", "c", "i")}
    losses = model.fit(given, np.arange(3.0), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert len(model.trainable_weights) == 3
    numbers = keras.Sequential(
        [keras.layers.DenseFeatures([buckets(fc), embedded(tf, identity(fc))]), keras.layers.Dense(1)]
    )
    numbers.compile("sgd", "mse")
    numbers.fit(
        tf.data.Dataset.from_tensors(({"x": FEATURES["x"], "i": FEATURES["i"]}, np.arange(3.0))), verbose=0
    )
    texts = keras.Sequential([keras.layers.TextVectorization(vocabulary=["a"]), keras.layers.Embedding(3, 2)])
    assert texts(np.array(["a b"])).shape == (1, 2, 2)
    inputs = {"x": keras.Input((1,), name="x"), "c": keras.Input((1,), name="c", dtype="string")}
    layer = keras.layers.DenseFeatures(columns[:2])
    functional = keras.Model(inputs, layer(inputs))
    close(functional({"x": tf.constant(FEATURES["x"]), "c": tf.constant(FEATURES["c"])}), layer(tensors(tf)))
    frozen = keras.layers.DenseFeatures(fc.embedding_column(identity(fc), 2, trainable=False))
    frozen(tensors(tf))
    assert not frozen.trainable_weights and len(frozen.weights) == 1


def test_shared_embeddings_share_within_a_layer():
    fc = tf.feature_column
    columns = fc.shared_embeddings(
        [identity(fc), identity(fc, "ii")], 2, initializer=tf.constant_initializer(TABLE)
    )
    layer = keras.layers.DenseFeatures(columns)
    assert layer(tensors(tf)).numpy().tolist() == [[1, 2, 2, 3], [3, 4, 3, 4], [5, 6, 0, 0]]
    assert len(layer.weights) == 1
    again = keras.layers.deserialize(json.loads(json.dumps(keras.layers.serialize(layer))))
    assert again(tensors(tf)).numpy().tolist() == layer(tensors(tf)).numpy().tolist()


def test_records_give_what_columns_read():
    fc = tf.feature_column
    columns = [numeric(fc), fc.indicator_column(words(fc)), buckets(fc)]
    spec = fc.make_parse_example_spec(columns)
    assert sorted(spec) == ["c", "x"] and spec["x"].shape == (1,)
    example = tf.train.Example(
        features=tf.train.Features(
            feature={
                "x": tf.train.Feature(float_list=tf.train.FloatList(value=[0.25])),
                "c": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"b", b"b"])),
            }
        )
    )
    features = tf.io.parse_example([example.SerializeToString()], spec)
    found = keras.layers.DenseFeatures(columns)(features)
    assert found.numpy().tolist() == [[0, 2, 0.25, 0, 1, 0]]
    with pytest.raises(ValueError, match="different parse_spec"):
        fc.make_parse_example_spec([numeric(fc), numeric(fc, shape=(3,))])


def test_what_columns_refuse():
    fc, dense = tf.feature_column, keras.layers.DenseFeatures
    indicator = fc.indicator_column
    for make, kind in (
        (lambda: numeric(fc, shape=(0,)), ValueError),
        (lambda: numeric(fc, shape=(1.5,)), TypeError),
        (lambda: numeric(fc, dtype=tf.string), ValueError),
        (lambda: numeric(fc, default_value=[1.0, 2.0]), ValueError),
        (lambda: numeric(fc, normalizer_fn=3), TypeError),
        (lambda: fc.numeric_column(4), ValueError),
        (lambda: fc.bucketized_column(numeric(fc), []), ValueError),
        (lambda: fc.bucketized_column(numeric(fc), [2, 1]), ValueError),
        (lambda: fc.bucketized_column(words(fc), [1.0]), ValueError),
        (lambda: fc.crossed_column(["a"], 3), ValueError),
        (lambda: fc.crossed_column(["a", hashed(fc)], 3), ValueError),
        (lambda: fc.crossed_column(["a", numeric(fc)], 3), ValueError),
        (lambda: fc.categorical_column_with_vocabulary_list("c", ["a", "a"]), ValueError),
        (lambda: fc.categorical_column_with_vocabulary_list("c", []), ValueError),
        (lambda: fc.categorical_column_with_vocabulary_list("c", ["a"], dtype=tf.int64), ValueError),
        (lambda: words(fc, default_value=0, num_oov_buckets=1), ValueError),
        (lambda: fc.embedding_column(words(fc), 0), ValueError),
        (lambda: fc.embedding_column(words(fc), 2, combiner="max"), ValueError),
        (lambda: fc.embedding_column(words(fc), 2, initializer=0.5), ValueError),
        (lambda: fc.embedding_column(words(fc), 2, ckpt_to_load_from="x"), NotImplementedError),
        (lambda: hashed(fc, size=0), ValueError),
        (lambda: hashed(fc, dtype=tf.float32), ValueError),
        (lambda: identity(fc, default_value=5), ValueError),
        (lambda: fc.weighted_categorical_column(numeric(fc), "w"), ValueError),
        (lambda: indicator(numeric(fc)), ValueError),
        (lambda: fc.shared_embeddings([words(fc), identity(fc)], 2), ValueError),
        (lambda: dense([]), ValueError),
        (lambda: dense(["x"]), ValueError),
        (lambda: dense([words(fc)]), ValueError),
        (lambda: dense([numeric(fc), numeric(fc)]), ValueError),
        (lambda: dense([fc.sequence_numeric_column("s")]), ValueError),
        (lambda: keras.experimental.SequenceFeatures([numeric(fc)]), ValueError),
        (lambda: dense(numeric(fc))({"y": tf.constant([[1.0]])}), ValueError),
        (lambda: dense(numeric(fc))({"x": tf.constant([[1.0, 2.0]])}), ValueError),
        (lambda: dense(numeric(fc))({"x": tf.constant([["1"]])}), ValueError),
        (lambda: dense(numeric(fc))(tf.constant([[1.0]])), ValueError),
        (lambda: dense(indicator(words(fc)))({"c": tf.constant([[1]])}), ValueError),
        (lambda: dense(indicator(identity(fc)))({"i": tf.constant([[1.5]])}), ValueError),
    ):
        with pytest.raises(kind):
            make()
