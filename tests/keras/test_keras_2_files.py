"""Whole models in the files of Keras 2: what we write is read by tf_keras, and the other way."""

import inspect
import json
import warnings

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from dovetail.keras.models.keras_2_tables import ADDED, MISSING, RENAMED
from tests.keras.layer_rows import CASES
from tests.keras.pairs import close, mlp, regression
from tests.keras.test_whole_models import model_of
from tests.keras.whole_model_cases import MODELS, inputs_of

h5py = pytest.importorskip("h5py")
tensorflow = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")

X, Y = regression()
OURS, THEIRS = (keras, tf), (tf_keras, tensorflow)
# Keras 2 has these otherwise: another hard_sigmoid, no encodings of rank 3, no layer to look up in HDF5 files.
OTHERWISE = ("hard_sigmoid", "CategoryEncoding[num_tokens=5-output_mode=one_hot]", "SpectralNormalization")
OTHERWISE += (
    "AdditiveAttention",
    "zero_output_for_mask=True",
    "merge_mode=mul",
    "use_gate",
    "sliding_window",
)
OTHERWISE += ("pad_to_aspect_ratio=True", "function=half_plus_one", "data_format=channels_first")
QUICK_LAYERS = ("Dense[units=4](3,5)", "BatchNormalization", "LSTM[units=4]", "SeparableConv2D", "LeakyReLU")
QUICK_MODELS = ("nested", "frozen", "dicts", "attentive", "operators", "slices", "concat")


def some(names, quick):
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture
def idiom_2(monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)


def varied(model):
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=w.shape)).astype(w.dtype) for w in model.get_weights()])
    return model


def flat(outputs):
    return [np.asarray(value) for value in tf.nest.flatten(outputs)]


def goes(written, path, target, inputs, expected=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf_keras warns of .h5 files
        written.save(path)
        loaded = target.models.load_model(path)
    outputs = tensorflow.nest.flatten(loaded(inputs)) if target is tf_keras else loaded(inputs)
    wanted = tensorflow.nest.flatten(written(inputs)) if target is keras else written(inputs)
    close(flat(outputs), flat(wanted), rtol=1e-4, atol=1e-5)
    return loaded


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("name", some(MODELS, QUICK_MODELS))
def test_models_go_both_ways(name, ending, tmp_path, idiom_2):
    for source, target in ((OURS, THEIRS), (THEIRS, OURS)):
        if source is THEIRS and (name, ending) == ("ellipsis", "keras"):
            continue  # which tf_keras cannot write
        written = varied(MODELS[name](*source))
        goes(written, str(tmp_path / f"m.{ending}"), target[0], inputs_of(keras, written))


def known_to_tf_keras(case):
    return hasattr(tf_keras.layers, case.kind) and not any(words in case.label for words in OTHERWISE)


def quickly(case):
    return any(case.label.startswith(start) for start in QUICK_LAYERS)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, id=c.label, marks=() if quickly(c) else pytest.mark.slow)
        for c in CASES
        if known_to_tf_keras(c)
    ],
)
def test_each_layer_goes_both_ways(case, tmp_path, idiom_2):
    for source, target in ((keras, tf_keras), (tf_keras, keras)):
        if source is tf_keras and case.kind in RENAMED:
            continue
        goes(model_of(source, case), str(tmp_path / "m.h5"), target, case.inputs())


@pytest.mark.parametrize("ending", ["h5", pytest.param("keras", marks=pytest.mark.slow)])
@pytest.mark.parametrize("optimizer", some(["adam", "sgd", "rmsprop", "adagrad", "nadam", "ftrl"], ["adam"]))
def test_training_goes_on(optimizer, ending, tmp_path, idiom_2):
    for source, target in ((keras, tf_keras), (tf_keras, keras)):
        written = varied(mlp(source))
        written.compile(
            optimizer, source.losses.MeanSquaredError(), metrics=["mae", source.metrics.MeanSquaredError("m")]
        )
        written.fit(X[:32], Y[:32], epochs=2, batch_size=8, shuffle=False, verbose=0)
        loaded = goes(written, str(tmp_path / f"m.{ending}"), target, X[:3])
        for model in (written, loaded):
            model.train_on_batch(X[:8], Y[:8])
        if (optimizer, target) != ("nadam", tf_keras):  # which forgets how far its momentum has grown
            close(loaded.get_weights(), written.get_weights(), rtol=1e-4, atol=1e-5)
        assert sorted(loaded.evaluate(X, Y, verbose=0, return_dict=True)) == ["loss", "m", "mae"]


@tf_keras.utils.register_keras_serializable("keras_2")
class TheirScale(tf_keras.layers.Layer):
    """Multiplies."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x, more=0.0):
        return x * self.factor + more

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable("keras_2", "TheirScale")
class OurScale(keras.layers.Layer):
    """Multiplies."""

    def __init__(self, factor=2.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x, more=0.0):
        return x * self.factor + more

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


def test_own_layers_with_several_inputs(tmp_path, idiom_2):
    a, b = keras.Input((3,)), keras.Input((3,))
    model = keras.Model([a, b], OurScale(4.0)(a, b))
    goes(model, str(tmp_path / "m.h5"), keras, [X[:2, :3], X[2:4, :3]])


def test_what_keras_2_lacks_is_written_as_keras_3_does(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((4,)), keras.layers.RMSNormalization()])
    model.save(tmp_path / "m.h5")
    assert "batch_shape" in h5py.File(tmp_path / "m.h5").attrs["model_config"]
    monkeypatch.setattr(settings, "keras", 2)
    for name in ("m.h5", "m.keras"):
        with pytest.warns(UserWarning, match="Keras 2 has no RMSNormalization"):
            model.save(tmp_path / name)
        close(keras.models.load_model(tmp_path / name)(X), model(X))


def test_one_file_for_both_generations(tmp_path):
    """Written by a program that names no Keras, an HDF5 file is read by both."""
    keras_3 = pytest.importorskip("keras")
    model = varied(MODELS["mobile"](*OURS))
    inputs = inputs_of(keras, model)
    for target in (tf_keras, keras_3):
        model.save(tmp_path / "m.h5")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = target.models.load_model(str(tmp_path / "m.h5"))
        close(np.asarray(loaded(inputs)), model(inputs).numpy(), rtol=1e-4, atol=1e-5)


def _namespace(root, place):
    for part in place.split(".")[1:]:
        root = getattr(root, part)
    return root


@pytest.mark.parametrize("place", MISSING)
def test_the_table_of_what_keras_2_lacks(place):
    theirs = _namespace(tf_keras, place)
    assert [name for name in MISSING[place] if hasattr(theirs, name)] == []


def _accepted(kind):
    names = set()
    for cls in inspect.getmro(kind):
        init = vars(cls).get("__init__")
        if init is None:
            continue
        parameters = inspect.signature(getattr(init, "__wrapped__", init)).parameters.values()
        names |= {parameter.name for parameter in parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    return names


@pytest.mark.parametrize("name", ADDED)
def test_the_table_of_added_arguments(name):
    places = [_namespace(tf_keras, f"keras.{one}") for one in ("layers", "initializers", "losses", "metrics")]
    kinds = [getattr(place, name) for place in places if hasattr(place, name)]
    assert kinds and any(not _accepted(kind) & set(ADDED[name]) for kind in kinds)


def test_calls_of_nested_models_are_counted_from_1(tmp_path):
    MODELS["nested"](*OURS).save(tmp_path / "m.h5")
    config = json.loads(h5py.File(tmp_path / "m.h5").attrs["model_config"])["config"]
    (calls,) = [entry["inbound_nodes"] for entry in config["layers"] if entry["class_name"] == "Add"]
    assert [reference[:2] for reference in calls[0]] == [["inner", 1], ["other", 1], ["inner", 2]]


def test_any_other_path_is_that_of_a_checkpoint(tmp_path, idiom_2):
    model, other = varied(mlp(keras)), mlp(keras)
    for name in ("w.1-0.35", "model.best"):
        model.save_weights(str(tmp_path / name))
        other.load_weights(str(tmp_path / name)).assert_existing_objects_matched()
        close(other.get_weights(), model.get_weights())
