"""keras.utils: serialization and its safety, progress bar, labels, sequences, seeds, splitting."""

import io
import json
import os
import random
import subprocess
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import dovetail as tf
from dovetail.keras import initializers, losses, metrics, utils
from dovetail.keras.utils import messages
from dovetail.keras.utils.progbar import Progbar

os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


# ---- serialization


def through_json(value):
    return json.loads(json.dumps(utils.serialize_keras_object(value)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@hypothesis.given(VALUES)
def test_plain_values_come_back(value):
    assert utils.deserialize_keras_object(through_json(value)) == value


def test_values_with_a_form_of_their_own_are_written_as_keras_does(keras):
    theirs = keras.utils.serialize_keras_object
    for value in (
        b"bytes",
        slice(1, None, 2),
        Ellipsis,
        np.arange(3.0),
        np.float32(2),
        np.ones((2, 1), "int32"),
    ):
        assert utils.serialize_keras_object(value) == theirs(value)
        np.testing.assert_equal(utils.deserialize_keras_object(through_json(value)), value)
    assert utils.serialize_keras_object(tf.constant([1.0])) == theirs(keras.ops.convert_to_tensor([1.0]))
    assert utils.serialize_keras_object(tf.float16) == "float16"
    assert utils.serialize_keras_object(tf.TensorShape([None, 3])) == [None, 3]
    again = utils.deserialize_keras_object(through_json(tf.constant([[1, 2]])))
    assert again.dtype == "int32" and np.asarray(again).tolist() == [[1, 2]]


def test_both_formats_and_old_modules_are_read():
    for config in (
        {"class_name": "Huber", "config": {"delta": 3.0}},
        {"module": "keras.losses", "class_name": "Huber", "config": {"delta": 3.0}, "registered_name": None},
        {"module": "keras.src.losses.losses", "class_name": "Huber", "config": {"delta": 3.0}},
        {"module": "tensorflow.keras.losses", "class_name": "Huber", "config": {"delta": 3.0}},
    ):
        loss = utils.deserialize_keras_object(config)
        assert isinstance(loss, losses.Huber) and loss.get_config()["delta"] == 3.0
    # A name that two kinds have is told apart by its module.
    hinge = {"class_name": "Hinge", "config": {}}
    assert isinstance(utils.deserialize_keras_object({**hinge, "module": "keras.metrics"}), metrics.Hinge)
    assert isinstance(metrics.deserialize(hinge), metrics.Hinge)
    assert isinstance(losses.deserialize(hinge), losses.Hinge)


def test_the_format_of_keras_2_is_written():
    loss = losses.Huber(delta=2.0)
    assert losses.serialize(loss, use_legacy_format=True) == {
        "class_name": "Huber",
        "config": loss.get_config(),
    }
    assert utils.legacy.serialize_keras_object(losses.mean_squared_error) == "mean_squared_error"
    again = utils.legacy.deserialize_keras_object(
        utils.legacy.serialize_keras_object(loss), module_objects={"Huber": losses.Huber}
    )
    assert again.get_config() == loss.get_config()


class Plain:
    def __init__(self, size=1):
        self.size = size

    def get_config(self):
        return {"size": self.size}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def test_an_unregistered_class_is_not_found_by_its_module():
    config = through_json(Plain(3))
    assert config["module"] == __name__ and config["class_name"] == "Plain"
    with pytest.raises(ValueError, match="custom_objects={'Plain': Plain}"):
        utils.deserialize_keras_object(config)
    assert utils.deserialize_keras_object(config, custom_objects={"Plain": Plain}).size == 3
    with utils.custom_object_scope({"Plain": Plain}):
        assert utils.deserialize_keras_object(config).size == 3
        assert utils.get_registered_object("Plain") is Plain
    assert utils.get_registered_object("Plain") is None


def test_registered_classes_are_found():
    @utils.register_keras_serializable(package="tests", name="Renamed")
    class Registered(Plain):
        pass

    config = through_json(Registered(4))
    assert config["registered_name"] == "tests>Renamed" == utils.get_registered_name(Registered)
    again = utils.deserialize_keras_object(config)
    assert type(again) is Registered and again.size == 4
    assert utils.get_custom_objects()["tests>Renamed"] is Registered
    nested = through_json({"one": [Registered(1), losses.Huber()], "two": Registered(2)})
    rebuilt = utils.deserialize_keras_object(nested)
    assert rebuilt["one"][0].size == 1 and rebuilt["two"].size == 2
    with pytest.raises(ValueError, match="no get_config"):
        utils.register_keras_serializable()(type("Empty", (), {}))


@pytest.mark.parametrize(
    "config",
    [
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "function"},
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
        {
            "module": "subprocess",
            "class_name": "Popen",
            "config": {"args": "true"},
            "registered_name": "Popen",
        },
        {"module": "dovetail.cli.run", "class_name": "function", "config": "main"},
        {"module": "keras.utils", "class_name": "function", "config": "get_file"},
    ],
)
def test_nothing_else_can_be_named(config):
    with pytest.raises(ValueError, match="unknown"):
        utils.deserialize_keras_object(config)


@pytest.mark.parametrize("safe_mode", [True, None])
def test_lambdas_are_refused(safe_mode):
    with pytest.warns(UserWarning, match=r"a lambda \(defined at .*test_utils.py"):
        written = utils.serialize_keras_object({"f": lambda x, by=2: x * by})
    with pytest.raises(ValueError, match="lambda as bytecode"):
        utils.deserialize_keras_object(written, safe_mode=safe_mode)
    assert utils.deserialize_keras_object(written, safe_mode=False)["f"](4) == 8
    for value in ("4wEA", "?", "", ["4wEA", None, None], {"code": "4wEA"}):
        config = {"class_name": "__lambda__", "config": {"value": value}}
        with pytest.raises(ValueError, match="bytecode"):
            utils.deserialize_keras_object(config, safe_mode=False)


def test_configs_that_do_not_fit_are_explained():
    with pytest.raises(TypeError, match="Huber.from_config: .*unknown argument 'delt'. Did you mean 'delta'"):
        utils.deserialize_keras_object({"class_name": "Huber", "config": {"delt": 1.0}})
    with pytest.raises(TypeError, match="get_config"):
        utils.serialize_keras_object(object())
    with pytest.raises(ValueError, match="Did you mean 'Huber'"):
        utils.deserialize_keras_object({"class_name": "Hubr", "config": {}})


# ---- the progress bar


def shown(redraws, run, **arguments):
    stream, before = io.StringIO(), sys.stdout
    sys.stdout = stream
    try:
        bar = Progbar(**arguments)
        bar._redraws = redraws
        run(bar)
    finally:
        sys.stdout = before
    return stream.getvalue()


def ten_steps(bar):
    for step in range(10):
        bar.update(step + 1, [("loss", 1 / (step + 1)), ("accuracy", tf.constant(0.5))])


def test_a_terminal_sees_one_line_redrawn():
    text = shown(True, ten_steps, target=10, interval=0)
    assert text.count("\r") == 10 and text.count("\n") == 1
    last = text.split("\r")[-1]
    assert "10/10" in last and "/step - loss: 0.1000 - accuracy: 0.5000" in last and "━" * 20 in last


def test_a_file_gets_few_lines():
    text = shown(False, ten_steps, target=10)
    assert text.count("\n") == 1 and "\x1b" not in text and "\r" not in text
    assert text.startswith("10/10 ━━━━━━━━━━━━━━━━━━━━ 0s ")
    assert shown(False, ten_steps, target=10, interval=0).count("\n") == 10
    assert shown(False, ten_steps, target=10, verbose=0) == ""


def test_one_line_an_epoch():
    text = shown(True, ten_steps, target=10, verbose=2)
    assert text.startswith("10/10 - 0s - ") and text.endswith("/step - loss: 0.1000 - accuracy: 0.5000\n")


def test_values_are_averaged_over_the_steps_or_not():
    def run(bar):
        bar.add(1, [("a", 1.0), ("b", 1.0)])
        bar.add(3, [("a", 2.0), ("b", 2.0)])

    text = shown(True, run, target=9, interval=0, stateful_metrics=["b"])
    assert "a: 1.7500 - b: 2.0000" in text.split("\r")[-1]


def test_an_unknown_number_of_steps():
    text = shown(True, lambda bar: bar.update(3, [("loss", 1e-5)], finalize=True), target=None)
    assert "3/Unknown" in text and "loss: 1.0000e-05" in text


def test_a_narrow_encoding_is_no_error():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    before, sys.stdout = sys.stdout, stream
    try:
        ten_steps(Progbar(10))
        stream.flush()
        assert b"10/10 ????" in stream.buffer.getvalue()
    finally:
        sys.stdout = before


def test_interactive_logging_can_be_switched_off(caplog):
    utils.disable_interactive_logging()
    try:
        assert not utils.is_interactive_logging_enabled()
        with caplog.at_level("INFO", logger="dovetail.keras"):
            assert shown(False, ten_steps, target=10) == ""
        assert "10/10" in caplog.text
    finally:
        utils.enable_interactive_logging()
    assert messages.is_interactive_logging_enabled()


# ---- arrays


@pytest.mark.parametrize("labels", [[0, 2, 1], [[0], [2]], [[0, 1], [2, 0]], np.array([3, 0]), []])
@pytest.mark.parametrize("count", [None, 5])
def test_to_categorical(keras, labels, count):
    if not len(labels) and count is None:
        assert utils.to_categorical(labels, count).shape == (0, 0)
        return
    ours = utils.to_categorical(labels, count)
    np.testing.assert_array_equal(ours, keras.utils.to_categorical(labels, count))
    assert ours.dtype == "float32"
    if len(labels):
        np.testing.assert_array_equal(np.asarray(utils.to_categorical(tf.constant(labels), count)), ours)


def test_to_categorical_refuses_classes_out_of_range():
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=r"outside of \[0, 3\)"):
            utils.to_categorical(labels, 3)


@pytest.mark.parametrize("order", [1, 2, np.inf])
@pytest.mark.parametrize("axis", [0, -1])
def test_normalize(keras, order, axis):
    x = np.array([[3.0, -4.0], [0.0, 0.0], [1.0, 2.0]], "float32")
    if axis:  # Keras takes the axis 0 for the last one when it divides an array
        np.testing.assert_allclose(
            utils.normalize(x, axis, order), keras.utils.normalize(x, axis, order), rtol=1e-6
        )
    expected = x / np.maximum(np.linalg.norm(x, order, axis, keepdims=True), 1e-12)
    np.testing.assert_allclose(utils.normalize(x, axis, order), expected, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(utils.normalize(tf.constant(x), axis, order)), expected, rtol=1e-5)


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("maxlen", [None, 2, 5])
def test_pad_sequences(keras, padding, truncating, maxlen):
    rows = [[1], [2, 3, 4], [], [5, 6]]
    settings = {"maxlen": maxlen, "padding": padding, "truncating": truncating, "value": 9}
    ours = utils.pad_sequences(rows, **settings)
    np.testing.assert_array_equal(ours, keras.utils.pad_sequences(rows, **settings))
    assert ours.dtype == "int32"


def test_pad_sequences_of_vectors_and_strings():
    rows = [[[1, 2]], [[3, 4], [5, 6]]]
    np.testing.assert_array_equal(utils.pad_sequences(rows)[0], [[0, 0], [1, 2]])
    words = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="", padding="post")
    assert words.tolist() == [["a", ""], ["b", "c"]]
    with pytest.raises(ValueError, match="'pre' or 'post'"):
        utils.pad_sequences(rows, padding="left")
    with pytest.raises(ValueError, match="must be a sequence"):
        utils.pad_sequences([1, 2])
    with pytest.raises(ValueError, match="dtype=object"):
        utils.pad_sequences([["a"]], value="x")


def test_set_random_seed_seeds_all_generators():
    def draw():
        utils.set_random_seed(42)
        return random.random(), np.random.rand(), float(tf.random.normal(())), initializers.HeNormal()((3,))

    first, second = draw(), draw()
    assert first[:3] == second[:3]
    np.testing.assert_array_equal(np.asarray(first[3]), np.asarray(second[3]))
    for seed in (-1, 1 << 32, "1"):
        with pytest.raises(ValueError, match="expected an integer"):
            utils.set_random_seed(seed)


def test_split_dataset():
    x, y = np.arange(10), np.arange(10) * 2
    left, right = utils.split_dataset((x, y), left_size=0.8)
    assert [int(a) for a, _ in left] == list(range(8)) and [int(b) for _, b in right] == [16, 18]
    left, right = utils.split_dataset(tf.data.Dataset.range(10), right_size=3, shuffle=True, seed=1)
    parts = [[int(value) for value in part] for part in (left, right)]
    assert len(parts[1]) == 3 and sorted(parts[0] + parts[1]) == list(range(10))
    assert parts[0] != sorted(parts[0])
    for sizes in ({}, {"left_size": 11}, {"left_size": 0.5, "right_size": 0.7}, {"left_size": 1.5}):
        with pytest.raises(ValueError, match="split_dataset"):
            utils.split_dataset(x, **sizes)


def test_imports_are_cheap_and_silent():
    program = (
        "import sys, dovetail.keras.utils, dovetail.keras.metrics, dovetail.keras.losses, dovetail.keras.initializers\n"
        "import dovetail.keras.activations, dovetail.keras.regularizers, dovetail.keras.constraints\n"
        "print(sorted({'jax', 'scipy', 'matplotlib', 'h5py'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("[]\n", "")


def test_datasets_of_pytorch_are_split_into_subsets():
    torch = pytest.importorskip("torch")
    rows = torch.utils.data.TensorDataset(torch.arange(10))
    left, right = utils.split_dataset(rows, left_size=0.7, shuffle=True, seed=1)
    assert isinstance(left, torch.utils.data.Dataset) and (len(left), len(right)) == (7, 3)
    assert sorted(int(x) for part in (left, right) for (x,) in part) == list(range(10))
