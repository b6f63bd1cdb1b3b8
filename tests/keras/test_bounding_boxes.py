"""`keras.utils.bounding_boxes` beside Keras."""

import itertools
import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.keras.utils import bounding_boxes as ours
from dovetail.ops.image_boxes import FORMATS

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(6)
CORNER = RNG.uniform(0.05, 0.5, (2, 5, 2))
BOXES = np.concatenate([CORNER, CORNER + RNG.uniform(0.1, 0.4, (2, 5, 2))], -1).astype("float32")
SIZE = {"height": 20, "width": 30}


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras").utils.bounding_boxes


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=tolerance)


def test_formats(theirs):
    for source, target in itertools.product(FORMATS, FORMATS):
        mine = ours.convert_format(BOXES, source, target, **SIZE)
        close(mine, theirs.convert_format(BOXES, source, target, **SIZE), 1e-4)
        close(ours.convert_format(mine, target, source, **SIZE), BOXES, 1e-4)
    given = {"boxes": BOXES, "labels": np.zeros((2, 5))}
    assert set(ours.convert_format(given, "xyxy", "xywh")) == {"boxes", "labels"}
    close(given["boxes"], BOXES)


def test_what_is_outside(theirs):
    boxes = np.array([[[-3, 2, 5, 9], [31, 2, 40, 5], [1, 1, 50, 60]]], "float32")
    labels = np.array([[1, 2, 3]], "int32")
    for bounding_box_format, factor in (("xyxy", 1.0), ("rel_xyxy", 0.05)):
        given = {"boxes": boxes * factor, "labels": labels}
        mine = ours.clip_to_image_size(given, bounding_box_format=bounding_box_format, **SIZE)
        other = theirs.clip_to_image_size(given, bounding_box_format=bounding_box_format, **SIZE)
        close(mine["boxes"], other["boxes"])
        assert np.asarray(mine["labels"]).tolist() == np.asarray(other["labels"]).tolist()


def test_moved(theirs):
    pairs = ([20, -40], [0.1, 0], [0, 0.2], [1, 1.5], [5, 9])
    angle, x, y, scale, shear = (np.array(pair, "float32") for pair in pairs)
    boxes = BOXES * np.array([30, 20, 30, 20], "float32")
    given = (boxes, angle, x, y, scale, shear, shear * 0.5)
    close(ours.affine_transform(*given, **SIZE), theirs.affine_transform(*given, **SIZE), 1e-4)
    about = {"center_x": 0.2, "center_y": 0.9}
    close(
        ours.affine_transform(*given, **SIZE, **about), theirs.affine_transform(*given, **SIZE, **about), 1e-4
    )
    close(ours.crop(boxes, 3, 4, 10, 12), theirs.crop(boxes, 3, 4, 10, 12))
    close(ours.pad(boxes, 3, 4), theirs.pad(boxes, 3, 4))


def test_offsets_from_anchors(theirs):
    anchors = BOXES[0] + 0.05
    cases = (("xyxy", "center_yxhw", None), ("rel_xyxy", "center_xywh", [0.1, 0.1, 0.2, 0.2]))
    for box_format, encoding, variance in cases:
        given = {"anchor_format": box_format, "box_format": box_format, "variance": variance}
        given["image_shape"] = (20, 30, 3)
        mine = ours.encode_box_to_deltas(anchors, BOXES, encoding_format=encoding, **given)
        close(mine, theirs.encode_box_to_deltas(anchors, BOXES, encoding_format=encoding, **given), 1e-4)
        back = ours.decode_deltas_to_boxes(anchors, mine, encoded_format=encoding, **given)
        close(back, BOXES, 1e-4)
    levels = ours.decode_deltas_to_boxes({"p": anchors}, {"p": mine}, encoded_format=encoding, **given)
    close(levels["p"], BOXES, 1e-4)


def test_overlaps(theirs):
    for a, b in ((BOXES[0], BOXES[1]), (BOXES, BOXES[:, ::-1]), (BOXES, BOXES[:, :3])):
        close(ours.compute_iou(a, b, "xyxy"), theirs.compute_iou(a, b, "xyxy"), 1e-4)
    padded = np.concatenate([BOXES, -np.ones((2, 1, 4), "float32")], 1)
    masked = {"use_masking": True, "mask_val": -1}
    close(
        ours.compute_iou(padded, padded, "xyxy", **masked),
        theirs.compute_iou(padded, padded, "xyxy", **masked),
    )
    close(ours.compute_iou(BOXES, BOXES, "rel_xyxy", image_shape=(20, 30, 3))[0, 0, 0], 1.0, 1e-4)
    close(
        ours.compute_ciou(BOXES[0], BOXES[1], "xyxy"), theirs.compute_ciou(BOXES[0], BOXES[1], "xyxy"), 1e-4
    )
    compiled = tf.function(lambda boxes: ours.compute_iou(boxes, boxes, "xyxy"))
    close(compiled(tf.constant(BOXES)), ours.compute_iou(BOXES, BOXES, "xyxy"))


def test_refusals():
    for call, word in (
        (lambda: ours.convert_format(BOXES, "xyxy", "rel_xyxy"), "height"),
        (lambda: ours.convert_format(BOXES, "xyxy", "xxyy"), "target"),
        (lambda: ours.convert_format(BOXES[..., :3], "xyxy", "xywh"), r"\(\.\.\., 4\)"),
        (lambda: ours.clip_to_image_size({"boxes": BOXES}), "height"),
        (lambda: ours.compute_iou(BOXES[0, 0], BOXES, "xyxy"), "rank"),
        (lambda: ours.compute_iou(BOXES, BOXES, "rel_xyxy"), "image_shape"),
        (lambda: ours.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", "xyxy"), "encoding_format"),
        (lambda: ours.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", variance=[1.0]), "variance"),
    ):
        with pytest.raises(ValueError, match=word):
            call()
    with pytest.raises(NotImplementedError, match="xywh"):
        ours.crop(BOXES, 1, 1, 3, 3, bounding_box_format="xywh")
