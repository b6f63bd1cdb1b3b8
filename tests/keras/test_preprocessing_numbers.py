"""Layers for numbers and categories: what they adapt to, what they refuse, and every way they are called."""

import json
import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(2)
TABLE = RNG.normal(3.0, 2.0, (60, 4, 3)).astype("float32")
NUMBERS = RNG.gamma(2.0, 3.0, (500, 1)).astype("float32")


@pytest.fixture(scope="module")
def peers():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras").layers


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


# ---- Normalization


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None, (1, -1)])
def test_normalization_adapts_as_keras_does(axis, peers):
    ours, theirs = layers.Normalization(axis=axis), peers.Normalization(axis=axis)
    ours.adapt(TABLE)
    theirs.adapt(TABLE)
    close(ours(TABLE), theirs(TABLE))
    close(ours.mean, theirs.mean)
    close(ours.variance, theirs.variance)
    assert [weight.name for weight in ours.weights] == [weight.name for weight in theirs.weights]
    back = layers.Normalization(axis=axis, invert=True)
    back.adapt(TABLE)
    close(back(ours(TABLE)), TABLE, 1e-4)


def test_normalization_takes_data_of_all_kinds():
    whole = layers.Normalization()
    whole.adapt(TABLE)
    batches = [TABLE[:10], TABLE[10:45], TABLE[45:]]

    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, number):
            return batches[number], np.zeros(len(batches[number]))

    dataset = tf.data.Dataset.from_tensor_slices(TABLE).batch(7)
    labelled = tf.data.Dataset.from_tensor_slices((TABLE, np.zeros(60))).batch(9)
    for data in (tf.constant(TABLE), dataset, labelled, batches, iter(batches), Rows(), TABLE.tolist()):
        layer = layers.Normalization()
        layer.adapt(data)
        close(layer.mean, whole.mean, 1e-4)
        close(layer.variance, whole.variance, 1e-4)
    once = layers.Normalization()
    once.adapt(dataset, steps=1)
    close(np.reshape(once.mean, -1), TABLE[:7].mean((0, 1)), 1e-4)
    numbers = layers.Normalization(axis=None)
    numbers.adapt(tf.data.Dataset.from_tensor_slices(np.arange(300.0)))
    close(np.reshape(numbers.mean, ()), 149.5)


def test_normalization_keeps_what_it_knows():
    layer = layers.Normalization()
    layer.adapt(TABLE)
    again = layers.Normalization.from_config(json.loads(json.dumps(layer.get_config())))
    again.build(TABLE.shape)
    again.set_weights(layer.get_weights())
    close(again(TABLE), layer(TABLE))
    layer.adapt(TABLE * 2)  # forgets
    close(np.reshape(layer.mean, -1), TABLE.mean((0, 1)) * 2, 1e-4)
    compiled = tf.function(layer)
    close(compiled(tf.constant(TABLE)), layer(TABLE))
    model = keras.Sequential([keras.Input((4, 3)), layer, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(TABLE, np.zeros(60), verbose=0)
    assert len(model.trainable_weights) == 2
    mapped = next(iter(tf.data.Dataset.from_tensor_slices(TABLE).batch(60).map(layer)))
    close(mapped, layer(TABLE))


def test_normalization_refuses():
    with pytest.raises(ValueError, match="mean and variance go together"):
        layers.Normalization(mean=1.0)
    with pytest.raises(ValueError, match="one shape"):
        layers.Normalization(mean=[1.0], variance=[1.0, 2.0])
    with pytest.raises(ValueError, match="axis"):
        layers.Normalization(axis=5).build((None, 3))
    with pytest.raises(ValueError, match="known sizes"):
        layers.Normalization(axis=1).build((None, None, 3))
    with pytest.raises(ValueError, match="nothing to adapt"):
        layers.Normalization(mean=1.0, variance=1.0).adapt(TABLE)
    with pytest.raises(TypeError, match="adapt takes"):
        layers.Normalization().adapt(3)
    layer = layers.Normalization()
    layer.adapt(TABLE)
    with pytest.raises(ValueError, match=r"\(9, 4, 5\)"):
        layer.adapt(np.zeros((9, 4, 5)))


# ---- Discretization


@pytest.mark.parametrize("bins", [2, 4, 10])
def test_discretization_finds_the_boundaries_that_keras_finds(bins, peers):
    for data in (NUMBERS, np.arange(37.0)[:, None]):
        ours, theirs = layers.Discretization(num_bins=bins), peers.Discretization(num_bins=bins)
        ours.adapt(data)
        theirs.adapt(data)
        close(ours.bin_boundaries, theirs.bin_boundaries)
        np.testing.assert_array_equal(ours(data), theirs(data))
    ours, theirs = (one(num_bins=bins) for one in (layers.Discretization, peers.Discretization))
    batches = [NUMBERS[:100], NUMBERS[100:250], NUMBERS[250:]]
    ours.adapt(batches)
    theirs.adapt(batches)
    close(ours.bin_boundaries, theirs.bin_boundaries)
    again = layers.Discretization.from_config(json.loads(json.dumps(ours.get_config())))
    assert again.bin_boundaries == ours.bin_boundaries
    close(tf.function(again)(tf.constant(NUMBERS)), ours(NUMBERS))


def test_discretization_refuses():
    for kwargs, word in (
        ({}, "one of them"),
        ({"bin_boundaries": [0.0], "num_bins": 3}, "one of them"),
        ({"num_bins": -2}, "num_bins"),
        ({"num_bins": 2, "output_mode": "hot"}, "output_mode"),
        ({"num_bins": 2, "sparse": True}, "sparse"),
    ):
        with pytest.raises(ValueError, match=word):
            layers.Discretization(**kwargs)
    with pytest.raises(ValueError, match="adapt"):
        layers.Discretization(num_bins=3)(NUMBERS)
    with pytest.raises(ValueError, match="bin_boundaries were given"):
        layers.Discretization([0.0]).adapt(NUMBERS)


# ---- categories as vectors


def test_vectors_may_be_sparse():
    numbers = [[0, 2], [1, 1]]
    for layer in (
        layers.CategoryEncoding(3, "count", sparse=True),
        layers.IntegerLookup(vocabulary=[1, 2], output_mode="count", sparse=True),
        layers.Hashing(3, output_mode="count", sparse=True),
        layers.Discretization([0.5, 1.5], output_mode="count", sparse=True),
    ):
        sparse = layer(numbers)
        assert isinstance(sparse, tf.SparseTensor)
        dense = type(layer).from_config({**layer.get_config(), "sparse": False})
        close(tf.sparse.to_dense(sparse), dense(numbers))
    with pytest.raises(ValueError, match="count_weights"):
        layers.CategoryEncoding(3)(np.array(numbers), count_weights=np.ones((2, 2)))
    with pytest.raises(ValueError, match="num_tokens"):
        layers.CategoryEncoding(0)


def test_weights_of_categories_in_a_model():
    counts, weights = keras.Input((3,), dtype="int64"), keras.Input((3,))
    outputs = layers.CategoryEncoding(4, "count")(counts, count_weights=weights)
    model = keras.Model([counts, weights], outputs)
    given = np.array([[0, 0, 3]]), np.array([[0.5, 1.0, 2.0]], "float32")
    close(model(given), [[1.5, 0, 0, 2.0]])


# ---- hashes


def test_hashes_are_those_of_keras(peers):
    words = np.array([["a", "b"], ["c", "a"]])
    for kwargs in ({"num_bins": 5}, {"num_bins": 5, "salt": 3}, {"num_bins": 4, "mask_value": "a"}):
        np.testing.assert_array_equal(layers.Hashing(**kwargs)(words), peers.Hashing(**kwargs)(words))
    numbers = np.array([[-5, 10**12], [7, 0]])
    layer = layers.Hashing(num_bins=9, output_mode="multi_hot")
    close(layer(numbers), peers.Hashing(num_bins=9, output_mode="multi_hot")(numbers))
    close(tf.function(layer)(tf.constant(numbers)), layer(numbers))
    ragged = tf.ragged.constant([["a"], ["b", "c"]])
    assert layers.Hashing(5)(ragged).row_splits.numpy().tolist() == [0, 1, 3]
    for a, b in (([["x"], ["y"]], [[1], [2]]), (np.array([3, 4]), np.array([5, 6]))):
        ours, theirs = (
            one(num_bins=7)((np.array(a), np.array(b)))
            for one in (layers.HashedCrossing, peers.HashedCrossing)
        )
        np.testing.assert_array_equal(ours, theirs)
    cross = layers.HashedCrossing(num_bins=6, output_mode="one_hot")
    left, right = keras.Input((1,), dtype="int64"), keras.Input((1,), dtype="int64")
    model = keras.Model([left, right], cross([left, right]))
    pair = np.array([[1], [2]]), np.array([[3], [3]])
    close(model(pair), cross(pair))
    assert cross.compute_output_shape([(None, 1), (None, 1)]) == tf.TensorShape([None, 6])


def test_hashes_refuse():
    for make, word in (
        (lambda: layers.Hashing(0), "num_bins"),
        (lambda: layers.Hashing(3, salt="x"), "salt"),
        (lambda: layers.Hashing(3, output_mode="hot"), "output_mode"),
        (lambda: layers.Hashing(3, sparse=True), "sparse"),
        (lambda: layers.Hashing(3, dtype="float32"), "dtype"),
        (lambda: layers.HashedCrossing(3)(np.array([1])), "two tensors"),
        (lambda: layers.HashedCrossing(3)((np.array([1]), np.array([1, 2]))), "one shape"),
        (lambda: layers.HashedCrossing(3)((np.zeros((2, 2), int), np.zeros((2, 2), int))), r"\(2, 2\)"),
        (lambda: layers.HashedCrossing(3)((np.array([1.0]), np.array([1.0]))), "integers or strings"),
    ):
        with pytest.raises(ValueError, match=word):
            make()


# ---- IntegerLookup

SEEN = np.array([[7, 7, 5], [9, 7, 5], [1, 1, 9]])


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"max_tokens": 3},
        {"mask_token": 7},
        {"num_oov_indices": 3},
        {"num_oov_indices": 3, "oov_method": "farmhash", "salt": 5},
        {"output_mode": "multi_hot", "mask_token": 5},
        {"output_mode": "count", "max_tokens": 6, "pad_to_max_tokens": True},
        {"output_mode": "tf_idf"},
        {"output_mode": "tf_idf", "max_tokens": 9, "pad_to_max_tokens": True},
    ],
    ids=str,
)
def test_lookups_adapt_as_those_of_keras_do(kwargs, peers):
    ours, theirs = layers.IntegerLookup(**kwargs), peers.IntegerLookup(**kwargs)
    ours.adapt(SEEN)
    theirs.adapt(SEEN)
    assert [int(token) for token in ours.get_vocabulary()] == [
        int(token) for token in theirs.get_vocabulary()
    ]
    assert ours.vocabulary_size() == theirs.vocabulary_size()
    given = np.array([[7, 1, 100], [5, -3, 9]])
    close(ours(given), theirs(given))
    if "mask_token" not in kwargs or ours.output_mode == "int":
        close(tf.function(ours)(tf.constant(given)), ours(given))


def test_lookups_and_back():
    look = layers.IntegerLookup(vocabulary=[12, 36], mask_token=0)
    back = layers.IntegerLookup(vocabulary=look.get_vocabulary(), mask_token=0, invert=True)
    assert back(look([36, 0, 5, 12])).numpy().tolist() == [36, 0, -1, 12]
    assert look.get_vocabulary(include_special_tokens=False) == [12, 36]
    assert int(look(36)) == 3 and look(36).shape == ()
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(look))))
    assert again.get_vocabulary() == look.get_vocabulary() == [0, -1, 12, 36]
    ragged = look(tf.ragged.constant([[12], [36, 1]]))
    assert ragged.to_list() == [[2], [3, 1]]
    data = tf.data.Dataset.from_tensor_slices([12, 99]).map(look)
    assert [int(one) for one in data] == [2, 1]
    inputs = keras.Input((2,), dtype="int64")
    model = keras.Model(inputs, look(inputs))
    assert model(np.array([[12, 0]])).numpy().tolist() == [[2, 0]]


def test_vocabularies_in_files(tmp_path):
    (tmp_path / "words.txt").write_text("5\n3\n\n")
    layer = layers.IntegerLookup(vocabulary=str(tmp_path / "words.txt"))
    assert layer([3, 5, 1]).numpy().tolist() == [2, 1, 0]
    seen = layers.IntegerLookup()
    seen.adapt(SEEN)
    seen.save_assets(str(tmp_path))
    fresh = layers.IntegerLookup()
    fresh.load_assets(str(tmp_path))
    assert fresh.get_vocabulary() == seen.get_vocabulary()


def test_lookups_refuse():
    make = layers.IntegerLookup
    for kwargs, word in (
        ({"max_tokens": 1}, "max_tokens"),
        ({"num_oov_indices": -1}, "num_oov_indices"),
        ({"pad_to_max_tokens": True}, "max_tokens"),
        ({"invert": True, "output_mode": "count"}, "invert"),
        ({"vocabulary_dtype": "string"}, "vocabulary_dtype"),
        ({"vocabulary": [1, 1]}, "more than once"),
        ({"vocabulary": [1, 0], "mask_token": 0}, "special tokens"),
        ({"vocabulary": [1, 2, 3], "max_tokens": 3}, "exceed"),
        ({"vocabulary": [1], "output_mode": "tf_idf"}, "idf_weights"),
        ({"vocabulary": [1], "idf_weights": [1.0]}, "idf_weights"),
        ({"vocabulary": "/no/such/file"}, "no vocabulary file"),
        ({"salt": 3}, "farmhash"),
        ({"oov_method": "magic"}, "oov_method"),
    ):
        with pytest.raises(ValueError, match=word):
            make(**kwargs)
    with pytest.raises(RuntimeError, match="no vocabulary yet"):
        make(output_mode="count")([1, 2])
    with pytest.raises(ValueError, match="num_oov_indices=0"):
        make(vocabulary=[1], num_oov_indices=0)([2])
    with pytest.raises(ValueError, match="nothing to adapt"):
        make(vocabulary=[1]).adapt(SEEN)


# ---- spectrograms


def test_spectrograms_of_any_length_and_layout():
    sound = RNG.normal(size=(2, 70, 3)).astype("float32")
    for expand in (False, True):
        kwargs = {"frame_length": 16, "expand_dims": expand}
        last = layers.STFTSpectrogram(**kwargs)
        first = layers.STFTSpectrogram(**kwargs, data_format="channels_first")
        order = (0, 3, 1, 2) if expand else (0, 2, 1)
        close(first(sound.transpose(0, 2, 1)), np.asarray(last(sound)).transpose(order))
        unknown = last(keras.Input((None, 3)))
        assert tuple(unknown.shape) == ((None, None, 9, 3) if expand else (None, None, 27))
    mel = layers.MelSpectrogram(fft_length=32, sequence_stride=8, num_mel_bins=4, sampling_rate=1000)
    close(mel(sound[:, :, 0])[0], mel(sound[0, :, 0]), 1.0)  # decibels are cut off below the loudest of all
    assert mel(sound[0, :, 0]).shape == (4, 9)


def test_spectrograms_refuse():
    for make, word in (
        (lambda: layers.STFTSpectrogram("loud"), "mode"),
        (lambda: layers.STFTSpectrogram(frame_length=8, frame_step=9), "frame_step"),
        (lambda: layers.STFTSpectrogram(frame_length=8, fft_length=4), "fft_length"),
        (lambda: layers.STFTSpectrogram(scaling="x"), "scaling"),
        (lambda: layers.STFTSpectrogram(window="no such window"), "window"),
        (lambda: layers.MelSpectrogram(fft_length=8, sequence_length=9), "fft_length"),
        (lambda: layers.MelSpectrogram(num_mel_bins=0), "num_mel_bins"),
    ):
        with pytest.raises(ValueError, match=word):
            make()


# ---- StringLookup

WORDS = np.array([["b", "a", "b"], ["c", "b", "c"], ["", "d", "a"]])


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"max_tokens": 3},
        {"mask_token": ""},
        {"num_oov_indices": 3},
        {"num_oov_indices": 3, "salt": 5},
        {"output_mode": "multi_hot"},
        {"output_mode": "tf_idf"},
    ],
    ids=str,
)
def test_strings_are_looked_up_as_keras_does(kwargs, peers):
    ours, theirs = layers.StringLookup(**kwargs), peers.StringLookup(**kwargs)
    ours.adapt(WORDS)
    theirs.adapt(WORDS)
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    given = np.array([["b", "nowhere", "a"], ["", "x", "y"]])
    close(ours(given), theirs(given))
    config = json.loads(json.dumps(ours.get_config()))
    again = layers.StringLookup.from_config(config)
    again.set_vocabulary(ours.get_vocabulary(), ours._weights)
    close(again(given), ours(given))


def test_strings_and_back():
    look = layers.StringLookup(vocabulary=["ü", "b"], mask_token="")
    back = layers.StringLookup(vocabulary=["ü", "b"], mask_token="", invert=True)
    assert [word.decode() for word in back([2, 0, 1, 3]).numpy()] == ["ü", "", "[UNK]", "b"]
    data = tf.data.Dataset.from_tensor_slices(["b", "?"]).map(look)
    assert [int(one) for one in data] == [3, 1]
    ragged = look(tf.ragged.constant([["b"], ["ü", ""]]))
    assert ragged.to_list() == [[3], [2, 0]]
    with pytest.raises(ValueError, match="encoding"):
        layers.StringLookup(encoding="no such")


@pytest.mark.parametrize("dtype", [None, "int64", "float32"])
def test_the_dtype_of_what_stands_between_numbers_does_not_cast_them(dtype):
    layer = keras.layers.Discretization([-0.5, 0.0, 1.0], dtype=dtype)
    assert layer(np.array([-0.9, -0.3, 0.2, 1.5], "float32")).numpy().tolist() == [0, 1, 2, 3]
