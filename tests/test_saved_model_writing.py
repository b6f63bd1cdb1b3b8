"""What functions do, in SavedModels: written here, it does the same in TensorFlow and here."""

import subprocess
import sys

import numpy as np
import pytest

import dovetail as tf

S = tf.TensorSpec
X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
TEXTS = np.array([b"Hello World", b"", b"a b  c"], object)


def loop(m, x):
    i = tf.constant(0)
    while i < 3:
        x = x @ m.w
        i += 1
    return x


def branches(m, x):
    if tf.reduce_sum(x) > 0.0:
        y = x * 2.0
    else:
        y = x - m.w[0]
    three = [lambda: m.w * 1.0, lambda: m.w * 2.0, lambda: m.w * 3.0]
    return {"y": y, "n": tf.shape(x)[0], "z": tf.switch_case(tf.shape(x)[0] - 3, three)}


def along_an_axis(m, x):
    return (
        tf.map_fn(lambda row: row * 2.0 + m.w[0], x),
        tf.scan(lambda state, row: state * 0.5 + row * m.w[0], x, initializer=tf.zeros([3])),
        tf.foldl(lambda state, row: state + row, x, initializer=tf.zeros([3])),
        tf.foldr(lambda state, row: state * 0.5 + row, x, initializer=tf.zeros([3])),
    )


def counts(m, x):
    m.c.assign_add(1)
    y = x * tf.cast(m.c, tf.float32)
    for i in tf.range(3):
        m.c.assign_add(i)
        if i > 1:
            m.c.assign_add(10)
    return y, m.c + 0


def arrays(m, x):
    rows = tf.TensorArray(tf.float32, size=tf.shape(x)[0])
    for i in tf.range(tf.shape(x)[0]):
        rows = rows.write(i, x[i] * 2.0)
    return rows.stack()


def compiled(m, x):
    return tf.sort(x, axis=1), tf.math.lgamma(tf.abs(x)), tf.math.cumprod(x, axis=0)


def parts(m, x):
    a, b, _ = tf.split(x, 3, axis=1)
    values, places = tf.math.top_k(x, 2)
    return a + b, tf.unstack(x, axis=1)[0], values, places, x[-1], x[..., tf.constant(1)]


def words(m, x):
    found = tf.strings.split(x)
    hashed = tf.strings.to_hash_bucket_fast(x, 10)
    return found.values, found.row_splits, tf.strings.length(x), tf.strings.join([x, "!"]), hashed


def ragged(m, rows):
    return rows * 2.0, rows.row_lengths(), tf.reduce_sum(rows, axis=1)


def nested(m, held):
    return {"o": [held["a"] * 2.0, {"q": held["b"][0] + 1}]}


def checked(m, x):
    tf.debugging.assert_less(tf.reduce_sum(x), 1000.0)

    @tf.function
    def inner(y):
        return y @ m.w

    return inner(x) + inner(x * 2.0)


ROWS = S([None, 3])


def resized(m, images):
    return tf.image.resize(
        images, (20, 20), "lanczos3", antialias=True
    )  # XLA's kernels for it are not portable


def masked(m, x):
    pairs = tf.stack([x, x * 2.0], axis=-1)
    return (
        tf.boolean_mask(x, x[:, 0] > 0.0),
        tf.boolean_mask(x, x > 0.0),
        tf.boolean_mask(pairs, x > 0.0),
        tf.boolean_mask(pairs, m.w[0] > 0.3, axis=1),
        tf.boolean_mask(tf.transpose(pairs, [2, 0, 1]), x > 0.0, axis=1),
        tf.where(x > 0.5),
    )


def windows(m, x):
    """Biases in each layout, and windows whose sizes are stated in each way."""
    row, images = x[:, :3, :3, 0], tf.nn.relu(x)
    kernel = tf.reshape(tf.range(48.0) / 24 - 1, [2, 2, 3, 4]) * m.w[0, 0]
    wide = kernel[0]
    biases = [
        tf.nn.bias_add(x[:, :3, :3], m.w[0], data_format=layout)
        for layout in ("NCHW", "NHWC", "channels_first")
    ]
    return (
        biases,
        tf.keras.backend.bias_add(row, m.w[0], data_format="channels_first"),
        tf.nn.conv2d(x, kernel, [1, 2, 1, 1], "SAME"),
        tf.nn.conv2d(x, kernel, 1, "VALID", dilations=[1, 2, 2, 1]),
        tf.nn.conv1d(x[:, 0], wide, [1, 2, 1], "SAME"),
        tf.nn.max_pool2d(images, [1, 3, 2, 1], [2], "SAME"),
        tf.nn.avg_pool2d(images, 2, [1, 2, 2, 1], "VALID"),
        tf.nn.max_pool1d(images[:, 1], [1, 2, 1], [1, 2, 1], "VALID"),
        tf.nn.avg_pool3d(images[:, None], [1, 1, 2, 2, 1], 2, "SAME"),
    )


CASES = {
    windows: (
        S([2, 7, 7, 3], "float32"),
        np.random.default_rng(1).normal(size=(2, 7, 7, 3)).astype("float32"),
    ),
    loop: (ROWS, X),
    branches: (ROWS, X),
    along_an_axis: (ROWS, X),
    counts: (ROWS, X),
    arrays: (ROWS, X),
    compiled: (ROWS, X),
    parts: (ROWS, X),
    words: (S([None], "string"), TEXTS),
    ragged: (tf.RaggedTensorSpec([None, None], "float32"), None),
    nested: ({"a": ROWS, "b": [S([None], "int32")]}, {"a": X, "b": [np.arange(4, dtype=np.int32)]}),
    checked: (ROWS, X),
    masked: (S([4, 3], "float32"), X),
    resized: (S([2, 32, 32, 3], "float32"), np.random.default_rng(0).random((2, 32, 32, 3), np.float32)),
}


def made(function, spec):
    m = tf.Module()
    m.w, m.c = tf.Variable(np.eye(3, dtype=np.float32) * 0.5 + 0.1), tf.Variable(0)
    m.f = tf.function(lambda argument: function(m, argument), input_signature=[spec])
    return m


def flat(framework, found):
    leaves = framework.nest.flatten(found, expand_composites=True)
    return [np.asarray(leaf.numpy()) for leaf in leaves]


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_what_functions_do_is_written(function, tmp_path):
    reference = pytest.importorskip("tensorflow")
    spec, value = CASES[function]
    m = made(function, spec)
    tf.saved_model.save(m, str(tmp_path))
    found = []
    for framework, model in (
        (tf, m),
        (tf, tf.saved_model.load(tmp_path)),
        (reference, reference.saved_model.load(str(tmp_path))),
    ):
        given = framework.ragged.constant([[1.0, 2.0], [], [3.0]]) if value is None else None
        if given is None:
            given = framework.nest.map_structure(framework.constant, value)
        found.append(flat(framework, model.f(given)))
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert one.dtype == two.dtype and one.shape == two.shape
            if one.dtype == object:
                assert one.tolist() == two.tolist()
            else:
                np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


class Served(tf.Module):
    def __init__(self, path):
        super().__init__()
        self.w = tf.Variable([[1.0, 2.0], [3.0, 4.0]], name="w")
        self.c = tf.Variable(0, name="c")
        self.words = tf.saved_model.Asset(path)
        pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.StaticHashTable(pairs, -1)

    @tf.function(input_signature=[S([None, 2], name="features"), S([None], tf.string, name="words")])
    def serve(self, x, words):
        self.c.assign_add(1)
        return {"y": x @ self.w, "ids": self.table.lookup(words), "count": self.c + 0}

    @tf.function(input_signature=[])
    def text(self):
        return {"text": tf.io.read_file(self.words.asset_path)}


@pytest.mark.filterwarnings("ignore:tf.function")  # what reads files is not compiled
def test_a_session_restores_and_runs_signatures_as_servers_do(tmp_path):
    reference = pytest.importorskip("tensorflow")
    version1 = reference.compat.v1
    (tmp_path / "w.txt").write_text("hello")
    model, folder = Served(str(tmp_path / "w.txt")), str(tmp_path / "saved")
    model.w.assign_add([[1.0, 0.0], [0.0, 0.0]])
    tf.saved_model.save(model, folder, signatures={"serving_default": model.serve, "text": model.text})
    (tmp_path / "w.txt").unlink()
    with version1.Session(graph=reference.Graph()) as session:
        meta = version1.saved_model.loader.load(session, ["serve"], folder)
        signature = meta.signature_def["serving_default"]
        assert signature.method_name == "tensorflow/serving/predict"
        assert sorted(signature.inputs) == ["features", "words"]
        feed = {
            signature.inputs["features"].name: np.ones((2, 2), np.float32),
            signature.inputs["words"].name: ["b", "?"],
        }
        for count in (1, 2):
            found = session.run({key: one.name for key, one in signature.outputs.items()}, feed)
            assert found["count"] == count and found["ids"].tolist() == [2, -1]
            assert found["y"].tolist() == [[5.0, 6.0], [5.0, 6.0]]
        saver = meta.saver_def
        session.run(saver.save_tensor_name, {saver.filename_tensor_name: str(tmp_path / "kept")})
    tf.train.Checkpoint(model).read(str(tmp_path / "kept")).expect_partial()
    assert int(model.c) == 2
    loaded = tf.saved_model.load(folder)
    assert loaded.signatures["text"]()["text"].numpy() == b"hello"


L = tf.keras.layers
MODELS = [
    [tf.keras.Input((5, 3)), L.GRU(3), L.Dense(2)],
    [tf.keras.Input((5,), dtype="int32"), L.Embedding(10, 4, mask_zero=True), L.LSTM(4)],
    [
        tf.keras.Input((), dtype="string"),
        L.TextVectorization(vocabulary=["hello", "world", "hello world"], ngrams=2, output_mode="tf_idf",
                            idf_weights=[1.0, 2.0, 3.0]),
    ],
    [tf.keras.Input((), dtype="string"), L.StringLookup(vocabulary=["a", "Hello World"])],
]  # fmt: skip


@pytest.mark.parametrize("layers", MODELS, ids=lambda layers: type(layers[1]).__name__)
def test_recurrent_layers_and_vocabularies_are_exported(layers, tmp_path):
    reference = pytest.importorskip("tensorflow")
    model, rng = tf.keras.Sequential(layers), np.random.default_rng(0)
    kind, shape = model.inputs[0].dtype, (3, *model.inputs[0].shape[1:])
    x = {"string": TEXTS, "int32": rng.integers(0, 9, shape).astype(np.int32)}.get(kind)
    x = rng.normal(size=shape).astype(np.float32) if x is None else x
    want = np.asarray(model(tf.constant(x)))
    model.export(tmp_path)
    for framework in (reference, tf):
        loaded = framework.saved_model.load(str(tmp_path))
        found = loaded.serve(framework.constant(x)).numpy()
        assert found.dtype == want.dtype
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_random_numbers_are_drawn_anew_and_batches_move_statistics(tmp_path):
    reference = pytest.importorskip("tensorflow")
    m = tf.Module()
    m.model = tf.keras.Sequential([tf.keras.Input((3,)), L.Dropout(0.5), L.BatchNormalization(momentum=0.5)])

    def step(x):
        return (
            m.model(x, training=True),
            tf.random.normal(tf.shape(x)),
            tf.random.stateless_uniform([2], [1, 2]),
        )

    m.statistics = m.model.non_trainable_variables[-2:]
    m.step = tf.function(step, input_signature=[ROWS])
    tf.saved_model.save(m, str(tmp_path))
    for framework in (reference, tf):
        loaded = framework.saved_model.load(str(tmp_path))
        first, second = (loaded.step(framework.constant(X + 5.0)) for _ in range(2))
        assert not np.allclose(first[0], second[0]) and not np.allclose(first[1], second[1])
        np.testing.assert_array_equal(first[2], second[2])
        assert np.abs(loaded.statistics[0].numpy()).min() > 0.5


@pytest.mark.slow
def test_the_command_of_tensorflow_shows_what_is_written(tmp_path):
    pytest.importorskip("tensorflow")
    m = made(loop, ROWS)
    tf.saved_model.save(m, str(tmp_path), signatures=m.f)
    code = "from tensorflow.python.tools.saved_model_cli import main; main()"
    arguments = ["show", "--dir", str(tmp_path), "--tag_set", "serve", "--signature_def", "serving_default"]
    shown = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True).stdout
    assert "serving_default_argument:0" in shown and "(-1, 3)" in shown
