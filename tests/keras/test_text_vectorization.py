"""`keras.layers.TextVectorization`, and lookups of strings, beside those of Keras."""

import json
import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

SEEN = ["The cat sat.", "the CAT ran!", "Élan: der Bär", "  the\tdog\n ", "", "don't  x-y", "b b b a a ä"]
ASKED = ["the cat flew", "", "The dog, the BÄR and the Bär", " , ", "a b a ä"]
WAYS = [
    {},
    {"max_tokens": 5},
    {"output_sequence_length": 3},
    {"output_sequence_length": 9},
    {"ragged": True},
    {"ragged": True, "output_sequence_length": 2},
    {"standardize": None},
    {"standardize": "lower"},
    {"standardize": "strip_punctuation", "max_tokens": 8},
    {"split": "character"},
    {"split": "character", "standardize": None, "output_sequence_length": 4},
    {"split": None},
    {"split": None, "ngrams": 1},
    {"split": None, "output_mode": "count"},
    {"ngrams": 2},
    {"ngrams": (1, 3), "max_tokens": 20},
    {"ngrams": (3,), "ragged": True},
    {"ngrams": 2, "output_sequence_length": 4},
    {"ngrams": 2, "output_mode": "multi_hot"},
    {"output_mode": "multi_hot"},
    {"output_mode": "count", "max_tokens": 30, "pad_to_max_tokens": True},
    {"output_mode": "count", "split": "character"},
    {"output_mode": "tf_idf"},
    {"output_mode": "tf_idf", "max_tokens": 5},
    {"output_mode": "tf_idf", "max_tokens": 40, "pad_to_max_tokens": True, "ngrams": 2},
]


@pytest.fixture(scope="module")
def peer():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def close(actual, expected):
    if hasattr(actual, "to_list"):
        assert actual.to_list() == expected.to_list()
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_texts_become_what_keras_makes_of_them(way, peer):
    ours, theirs = (module.layers.TextVectorization(**way) for module in (keras, peer))
    for layer in (ours, theirs):
        layer.adapt(SEEN)
    assert ours.get_vocabulary() == theirs.get_vocabulary()
    assert ours.get_vocabulary(include_special_tokens=False) == theirs.get_vocabulary(
        include_special_tokens=False
    )
    assert ours.vocabulary_size() == theirs.vocabulary_size()
    for given in (ASKED, [[text] for text in ASKED], [ASKED[1]], np.array(ASKED[:0], object)):
        close(ours(given), theirs(given))
    if way.get("split", "") is not None:
        close(ours(ASKED[2]), theirs(ASKED[2]))
    config = json.loads(json.dumps(ours.get_config()))
    again = layers.TextVectorization.from_config(config)
    weights = ours._lookup_layer._weights
    again.set_vocabulary(
        ours.get_vocabulary(), None if weights is None else np.asarray(weights)[: ours.vocabulary_size()]
    )
    close(again(ASKED), ours(ASKED))


@pytest.mark.parametrize("mode", ["int", "tf_idf"])
def test_adapting_to_data_of_all_kinds(mode):
    whole = layers.TextVectorization(output_mode=mode)
    whole.adapt(SEEN)
    slices = tf.data.Dataset.from_tensor_slices
    for data in (
        np.array(SEEN),
        np.array(SEEN)[:, None],
        tf.constant(SEEN),
        slices(SEEN),
        slices(SEEN).batch(3),
        slices([[text] for text in SEEN]).batch(2),
        slices((SEEN, range(len(SEEN)))).batch(4).map(lambda text, label: text),
        (np.array(SEEN[start : start + 2]) for start in range(0, len(SEEN), 2)),
    ):
        layer = layers.TextVectorization(output_mode=mode)
        layer.adapt(data)
        assert layer.get_vocabulary() == whole.get_vocabulary()
        close(layer(ASKED), whole(ASKED))
    part = layers.TextVectorization()
    part.adapt(slices(["a", "b", "c"]).batch(1).repeat(), steps=2)
    assert part.get_vocabulary() == ["", "[UNK]", "b", "a"]
    part.adapt(["z"])
    assert part.get_vocabulary() == ["", "[UNK]", "z"]
    lookups = layers.StringLookup(output_mode="tf_idf")
    lookups.adapt(slices(["a", "a", "b"]))
    rows = layers.StringLookup(output_mode="tf_idf")
    rows.adapt(["a", "a", "b"])
    close(lookups([["a", "b"]]), rows([["a", "b"]]))
    batches = layers.StringLookup()
    batches.adapt(tf.ragged.constant([["a"], ["b", "b"]]))
    assert batches.get_vocabulary() == ["[UNK]", "b", "a"]


def test_functions_of_users_take_and_give_tensors():
    def without_digits(texts):
        return tf.strings.regex_replace(texts, "[0-9]", "")

    for mode, expected in (("int", [[2, 3, 1], [2, 0, 0]]), ("count", [[1, 1, 1], [0, 1, 0]])):
        layer = layers.TextVectorization(
            standardize=without_digits,
            split=lambda texts: tf.strings.split(texts, "-"),
            vocabulary=["x", "Y"],
            output_mode=mode,
        )
        assert layer(["x1-Y2-z", "x"]).numpy().astype(int).tolist() == expected
        assert (
            layer.from_config(layer.get_config())(["x1-Y2-z", "x"]).numpy().astype(int).tolist() == expected
        )
    fixed = layers.TextVectorization(standardize=without_digits, vocabulary=["a"], output_sequence_length=2)
    assert fixed(["a 1", "a a a1"]).numpy().tolist() == [[2, 0], [2, 2]]
    learned = layers.TextVectorization(split=lambda texts: tf.strings.split(texts, "|"))
    learned.adapt(["A|b c|a", "a"])
    assert learned.get_vocabulary() == ["", "[UNK]", "ab ca", "a"]


def test_models_functions_and_datasets_take_texts():
    layer = layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)
    inputs = keras.Input((1,), dtype="string")
    numbers = layer(inputs)
    assert tuple(numbers.shape) == (None, 3) and numbers.dtype == "int64"
    model = keras.Model(inputs, numbers)
    assert model(tf.constant([["bad good x"]])).numpy().tolist() == [[3, 2, 1]]
    assert model.predict(np.array([["good"]]), verbose=0).tolist() == [[2, 0, 0]]
    stacked = keras.Sequential([keras.Input((), dtype="string"), layer, layers.Embedding(4, 2)])
    assert stacked(tf.constant(["bad", "good bad"])).shape == (2, 3, 2)
    unknown = layers.TextVectorization(vocabulary=["good"])
    assert tuple(unknown(keras.Input((1,), dtype="string")).shape) == (None, None)
    bags = layers.TextVectorization(vocabulary=["good"], output_mode="count")
    assert tuple(bags(keras.Input((1,), dtype="string")).shape) == (None, 2)
    data = tf.data.Dataset.from_tensor_slices(["good bad", "", "bad"])
    assert [row.numpy().tolist() for row in data.map(layer)] == [[2, 3, 0], [0, 0, 0], [3, 0, 0]]
    assert [rows.shape[1] for rows in data.batch(2).map(unknown)] == [2, 1]
    assert data.batch(2).map(layer).element_spec.shape.as_list() == [None, 3]
    function = tf.function(lambda texts: layer(texts) * 2)
    assert function(tf.constant(["bad"])).numpy().tolist() == [[6, 0, 0]]


def test_vocabularies_are_kept(tmp_path):
    adapted = layers.TextVectorization(output_mode="tf_idf")
    adapted.adapt(SEEN)
    adapted.save_assets(str(tmp_path))
    store = {}
    adapted.save_own_variables(store)
    fresh = layers.TextVectorization(output_mode="tf_idf")
    fresh.load_own_variables(store)
    fresh.load_assets(str(tmp_path))
    close(fresh(ASKED), adapted(ASKED))
    (tmp_path / "words.txt").write_text("der\nBär\n", encoding="utf-8")
    read = layers.TextVectorization(vocabulary=str(tmp_path / "words.txt"), standardize=None)
    assert read(["Bär der x"]).numpy().tolist() == [[3, 2, 1]]
    read.set_vocabulary(["x"])
    assert read(["Bär der x"]).numpy().tolist() == [[1, 1, 2]]
    if hasattr(keras.Model, "save"):
        model = keras.Sequential([keras.Input((1,), dtype="string"), read])
        model.save(str(tmp_path / "model.keras"))
        again = keras.saving.load_model(str(tmp_path / "model.keras"))
        assert again(tf.constant([["Bär der x"]])).numpy().tolist() == [[1, 1, 2]]


def test_texts_refuse():
    make = layers.TextVectorization
    for kwargs, word in (
        ({"standardize": "upper"}, "standardize"),
        ({"split": "line"}, "split"),
        ({"ngrams": "2"}, "ngrams"),
        ({"ngrams": 0}, "ngrams"),
        ({"output_mode": "words"}, "output_mode"),
        ({"output_sequence_length": "3"}, "output_sequence_length"),
        ({"output_mode": "count", "output_sequence_length": 3}, "output_sequence_length"),
        ({"output_mode": "count", "ragged": True}, "ragged"),
        ({"sparse": True}, "sparse"),
        ({"pad_to_max_tokens": True}, "max_tokens"),
        ({"vocabulary": ["a", "a"]}, "more than once"),
        ({"vocabulary": "/no/such/file"}, "no vocabulary file"),
        ({"max_tokens": 1}, "max_tokens"),
    ):
        with pytest.raises(ValueError, match=word):
            make(**kwargs)
    with pytest.raises(ValueError, match=r"\(batch, 1\)"):
        make(vocabulary=["a"])([["a", "b"]])
    with pytest.raises(RuntimeError, match="no vocabulary yet"):
        make(output_mode="count")(["a"])
    with pytest.raises(ValueError, match="nothing to adapt"):
        make(vocabulary=["a"]).adapt(["b"])


@pytest.mark.parametrize("mode", ["multi_hot", "count", "tf_idf"])
def test_bags_of_ragged_and_sparse_tokens(mode, peer):
    made = []
    for module, tensors in ((keras, tf), (peer, pytest.importorskip("tensorflow"))):
        more = {"idf_weights": [0.5, 2.0]} if mode == "tf_idf" else {}
        layer = module.layers.StringLookup(vocabulary=["a", "b"], output_mode=mode, **more)
        ragged = tensors.ragged.constant([["a", "b", "a"], [], ["z"]])
        sparse = tensors.SparseTensor([[0, 1], [2, 0]], ["b", "q"], [3, 2])
        whole = module.layers.IntegerLookup(vocabulary=[5, 7], output_mode=mode, **more)
        numbers = tensors.ragged.constant([[5, 7, 5], [], [9]], dtype=tensors.int64)
        made.append([layer(ragged), whole(numbers), *([] if mode == "tf_idf" else [layer(sparse)])])
    for ours, theirs in zip(*made, strict=True):
        close(ours, theirs)


def test_sparse_bags(peer):
    made = []
    for module in (keras, peer):
        layer = module.layers.TextVectorization(vocabulary=["a", "b"], output_mode="count", sparse=True)
        made.append(layer(["a a c", "", "b"]))
    for part in ("indices", "values", "dense_shape"):
        close(getattr(made[0], part), getattr(made[1], part))


LETTERS = np.array(["a", "B", "é", ".", "-", "\u3000", "z"])


def drawn_texts(seed, most_letters):
    """Returns texts with words of all lengths, white space of all kinds, and a few that come often."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(LETTERS, rng.integers(1, most_letters))) for _ in range(300)] + [
        "the",
        "a" * 8,
        "a" * 9,
    ]
    spaces = [" ", "  ", "\t", "\n", "\r\n", "\v", "\f"]
    return [
        "".join(word + spaces[rng.integers(7)] for word in rng.choice(words, rng.integers(0, 60)))
        for _ in range(700)
    ]


@pytest.mark.parametrize(
    ("seed", "most_letters", "standardize"),
    [(0, 5, "lower_and_strip_punctuation"), (1, 14, None), (2, 30, "strip_punctuation"), (3, 12, "lower")],
)
def test_many_words_at_once_are_those_of_one_text_at_a_time(seed, most_letters, standardize):
    texts = drawn_texts(seed, most_letters)
    whole, single = (layers.TextVectorization(max_tokens=200, standardize=standardize) for _ in range(2))
    whole.adapt(texts)
    single.adapt(text for text in texts)
    assert whole.get_vocabulary() == single.get_vocabulary()
    rows = [whole(text).numpy().tolist() for text in texts]
    width = max(map(len, rows))
    assert whole(texts).numpy().tolist() == [row + [0] * (width - len(row)) for row in rows]
    for length in (7, 200):
        cut = layers.TextVectorization(
            vocabulary=whole.get_vocabulary(), standardize=standardize, output_sequence_length=length
        )
        assert cut(texts).numpy().tolist() == [(row + [0] * length)[:length] for row in rows]
    bags = layers.TextVectorization(
        vocabulary=whole.get_vocabulary(False), standardize=standardize, output_mode="count"
    )
    assert bags(texts).numpy().sum() == sum(map(len, rows))
    np.testing.assert_array_equal(bags(texts)[5], bags(texts[5]))


def test_texts_with_bytes_of_any_kind():
    texts = np.array([b"a\0b \0 a", b"\xff\xfe a", b"a" * 17 + b" a"] * 400, object)
    layer = layers.TextVectorization()
    layer.adapt(tf.constant(texts[:0]))
    assert layer.get_vocabulary() == ["", "[UNK]"]
    looked = layers.TextVectorization(vocabulary=["a", "a" * 17, "b"])
    assert looked(tf.constant(texts)).numpy()[:3].tolist() == [[1, 1, 2], [1, 2, 0], [3, 2, 0]]


def test_one_hot_vectors_of_ragged_tokens_are_ragged():
    layer = layers.StringLookup(vocabulary=["a"], output_mode="one_hot")
    assert layer(tf.ragged.constant([["a"], ["b", "a"]])).to_list() == [[[0, 1]], [[1, 0], [0, 1]]]


def test_vocabularies_are_weights_in_keras_2(monkeypatch):
    layer = layers.TextVectorization()
    layer.adapt(["x y", "y"])
    assert layer.get_weights() == []
    monkeypatch.setattr("dovetail.base.settings.settings.keras", 2)
    fresh = layers.TextVectorization()
    assert [part.tolist() for part in layer.get_weights()] == [[b"y", b"x"]]
    fresh.set_weights(layer.get_weights())
    assert fresh.get_vocabulary() == layer.get_vocabulary() == ["", "[UNK]", "y", "x"]


@pytest.mark.parametrize("mode", ["int", "multi_hot", "tf_idf"])
def test_models_with_adapted_vocabularies_are_cloned_and_loaded(mode, tmp_path):
    texts, words = layers.TextVectorization(output_mode=mode), layers.StringLookup(output_mode=mode)
    texts.adapt(["a b", "a"])
    words.adapt([["a"], ["c"]])
    inputs = [keras.Input((1,), dtype="string"), keras.Input((1,), dtype="string")]
    model = keras.Model(inputs, [texts(inputs[0]), words(inputs[1])])
    given = [np.array([["b a"], ["z"]]), np.array([["c"], ["z"]])]
    clone = keras.models.clone_model(model)
    assert [tuple(one.shape) for one in clone.outputs] == [tuple(one.shape) for one in model.outputs]
    model.save(str(tmp_path / "model.keras"))
    again = keras.saving.load_model(str(tmp_path / "model.keras"))
    for ours, theirs in zip(
        again(list(map(tf.constant, given))), model(list(map(tf.constant, given))), strict=True
    ):
        close(ours, theirs)


@pytest.mark.parametrize("kind", ["StringLookup", "IntegerLookup", "TextVectorization"])
def test_nothing_is_looked_up_without_a_vocabulary(kind):
    values = np.array([[1]]) if kind == "IntegerLookup" else np.array([["a"]])
    layer = getattr(keras.layers, kind)()
    inputs = keras.Input((1,), dtype="int64" if kind == "IntegerLookup" else "string")
    model = keras.Model(inputs, layer(inputs))  # may be built before
    for call in (layer, model):
        with pytest.raises(tf.errors.FailedPreconditionError, match="vocabulary"):
            call(tf.constant(values))
    layer.adapt(values)
    assert int(model(tf.constant(values)).numpy().max()) >= 1
    nothing = keras.layers.StringLookup(mask_token="")
    nothing.adapt(np.array([[""]]))
    assert nothing(tf.constant(["", "a"])).numpy().tolist() == [0, 1]


@pytest.mark.parametrize("make", [keras.layers.StringLookup, keras.layers.TextVectorization])
@pytest.mark.parametrize("num_words", [3, 9000])
def test_another_vocabulary_takes_the_place_of_the_first(make, num_words):
    """A long text is looked up in a packed table, a short one in a dict."""
    words = ["a", "b", "c"] * (num_words // 3)
    texts = tf.constant([" ".join(words)] if make is keras.layers.TextVectorization else words)
    layer = make(vocabulary=["a", "b"])
    compiled = tf.function(layer)
    first = layer.get_vocabulary().index("a")
    for vocabulary in (["a", "b"], ["c", "b", "a"]):
        layer.set_vocabulary(vocabulary)
        expected = [first + vocabulary.index(w) if w in vocabulary else first - 1 for w in words]
        for call in (layer, compiled):
            assert np.asarray(call(texts)).reshape(-1).tolist() == expected


@pytest.mark.parametrize("make", [keras.layers.StringLookup, keras.layers.TextVectorization])
def test_no_vocabulary_is_told_in_functions_too(make):
    layer = make()
    for call in (layer, tf.function(layer)):
        with pytest.raises(tf.errors.FailedPreconditionError, match="no vocabulary yet"):
            call(tf.constant(["a"]))
    layer.adapt(["a", "a b"])
    assert np.asarray(tf.function(layer)(tf.constant(["a"]))).reshape(-1)[0] == layer.get_vocabulary().index(
        "a"
    )
