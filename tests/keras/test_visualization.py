"""`keras.visualization`: boxes and masks on images, and galleries."""

import keras as keras_3
import numpy as np
import pytest

import dovetail as tf

show = tf.keras.visualization
GRAY = np.full((2, 16, 16, 3), 100, "uint8")
MASKS = np.zeros((2, 16, 16, 1), "int32")
MASKS[:, :8] = 1
COLORS = {0: (10, 20, 30), 1: (200, 0, 0)}
BOXES = {
    "boxes": np.array([[[2, 2, 12, 12], [0, 0, 4, 4]]] * 2, "float32"),
    "labels": np.array([[1, -1], [0, 1]]),
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_mapping": COLORS, "alpha": 0.5},
        {"color_mapping": COLORS, "blend": False},
        {"color_mapping": COLORS, "ignore_index": 0},
    ],
)
def test_masks_are_drawn_as_in_keras(options):
    # Without num_classes, Keras takes the largest number for the number of classes.
    expected = keras_3.visualization.draw_segmentation_masks(GRAY, MASKS, num_classes=2, **options)
    np.testing.assert_allclose(show.draw_segmentation_masks(GRAY, MASKS, **options), expected, atol=1)
    first = show.draw_segmentation_masks(
        GRAY.transpose(0, 3, 1, 2), MASKS.transpose(0, 3, 1, 2), data_format="channels_first", **options
    )
    np.testing.assert_allclose(first, expected, atol=1)


def test_boxes_are_drawn_where_they_are():
    drawn = show.draw_bounding_boxes(GRAY, BOXES, "xyxy", color=(255, 0, 0), line_thickness=1, font_scale=0.1)
    np.testing.assert_array_equal(drawn[0, 12, 2:13], [[255, 0, 0]] * 11)  # the lower edge
    np.testing.assert_array_equal(drawn[0, 14], GRAY[0, 14])
    np.testing.assert_array_equal(drawn[0, :2, :2], GRAY[0, :2, :2])  # the label -1 is left out
    assert (drawn[1, 0, :5] == [255, 0, 0]).all()
    relative = BOXES | {"boxes": BOXES["boxes"] / 16}
    again = show.draw_bounding_boxes(
        GRAY, relative, "rel_xyxy", color=(255, 0, 0), line_thickness=1, font_scale=0.1
    )
    np.testing.assert_array_equal(again, drawn)


def test_galleries_are_saved(tmp_path):
    paths = [tmp_path / name for name in ("images.png", "boxes.png", "masks.png")]
    show.plot_image_gallery(GRAY, y_true=[0, 1], label_map={0: "cat", 1: "dog"}, path=str(paths[0]))
    show.plot_bounding_box_gallery(GRAY, "xyxy", y_true=BOXES, y_pred=BOXES, legend=True, path=str(paths[1]))
    show.plot_segmentation_mask_gallery(GRAY, 2, y_true=MASKS, y_pred=MASKS, path=str(paths[2]))
    assert all(path.stat().st_size > 500 for path in paths)
    figure = show.plot_image_gallery(GRAY, rows=1, show=False)
    assert len(figure.axes) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: show.plot_image_gallery(GRAY[0]), r"received \(16, 16, 3\)"),
        (lambda: show.plot_image_gallery(GRAY, path="a.png", show=True), "not both"),
        (lambda: show.plot_bounding_box_gallery(GRAY, "xyxy", legend=True, legend_handles=[1]), "not both"),
    ],
)
def test_bad_arguments(call, words):
    with pytest.raises(ValueError, match=words):
        call()
