"""`keras.visualization`: images in a grid, with boxes (drawn by Pillow) or masks on them; matplotlib shows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.keras.utils.bounding_boxes import convert_format
from dovetail.keras.utils.image_files import checked_format

__all__ = [
    "draw_bounding_boxes",
    "draw_segmentation_masks",
    "plot_bounding_box_gallery",
    "plot_image_gallery",
    "plot_segmentation_mask_gallery",
]

# What the number of a class is multiplied with, modulo 255, for a color: neighbours differ (torchvision's choice).
_PALETTE = np.array([2**25 - 1, 2**15 - 1, 2**21 - 1])


def _images_last(images: Any, data_format: str | None, label: str) -> Any:
    """Returns images as an array (batch, height, width, channels)."""
    found = np.asarray(images)
    if found.ndim != 4:
        raise ValueError(
            f"{label}: images have shape (batch, height, width, channels), received {found.shape}{at_user_location()}"
        )
    return found.transpose(0, 2, 3, 1) if checked_format(data_format, label) == "channels_first" else found


def _as_bytes(images: Any) -> np.ndarray:
    return np.clip(images, 0, 255).astype(np.uint8)


def draw_bounding_boxes(
    images: Any,
    bounding_boxes: dict[str, Any],
    bounding_box_format: str,
    class_mapping: dict[int, str] | None = None,
    color: tuple[int, int, int] = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> np.ndarray:
    """Returns images with boxes, and the names of their classes, drawn on them.

    Args:
        images: (batch, height, width, 3), values in [0, 255].
        bounding_boxes: dict of "boxes" (batch, boxes, 4), "labels" (batch, boxes), and, or not, "confidences"; boxes
            with the label -1 are left out.
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
        class_mapping: names of the classes; their numbers are written when None.
        color: of lines and text, red, green and blue.
        line_thickness: of the boxes, in pixels.
        text_thickness: of the text's strokes, in pixels.
        font_scale: size of the text; 1 is 12 pixels.
        data_format: of the images.

    Returns:
        uint8 array (batch, height, width, 3).
    """
    drawing = optional("PIL.ImageDraw", "keras.visualization", "'dovetail[images]'")
    image_of = optional("PIL.Image", "keras.visualization", "'dovetail[images]'").fromarray
    font = optional("PIL.ImageFont", "keras.visualization", "'dovetail[images]'").load_default(
        12 * font_scale
    )
    pixels = _as_bytes(_images_last(images, data_format, "draw_bounding_boxes"))
    height, width = pixels.shape[1:3]
    boxes = np.asarray(
        convert_format(
            np.asarray(bounding_boxes["boxes"], "float32"), bounding_box_format, "xyxy", height, width
        )
    )
    labels = np.asarray(bounding_boxes["labels"])
    confidences = bounding_boxes.get("confidences")
    results = []
    for row, single in enumerate(pixels):
        image = image_of(np.ascontiguousarray(single))
        pen = drawing.Draw(image)
        for index, box in enumerate(boxes[row]):
            number = int(labels[row][index])
            if number == -1:
                continue
            corners = _corners(box)
            pen.rectangle(corners, outline=tuple(color), width=line_thickness)
            text = str((class_mapping or {}).get(number, number))
            if confidences is not None:
                text += f" | {float(np.asarray(confidences)[row][index]):.2f}"
            pen.text(corners[:2], text, fill=tuple(color), font=font, stroke_width=max(text_thickness - 1, 0))
        results.append(np.asarray(image))
    return np.stack(results)


def _corners(box: np.ndarray) -> tuple[int, ...]:
    x1, y1, x2, y2 = (int(value) for value in box)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def draw_segmentation_masks(
    images: Any,
    segmentation_masks: Any,
    num_classes: int | None = None,
    color_mapping: dict[int, tuple[int, int, int]] | None = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> np.ndarray:
    """Returns images with the classes of their pixels as colors on top.

    Args:
        images: (batch, height, width, 3), values in [0, 255].
        segmentation_masks: class numbers, (batch, height, width) or with a last axis of 1.
        num_classes: how many classes there are; the largest number + 1 when None.
        color_mapping: color of each class, red, green and blue.
        alpha: share of the color, from 0 to 1.
        blend: False: the color alone.
        ignore_index: class whose pixels stay as they are.
        data_format: of images and masks.

    Returns:
        uint8 array (batch, height, width, 3).
    """
    pixels = _images_last(images, data_format, "draw_segmentation_masks").astype("float32")
    masks = np.asarray(segmentation_masks)
    if masks.ndim == 4:
        first = checked_format(data_format, "draw_segmentation_masks") == "channels_first"
        masks = masks[:, 0] if first else masks[..., 0]
    masks = masks.astype("int32")
    count = num_classes or int(masks.max()) + 1
    colors = (np.arange(count)[:, None] * _PALETTE % 255).astype("float32")  # (classes, 3)
    for number, color in (color_mapping or {}).items():
        colors[number] = color
    shown = masks != ignore_index
    painted = colors[np.where(shown, masks, 0)]  # (batch, height, width, 3)
    mixed = pixels * (1 - alpha) + painted * alpha if blend else painted
    return _as_bytes(np.where(shown[..., None], mixed, pixels))


def plot_image_gallery(
    images: Any,
    y_true: Any = None,
    y_pred: Any = None,
    label_map: dict[int, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: tuple[float, float] = (0, 255),
    scale: float = 2,
    path: str | None = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Any = None,
    data_format: str | None = None,
) -> Any:
    """Shows images in a grid.

    Args:
        images: (batch, height, width, channels).
        y_true, y_pred: class numbers, written above the images.
        label_map: names of the classes.
        rows, cols: size of the grid; as square as possible when None.
        value_range: smallest and largest value of the images.
        scale: size of an image, in inches.
        path: file to save the picture to.
        show: whether to open it; default: when there is no path.
        transparent: background of the file.
        dpi: pixels per inch in the file.
        legend_handles: matplotlib's, for a legend.
        data_format: of the images.

    Returns:
        The matplotlib figure when it is neither saved nor shown, else None.

    Raises:
        ValueError: both `path` and `show=True`.
    """
    if path is not None and show:
        raise ValueError(f"plot_image_gallery: pass either path= or show=True, not both{at_user_location()}")
    plots = optional("matplotlib.pyplot", "keras.visualization", "'dovetail[plot]'")
    found = _images_last(images, data_format, "plot_image_gallery").astype("float32")
    low, high = value_range
    pixels = _as_bytes((found - low) / (high - low) * 255)
    cols = cols or (math.ceil(len(pixels) / rows) if rows else math.ceil(math.sqrt(len(pixels))))
    rows = rows or math.ceil(len(pixels) / cols)
    figure, axes = plots.subplots(rows, cols, figsize=(scale * cols, scale * rows), squeeze=False)
    for index, axis in enumerate(axes.flat):
        axis.axis("off")
        if index < len(pixels):
            single = pixels[index]
            axis.imshow(single[..., 0] if single.shape[-1] == 1 else single, cmap="gray")
            axis.set_title(_title(index, y_true, y_pred, label_map or {}), fontsize=8)
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    if path is not None:
        figure.savefig(path, transparent=transparent, dpi=dpi)
        plots.close(figure)
        return None
    if show is None or show:
        plots.show()
        plots.close(figure)
        return None
    return figure


def _title(index: int, y_true: Any, y_pred: Any, names: dict[int, str]) -> str:
    parts = []
    for what, labels in (("True", y_true), ("Pred", y_pred)):
        if labels is not None:
            number = np.asarray(labels)[index].item()
            parts.append(f"{what}: {names.get(number, number)}")
    return " | ".join(parts)


def plot_bounding_box_gallery(
    images: Any,
    bounding_box_format: str,
    y_true: dict[str, Any] | None = None,
    y_pred: dict[str, Any] | None = None,
    value_range: tuple[float, float] = (0, 255),
    true_color: tuple[int, int, int] = (0, 188, 212),
    pred_color: tuple[int, int, int] = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: dict[int, str] | None = None,
    ground_truth_mapping: dict[int, str] | None = None,
    prediction_mapping: dict[int, str] | None = None,
    legend: bool = False,
    legend_handles: Any = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Shows images in a grid, with true and predicted boxes.

    Args:
        images, value_range, rows, cols, data_format: see `plot_image_gallery`.
        bounding_box_format, line_thickness, font_scale, text_thickness: see `draw_bounding_boxes`.
        y_true, y_pred: boxes, see `draw_bounding_boxes`.
        true_color, pred_color: their colors.
        class_mapping: names of the classes; `ground_truth_mapping` and `prediction_mapping` for one of both.
        legend: adds one.
        legend_handles: matplotlib's, in place of ours.
        kwargs: further arguments of `plot_image_gallery`.

    Raises:
        ValueError: both `legend` and `legend_handles`.
    """
    if legend and legend_handles is not None:
        raise ValueError(
            f"plot_bounding_box_gallery: pass either legend=True or legend_handles=, not both{at_user_location()}"
        )
    found = _images_last(images, data_format, "plot_bounding_box_gallery").astype("float32")
    low, high = value_range
    pixels: Any = (found - low) / (high - low) * 255
    for boxes, names, color in (
        (y_true, ground_truth_mapping or class_mapping, true_color),
        (y_pred, prediction_mapping or class_mapping, pred_color),
    ):
        if boxes is not None:
            pixels = draw_bounding_boxes(
                pixels,
                boxes,
                bounding_box_format,
                names,
                color,
                line_thickness,
                text_thickness or line_thickness,
                font_scale,
                "channels_last",
            )
    if legend:
        legend_handles = _legend({"Ground truth": true_color, "Prediction": pred_color})
    return plot_image_gallery(
        pixels, rows=rows, cols=cols, legend_handles=legend_handles, data_format="channels_last", **kwargs
    )


def _legend(colors: dict[str, tuple[int, int, int]]) -> list:
    patches = optional("matplotlib.patches", "keras.visualization", "'dovetail[plot]'")
    return [patches.Patch(color=np.array(color) / 255, label=name) for name, color in colors.items()]


def plot_segmentation_mask_gallery(
    images: Any,
    num_classes: int,
    value_range: tuple[float, float] = (0, 255),
    y_true: Any = None,
    y_pred: Any = None,
    color_mapping: dict[int, tuple[int, int, int]] | None = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Shows each image beside itself with the true, and with the predicted mask.

    Args:
        images, value_range, data_format: see `plot_image_gallery`.
        num_classes, color_mapping, blend, alpha, ignore_index: see `draw_segmentation_masks`.
        y_true, y_pred: masks.
        kwargs: further arguments of `plot_image_gallery`.
    """
    found = _images_last(images, data_format, "plot_segmentation_mask_gallery").astype("float32")
    low, high = value_range
    pixels = (found - low) / (high - low) * 255
    columns = [_as_bytes(pixels)]
    for masks in (y_true, y_pred):
        if masks is not None:
            masks = np.asarray(masks)
            if (
                masks.ndim == 4
                and checked_format(data_format, "plot_segmentation_mask_gallery") == "channels_first"
            ):
                masks = masks.transpose(0, 2, 3, 1)
            columns.append(
                draw_segmentation_masks(
                    pixels, masks, num_classes, color_mapping, alpha, blend, ignore_index, "channels_last"
                )
            )
    shown = np.stack(columns, axis=1).reshape(-1, *pixels.shape[1:])  # the columns of an image are neighbours
    return plot_image_gallery(
        shown, rows=len(pixels), cols=len(columns), data_format="channels_last", **kwargs
    )
