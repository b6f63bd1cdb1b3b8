"""`tf.raw_ops` and `tf.saved_model.load`: models that TensorFlow and both Kerases have written."""

import contextlib
import inspect
from pathlib import Path

import numpy as np
import pytest

import dovetail as tf
from dovetail.raw_ops.row import ROWS, public
from dovetail.saved_model.library import reference

MODELS = Path(__file__).resolve().parents[2] / "shared" / "data" / "models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason="the folder ../shared/data is not here")


# ---- raw operations


def test_every_raw_operation_has_tensorflows_arguments():
    reference = pytest.importorskip("tensorflow").raw_ops
    hidden = {name for name in ROWS if not hasattr(reference, name)}
    assert hidden == {"XlaCallModule"}
    for name, row in ROWS.items():
        if name in hidden:  # graphs have it, programs do not call it
            continue
        known = inspect.signature(getattr(reference, name)).parameters
        unknown = [one for one in (*row.inputs, *row.attributes) if one not in known]
        assert not unknown, f"{name} has no {unknown}; it has {list(known)}"
        inputs = [one for one in known if one in row.inputs]
        assert inputs == list(row.inputs), name


def test_every_row_leads_to_a_function():
    for row in ROWS.values():
        target = getattr(row.function, "_name", None)
        assert target is None or callable(public(target)), row.name


X = np.array([[1.5, -2.0, 0.5], [0.25, 3.0, -1.0]], np.float32)
CALLS = [
    ("MatMul", {"a": X, "b": X, "transpose_b": True}),
    ("BatchMatMulV2", {"x": X[None], "y": X[None], "adj_y": True}),
    ("Mean", {"input": X, "axis": [1], "keep_dims": True}),
    ("Sum", {"input": X, "axis": np.zeros(0, np.int32)}),
    (
        "StridedSlice",
        {"input": X, "begin": [0, 1], "end": [0, 3], "strides": [1, 1], "begin_mask": 1, "end_mask": 1},
    ),
    ("Select", {"condition": [True, False], "x": X, "y": -X}),
    ("SelectV2", {"condition": [True, False, True], "t": X, "e": 0.0}),
    ("ConcatV2", {"values": [X, X], "axis": 1}),
    ("Pack", {"values": [X, X], "axis": 2}),
    ("Unpack", {"value": X, "num": 3, "axis": 1}),
    ("Split", {"axis": 1, "value": X, "num_split": 3}),
    ("SplitV", {"value": X, "size_splits": [1, 2], "axis": 1, "num_split": 2}),
    ("GatherV2", {"params": X, "indices": [2, 0], "axis": 1}),
    ("OneHot", {"indices": [0, 2], "depth": 3, "on_value": 1.0, "off_value": -1.0}),
    ("TopKV2", {"input": X, "k": 2}),
    ("ArgMax", {"input": X, "dimension": 1}),
    ("Cast", {"x": X, "DstT": "int32"}),
    ("Squeeze", {"input": X[None], "axis": [0]}),
    ("Div", {"x": np.array([7, -7]), "y": np.array([2, 2])}),
    ("Mod", {"x": np.array([7, -7]), "y": np.array([3, 3])}),
    ("Bucketize", {"input": X, "boundaries": [0.0, 1.5]}),
    ("MirrorPad", {"input": X, "paddings": [[0, 0], [1, 1]], "mode": "REFLECT"}),
    ("Einsum", {"inputs": [X, X], "equation": "ij,kj->ik"}),
    ("SparseSoftmaxCrossEntropyWithLogits", {"features": X, "labels": [0, 2]}),
    ("SoftmaxCrossEntropyWithLogits", {"features": X, "labels": [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]}),
    (
        "Conv2D",
        {
            "input": np.arange(50, dtype=np.float32).reshape(1, 5, 5, 2),
            "filter": np.ones((2, 2, 2, 1), np.float32),
            "strides": [1, 2, 2, 1],
            "padding": "EXPLICIT",
            "explicit_paddings": [0, 0, 1, 0, 0, 1, 0, 0],
        },
    ),
    (
        "FusedBatchNormV3",
        {
            "x": X.reshape(1, 1, 2, 3),
            "scale": [1.0, 2.0, 3.0],
            "offset": [0.0, 1.0, 2.0],
            "mean": [0.5, 0.5, 0.5],
            "variance": [1.0, 2.0, 1.0],
            "exponential_avg_factor": 0.25,
        },
    ),
]


def _outputs(found) -> list:
    return [np.asarray(one) for one in (found if isinstance(found, list | tuple) else [found])]


@pytest.mark.parametrize("name,arguments", CALLS, ids=[name for name, _ in CALLS])
def test_raw_operations_give_what_tensorflow_gives(name, arguments):
    reference = pytest.importorskip("tensorflow")
    row = ROWS[name]
    tensors = {
        one: [tf.constant(part) for part in value]
        if name in ("ConcatV2", "Pack", "Einsum") and isinstance(value, list)
        else tf.constant(value)
        for one, value in arguments.items()
        if one in row.inputs
    }
    mine = _outputs(getattr(tf.raw_ops, name)(**{**arguments, **tensors}))
    theirs = _outputs(getattr(reference.raw_ops, name)(**arguments))
    count = 3 if name == "FusedBatchNormV3" else len(theirs)  # the rest is for its gradient
    for one, other in zip(mine[:count], theirs[:count], strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_raw_operations_show_their_arguments():
    shown = inspect.signature(tf.raw_ops.MatMul).parameters
    assert (
        list(shown)[:4] == ["a", "b", "transpose_a", "transpose_b"] and shown["transpose_b"].default is False
    )
    assert all(inspect.signature(row).parameters for row in ROWS.values())


def test_raw_operations_tell_what_is_wrong():
    with pytest.raises(AttributeError, match="MatMul"):
        _ = tf.raw_ops.Matmul
    with pytest.raises(TypeError, match="by name"):
        tf.raw_ops.MatMul(X, X)
    with pytest.raises(TypeError, match="missing the argument 'b'"):
        tf.raw_ops.MatMul(a=X)
    with pytest.raises(ValueError, match="unknown attribute 'transpose_c'"):
        tf.raw_ops.MatMul(a=X, b=X, transpose_c=True)


# ---- files of the shared folder


@needs_models
@pytest.mark.parametrize("name", ["k2_saved_model", "k3_exported"])
def test_models_of_keras_give_the_outputs_beside_them(name):
    beside = np.load(MODELS / f"{name}.npz")
    loaded = tf.saved_model.load(MODELS / name)
    (out,) = loaded.signatures["serving_default"](tf.constant(beside["in_image"])).values()
    np.testing.assert_allclose(out.numpy(), beside["out"], rtol=1e-4, atol=1e-5)


@needs_models
def test_signatures_tell_what_they_take_and_give():
    serve = tf.saved_model.load(MODELS / "module_saved_model").signatures["repeated"]
    args, kwargs = serve.structured_input_signature
    assert args == () and sorted(kwargs) == ["times", "x"] and kwargs["x"].shape.as_list() == [None, 3]
    assert sorted(serve.structured_outputs) == ["mean", "total"]
    assert serve.structured_outputs["total"].dtype == tf.float32
    with pytest.raises(TypeError, match="repeated"):
        serve(x=tf.ones([2, 3]))


@needs_models
def test_loaded_functions_work_inside_of_functions_and_train():
    module = tf.saved_model.load(MODELS / "module_saved_model")
    optimizer = tf.keras.optimizers.SGD(0.1)
    x = tf.ones([4, 3])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(module(x) ** 2)
        weights = [module.w, module.b]
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return loss

    losses = [float(step()) for _ in range(5)]
    assert losses[-1] < losses[0]


# ---- damage


def _damaged(tmp_path: Path, change) -> str:
    folder = tmp_path / "damaged"
    folder.mkdir()
    data = bytearray((MODELS / "module_saved_model" / "saved_model.pb").read_bytes())
    (folder / "saved_model.pb").write_bytes(bytes(change(data)))
    return str(folder)


@needs_models
@pytest.mark.parametrize("size", [1, 100, 5000])
def test_a_file_that_ends_early_is_damaged(tmp_path, size):
    with pytest.raises(tf.errors.DataLossError, match="damaged"):
        tf.saved_model.load(_damaged(tmp_path, lambda data: data[:size]))


@needs_models
def test_changed_bytes_raise_errors_of_ours(tmp_path):
    rng = np.random.default_rng(0)
    source = (MODELS / "module_saved_model" / "saved_model.pb").read_bytes()
    folder = tmp_path / "changed"
    folder.mkdir()
    for _ in range(40):
        data = bytearray(source)
        for place in rng.integers(0, len(data), 5):
            data[place] = rng.integers(0, 256)
        (folder / "saved_model.pb").write_bytes(bytes(data))
        with contextlib.suppress(tf.errors.OpError, ValueError):
            tf.saved_model.load(folder)


@needs_models
def test_an_operation_that_is_not_known_is_named(tmp_path):
    folder = _damaged(tmp_path, lambda data: data.replace(b"\x12\x06MatMul", b"\x12\x06MatMux"))
    options = tf.saved_model.LoadOptions(allow_partial_checkpoint=True)  # the variables are not beside it
    with pytest.raises(NotImplementedError, match="MatMux"):
        tf.saved_model.load(folder, options=options)(tf.ones([1, 3]))


def test_what_is_no_saved_model_is_refused(tmp_path):
    assert not tf.saved_model.contains_saved_model(tmp_path)
    with pytest.raises(FileNotFoundError, match="no SavedModel"):
        tf.saved_model.load(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert tf.saved_model.contains_saved_model(str(tmp_path))
    with pytest.raises(tf.errors.DataLossError, match="no graph"):
        tf.saved_model.load(str(tmp_path))


# ---- written by TensorFlow here and now


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A module with functions of many kinds, saved by TensorFlow."""
    reference = pytest.importorskip("tensorflow")

    class Saved(reference.Module):
        def __init__(self, words):
            self.v = reference.Variable([1.0, 2.0])
            self.count = reference.Variable(0, trainable=False)
            self.held = [reference.Variable(1.0), {"a": reference.Variable(2.0)}]
            pairs = reference.lookup.KeyValueTensorInitializer(["x", "y"], [1, 2])
            self.table = reference.lookup.StaticHashTable(pairs, -1)
            self.words = reference.saved_model.Asset(words)

        @reference.function
        def power(self, x, n=2, double=False):
            return x**n * (2.0 if double else 1.0)

        @reference.function(input_signature=[reference.TensorSpec([None], "string")])
        def look(self, keys):
            return self.table.lookup(keys)

        @reference.function(
            input_signature=[reference.TensorSpec([None], "float32"), reference.TensorSpec([], "int32")]
        )
        def loop(self, x, n):
            self.count.assign_add(1)
            i = reference.constant(0)
            while i < n:
                if reference.reduce_sum(x) > 10.0:
                    x = x - self.v[0]
                else:
                    x = x * 2.0 + self.held[0]
                i += 1
            return {"out": x, "count": self.count + 0}

        @reference.function(input_signature=[reference.TensorSpec([None, 3])])
        def scaled(self, x):
            rows = reference.TensorArray("float32", size=reference.shape(x)[0])
            for i in reference.range(reference.shape(x)[0]):
                rows = rows.write(i, x[i] * reference.cast(i, "float32"))
            return rows.stack()

        @reference.function(input_signature=[reference.RaggedTensorSpec([None, None], "int32")])
        def ragged(self, rows):
            return rows.row_lengths(), rows * 2

        @reference.function(input_signature=[])
        def first(self):
            return reference.io.read_file(self.words.asset_path)

    folder = tmp_path_factory.mktemp("written")
    (folder / "words.txt").write_text("alpha")
    model, x = Saved(str(folder / "words.txt")), reference.constant([1.0, 2.0])
    model.power(x), model.power(x, n=3), model.power(x, double=True)
    reference.saved_model.save(model, str(folder / "saved"))
    (folder / "words.txt").unlink()
    return folder / "saved"


def test_arguments_choose_the_trace(written):
    model, x = tf.saved_model.load(written), tf.constant([1.0, 2.0])
    np.testing.assert_array_equal(model.power(x), [1.0, 4.0])
    np.testing.assert_array_equal(model.power(x, 3), [1.0, 8.0])
    np.testing.assert_array_equal(model.power(np.array([1.0, 2.0], np.float32), double=True), [2.0, 8.0])
    with pytest.raises(ValueError, match="no trace for these arguments"):
        model.power(x, n=5)
    with pytest.raises(ValueError, match="no trace"):
        model.power(tf.constant([1, 2]))


def test_loops_lists_tables_ragged_tensors_and_assets(written):
    model, x = tf.saved_model.load(written), tf.constant([1.0, 2.0])
    assert float(model.held[1]["a"]) == 2.0 and not model.count.trainable
    for times in (1, 2):
        found = model.loop(x, 3)
        np.testing.assert_array_equal(found["out"], [6.0, 10.0])
        assert int(found["count"]) == int(model.count) == times
    np.testing.assert_array_equal(model.scaled(tf.ones([3, 3])), np.outer([0.0, 1.0, 2.0], np.ones(3)))
    np.testing.assert_array_equal(model.look(tf.constant(["y", "?"])), [2, -1])
    lengths, doubled = model.ragged(tf.ragged.constant([[1, 2], [3]]))
    assert lengths.numpy().tolist() == [2, 1] and doubled.to_list() == [[2, 4], [6]]
    assert model.first().numpy() == b"alpha"
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model.loop(x, 2)["out"])
    assert float(tape.gradient(total, model.held[0])) == 6.0


def _k2_models(K):
    L = K.layers
    yield [K.Input((5, 3)), L.LSTM(4), L.Dense(2)]
    convolution = [L.Conv2D(3, 3, use_bias=False), L.BatchNormalization(), L.MaxPooling2D()]
    yield [K.Input((6, 6, 2)), *convolution, L.Flatten(), L.Dense(2, "gelu")]


def test_models_of_tf_keras_come_back_trainable(tmp_path):
    reference = pytest.importorskip("tf_keras")
    x = np.random.default_rng(0)
    for i, layers in enumerate(_k2_models(reference)):
        model = reference.Sequential(layers)
        inputs = x.normal(size=(4, *model.input_shape[1:])).astype(np.float32)
        targets = np.zeros((4, *model.output_shape[1:]), np.float32)
        model.compile(reference.optimizers.SGD(0.1, momentum=0.9), "mse")
        model.fit(inputs, targets, epochs=2, verbose=0)
        path = str(tmp_path / str(i))
        model.save(path, save_format="tf")
        again = tf.keras.models.load_model(path)
        np.testing.assert_allclose(again(inputs), model(inputs), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(tf.saved_model.load(path)(inputs), model(inputs), rtol=1e-4, atol=1e-5)
        assert int(again.optimizer.iterations) == 2
        model.fit(inputs, targets, epochs=2, verbose=0, shuffle=False)
        again.fit(inputs, targets, epochs=2, verbose=0, shuffle=False)
        for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_model_of_a_class_that_is_not_known_runs_its_graphs(tmp_path):
    reference = pytest.importorskip("tf_keras")

    class Unknown(reference.Model):
        def __init__(self):
            super().__init__()
            self.dense = reference.layers.Dense(2)

        def call(self, inputs, training=False):
            return self.dense(inputs) + (1.0 if training else 0.0)

    model, x = Unknown(), np.ones((3, 4), np.float32)
    model.compile("adam", "mse")
    model.fit(x, np.zeros((3, 2), np.float32), verbose=0)
    model.save(str(tmp_path), save_format="tf")
    again = tf.keras.models.load_model(tmp_path)
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(again(x, training=True), model(x, training=True), rtol=1e-5)
    before = again.evaluate(x, np.zeros((3, 2)), verbose=0)
    again.fit(x, np.zeros((3, 2), np.float32), epochs=10, verbose=0)
    assert again.evaluate(x, np.zeros((3, 2)), verbose=0) < before


@needs_models
def test_a_saved_model_is_a_layer():
    beside = np.load(MODELS / "k3_exported.npz")
    layer = tf.keras.layers.TFSMLayer(MODELS / "k3_exported")
    inputs = tf.keras.Input(beside["in_image"].shape[1:])
    model = tf.keras.Model(inputs, layer(inputs))
    np.testing.assert_allclose(
        model.predict(beside["in_image"], verbose=0), beside["out"], rtol=1e-4, atol=1e-5
    )
    assert len(layer.weights) == 13 and len(layer.trainable_weights) == 11
    with pytest.raises(ValueError, match="safe_mode=False"):
        type(layer).from_config(layer.get_config())
    with pytest.raises(ValueError, match="'serve', 'serving_default'"):
        tf.keras.layers.TFSMLayer(MODELS / "k3_exported", call_endpoint="predict")


# ---- written here, read by TensorFlow and here


def _exported_models():
    L, x = tf.keras.layers, tf.keras.Input
    yield [x((3,)), L.Dense(4, "tanh"), L.BatchNormalization(), L.Dropout(0.9), L.Dense(2, "softmax")]
    convolution = [
        L.Conv2D(4, 3, padding="same", activation="relu"),
        L.BatchNormalization(),
        L.MaxPooling2D(),
    ]
    separable = [L.DepthwiseConv2D(2), L.SeparableConv2D(3, 2, activation="gelu"), L.ZeroPadding2D(1)]
    pool = [L.AveragePooling2D(2, padding="same"), L.Conv2DTranspose(2, 3, strides=2), L.UpSampling2D(2)]
    yield [x((12, 12, 3)), *convolution, *separable, *pool, L.Flatten(), L.Dense(2, "swish")]
    sequence = [L.Conv1D(4, 3), L.MaxPooling1D(), L.LayerNormalization(), L.ReLU(max_value=6.0), L.Flatten()]
    yield [x((9, 3)), *sequence, L.Rescaling(2.0, 1.0), L.Reshape((2, -1)), L.Permute((2, 1))]
    yield [x((5,), dtype="int32"), L.Embedding(10, 4), L.GlobalMaxPooling1D(), L.Dense(2, "elu")]


def test_exported_models_are_read_here_and_by_tensorflow(tmp_path):
    reference = pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    for i, layers in enumerate(_exported_models()):
        model = tf.keras.Sequential(layers)
        dtype = tf.as_dtype(model.inputs[0].dtype).as_numpy_dtype
        x = rng.integers(0, 9, (4, *model.input_shape[1:])).astype(dtype)
        path = str(tmp_path / str(i))
        model.export(path)
        for framework in (tf, reference):
            loaded = framework.saved_model.load(path)
            for size in (4, 1):
                want = model(x[:size], training=False).numpy()
                np.testing.assert_allclose(
                    loaded.serve(framework.constant(x[:size])), want, rtol=1e-4, atol=1e-5
                )
            (served,) = loaded.signatures["serving_default"](framework.constant(x)).values()
            np.testing.assert_allclose(served, model(x).numpy(), rtol=1e-4, atol=1e-5)
            assert len(loaded.trainable_variables) == len(model.trainable_variables)


def test_attention_is_exported(tmp_path):
    reference = pytest.importorskip("tensorflow")
    layers, x = tf.keras.layers, np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    inputs = tf.keras.Input((5, 4), name="rows")
    attended = layers.Add()([inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs)])
    model = tf.keras.Model(inputs, [layers.Dense(2)(attended), layers.GlobalAveragePooling1D()(attended)])
    model.export(tmp_path)
    for framework in (tf, reference):
        loaded = framework.saved_model.load(str(tmp_path))
        found = loaded.serve(framework.constant(x))
        for one, want in zip(found, model(x), strict=True):
            np.testing.assert_allclose(one, want.numpy(), rtol=1e-4, atol=1e-5)


def test_modules_are_read_here_and_by_tensorflow(tmp_path):
    reference = pytest.importorskip("tensorflow")

    class Saved(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable([[2.0], [3.0]], name="w")
            self.frozen = tf.Variable(1.0, trainable=False)
            self.held = [tf.Variable(2.0), {"a": tf.Variable(5)}]

        @tf.function(input_signature=[tf.TensorSpec([None, 2])])
        def predict(self, x):
            return {"y": x @ self.w + self.frozen, "size": tf.shape(x)[0], "last": x[:, -1]}

        @tf.function
        def power(self, x, n=2, double=False):
            return x**n * (2.0 if double else 1.0)

    model, x = Saved(), np.array([[1.0, 1.0], [0.0, 2.0]], np.float32)
    model.power(x), model.power(x, n=3), model.power(x, double=True)
    path = str(tmp_path / "saved")
    tf.saved_model.save(model, path, signatures=model.predict)
    for framework in (tf, reference):
        again, given = framework.saved_model.load(path), framework.constant(x)
        np.testing.assert_array_equal(again.power(given, n=3), x**3)
        np.testing.assert_array_equal(again.power(given, double=True), 2 * x**2)
        with pytest.raises(ValueError):
            again.power(given, n=5)
        found = again.signatures["serving_default"](x=given)
        assert sorted(found) == ["last", "size", "y"] and int(found["size"]) == 2
        np.testing.assert_array_equal(found["last"], [1.0, 2.0])
        assert again.w.trainable and not again.frozen.trainable and int(again.held[1]["a"]) == 5
        with framework.GradientTape() as tape:
            loss = framework.reduce_sum(again.predict(given)["y"])
        np.testing.assert_array_equal(tape.gradient(loss, again.w), [[1.0], [3.0]])
        again.w.assign([[0.0], [1.0]])
        np.testing.assert_array_equal(again.predict(given)["y"], [[2.0], [3.0]])


def test_what_cannot_be_saved_is_told(tmp_path):
    class Loose(tf.Module):
        pass

    model, hidden = Loose(), tf.Variable(1.0)
    model.f = tf.function(lambda x: x * hidden, input_signature=[tf.TensorSpec([])])
    with pytest.raises(ValueError, match="does not hold"):
        tf.saved_model.save(model, str(tmp_path / "a"))
    model.f = tf.function(tf.image.decode_png, input_signature=[tf.TensorSpec([], "string")])
    with pytest.raises(NotImplementedError, match="png"):
        tf.saved_model.save(model, str(tmp_path / "b"))
    with pytest.raises(ValueError, match="0 traces"):
        tf.saved_model.save(model, str(tmp_path / "c"), signatures=tf.function(lambda x: x))


def test_models_are_saved_as_directories_of_keras_2(tmp_path):
    reference = pytest.importorskip("tensorflow")
    layers, x = tf.keras.layers, np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    inputs = tf.keras.Input((4,), name="features")
    model = tf.keras.Model(inputs, layers.Dense(2, name="answer")(layers.BatchNormalization()(inputs)))
    model.compile(tf.keras.optimizers.Adam(0.01), "mse")
    targets = np.zeros((6, 2), np.float32)
    model.fit(x, targets, epochs=2, verbose=0)
    path = str(tmp_path / "saved")
    model.save(path, save_format="tf")
    again = tf.keras.models.load_model(path)
    assert int(again.optimizer.iterations) == 2
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    want = [model.train_on_batch(x, targets), model.predict(x, verbose=0)]
    np.testing.assert_allclose(again.train_on_batch(x, targets), want[0], rtol=1e-5)
    np.testing.assert_allclose(again.predict(x, verbose=0), want[1], rtol=1e-4, atol=1e-5)
    model.save(path, save_format="tf")
    loaded = reference.saved_model.load(path)
    served = loaded.signatures["serving_default"](features=reference.constant(x))
    np.testing.assert_allclose(served["answer"], want[1], rtol=1e-4, atol=1e-5)
    with pytest.raises(FileExistsError):
        model.save(path, save_format="tf", overwrite=False)


def test_numbers_of_lines_keep_their_offset(tmp_path):
    reference = pytest.importorskip("tensorflow")
    (tmp_path / "words.txt").write_text("a\nb\n")

    class Numbered(reference.Module):
        def __init__(self, file):
            super().__init__()
            pairs = reference.lookup.TextFileInitializer(
                file,
                reference.string,
                reference.lookup.TextFileIndex.WHOLE_LINE,
                reference.int64,
                reference.lookup.TextFileIndex.LINE_NUMBER,
                value_index_offset=7,
            )
            self.table = reference.lookup.StaticHashTable(pairs, -1)

        @reference.function(input_signature=[reference.TensorSpec([None], "string")])
        def look(self, keys):
            return self.table.lookup(keys)

    reference.saved_model.save(Numbered(str(tmp_path / "words.txt")), str(tmp_path / "model"))
    found = tf.saved_model.load(str(tmp_path / "model")).look(tf.constant(["b", "a", "?"]))
    assert found.numpy().tolist() == [8, 7, -1]


class Pooled(tf.Module):
    dilations = 1

    @tf.function(input_signature=[tf.TensorSpec([1, 8, 8, 1])])
    def pool(self, x):
        return tf.nn.pool(x, 2, "MAX", strides=1, dilations=self.dilations)

    @tf.function(input_signature=[tf.TensorSpec([2, 3], "complex64")])
    def turn(self, x):
        return tf.transpose(x, conjugate=True)


def test_what_an_operation_is_written_with_is_all_of_it(tmp_path):
    reference = pytest.importorskip("tensorflow")
    model = Pooled()
    tf.saved_model.save(model, str(tmp_path / "a"))
    x = (np.arange(6).reshape(2, 3) * (1 + 2j)).astype("complex64")
    loaded = reference.saved_model.load(str(tmp_path / "a"))
    np.testing.assert_array_equal(loaded.turn(reference.constant(x)).numpy(), model.turn(x).numpy())
    apart = Pooled()
    apart.dilations = 2
    tf.saved_model.save(apart, str(tmp_path / "b"))
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype("float32")
    loaded = reference.saved_model.load(str(tmp_path / "b"))
    np.testing.assert_array_equal(loaded.pool(reference.constant(image)).numpy(), apart.pool(image).numpy())


@pytest.mark.parametrize("text", ["x:\x01", "x:", "x:a:b:0", "x:-1"])
def test_inputs_that_name_nothing(text):
    with pytest.raises(tf.errors.DataLossError, match="damaged"):
        reference(text)
