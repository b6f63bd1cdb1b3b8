"""Files that go between running programs: whole models with Keras 3, and SavedModels with TensorFlow and both Kerases.

What is written by us is read by them, what is written by them is read by us, and the outputs are the same.
"""

import warnings

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from tests.keras.layer_rows import CASES
from tests.keras.pairs import close
from tests.keras.test_keras_2_files import known_to_tf_keras
from tests.keras.test_whole_models import known_to_keras, model_of
from tests.keras.whole_model_cases import MODELS, inputs_of

tensorflow = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
keras_3 = pytest.importorskip("keras")

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK = ("nested", "attentive", "concat")
SAMPLE = CASES[::60]
# What Keras 3 has no operation for, or does not write: a mask that is an input of its own is no argument there.
NOT_IN_KERAS_3 = ("resize", "cast", "told_the_mask", "sort", "shape")


# Ops that are written in our own form alone.
ONLY_OURS = (
    "where",
    "matmul",
    "split",
    "unstack",
    "shape",
    "clip",
    "pad and tile",
    "gather",
    "one_hot",
    "top_k",
)
ONLY_OURS += ("logic",)


def some(names, quick=QUICK):
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


def cases(known):
    return [
        pytest.param(case, id=case.label, marks=() if case in SAMPLE else pytest.mark.slow)
        for case in CASES
        if known(case)
    ]


class Ops:
    """The functions of TensorFlow that the models of the table call, as `keras.ops` has them."""

    def __init__(self, ops):
        self.math = self.nn = self
        self.relu, self.sigmoid, self.reshape, self.where = ops.relu, ops.sigmoid, ops.reshape, ops.where
        self.stack, self.transpose, self.tile, self.ones, self.shape = (
            *(ops.stack, ops.transpose, ops.tile, ops.ones, ops.shape),
        )
        self.squeeze, self.expand_dims, self.top_k = ops.squeeze, ops.expand_dims, ops.top_k
        self.logical_and, self.logical_not, self.pad, self.cast = (
            *(ops.logical_and, ops.logical_not, ops.pad, ops.cast),
        )
        self.concat, self.one_hot, self.clip_by_value = ops.concatenate, ops.one_hot, ops.clip
        self.reduce_mean, self.reduce_max, self.gather = ops.mean, ops.max, ops.take
        self.leaky_relu, self.split, self.unstack = ops.leaky_relu, ops.split, ops.unstack
        self._ops = ops

    def matmul(self, a, b, transpose_b=False):
        return self._ops.matmul(a, self._ops.transpose(b) if transpose_b else b)


def varied(model):
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=w.shape)).astype(w.dtype) for w in model.get_weights()])
    return model


def built(library, name):
    model = MODELS[name](library, Ops(library.ops))
    return model if name == "normalized" else varied(model)  # whose statistics are more than its weights


def inputs_for(name):
    return inputs_of(keras, MODELS[name](keras, Ops(keras.ops)))


def flat(outputs):
    return [np.asarray(one) for one in tensorflow.nest.flatten(outputs)]


def of_ours(outputs):
    return [np.asarray(one) for one in tf.nest.flatten(outputs)]


def outputs_of(library, model, inputs):
    found = model(inputs)
    return of_ours(found) if library is keras else flat(found)


def same(found, wanted):
    close(found, wanted, rtol=1e-4, atol=1e-5)


# ---- whole models with Keras 3


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
@pytest.mark.parametrize("name", some([name for name in MODELS if name not in NOT_IN_KERAS_3]))
def test_models_go_both_ways_with_keras_3(name, ending, tmp_path):
    path = str(tmp_path / f"m.{ending}")
    for source, target in ((keras, keras_3), (keras_3, keras)):
        if (source, ending) == (keras, "keras") and name in ONLY_OURS:
            continue
        written = built(source, name)
        inputs = inputs_for(name)
        if ending == "keras":
            written.save(path)
            loaded = target.models.load_model(path)
        else:
            written.save_weights(path)
            loaded = MODELS[name](target, Ops(target.ops))
            loaded.load_weights(path)
        same(outputs_of(target, loaded, inputs), outputs_of(source, written, inputs))


# ---- whole models in SavedModels


@pytest.mark.parametrize("name", some(MODELS))
def test_models_that_we_export_are_served_by_tensorflow(name, tmp_path):
    written = varied(MODELS[name](keras, tf))
    inputs = inputs_of(keras, written)
    written.export(str(tmp_path / "m"), verbose=False)
    wanted = of_ours(written(inputs))
    given = tensorflow.nest.map_structure(tensorflow.constant, inputs)
    theirs = tensorflow.saved_model.load(str(tmp_path / "m"))
    same(flat(theirs.serve(given)), wanted)
    same(
        of_ours(tf.saved_model.load(str(tmp_path / "m")).serve(tf.nest.map_structure(tf.constant, inputs))),
        wanted,
    )


@pytest.mark.parametrize("name", some([name for name in MODELS if name not in NOT_IN_KERAS_3]))
def test_models_that_keras_3_exports_are_served_by_us(name, tmp_path):
    written, inputs = built(keras_3, name), inputs_for(name)
    written.export(str(tmp_path / "m"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    same(of_ours(loaded.serve(tf.nest.map_structure(tf.constant, inputs))), flat(written(inputs)))


@pytest.mark.parametrize("name", some(MODELS, (*QUICK, "normalized")))  # which keeps functions of iterators
def test_models_that_keras_2_saves_are_loaded_by_us(name, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)
    written = varied(MODELS[name](tf_keras, tensorflow))
    inputs = inputs_of(keras, written)
    written.save(str(tmp_path / "m"), save_format="tf")
    wanted = flat(written(inputs))
    given = tf.nest.map_structure(tf.constant, inputs)
    same(of_ours(tf.saved_model.load(str(tmp_path / "m"))(given)), wanted)
    same(of_ours(keras.models.load_model(str(tmp_path / "m"))(given)), wanted)


# ---- the layers of the table, written by the others


def takes_the_arguments(case):
    """Whether tf_keras takes the arguments as they stand; LeakyReLU has another name for one."""
    return known_to_tf_keras(case) and "negative_slope" not in case.label


@pytest.mark.parametrize("case", cases(known_to_keras))
def test_layers_that_keras_3_exports_are_served_by_us(case, tmp_path):
    written, inputs = model_of(keras_3, case), case.inputs()
    written.export(str(tmp_path), verbose=False)
    wanted = flat(written(inputs))
    loaded, given = tf.saved_model.load(str(tmp_path)), tf.nest.map_structure(tf.constant, inputs)
    same(of_ours(loaded.serve(given if isinstance(given, list) else [given])), wanted)


@pytest.mark.parametrize("case", cases(takes_the_arguments))
def test_layers_that_keras_2_saves_are_loaded_by_us(case, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)
    written, inputs = model_of(tf_keras, case), case.inputs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written.save(str(tmp_path / "m"), save_format="tf")
    given = tf.nest.map_structure(tf.constant, inputs)
    wanted = flat(written(inputs, training=False))
    same(of_ours(tf.saved_model.load(str(tmp_path / "m"))(given, training=False)), wanted)
