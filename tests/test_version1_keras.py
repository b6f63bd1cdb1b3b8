"""Keras 2's models in sessions of TensorFlow 1.

What the programs give there was noted from runs with TensorFlow 2.21 and TF_USE_LEGACY_KERAS=1: the sums of magnitudes
of arrays; the slow test runs TensorFlow itself beside.
"""

import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from dovetail.compat import v1
from tests.support import version1_keras as programs

K = v1.keras.backend

EXPECTED = {
    "model_as_a_function": {
        "names": ["a/kernel:0", "a/bias:0", "b/kernel:0", "b/bias:0"],
        "instance": True,
        "losses": [5.7958, 3.1032, 0.6006, 0.2381, 1.5465, 2.8384, 2.9333, 1.9387],
        "weights": [9.4617, 0.8431, 0.0127, 0.0245],
    },
    "sessions_apart": {"one": 2.5362, "two": [1.2681, [6.0, 0.0]], "again": 2.5362},
    "symbolic_models": {
        "values": [52.6779, 86.5987, 75.6837, 113.1329],
        "slopes": [352.0, 105.3557, 80.0, 112.971, 32.0],
        "inner": [52.6779],
        "predicted": 75.6837,
        "graphs": [True, True, True],
        "names": ["hidden/kernel:0", "hidden/bias:0", "out/kernel:0", "out/bias:0"],
        "instance": True,
        "fitted": [[10.5009, 0.7766, 4.9085, 0.1995], 7.1878, 41.7821],
        "set": [9.0, 10.5009],
    },
    "phases": {
        "0": [33.9039, True],
        "1": [38.4981, False],
        "unfed": 33.9039,
        "updated": [35.4494, 2],
        "never": 33.9209,
    },
    "subclassed": {
        "losses": [3.3583, 2.2258, 1.443, 0.9227],
        "value": 1.8493,
        "all": [1.8493, 1.856, 0.2433],
    },
    "saved": {"found": [46.0117, 138.0351, 138.0351], "names": ["d/bias", "d/kernel"]},
}

_THEIRS = """
import os, pickle, sys, tempfile
os.environ |= {"TF_USE_LEGACY_KERAS": "1", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
import tensorflow as tf
from tests.support import version1_keras as programs
tf.compat.v1.disable_eager_execution()
found = {}
for program in programs.PROGRAMS:
    tf.compat.v1.keras.backend.clear_session()
    found[program.__name__] = program(tf)
pickle.dump(found, open(sys.argv[1], "wb"))
"""


@pytest.fixture(autouse=True)
def keras_2(monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)
    K.clear_session()
    yield
    K.clear_session()


def require_same(found, expected, path, sums):
    if isinstance(expected, dict | list | tuple):
        pairs = expected.items() if isinstance(expected, dict) else enumerate(expected)
        assert len(found) == len(expected), path
        for key, value in pairs:
            require_same(found[key], value, f"{path}.{key}", sums)
    elif isinstance(expected, str | bool | int):
        assert found == expected, path
    else:
        found = np.abs(found).sum() if sums else found
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4, err_msg=path)


@pytest.mark.parametrize("program", programs.PROGRAMS, ids=lambda program: program.__name__)
def test_programs_give_what_was_noted_in_tensorflow(program):
    with tf.Graph().as_default():
        require_same(program(tf), EXPECTED[program.__name__], program.__name__, sums=True)


def test_weights_go_into_files_of_keras_and_of_savers(tmp_path):
    with tf.Graph().as_default():
        require_same(programs.saved(tf, tmp_path), EXPECTED["saved"], "saved", sums=True)


@pytest.mark.slow
def test_programs_give_what_they_give_in_tensorflow(tmp_path):
    pytest.importorskip("tf_keras")
    path = tmp_path / "theirs"
    subprocess.run([sys.executable, "-c", _THEIRS, path], check=True, env={**os.environ, "PYTHONPATH": "."})
    theirs = pickle.loads(path.read_bytes())
    for program in programs.PROGRAMS:
        with tf.Graph().as_default():
            require_same(program(tf), theirs[program.__name__], program.__name__, sums=False)


def test_layers_add_to_finalized_graphs_nothing_that_sessions_need():
    with tf.Graph().as_default() as graph:
        inputs = v1.keras.Input((3,))
        out = v1.keras.layers.Dense(2)(inputs)
        session = K.get_session()
        graph.finalize()
        assert session.run(out, {inputs: programs.X}).shape == (16, 2)


def test_an_input_can_be_a_placeholder():
    with tf.Graph().as_default():
        x = v1.placeholder("float32", [None, 3], "given")
        inputs = v1.keras.Input(tensor=x)
        out = v1.keras.layers.Dense(2, kernel_initializer="ones")(inputs)
        model = v1.keras.Model(inputs, out)
        found = K.get_session().run(model.output, {x: programs.X})
        np.testing.assert_allclose(found, programs.X.sum(1, keepdims=True).repeat(2, 1), rtol=1e-5)
        np.testing.assert_allclose(model.predict(programs.X, verbose=0), found, rtol=1e-5)


def test_layers_that_draw_numbers_draw_others_in_each_run():
    with tf.Graph().as_default():
        out = v1.keras.layers.Dropout(0.5)(v1.ones([4, 50]))
        session = K.get_session()
        one, two = (session.run(out, {K.learning_phase(): 1}) for _ in range(2))
        assert not np.array_equal(one, two) and (session.run(out) == 1).all()


def test_a_model_of_operations_of_the_graph_says_what_to_do():
    with tf.Graph().as_default():
        inputs = v1.keras.Input((3,))
        with pytest.raises(ValueError, match="Lambda"):
            v1.keras.Model(inputs, tf.nn.relu(inputs))


def test_models_made_before_the_graph_compute_in_it():
    model = v1.keras.Sequential([v1.keras.layers.Dense(1, kernel_initializer="ones", input_shape=(3,))])
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [None, 3])
        found = session.run(model(x), {x: programs.X})
    np.testing.assert_allclose(found, model.predict(programs.X, verbose=0), rtol=1e-5)


def test_without_graphs_nothing_changes():
    with pytest.raises(RuntimeError, match="there are no sessions"):
        K.get_session()
    with tf.Graph().as_default():
        K.get_session()
    layer = v1.keras.layers.Dense(2)
    layer.build((None, 3))
    assert type(layer.kernel) is tf.Variable and not isinstance(v1.keras.Input((3,)), tf.Tensor)


def test_tensors_of_graphs_are_tensors():
    found = []

    @tf.function
    def traced(x):
        found.append(isinstance(x, tf.Tensor))
        return x

    traced(tf.constant(1.0))
    with tf.Graph().as_default():
        found.append(isinstance(v1.placeholder("float32") * 2, tf.Tensor))
    assert all(found) and isinstance(tf.constant(1), tf.Tensor) and not isinstance(1, tf.Tensor)
    assert issubclass(type(tf.constant(1)), tf.Tensor) and not issubclass(int, tf.Tensor)


def test_layers_and_models_have_the_updates_of_their_weights():
    with tf.Graph().as_default():
        inputs = v1.keras.Input((3,))
        layer, other = v1.keras.layers.BatchNormalization(), v1.keras.layers.BatchNormalization()
        model = v1.keras.Model(inputs, other(layer(inputs)))
        assert len(layer.updates) == len(other.updates) == 2
        assert model.updates == model.state_updates == layer.updates + other.updates
    assert layer.updates == []

    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.updates = 3

    assert Own().updates == 3


class _Counts(keras.layers.Layer):
    """Counts the calls in which it trains, or infers, or both."""

    def __init__(self, when):
        super().__init__()
        self.when = when

    def build(self, shape):
        self.count = self.add_weight(name="count", shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=None):
        if training:
            if "trains" in self.when:
                self.count.assign(self.count + 10.0)
            return x * 2.0
        if "infers" in self.when:
            self.count.assign(self.count + 1.0)
        return x


@pytest.mark.parametrize(
    ("when", "counts"), [("trains", (10.0, 10.0)), ("trains, infers", (10.0, 11.0)), ("infers", (0.0, 1.0))]
)
def test_layers_change_their_weights_in_training_and_inference(when, counts):
    with tf.Graph().as_default():
        layer = _Counts(when)
        inputs = v1.keras.Input((3,))
        out = layer(inputs)
        session = K.get_session()
        for flag, expected in zip((1, 0), counts, strict=True):
            found, _ = session.run([out, layer.updates], {inputs: programs.X, K.learning_phase(): flag})
            np.testing.assert_allclose(found, programs.X * (flag + 1))
            assert session.run(layer.count) == expected


class _Decides(v1.keras.layers.Layer):
    """Does something before it looks at whether it trains; makes a weight then."""

    scale = None

    @tf.autograph.experimental.do_not_convert
    def call(self, x, training=False):
        y = tf.tanh(x)
        if self.scale is None:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        return y * self.scale if training else y + 1.0


def test_what_a_layer_did_before_it_looked_at_the_flag_leaves_no_operations():
    with tf.Graph().as_default() as graph:
        layer = _Decides()
        x = v1.placeholder("float32", [None, 3])
        out = [layer(x), layer(x)]
        kinds = [operation.type for operation in graph.get_operations()]
        assert "Tanh" not in kinds and kinds.count("If") == 2 and kinds.count("VarHandleOp") == 1
        assert [operation for operation in graph.get_operations() if operation.graph is not graph] == []
        session = K.get_session()
        for flag, want in ((1, np.tanh(programs.X)), (0, np.tanh(programs.X) + 1)):
            found = session.run(out, {x: programs.X, K.learning_phase(): flag})
            np.testing.assert_allclose(found, [want, want], rtol=1e-5, atol=1e-6)


def test_each_thread_has_a_session_of_its_own():
    wrong, both = [], threading.Barrier(2, timeout=60)

    def train(value):
        with tf.Graph().as_default():
            layer = v1.keras.layers.Dense(1, use_bias=False)
            layer(v1.keras.Input((1,)))
            session = K.get_session()
            K.set_value(layer.kernel, [[value]])
            both.wait()
            if K.get_session() is not session or K.get_value(layer.kernel) != value:
                wrong.append(value)

    threads = [threading.Thread(target=train, args=(float(value),)) for value in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and not both.broken


def test_what_only_inference_changes_is_refused_where_python_decides():
    class Counts(_Counts):
        call = tf.autograph.experimental.do_not_convert(_Counts.call)

    with tf.Graph().as_default():
        with pytest.raises(NotImplementedError, match="in inference alone"):
            Counts("infers")(v1.keras.Input((3,)))
        layer = Counts("trains")
        out = layer(v1.keras.Input((3,)))
        assert len(layer.updates) == 1 and out.shape == (None, 3)
