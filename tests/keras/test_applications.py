"""`keras.applications`: the architectures are Keras', layer by layer, and so are their numbers."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import applications
from dovetail.keras.applications import pretrained
from tests.keras import applications_reference as reference
from tests.keras.pairs import peer

_KNOWN = json.loads((Path(__file__).parent / "data" / "applications.json").read_text(encoding="utf-8"))
# The cheapest of each family; the rest is in the slower tier.
_FAST = (
    *("DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3", "MobileNet", "MobileNetV2"),
    *("MobileNetV3Large", "MobileNetV3Small", "NASNetMobile", "RegNetX002", "RegNetY002", "ResNet50"),
    *("ResNet50V2", "VGG16", "Xception"),
)
_ALL = [pytest.param(name, marks=() if name in _FAST else pytest.mark.slow) for name in sorted(_KNOWN)]


@pytest.fixture(autouse=True)
def _fresh_names():
    keras.backend.clear_session()


def test_every_architecture_is_there():
    names = reference.names_of(applications)
    assert names == sorted(_KNOWN)
    for name in names:
        assert callable(getattr(applications, name)), name


@pytest.mark.parametrize("name", _ALL)
def test_layers_names_and_weights_are_those_of_keras(name):
    model = getattr(applications, name)(**reference.arguments(name))
    assert reference.facts(model) == _KNOWN[name]


@pytest.mark.slow
@pytest.mark.parametrize("generation", ["3", "2"])
def test_the_stored_facts_are_what_keras_builds(generation, tmp_path):
    peer()
    found = reference.run(generation, tmp_path / "facts.json")
    assert found == {name: _KNOWN[name] for name in found}


# ---- numbers

# Architectures of different families, with small images.
_NUMBERS = {
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {},
    "EfficientNetB0": {},
    "DenseNet121": {},
    "ConvNeXtTiny": {},
    "ResNet50V2": {},
    "InceptionV3": {},
    "NASNetMobile": {},
    "Xception": {},
    "VGG16": {"include_top": False, "pooling": "avg"},
    "EfficientNetV2B0": {},
}


def _drawn(weights, rng):
    """Returns values that keep the features of a deep network in range."""
    for weight in weights:
        shape = tuple(weight.shape)
        if "variance" in weight.name or "gamma" in weight.name:
            yield rng.uniform(0.8, 1.2, shape)
        elif len(shape) > 1:
            yield rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1]))
        else:
            yield rng.normal(size=shape) * 0.1


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "MobileNetV2" else pytest.mark.slow) for n in _NUMBERS]
)
def test_outputs_are_those_of_keras_from_its_weights(name, tmp_path):
    rng = np.random.default_rng(5)
    arguments = reference.arguments(name) | _NUMBERS[name]
    theirs = getattr(peer().applications, name)(**arguments)
    theirs.set_weights([value.astype("float32") for value in _drawn(theirs.weights, rng)])
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours = getattr(applications, name)(**arguments | {"weights": str(tmp_path / "theirs.weights.h5")})
    images = rng.uniform(0, 255, (2, *arguments["input_shape"])).astype("float32")
    images = getattr(applications, ours_module(name)).preprocess_input(images)
    expected = np.asarray(theirs(images))
    np.testing.assert_allclose(ours(images), expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def ours_module(name):
    return applications._HOMES[name]


# ---- arguments


@pytest.mark.parametrize(
    ("name", "arguments", "ends"),
    [
        ("VGG16", {"pooling": "max"}, "global_max_pooling2d"),
        ("DenseNet121", {"pooling": "max"}, "max_pool"),
        ("MobileNetV3Small", {"pooling": "avg", "minimalistic": True}, "avg_pool"),
        ("MobileNet", {"depth_multiplier": 2, "alpha": 0.25}, "conv_pw_13_relu"),
        ("EfficientNetV2B0", {"include_preprocessing": False}, "top_activation"),
    ],
)
def test_features_without_a_classifier_are_those_of_keras(name, arguments, ends):
    made = [
        getattr(library.applications, name)(weights=None, include_top=False, **arguments)
        for library in (keras, peer())
    ]
    ours, theirs = made
    assert ours.layers[-1].name == ends
    assert [layer.name for layer in ours.layers][1:] == [layer.name for layer in theirs.layers][1:]
    assert ours.name == theirs.name and ours.count_params() == theirs.count_params()
    assert tuple(ours.output_shape) == tuple(theirs.output_shape)


def test_an_input_tensor_may_be_computed():
    images = keras.Input((40, 40, 3))
    model = applications.MobileNetV2(weights=None, input_tensor=images[:, 4:36, 4:36], classes=3, alpha=0.35)
    assert model.input is images and tuple(model.output_shape) == (None, 3)
    assert model.predict(np.zeros((1, 40, 40, 3), "float32"), verbose=0).shape == (1, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (8, 8, 3)}, "at least 32x32"),
        ({"input_shape": (32, 32)}, "three sizes"),
        ({"input_shape": (None, None, 3)}, "sizes must be known"),
        ({"pooling": "mean"}, "'avg' or 'max'"),
        ({"classes": 0}, "positive integer"),
        ({"weights": "nowhere.h5"}, "path of an existing file"),
        ({"weights": "imagenet", "classes": 5}, "1000 classes"),
        ({"weights": "imagenet", "classifier_activation": "relu"}, "ends in 'softmax'"),
        ({"weights": "imagenet", "input_shape": (64, 64, 3)}, r"input_shape is \(224, 224, 3\)"),
        ({"weights": None, "input_tensor": np.zeros((1, 32, 32, 3))}, "symbolic tensor"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        applications.VGG16(**{"weights": None} | arguments)


def test_pretrained_weights_are_fetched_into_the_folder_of_keras(tmp_path, monkeypatch):
    server = tmp_path / "server" / "mobilenet_v2"
    server.mkdir(parents=True)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pretrained, "_BASE", (tmp_path / "server").as_uri() + "/")
    arguments = {"include_top": False, "input_shape": (96, 96, 3), "alpha": 0.35}
    with pytest.raises(ConnectionError, match=r"put it at .*models.*kernels_0\.35_96_no_top\.h5"):
        applications.MobileNetV2(**arguments)
    trained = applications.MobileNetV2(weights=None, **arguments)
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5"
    trained.save_weights(str(server / name))
    found = applications.MobileNetV2(**arguments)
    assert (tmp_path / "home" / "models" / name).exists()
    for own, expected in zip(found.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(own, expected)


def test_unknown_arguments_are_refused_by_name():
    with pytest.raises(TypeError, match="VGG16.*depth"):
        applications.VGG16(depth=3)


# ---- pixels and classes

_PIXELS = np.random.default_rng(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [3, 4])
def test_preprocess_input_is_that_of_keras(mode, data_format, rank):
    pixels = _PIXELS if data_format == "channels_last" else _PIXELS.transpose(0, 3, 1, 2)
    pixels = pixels if rank == 4 else pixels[0]
    expected = peer().applications.imagenet_utils.preprocess_input(pixels.copy(), data_format, mode)
    preprocess = applications.imagenet_utils.preprocess_input
    array = preprocess(pixels, data_format, mode)
    assert isinstance(array, np.ndarray) and array.dtype == np.float32
    symbolic = keras.Input(pixels.shape[1:], batch_size=pixels.shape[0])
    model = keras.Model(symbolic, preprocess(symbolic, data_format, mode))
    for ours in (array, preprocess(tf.constant(pixels), data_format, mode), model(pixels)):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


def test_integers_become_floats_and_bad_modes_are_refused():
    whole = _PIXELS.astype("uint8")
    for given in (whole, tf.constant(whole)):
        found = applications.resnet50.preprocess_input(given)
        assert np.asarray(found).dtype == np.float32
    with pytest.raises(ValueError, match="mode must be one of caffe, tf, torch"):
        applications.imagenet_utils.preprocess_input(whole, mode="pytorch")
    with pytest.raises(ValueError, match="an image or a batch"):
        applications.vgg16.preprocess_input(np.zeros((3,)))


def test_decode_predictions_reads_the_names_from_a_local_file(tmp_path, monkeypatch):
    monkeypatch.setattr(applications.imagenet_utils, "_classes", [])
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    scores = np.zeros((2, 1000), "float32")
    scores[0, 7], scores[0, 3], scores[1, 999] = 0.6, 0.4, 1.0
    with pytest.raises(FileNotFoundError, match="imagenet_class_index.json"):
        applications.vgg16.decode_predictions(scores)
    os.makedirs(tmp_path / "models")
    index = {str(i): [f"n{i:08}", f"class {i}"] for i in range(1000)}
    (tmp_path / "models" / "imagenet_class_index.json").write_text(json.dumps(index))
    found = applications.vgg16.decode_predictions(tf.constant(scores), top=2)
    assert found[0] == [("n00000007", "class 7", scores[0, 7]), ("n00000003", "class 3", scores[0, 3])]
    assert found[1][0][:2] == ("n00000999", "class 999") and len(found[1]) == 2
    with pytest.raises(ValueError, match=r"\(batch, 1000\)"):
        applications.vgg16.decode_predictions(scores[:, :10])
