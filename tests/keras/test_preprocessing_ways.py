"""Every layer that changes images, every way it is called: eager, compiled, in models and pipelines, with boxes."""

import json
import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.data import mapping
from dovetail.keras import layers
from tests.keras.test_preprocessing_images import BOXES, IMAGES, LABELS, MASKS

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

# The arguments of each layer; those in FIXED do not draw.
DRAWING = {
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.2},
    "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.2},
    "RandomZoom": {"height_factor": 0.3, "width_factor": 0.2},
    "RandomShear": {"x_factor": 0.3, "y_factor": 0.2},
    "RandomPerspective": {"scale": 0.4},
    "RandomElasticTransform": {"scale": 0.9},
    "RandomContrast": {"factor": 0.5},
    "RandomBrightness": {"factor": 0.5},
    "RandomHue": {"factor": 0.5},
    "RandomSaturation": {"factor": 0.5},
    "RandomSharpness": {"factor": 0.5},
    "RandomGrayscale": {"factor": 0.5},
    "RandomInvert": {"factor": 0.5},
    "RandomPosterization": {"factor": 6},
    "RandomColorDegeneration": {"factor": 0.5},
    "RandomColorJitter": {
        "brightness_factor": 0.2,
        "contrast_factor": 0.2,
        "saturation_factor": 0.2,
        "hue_factor": 0.2,
    },
    "RandomGaussianBlur": {"sigma": 0.8},
    "RandomErasing": {},
    "Solarization": {"addition_factor": 0.4, "threshold_factor": 0.8},
    "RandomCrop": {"height": 5, "width": 6},
    "MixUp": {},
    "CutMix": {},
    "RandAugment": {},
    "AugMix": {"num_chains": 2, "chain_depth": 1},
}
FIXED = {
    "Resizing": {"height": 5, "width": 6},
    "CenterCrop": {"height": 5, "width": 6},
    "AutoContrast": {},
    "Equalization": {},
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (2, 2)},
}
EVERY = pytest.mark.parametrize("kind", [*DRAWING, *FIXED])
DRAWN = pytest.mark.parametrize("kind", list(DRAWING))
SIZED = ("Resizing", "CenterCrop", "RandomCrop")
WITH_BOXES = {"Resizing", "CenterCrop", "RandomCrop", "RandAugment"} | {
    f"Random{name}" for name in ("Flip", "Rotation", "Translation", "Zoom", "Shear", "Perspective")
}


def made(kind, seed=5, **more):
    if kind in DRAWING:
        return getattr(layers, kind)(**DRAWING[kind], seed=seed, **more)
    return getattr(layers, kind)(**FIXED[kind], **more)


def close(actual, expected, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=255 * tolerance)


@DRAWN
def test_one_seed_gives_one_sequence(kind):
    one, other = made(kind), made(kind)
    draws = [np.asarray(one(IMAGES, training=True)) for _ in range(4)]
    for drawn in draws:
        close(other(IMAGES, training=True), drawn, 1e-6)
        assert np.isfinite(drawn).all()
    assert any(np.abs(drawn - draws[0]).max() > 1e-3 for drawn in draws)
    assert one.weights == []


@EVERY
def test_compiled_code_gives_the_same(kind):
    eager, compiled = made(kind), made(kind)
    run = tf.function(lambda x: compiled(x, training=True))
    for _ in range(2):
        close(run(tf.constant(IMAGES)), eager(IMAGES, training=True), 1e-3)


@EVERY
def test_otherwise_images_stay(kind):
    layer = made(kind)
    outputs = layer(IMAGES, training=False)
    assert outputs.dtype == "float32"
    if kind not in (*SIZED, "AutoContrast", "ContrastLimitedAdaptiveHistogramEqualization"):
        np.testing.assert_array_equal(outputs, IMAGES)
    inputs = keras.Input((9, 12, 3))
    symbolic = layer(inputs)
    assert tuple(symbolic.shape) == (None, *outputs.shape[1:])
    close(keras.Model(inputs, symbolic).predict(IMAGES, verbose=0), outputs)
    assert layer.compute_output_shape((None, 9, 12, 3)) == tf.TensorShape([None, *outputs.shape[1:]])


@EVERY
def test_a_dataset_is_mapped_as_by_hand(kind):
    by_hand, mapped = made(kind), made(kind)
    for size in (None, 3):
        data = tf.data.Dataset.from_tensor_slices(IMAGES)
        elements = IMAGES if size is None else [IMAGES]
        data = data if size is None else data.batch(size)
        for ours, element in zip(data.map(lambda x: mapped(x, training=True)), elements, strict=True):
            close(ours, by_hand(element, training=True))


@pytest.mark.parametrize("size", [None, 2])
def test_a_dataset_that_is_compiled_gives_the_same(size, monkeypatch):
    monkeypatch.setattr(mapping, "LEAST_BYTES", 1)
    images = np.concatenate([IMAGES, IMAGES[::-1], IMAGES])

    def make():
        flip, turn = layers.RandomFlip(seed=3), layers.RandomRotation(0.2, seed=4)
        data = tf.data.Dataset.from_tensor_slices(images).map(
            lambda x: turn(flip(x, training=True), training=True)
        )
        return data if size is None else data.batch(size)

    tf.function(lambda x: x + 1)(tf.constant(1.0))  # XLA is there
    by_op, compiled = make(), make()
    for number in range(4):
        monkeypatch.setattr(mapping, "LEAST_PASSES", 9)
        expected = [np.asarray(one) for one in by_op]
        monkeypatch.setattr(mapping, "LEAST_PASSES", 2)
        for ours, theirs in zip(compiled, expected, strict=True):
            close(ours, theirs)
        mapped = compiled._node if size is None else compiled._node.source
        assert (mapped._rows is not None) == (number > 0), number


@EVERY
def test_one_image_is_a_batch_of_one(kind):
    single, batch = made(kind), made(kind)
    close(single(IMAGES[0], training=True), batch(IMAGES[:1], training=True)[0])
    bytes_in = made(kind)(IMAGES[0].astype("uint8"), training=True)
    assert bytes_in.dtype == "float32"
    with pytest.raises(ValueError, match=r"\(9, 12\)"):
        single(IMAGES[0, ..., 0], training=True)


@EVERY
def test_channels_first(kind):
    last, first = made(kind), made(kind, data_format="channels_first")
    outputs = first(IMAGES.transpose(0, 3, 1, 2), training=True)
    if kind == "AutoContrast":
        return  # Keras takes the axes 1 and 2, whatever the format
    if kind != "RandomErasing":  # its noise has the images' shape
        close(np.asarray(outputs).transpose(0, 2, 3, 1), last(IMAGES, training=True), 1e-3)


@EVERY
def test_in_half_precision(kind):
    layer = made(kind, dtype="mixed_float16")
    outputs = layer(IMAGES, training=True)
    assert outputs.dtype == "float16"
    assert np.isfinite(np.asarray(outputs, "float32")).all()


@EVERY
def test_configs(kind):
    keras_3 = pytest.importorskip("keras")
    layer = made(kind)
    config = layer.get_config()
    again = type(layer).from_config(config)
    assert again.get_config() == config
    close(again(IMAGES, training=True), made(kind)(IMAGES, training=True), 1e-6)
    written = json.loads(json.dumps(layers.serialize(layer)))
    assert layers.deserialize(written).get_config() == config
    peer = getattr(keras_3.layers, kind)(**DRAWING.get(kind, FIXED.get(kind)))
    theirs = json.loads(json.dumps(peer.get_config()))
    missing = set(theirs) - set(config)
    assert not missing, missing
    for key in set(theirs) - {"name", "dtype", "seed"}:
        assert json.loads(json.dumps(config[key])) == theirs[key], key
    type(layer).from_config(theirs)


@EVERY
def test_dicts(kind):
    layer = made(kind, bounding_box_format="xyxy")
    data = {"images": IMAGES, "labels": np.eye(3, dtype="float32"), "segmentation_masks": MASKS}
    if kind in WITH_BOXES:
        data["bounding_boxes"] = {"boxes": BOXES, "labels": LABELS}
    outputs = layer(data, training=True)
    close(outputs["images"], made(kind)(IMAGES, training=True))
    assert set(outputs) == set(data)
    assert outputs["segmentation_masks"].shape[0] == 3
    if kind in WITH_BOXES:
        boxes = np.asarray(outputs["bounding_boxes"]["boxes"])
        assert boxes.shape == BOXES.shape and (boxes >= 0).all() and (boxes[..., [0, 2]] <= 12).all()
        plain = getattr(layers, kind)(**{**DRAWING, **FIXED}[kind])
        with pytest.raises(ValueError, match="bounding_box_format"):
            plain(data, training=True)
    one = {key: value[0] for key, value in data.items() if key != "bounding_boxes"}
    if kind in WITH_BOXES:
        one["bounding_boxes"] = {"boxes": BOXES[0], "labels": LABELS[0]}
    single = made(kind, bounding_box_format="xyxy")(one, training=True)
    assert len(single["images"].shape) == 3


def test_dicts_in_a_dataset():
    data = {"images": IMAGES, "bounding_boxes": {"boxes": BOXES, "labels": LABELS}}
    flip = layers.RandomFlip("horizontal", seed=1, bounding_box_format="xyxy")
    count = layers.MaxNumBoundingBoxes(4)
    pipeline = layers.Pipeline([flip])
    mapped = next(
        iter(tf.data.Dataset.from_tensor_slices(data).batch(3).map(lambda one: pipeline(one, training=True)))
    )
    assert mapped["bounding_boxes"]["boxes"].shape == (3, 2, 4)
    padded = layers.MaxNumBoundingBoxes(4, bounding_box_format="xyxy")(data)["bounding_boxes"]
    assert padded["boxes"].shape == (3, 4, 4) and padded["labels"].numpy()[0].tolist() == [1, 2, -1, -1]
    assert count.get_config()["max_number"] == 4
    lists = {
        "boxes": [[[1.0, 2.0, 3.0, 4.0]], [], [[0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 5.0, 5.0]]],
        "labels": [[1], [], [2, 3]],
    }
    filled = flip({"images": IMAGES, "bounding_boxes": lists}, training=True)["bounding_boxes"]
    assert filled["boxes"].shape == (3, 2, 4) and filled["labels"].numpy()[0].tolist() == [1, -1]


def test_a_pipeline_is_its_layers_in_a_row():
    steps = [layers.RandomFlip(seed=1), layers.RandomContrast(0.4, seed=2), layers.Resizing(4, 5)]
    pipeline = layers.Pipeline(steps)
    outputs = pipeline(IMAGES, training=True)
    again = layers.Pipeline.from_config(json.loads(json.dumps(pipeline.get_config())))
    close(again(IMAGES, training=True), outputs)
    assert [type(layer).__name__ for layer in again.layers] == ["RandomFlip", "RandomContrast", "Resizing"]
    close(pipeline(IMAGES, training=False), layers.Resizing(4, 5)(IMAGES))


def test_keras_2_draws_a_size_for_a_batch():
    tall = layers.RandomHeight((0.5, 0.5), seed=1)(IMAGES, training=True)
    wide = layers.RandomWidth(0.3, seed=1)
    assert tall.shape == (3, 13, 12, 3)
    close(tall, tf.image.resize(IMAGES, (13, 12)))
    widths = {wide(IMAGES, training=True).shape[2] for _ in range(8)}
    assert len(widths) > 1 and min(widths) >= 8 and max(widths) <= 15
    assert tuple(wide(keras.Input((9, 12, 3))).shape) == (None, 9, None, 3)
    np.testing.assert_array_equal(wide(IMAGES, training=False), IMAGES)


BAD = [
    ("RandomRotation", {"factor": 2.0}, "factor"),
    ("RandomRotation", {"factor": "a"}, "factor"),
    ("RandomRotation", {"factor": 0.1, "fill_mode": "white"}, "fill_mode"),
    ("RandomFlip", {"mode": "diagonal"}, "mode"),
    ("RandomZoom", {"height_factor": -1.0}, "height_factor"),
    ("RandomTranslation", {"height_factor": 1.5, "width_factor": 0.1}, "height_factor"),
    ("RandomTranslation", {"height_factor": 0.5, "width_factor": (0.1, 0.2, 0.3)}, "width_factor"),
    ("RandomContrast", {"factor": -0.5}, "factor"),
    ("RandomBrightness", {"factor": 0.1, "value_range": 3}, "value_range"),
    ("RandomGaussianBlur", {"kernel_size": 4}, "kernel_size"),
    ("RandomErasing", {"fill_value": "x"}, "fill_value"),
    ("RandomPerspective", {"scale": 2.0}, "scale"),
    ("RandomPosterization", {"factor": 9}, "factor"),
    ("Resizing", {"height": 0, "width": 3}, "height"),
    ("Resizing", {"height": 2, "width": 3, "interpolation": "magic"}, "interpolation"),
    (
        "Resizing",
        {"height": 2, "width": 3, "crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True},
        "pad_to",
    ),
    ("CenterCrop", {"height": -1, "width": 3}, "height"),
    ("RandomHeight", {"factor": (0.5, 0.1)}, "factor"),
    ("Solarization", {"addition_factor": 3}, "addition_factor"),
    ("MaxNumBoundingBoxes", {"max_number": 0}, "max_number"),
]


@pytest.mark.parametrize(("kind", "kwargs", "word"), BAD, ids=lambda value: str(value)[:40])
def test_bad_arguments_are_refused(kind, kwargs, word):
    with pytest.raises(ValueError, match=word):
        getattr(layers, kind)(**kwargs)


def test_a_model_augments_when_it_is_trained():
    def losses():
        keras.utils.set_random_seed(5)
        steps = [layers.RandomFlip(), layers.RandomRotation(0.2, seed=1), layers.RandomContrast(0.4, seed=2)]
        head = [layers.Flatten(), layers.Dense(1)]
        model = keras.Sequential([keras.Input((9, 12, 3)), layers.Rescaling(1 / 255), *steps, *head])
        model.compile("sgd", "mse")
        plain = model.predict(IMAGES, verbose=0)
        close(model.predict(IMAGES, verbose=0), plain, 1e-6)
        return model.fit(IMAGES, np.ones(3), epochs=3, verbose=0).history["loss"], plain

    (first, before), (second, again) = losses(), losses()
    close(first, second, 1e-6)
    close(before, again, 1e-6)
