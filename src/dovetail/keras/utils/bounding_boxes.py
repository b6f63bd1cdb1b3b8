"""`keras.utils.bounding_boxes`: boxes of objects in images, their formats, and how they move with the images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.ops import arithmetic, array, indexing, reduction
from dovetail.ops import math as tf_math
from dovetail.ops.image_boxes import FORMATS, clip_boxes, convert_boxes, turn_boxes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

__all__ = [
    "affine_transform",
    "clip_to_image_size",
    "compute_ciou",
    "compute_iou",
    "convert_format",
    "crop",
    "decode_deltas_to_boxes",
    "encode_box_to_deltas",
    "pad",
]


def _known(function: str, name: str, value: Any) -> str:
    found = value.lower() if isinstance(value, str) else value
    if found not in FORMATS:
        raise ValueError(
            f"keras.utils.bounding_boxes.{function}: {name} must be one of {', '.join(FORMATS)}, received {value!r}."
            f"{suggest(str(value), FORMATS)}{at_user_location()}"
        )
    return found


def _number(value: Any) -> Any:
    return value if isinstance(value, TensorLike) else convert_to_tensor(np.asarray(value, np.float32))


def _float(x: Any, dtype: Any = "float32") -> Any:
    return convert_to_tensor(x)._astype(dtype)


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32"
) -> Any:
    """Converts boxes between formats.

    Args:
        boxes: tensor of shape (..., 4), or a dict that has it as "boxes".
        source, target: "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw" in pixels; "rel_xyxy", "rel_yxyx",
            "rel_xywh", "rel_center_xywh" in parts of the image.
        height, width: of the image, in pixels; needed between pixels and parts.
        dtype: of the result.

    Returns:
        The boxes; a new dict for a dict.

    Example:
        >>> keras.utils.bounding_boxes.convert_format([[1.0, 2.0, 4.0, 6.0]], "xyxy", "xywh").numpy().tolist()
        [[1.0, 2.0, 3.0, 4.0]]
    """
    if isinstance(boxes, dict):
        return boxes | {"boxes": convert_format(boxes["boxes"], source, target, height, width, dtype)}
    source, target = _known("convert_format", "source", source), _known("convert_format", "target", target)
    boxes = _float(boxes, dtype)
    if boxes.shape[-1] not in (4, None):
        raise ValueError(
            f"keras.utils.bounding_boxes.convert_format: boxes must have the shape (..., 4), received {boxes.shape}"
            f"{at_user_location()}"
        )
    if source == target:
        return boxes
    if source.startswith("rel_") == target.startswith("rel_"):
        return convert_boxes(boxes, source=source, target=target)
    if height is None or width is None:
        raise ValueError(
            f"keras.utils.bounding_boxes.convert_format: from {source!r} to {target!r} takes the image's height and "
            f"width, received height={height} and width={width}{at_user_location()}"
        )
    return convert_boxes(boxes, _number(height), _number(width), source=source, target=target)


def clip_to_image_size(
    bounding_boxes: dict, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict:
    """Clips boxes to the image; the labels of those of which nothing is left become -1.

    Args:
        bounding_boxes: dict of "boxes" (..., 4) and, or not, "labels" (...).
        height, width: of the image, for "xyxy".
        bounding_box_format: "xyxy" or "rel_xyxy".
    """
    if bounding_box_format not in ("xyxy", "rel_xyxy"):
        raise NotImplementedError(
            "keras.utils.bounding_boxes.clip_to_image_size: bounding_box_format must be 'xyxy' or 'rel_xyxy', "
            f"received {bounding_box_format!r}{at_user_location()}"
        )
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    if height is None or width is None:
        raise ValueError(
            "keras.utils.bounding_boxes.clip_to_image_size: 'xyxy' takes the image's height and width"
            f"{at_user_location()}"
        )
    boxes = clip_boxes(convert_to_tensor(bounding_boxes["boxes"]), _number(height), _number(width))
    clipped = bounding_boxes | {"boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        labels = convert_to_tensor(bounding_boxes["labels"])
        area = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
        clipped["labels"] = indexing.where(area > 0, labels, -1)
    return clipped


def _corners_only(function: str, bounding_box_format: str) -> None:
    if bounding_box_format != "xyxy":
        raise NotImplementedError(
            f"keras.utils.bounding_boxes.{function}: bounding_box_format must be 'xyxy', received "
            f"{bounding_box_format!r}; convert_format converts{at_user_location()}"
        )


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Returns the boxes around boxes that were turned, moved, scaled and sheared.

    Args:
        boxes: tensor of shape (batch, n, 4): left, top, right, bottom.
        angle, translate_x, translate_y, scale, shear_x, shear_y: of shape (batch,); angles and shears in degrees,
            translations in parts of the image.
        height, width: of the images.
        center_x, center_y: about which point, in parts of the image; 0.5 by default.
        bounding_box_format: "xyxy".
    """
    _corners_only("affine_transform", bounding_box_format)
    numbers = [_float(one) for one in (angle, translate_x, translate_y, scale, shear_x, shear_y)]
    height, width = _number(height)._astype("float32"), _number(width)._astype("float32")
    middle = [
        size * (0.5 if one is None else one) for one, size in ((center_x, width - 1), (center_y, height - 1))
    ]
    numbers[1], numbers[2] = numbers[1] * (width - 1), numbers[2] * (height - 1)
    return turn_boxes(_float(boxes), _inverse(*numbers, *middle))


def _inverse(
    angle: Any, move_x: Any, move_y: Any, scale: Any, shear_x: Any, shear_y: Any, cx: Any, cy: Any
) -> Any:
    """Returns the matrices (batch, 2, 3) that undo what moves the pixels."""
    degree = math.pi / 180
    turn, sx, sy = -angle * degree, -shear_x * degree, -shear_y * degree
    x, y = cx - move_x, cy - move_y
    cos_sy, tan_sx = tf_math.cos(sy), tf_math.tan(sx)
    a = tf_math.cos(turn - sy) / cos_sy
    c = -tf_math.sin(turn - sy) / cos_sy
    b, d = a * tan_sx + tf_math.sin(turn), tf_math.cos(turn) - c * tan_sx
    rows = ((d * scale, -b * scale, cx), (-c * scale, a * scale, cy))
    full = [array.stack(p, q, middle - p * x - q * y, axis=-1) for p, q, middle in rows]
    return array.stack(*full, axis=1)


def _moved(boxes: Any, left: Any, top: Any) -> Any:
    boxes = convert_to_tensor(boxes)
    x, y = (_number(one)._astype(boxes.dtype) for one in (left, top))
    a, b, c, d = (boxes[..., i] for i in range(4))
    return array.stack(a + x, b + y, c + x, d + y, axis=-1)


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """Returns where boxes lie in a window of the image, clipped to it.

    Args:
        boxes: tensor of shape (..., 4): left, top, right, bottom.
        top, left, height, width: the window.
        bounding_box_format: "xyxy".
    """
    _corners_only("crop", bounding_box_format)
    return clip_boxes(_moved(boxes, -_number(left), -_number(top)), _number(height), _number(width))


def pad(
    boxes: Any,
    top: Any,
    left: Any,
    height: Any = None,
    width: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """Returns where boxes lie when the image gets borders.

    Args:
        boxes: tensor of shape (..., 4): left, top, right, bottom.
        top, left: sizes of the borders.
        height, width: of the new image; what lies outside stays, as in Keras.
        bounding_box_format: "xyxy".
    """
    _corners_only("pad", bounding_box_format)
    return _moved(boxes, left, top)


# ---- offsets from anchors -----------------------------------------------------------------------------------------


def _encoding(function: str, name: str, value: str, variance: Any) -> Any:
    if value not in ("center_xywh", "center_yxhw"):
        raise ValueError(
            f"keras.utils.bounding_boxes.{function}: {name} must be 'center_xywh' or 'center_yxhw', received "
            f"{value!r}{at_user_location()}"
        )
    if variance is None:
        return None
    variance = _float(variance)
    if variance.shape[-1] != 4:
        raise ValueError(
            f"keras.utils.bounding_boxes.{function}: variance must hold 4 numbers, received shape {variance.shape}"
            f"{at_user_location()}"
        )
    return variance


def _size(image_shape: Any) -> tuple:
    return (None, None) if image_shape is None else tuple(image_shape)[:2]


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Returns boxes as offsets from anchors: of the centers in sizes of the anchors, of the sizes as logarithms.

    Args:
        anchors: tensor of shape (n, 4).
        boxes: tensor of shape (n, 4) or (batch, n, 4).
        anchor_format, box_format: of `convert_format`.
        encoding_format: "center_yxhw" or "center_xywh".
        variance: four numbers that the offsets are divided by.
        image_shape: height, width and channels, for formats in parts of the image.
    """
    variance = _encoding("encode_box_to_deltas", "encoding_format", encoding_format, variance)
    size = _size(image_shape)
    anchors = convert_format(anchors, anchor_format, encoding_format, *size)
    boxes = convert_format(boxes, box_format, encoding_format, *size)
    anchor_sizes, box_sizes = (arithmetic.maximum(one[..., 2:], settings.epsilon) for one in (anchors, boxes))
    centers = (boxes[..., :2] - anchors[..., :2]) / anchor_sizes
    deltas = array.concat([centers, tf_math.log(box_sizes / anchor_sizes)], -1)
    return deltas if variance is None else deltas / variance


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """Returns the boxes that offsets from anchors stand for: the inverse of `encode_box_to_deltas`.

    Args:
        anchors, boxes_delta: tensors, or two dicts of them with the same keys.
        anchor_format, box_format, variance, image_shape: as of `encode_box_to_deltas`.
        encoded_format: "center_yxhw" or "center_xywh".
    """
    variance = _encoding("decode_deltas_to_boxes", "encoded_format", encoded_format, variance)
    size = _size(image_shape)

    def decoded(anchor: Any, delta: Any) -> Any:
        anchor = convert_format(anchor, anchor_format, encoded_format, *size)
        delta = _float(delta) if variance is None else _float(delta) * variance
        centers = delta[..., :2] * anchor[..., 2:] + anchor[..., :2]
        box = array.concat([centers, tf_math.exp(delta[..., 2:]) * anchor[..., 2:]], -1)
        return convert_format(box, encoded_format, box_format, *size)

    if isinstance(anchors, dict) and isinstance(boxes_delta, dict):
        return {level: decoded(anchor, boxes_delta[level]) for level, anchor in anchors.items()}
    return decoded(anchors, boxes_delta)


# ---- how boxes overlap --------------------------------------------------------------------------------------------


def _area(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _overlap(a: Any, b: Any) -> Any:
    """Returns the areas that boxes share; the shapes broadcast."""
    left, top = (arithmetic.maximum(a[..., i], b[..., i]) for i in (0, 1))
    right, bottom = (arithmetic.minimum(a[..., i], b[..., i]) for i in (2, 3))
    return arithmetic.maximum(right - left, 0.0) * arithmetic.maximum(bottom - top, 0.0)


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """Returns the intersection over the union of each box with each other box.

    Args:
        boxes1: tensor of shape (n, 4) or (batch, n, 4).
        boxes2: tensor of shape (m, 4) or (batch, m, 4).
        bounding_box_format: of `convert_format`.
        use_masking: boxes all of whose numbers are negative are padding.
        mask_val: the result for padding.
        image_shape: height, width and channels, for formats in parts of the image.

    Returns:
        Tensor of shape (n, m) or (batch, n, m).
    """
    ranks = [
        len(np.shape(boxes) if not hasattr(boxes, "shape") else boxes.shape) for boxes in (boxes1, boxes2)
    ]
    if not set(ranks) <= {2, 3}:
        raise ValueError(
            f"keras.utils.bounding_boxes.compute_iou: the boxes must have rank 2 or 3, received ranks {ranks}"
            f"{at_user_location()}"
        )
    if "rel" in bounding_box_format and image_shape is None:
        raise ValueError(
            f"keras.utils.bounding_boxes.compute_iou: {bounding_box_format!r} takes image_shape{at_user_location()}"
        )
    size = _size(image_shape)
    first, second = (convert_format(boxes, bounding_box_format, "xyxy", *size) for boxes in (boxes1, boxes2))
    a, b = first[..., :, None, :], second[..., None, :, :]
    shared = _overlap(a, b)
    result = shared / (_area(a) + _area(b) - shared + settings.epsilon)
    if not use_masking:
        return result
    padding = (reduction.reduce_max(a, axis=-1) < 0.0) | (reduction.reduce_max(b, axis=-1) < 0.0)
    return indexing.where(padding, float(mask_val), result)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """Returns the complete IoU of pairs of boxes: less for distant centers and for other proportions.

    Args:
        boxes1, boxes2: tensors of shape (..., 4).
        bounding_box_format: of `convert_format`.
        image_shape: height, width and channels, for formats in parts of the image.

    Source: Z. Zheng et al., 2020, "Distance-IoU loss".
    """
    if "rel" in bounding_box_format and image_shape is None:
        raise ValueError(
            f"keras.utils.bounding_boxes.compute_ciou: {bounding_box_format!r} takes image_shape{at_user_location()}"
        )
    size, epsilon = _size(image_shape), settings.epsilon
    a, b = (convert_format(boxes, bounding_box_format, "xyxy", *size) for boxes in (boxes1, boxes2))
    (w1, h1), (w2, h2) = ((one[..., 2] - one[..., 0], one[..., 3] - one[..., 1] + epsilon) for one in (a, b))
    shared = _overlap(a, b)
    union = w1 * h1 + w2 * h2 - shared + epsilon
    iou = shared / (union + epsilon)
    low, high = (arithmetic.minimum(a[..., :2], b[..., :2]), arithmetic.maximum(a[..., 2:], b[..., 2:]))
    diagonal = reduction.reduce_sum((high - low) ** 2, axis=-1) + epsilon
    centers = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2.0
    distance = reduction.reduce_sum(centers**2, axis=-1)
    v = (4 / math.pi**2) * (tf_math.atan(w2 / h2) - tf_math.atan(w1 / h1)) ** 2
    alpha = v / (v - iou + (1 + epsilon))
    return iou - (distance / diagonal + v * alpha)
