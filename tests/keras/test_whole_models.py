"""Whole models in files: both ways with Keras 3 and tf_keras, training that goes on, and files that are refused."""

import json
import os
import pathlib
import warnings
import zipfile

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from tests.keras.layer_rows import CASES
from tests.keras.pairs import close, mlp, peer, regression
from tests.keras.test_weights_files import MODELS, filled

X, Y = regression()
WRITABLE = [name for name in MODELS if name != "subclassed"]  # whose class no file knows


def inputs_of(case, seed=2):
    return np.random.default_rng(seed).integers(0, 7, size=MODELS[case][1]).astype("float32")


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("direction", ["read", "write", "own"])
@pytest.mark.parametrize("case", WRITABLE)
def test_files_go_both_ways(case, direction, ending, tmp_path):
    if (case, direction, ending) == ("nested", "write", "h5"):
        pytest.skip("Keras 3 does not read an .h5 file of nested models, its own neither")
    path = str(tmp_path / f"model.{ending}")
    source = peer() if direction == "read" else keras
    written = filled(MODELS[case][0](source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of .h5 files
        written.save(path)
        loaded = (peer() if direction == "write" else keras).models.load_model(path)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in written.layers]
    inputs = inputs_of(case)
    close(loaded.predict(inputs, verbose=0), written.predict(inputs, verbose=0), case)


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("direction", ["read", "write", "own"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_training_goes_on(optimizer, direction, ending, tmp_path):
    if direction != "own" and ending == "h5":
        pytest.skip("Keras 3 trains no model of an .h5 file further, its own neither")
    path = str(tmp_path / f"model.{ending}")
    source = peer() if direction == "read" else keras
    written = filled(mlp(source))
    written.compile(optimizer, "mse", metrics=["mae"])
    written.fit(X[:32], Y[:32], epochs=2, batch_size=8, shuffle=False, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written.save(path)
        loaded = (peer() if direction == "write" else keras).models.load_model(path)
    for model in (written, loaded):
        model.train_on_batch(X[:8], Y[:8])
    for a, b in zip(loaded.get_weights(), written.get_weights(), strict=True):
        close(a, b, optimizer, rtol=1e-4, atol=1e-5)
    assert sorted(loaded.evaluate(X, Y, verbose=0, return_dict=True)) == ["loss", "mae"]


def saved(tmp_path, name="m.keras"):
    model = filled(mlp(keras))
    path = str(tmp_path / name)
    model.save(path)
    return model, path


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    model, path = saved(tmp_path)
    before = pathlib.Path(path).read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("dovetail.keras.saving.archive._write_streamed", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert pathlib.Path(path).read_bytes() == before and os.listdir(tmp_path) == ["m.keras"]


def rewritten(path, change):
    """Writes an archive anew; `change(members)` may alter what is in it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            archive.writestr(name, value)


def with_config(edit):
    def change(members):
        config = json.loads(members["config.json"])
        edit(config)
        members["config.json"] = json.dumps(config).encode()

    return change


def _first_layer(config):
    return config["config"]["layers"][1]


DAMAGE = {
    "no config": (lambda m: m.pop("config.json"), "no config.json"),
    "no weights": (lambda m: m.pop("model.weights.h5"), "has no model.weights.h5"),
    "no JSON": (lambda m: m.update({"config.json": b"{"}), "cannot be read"),
    "no model": (lambda m: m.update({"config.json": b"[]"}), "does not describe a model"),
    "unknown layer": (with_config(lambda c: _first_layer(c).update(class_name="Denze")), "Denze"),
    "function of a module": (
        with_config(lambda c: _first_layer(c).update(module="os", class_name="system")),
        "system",
    ),
    "op without tensors": (
        with_config(
            lambda c: c.update(
                module="keras.src.models.functional",
                class_name="Functional",
                config={
                    "name": "m",
                    "layers": [
                        {
                            "module": "keras.src.ops.numpy",
                            "class_name": "Zeros",
                            "config": {"name": "z"},
                            "name": "z",
                            "inbound_nodes": [{"args": [[1 << 40]], "kwargs": {}}],
                        }
                    ],
                    "input_layers": [],
                    "output_layers": [["z", 0, 0]],
                },
            )
        ),
        "no tensor of the model",
    ),
    "other weights": (
        with_config(lambda c: _first_layer(c)["config"].update(units=5)),
        "shape|variables",
    ),
    "bomb": (lambda m: m.update({"model.weights.h5": bytes(300 << 20)}), "claims"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_and_hostile_archives(damage, tmp_path):
    _, path = saved(tmp_path)
    change, words = DAMAGE[damage]
    rewritten(path, change)
    with pytest.raises((ValueError, TypeError), match=words):
        keras.models.load_model(path)


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_truncated_files(name, tmp_path):
    _, path = saved(tmp_path, name)
    whole = pathlib.Path(path).read_bytes()
    for size in (0, 10, len(whole) // 3, len(whole) - 5):
        pathlib.Path(path).write_bytes(whole[:size])
        with pytest.raises((ValueError, OSError)):
            keras.models.load_model(path)


@keras.saving.register_keras_serializable("whole")
class Listed(keras.layers.Layer):
    """Keeps a list in a file of its own."""

    words = ()

    def save_assets(self, dir_path):
        with open(os.path.join(dir_path, "words.txt"), "w") as file:
            file.write("\n".join(self.words))

    def load_assets(self, dir_path):
        self.found = sorted(os.listdir(dir_path))
        with open(os.path.join(dir_path, "words.txt")) as file:
            self.words = tuple(file.read().split("\n"))

    def call(self, x):
        return x


def test_assets_come_along_and_stay_in_their_folder(tmp_path):
    model = keras.Sequential([keras.Input((2,)), Listed(name="listed"), keras.layers.Dense(1)])
    model.layers[0].words = ("a", "b")
    path = str(tmp_path / "m.keras")
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        assert "assets/layers/listed/words.txt" in archive.namelist()
    rewritten(path, lambda m: m.update({"assets/layers/listed/../../../../escaped.txt": b"x"}))
    loaded = keras.models.load_model(path)
    assert loaded.layers[0].words == ("a", "b") and loaded.layers[0].found == ["words.txt"]
    assert not list(tmp_path.parent.glob("**/escaped.txt"))


def test_lambdas_need_permission_for_each_call(tmp_path):
    path = str(tmp_path / "m.keras")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda t: t * 4.0)])
    with pytest.warns(UserWarning, match="bytecode"):
        model.save(path)
    for load in (keras.models.load_model, keras.saving.load_model):
        with pytest.raises(ValueError, match="safe_mode=False"):
            load(path)
    loaded = keras.models.load_model(path, safe_mode=False)
    np.testing.assert_array_equal(loaded(np.ones((1, 3), "float32")).numpy(), [[4.0, 4.0, 4.0]])
    with pytest.raises(ValueError, match="safe_mode=False"):
        keras.models.load_model(path)
    with pytest.raises(ValueError, match="safe_mode=False"):
        with pytest.warns(UserWarning, match="bytecode"):
            text = model.to_json()
        keras.models.model_from_json(text)


def test_what_is_refused(tmp_path):
    model, path = saved(tmp_path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        model.save(path, overwrite=False)
    with pytest.raises(ValueError, match="must end in"):
        model.save(tmp_path / "m.pkl")
    with pytest.raises(ValueError, match="save_format"):
        model.save(path, save_format="pickle")
    with pytest.raises(TypeError, match="unknown arguments"):
        model.save(path, include_optimiser=False)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        keras.models.load_model(tmp_path / "other.keras")
    weights = str(tmp_path / "m.weights.h5")
    model.save_weights(weights)
    with pytest.raises(ValueError, match="weights"):
        keras.models.load_model(weights)
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(ValueError, match="neither a .keras nor an HDF5 file"):
        keras.models.load_model(tmp_path / "text.keras")


def test_checkpoints_of_whole_models(tmp_path):
    model = mlp(keras)
    model.compile("adam", "mse")
    path = str(tmp_path / "{epoch}.keras")
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    assert sorted(os.listdir(tmp_path)) == ["1.keras", "2.keras"]
    loaded = keras.models.load_model(path.format(epoch=2))
    close(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    assert int(loaded.optimizer.iterations.numpy()) == int(model.optimizer.iterations.numpy())


def model_of(k, case):
    """Returns a functional model of one layer of the table."""
    shapes = case.shape if isinstance(case.shape, list) else [case.shape]
    inputs = [k.Input(shape[1:], dtype=case.dtype) for shape in shapes]
    return k.Model(inputs, case.call(case.make(k.layers), inputs if len(inputs) > 1 else inputs[0]))


def known_to_keras(case):
    """Keras on TensorFlow has no convolutions with the channels first, and does not read functions without a name."""
    return not (case.random or case.tf_keras or case.kind == "Lambda" or "data_format" in case.kwargs)


@pytest.mark.parametrize("case", [c for c in CASES if known_to_keras(c)], ids=lambda case: case.label)
def test_each_layer_goes_both_ways(case, tmp_path):
    path, inputs = str(tmp_path / "m.keras"), case.inputs()
    for source, target in ((peer(), keras), (keras, peer())):
        written = model_of(source, case)
        written.save(path)
        loaded = target.models.load_model(path)
        outputs = [model(inputs) for model in (loaded, written)]
        close(*(keras.tree.map_structure(np.asarray, o) for o in outputs), case.label, rtol=1e-4, atol=1e-5)


def test_strings_among_ops_come_back(tmp_path):
    words = keras.Input((), dtype="string")
    joined = tf.strings.join([words, tf.constant(["é"])])
    model = keras.Model(words, tf.where(tf.equal(words, "q"), b"\xfe", joined))
    asked = tf.constant(["q", "w"])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again(asked).numpy().tolist() == model(asked).numpy().tolist() == [b"\xfe", "wé".encode()]


@pytest.mark.parametrize(
    "value",
    [
        tf.constant(["a", b"\xff"]),
        tf.constant("x"),
        np.array([b"a", "b"], object),
        np.array([["a"]]),
        b"\xff",
    ],
    ids=str,
)
def test_strings_in_configs(value):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(value)))
    back = keras.saving.deserialize_keras_object(config)
    assert np.asarray(back).tolist() == np.asarray(value).tolist()


def test_a_vocabulary_is_not_lost_in_hdf5_without_a_word(tmp_path, monkeypatch):
    words = keras.layers.TextVectorization()
    words.adapt(["a b"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), words])
    monkeypatch.setattr(settings, "keras", 2)
    with pytest.raises(NotImplementedError, match=r"\.keras"):
        model.save(tmp_path / "m.h5")
    monkeypatch.setattr(settings, "keras", 3)
    with pytest.warns(UserWarning, match=r"\.keras"):
        model.save(tmp_path / "m.h5")
    given = keras.Sequential([keras.Input((1,), dtype="string"), keras.layers.StringLookup(vocabulary=["a"])])
    given.save(tmp_path / "given.h5")
    assert keras.models.load_model(tmp_path / "given.h5").layers[-1].get_vocabulary() == ["[UNK]", "a"]


@keras.saving.register_keras_serializable("whole")
class Prefixed(keras.layers.Layer):
    """Has a weight that is a string."""

    def build(self, _):
        self.prefix = tf.Variable(["é"])

    def call(self, x):
        return tf.strings.join([self.prefix[0], x])


def test_strings_among_the_weights_come_back(tmp_path):
    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, Prefixed()(inputs))
    model.layers[1].prefix.assign(["ü-"])
    path = str(tmp_path / "m.keras")
    model.save(path)
    loaded = keras.models.load_model(path)
    assert loaded(tf.constant(["a"])).numpy().tolist() == ["ü-a".encode()]


def test_no_numbers_are_drawn_for_weights_that_a_file_has(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in ("m.keras", "m.h5")]
    model = filled(mlp(keras))
    for path in paths:
        model.save(path)
    monkeypatch.setattr(keras.initializers.GlorotUniform, "__call__", lambda *_, **__: pytest.fail("drawn"))
    for path in paths:
        close(keras.models.load_model(path).get_weights(), model.get_weights())
    rewritten(paths[0], lambda members: members.pop("model.weights.h5"))
    with pytest.raises(pytest.fail.Exception, match="drawn"):
        keras.models.load_model(paths[0])
