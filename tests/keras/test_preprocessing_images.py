"""Layers that change images beside Keras: the same drawn changes give the same images, boxes, labels and masks."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.base import nest
from dovetail.keras import layers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(4)
IMAGES = RNG.uniform(0, 255, (3, 9, 12, 3)).astype("float32")
MASKS = RNG.integers(0, 4, (3, 9, 12, 1)).astype("float32")
BOXES = np.array(
    [[[1, 2, 6, 7], [4, 0, 11, 3]], [[0, 0, 12, 9], [5, 5, 6, 6]], [[2, 2, 4, 8], [7, 1, 9, 2]]], "float32"
)
LABELS = np.array([[1, 2], [3, 4], [5, 6]], "int32")
UNIT = {"value_range": (0, 1)}
MOVED = {"bounding_box_format": "xyxy"}

# The layer, its arguments, and what is compared beside the images: b(oxes), m(asks), l(abels).
ROWS = [
    ("RandomFlip", MOVED, "bm"),
    ("RandomFlip", {"mode": "horizontal", **MOVED}, "bm"),
    ("RandomFlip", {"mode": "vertical", "bounding_box_format": "rel_xywh"}, "m"),
    ("RandomRotation", {"factor": 0.2, **MOVED}, "bm"),
    ("RandomRotation", {"factor": (0.1, 0.4), "fill_mode": "constant", "fill_value": 9.0}, "m"),
    ("RandomRotation", {"factor": 0.3, "fill_mode": "nearest", "interpolation": "nearest"}, ""),
    ("RandomTranslation", {"height_factor": 0.4, "width_factor": (-0.2, 0.5), **MOVED}, "bm"),
    ("RandomTranslation", {"height_factor": 0.3, "width_factor": 0.2, "fill_mode": "constant"}, ""),
    ("RandomZoom", {"height_factor": 0.4, **MOVED}, "bm"),
    (
        "RandomZoom",
        {"height_factor": (0.1, 0.5), "width_factor": 0.3, "fill_mode": "constant", **MOVED},
        "bm",
    ),
    ("RandomShear", {"x_factor": 0.4, "y_factor": 0.3, **MOVED}, "bm"),
    ("RandomPerspective", {"scale": 0.4, **MOVED}, "bm"),
    ("RandomPerspective", {"factor": 0.5, "scale": 0.6, "interpolation": "nearest"}, ""),
    ("RandomContrast", {"factor": 0.6}, ""),
    ("RandomContrast", {"factor": (0.2, 0.9), **UNIT}, ""),
    ("RandomBrightness", {"factor": 0.4}, ""),
    ("RandomHue", {"factor": 0.5}, ""),
    ("RandomHue", {"factor": (0.2, 0.7), **UNIT}, ""),
    ("RandomSaturation", {"factor": 0.6}, ""),
    ("RandomSaturation", {"factor": (0.4, 0.8), **UNIT}, ""),
    ("RandomSharpness", {"factor": 0.8}, ""),
    ("RandomGrayscale", {"factor": 0.5}, ""),
    ("RandomInvert", {"factor": 0.5}, ""),
    ("RandomPosterization", {"factor": 5}, ""),
    ("RandomPosterization", {"factor": (3, 3)}, ""),
    ("RandomColorDegeneration", {"factor": 0.7}, ""),
    ("RandomGaussianBlur", {"factor": 0.7, "kernel_size": 5, "sigma": 0.8}, ""),
    ("RandomErasing", {"scale": (0.2, 0.5)}, ""),
    ("RandomErasing", {"factor": 0.5, "fill_value": (3.0, 4.0, 5.0)}, ""),
    ("Solarization", {"addition_factor": 0.3, "threshold_factor": 0.8}, ""),
    ("AutoContrast", {}, ""),
    ("Equalization", {}, ""),
    ("Equalization", {"bins": 64}, ""),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": (2, 3)}, ""),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"tile_grid_size": (4, 4), "clip_limit": 0.0}, ""),
    ("Resizing", {"height": 5, "width": 7, **MOVED}, "bm"),
    ("Resizing", {"height": 5, "width": 5, "crop_to_aspect_ratio": True, **MOVED}, "b"),
    ("Resizing", {"height": 8, "width": 5, "pad_to_aspect_ratio": True, "fill_value": 3.0, **MOVED}, "b"),
    ("Resizing", {"height": 4, "width": 5, "interpolation": "bicubic", "antialias": True}, ""),
    ("CenterCrop", {"height": 6, "width": 5, **MOVED}, "bm"),
    ("CenterCrop", {"height": 12, "width": 10, **MOVED}, "b"),
    ("RandomCrop", {"height": 4, "width": 7}, "m"),
    ("MixUp", {}, "l"),
    ("CutMix", {}, "lm"),
]
IDS = [f"{kind}-{'-'.join(map(str, kwargs.values()))}".replace(" ", "") for kind, kwargs, _ in ROWS]


@pytest.fixture(scope="module")
def peers():
    pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    return keras.layers


def plain(value):
    """Returns what was drawn as NumPy arrays."""
    return nest.map_structure(lambda leaf: np.asarray(leaf) if hasattr(leaf, "numpy") else leaf, value)


def same(ours, theirs, tolerance=1e-5, scale=255.0):
    theirs = np.asarray(theirs)
    assert tuple(ours.shape) == theirs.shape
    np.testing.assert_allclose(np.asarray(ours, np.float64), theirs, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(("kind", "kwargs", "beside"), ROWS, ids=IDS)
def test_the_same_change_gives_what_keras_gives(kind, kwargs, beside, peers):
    images = IMAGES / 255 if kwargs.get("value_range") == (0, 1) else IMAGES
    ours, theirs = getattr(layers, kind)(**kwargs), getattr(peers, kind)(**kwargs)
    change = ours.get_random_transformation(tf.constant(images), training=True)
    drawn = plain(change)
    same(
        ours.transform_images(tf.constant(images), change),
        theirs.transform_images(images, drawn),
        scale=images.max(),
    )
    if "m" in beside:
        masks = ours.transform_segmentation_masks(tf.constant(MASKS), change)
        same(masks, theirs.transform_segmentation_masks(MASKS, drawn))
    if "b" in beside:
        mine = ours.transform_bounding_boxes(
            {"boxes": tf.constant(BOXES), "labels": tf.constant(LABELS)}, change
        )
        other = theirs.transform_bounding_boxes({"boxes": BOXES.copy(), "labels": LABELS.copy()}, drawn)
        same(mine["boxes"], other["boxes"], 1e-4, 12.0)
        same(mine["labels"], other["labels"])
    if "l" in beside:
        labels = np.eye(3, dtype="float32")
        same(ours.transform_labels(tf.constant(labels), change), theirs.transform_labels(labels, drawn))


# Arguments with nothing to draw: ranges of width 0.
POINTS = [
    ("RandomRotation", {"factor": (0.13, 0.13)}),
    ("RandomRotation", {"factor": (-0.2, -0.2), "fill_mode": "constant", "fill_value": 3.0}),
    ("RandomTranslation", {"height_factor": (0.2, 0.2), "width_factor": (-0.3, -0.3)}),
    ("RandomZoom", {"height_factor": (0.3, 0.3), "width_factor": (-0.2, -0.2)}),
    ("RandomZoom", {"height_factor": (-0.4, -0.4)}),
    ("RandomBrightness", {"factor": (0.3, 0.3)}),
    ("RandomHeight", {"factor": (0.5, 0.5)}),
    ("RandomWidth", {"factor": (-0.4, -0.4)}),
    ("Resizing", {"height": 5, "width": 6}),
    ("Resizing", {"height": 5, "width": 6, "interpolation": "area"}),
    ("Resizing", {"height": 5, "width": 5, "crop_to_aspect_ratio": True}),
    ("CenterCrop", {"height": 5, "width": 6}),
    ("CenterCrop", {"height": 12, "width": 9}),
]


@pytest.mark.parametrize(("kind", "kwargs"), POINTS, ids=lambda value: str(value)[:60])
def test_changes_are_those_of_tf_keras(kind, kwargs):
    pytest.importorskip("tensorflow")
    theirs = getattr(pytest.importorskip("tf_keras").layers, kind)(**kwargs)
    ours = getattr(layers, kind)(**kwargs)
    same(ours(IMAGES, training=True), theirs(IMAGES, training=True), 1e-4)
    assert set(theirs.get_config()) - set(ours.get_config()) <= {"batch_input_shape", "rng_type"}
    type(ours).from_config(theirs.get_config())
