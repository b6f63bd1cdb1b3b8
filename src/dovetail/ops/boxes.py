"""`tf.image`: bounding boxes - suppression of overlaps, drawing, and random crops that keep an object."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.engine import random as bits
from dovetail.ops.array import stack
from dovetail.ops.attrs import whole
from dovetail.ops.core import Op
from dovetail.ops.create import range_of
from dovetail.ops.families import op
from dovetail.ops.image_resize import on_host
from dovetail.ops.indexing import boolean_mask
from dovetail.ops.precision import FLOAT32, INT32
from dovetail.ops.random_keys import next_key, stateless_key
from dovetail.ops.shapes import reshape, shape
from dovetail.ops.slicing import slice_
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import has_value

_NEVER = -np.inf


# ---- non-maximum suppression --------------------------------------------------------------------------------------


def _overlaps(xp: Any, boxes: Any) -> Any:
    """Returns intersection over union of all pairs of boxes (y1, x1, y2, x2, corners in any order)."""
    top, bottom = xp.minimum(boxes[:, 0], boxes[:, 2]), xp.maximum(boxes[:, 0], boxes[:, 2])
    left, right = xp.minimum(boxes[:, 1], boxes[:, 3]), xp.maximum(boxes[:, 1], boxes[:, 3])
    area = (bottom - top) * (right - left)
    height = xp.minimum(bottom[:, None], bottom) - xp.maximum(top[:, None], top)
    width = xp.minimum(right[:, None], right) - xp.maximum(left[:, None], left)
    common = xp.maximum(height, 0) * xp.maximum(width, 0)
    union = area[:, None] + area - common
    return xp.where((area[:, None] > 0) & (area > 0), common / xp.where(union > 0, union, 1), 0)


def _selected_shapes(boxes: tuple, scores: tuple, max_output_size: int, **_: Any) -> list:
    return [(max_output_size,), (max_output_size,), ()]


@op(
    "",
    same_dtype=2,
    shape=_selected_shapes,
    dtype=lambda kind, other, **_: [np.dtype(np.int32), kind, np.dtype(np.int32)],
    differentiable=False,
    several=True,
)
def suppress(
    xp: Any,
    boxes: Any,
    scores: Any,
    *,
    max_output_size: int,
    iou_threshold: float,
    score_threshold: float,
    soft_sigma: float,
) -> Any:
    """Picks boxes by descending score, each time weakening or dropping those that overlap the one picked.

    Returns:
        (indices, scores, how many were picked); what is beyond that number is 0.
    """
    overlaps = _overlaps(xp, boxes)
    weak = scores.dtype.type(_NEVER if score_threshold <= -3e38 else score_threshold)
    left = xp.where(scores > weak, scores, scores.dtype.type(_NEVER))
    picked, values, found = [], [], []
    for _ in range(min(max_output_size, scores.shape[0])):
        best = xp.argmax(left)
        value = left[best]
        exists = value > scores.dtype.type(_NEVER)
        overlap = overlaps[best]
        if soft_sigma > 0:
            kept = left * xp.exp(overlap * overlap * scores.dtype.type(-0.5 / soft_sigma))
            kept = xp.where(kept > weak, kept, scores.dtype.type(_NEVER))
        else:
            kept = left
        kept = xp.where(overlap > scores.dtype.type(iou_threshold), scores.dtype.type(_NEVER), kept)
        left = xp.where(np.arange(scores.shape[0]) == best, scores.dtype.type(_NEVER), kept)
        picked.append(xp.where(exists, best, 0).astype(INT32))
        values.append(xp.where(exists, value, scores.dtype.type(0)))
        found.append(exists)
    missing = max_output_size - len(picked)
    picked += [np.zeros((), INT32)] * missing
    values += [np.zeros((), scores.dtype)] * missing
    count = xp.sum(xp.stack(found).astype(INT32)) if found else np.zeros((), INT32)
    indices = xp.stack(picked) if picked else np.zeros(0, INT32)
    return indices, xp.stack(values) if values else np.zeros(0, scores.dtype), count


def _boxes_and_scores(boxes: Any, scores: Any) -> tuple:
    boxes, scores = convert_to_tensor(boxes), convert_to_tensor(scores)
    if len(boxes.shape) != 2 or boxes.shape[-1] != 4 or len(scores.shape) != 1:
        raise ValueError(
            f"expected boxes of shape (n, 4) and scores of shape (n,), received {boxes.shape} and {scores.shape}"
            f"{at_user_location()}"
        )
    return boxes, scores


@export("image.non_max_suppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    name: str | None = None,
) -> Any:
    """Returns the indices of boxes, by descending score, that overlap no better one by more than `iou_threshold`.

    Args:
        boxes: float tensor of shape (n, 4): y1, x1, y2, x2.
        scores: float tensor of shape (n,).
        max_output_size: at most this many.
        iou_threshold: intersection over union above which the weaker box is dropped.
        score_threshold: boxes of this score and below are dropped.
    """
    return non_max_suppression_with_scores(boxes, scores, max_output_size, iou_threshold, score_threshold)[0]


@export("image.non_max_suppression_with_scores")
def non_max_suppression_with_scores(
    boxes: Any,
    scores: Any,
    max_output_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    soft_nms_sigma: float = 0.0,
    name: str | None = None,
) -> tuple:
    """As `non_max_suppression`, with scores; a positive `soft_nms_sigma` weakens overlapping boxes instead.

    Source: N. Bodla, B. Singh, R. Chellappa, L. Davis, 2017, "Soft-NMS".
    """
    boxes, scores = _boxes_and_scores(boxes, scores)
    indices, values, count = suppress(
        boxes,
        scores,
        max_output_size=max_output_size,
        iou_threshold=1.0 if soft_nms_sigma > 0 else iou_threshold,
        score_threshold=score_threshold,
        soft_sigma=soft_nms_sigma,
    )
    return _first(indices, count), _first(values, count)


@export("image.non_max_suppression_padded")
def non_max_suppression_padded(
    boxes: Any,
    scores: Any,
    max_output_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    pad_to_max_output_size: bool = False,
    name: str | None = None,
    sorted_input: bool = False,
    canonicalized_coordinates: bool = False,
    tile_size: int = 512,
) -> tuple:
    """As `non_max_suppression`, padded with 0 to `max_output_size`; returns (indices, number of valid ones).

    `sorted_input`, `canonicalized_coordinates` and `tile_size` tune TensorFlow's kernel; they change nothing here.
    """
    boxes, scores = _boxes_and_scores(boxes, scores)
    indices, _, count = suppress(
        boxes,
        scores,
        max_output_size=max_output_size,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        soft_sigma=0.0,
    )
    return (indices if pad_to_max_output_size else _first(indices, count)), count


def _first(values: Any, count: Any) -> Any:
    """Returns the first `count` values."""
    if has_value(count):
        return values[: int(count)]
    return boolean_mask(values, range_of(shape(values)[0], dtype=count.dtype) < count)


@export("image.non_max_suppression_overlaps")
def non_max_suppression_overlaps(
    overlaps: Any,
    scores: Any,
    max_output_size: int,
    overlap_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    name: str | None = None,
) -> Any:
    """As `non_max_suppression`, with the overlaps of all pairs given, of shape (n, n)."""
    matrix, left = np.asarray(overlaps), np.array(scores, np.float64)
    left[left <= score_threshold] = _NEVER
    picked: list[int] = []
    while len(picked) < max_output_size and left.size and left.max() > _NEVER:
        best = int(left.argmax())
        picked.append(best)
        left[matrix[:, best] > overlap_threshold] = _NEVER
        left[best] = _NEVER
    return convert_to_tensor(np.array(picked, np.int32))


def _combined_shapes(boxes: tuple, scores: tuple, max_total: int, **_: Any) -> list:
    return [(boxes[0], max_total, 4), (boxes[0], max_total), (boxes[0], max_total), (boxes[0],)]


@op(
    "",
    shape=_combined_shapes,
    dtype=lambda kind, other, **_: [kind, kind, kind, np.dtype(np.int32)],
    differentiable=False,
    several=True,
)
def combined_suppress(
    xp: Any,
    boxes: Any,
    scores: Any,
    *,
    max_each: int,
    max_total: int,
    iou_threshold: float,
    score_threshold: float,
    clip: bool,
) -> Any:
    """Suppresses overlaps for each class of each image, then keeps the best of all classes."""
    results = [
        _of_one_image(xp, boxes[i], scores[i], max_each, max_total, iou_threshold, score_threshold, clip)
        for i in range(boxes.shape[0])
    ]
    return tuple(xp.stack(part) for part in zip(*results, strict=True))


def _of_one_image(
    xp: Any, boxes: Any, scores: Any, max_each: int, max_total: int, iou: float, weak: float, clip: bool
) -> tuple:
    all_scores, all_boxes, all_classes = [], [], []
    kind = scores.dtype.type
    for number in range(scores.shape[1]):
        own = boxes[:, number if boxes.shape[1] > 1 else 0]
        indices, values, count = suppress.body(
            xp,
            own,
            scores[:, number],
            max_output_size=max_each,
            iou_threshold=iou,
            score_threshold=weak,
            soft_sigma=0.0,
        )
        valid = np.arange(max_each) < count
        all_scores.append(xp.where(valid, values, kind(_NEVER)))
        all_boxes.append(xp.take(own, indices, axis=0))
        all_classes.append(np.full(max_each, number, scores.dtype))
    joined = xp.concatenate(all_scores)
    order = xp.argsort(-joined, stable=True)[:max_total]
    missing = max_total - order.shape[0]
    best = xp.pad(joined[order], (0, missing), constant_values=kind(_NEVER))
    chosen = xp.pad(xp.concatenate(all_boxes)[order], ((0, missing), (0, 0)))
    classes = xp.pad(xp.concatenate(all_classes)[order], (0, missing))
    valid = best > kind(_NEVER)
    chosen = xp.clip(chosen, kind(0), kind(1)) if clip else chosen
    return (
        xp.where(valid[:, None], chosen, kind(0)),
        xp.where(valid, best, kind(0)),
        xp.where(valid, classes, kind(0)),
        xp.sum(valid.astype(INT32)),
    )


@export("image.combined_non_max_suppression")
def combined_non_max_suppression(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: int,
    max_total_size: int,
    iou_threshold: float = 0.5,
    score_threshold: float = float("-inf"),
    pad_per_class: bool = False,
    clip_boxes: bool = True,
    name: str | None = None,
) -> tuple:
    """Suppresses overlaps for each class of each image, and returns the best boxes of all classes.

    Args:
        boxes: float tensor of shape (batch, n, classes or 1, 4).
        scores: float tensor of shape (batch, n, classes).
        max_output_size_per_class, max_total_size: how many boxes a class and an image keep at most.
        iou_threshold, score_threshold: as for `non_max_suppression`.
        pad_per_class: pad to `max_output_size_per_class * classes` where that is less than `max_total_size`.
        clip_boxes: clip coordinates to [0, 1].

    Returns:
        (boxes, scores, classes, number of valid ones), padded with zeros.
    """
    boxes, scores = convert_to_tensor(boxes), convert_to_tensor(scores)
    each, total = whole(max_output_size_per_class), whole(max_total_size)
    if pad_per_class:
        total = min(total, each * scores.shape[-1])
    found = combined_suppress(
        boxes,
        scores,
        max_each=min(each, boxes.shape[1]),
        max_total=total,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        clip=clip_boxes,
    )
    return tuple(found)


# ---- drawing ------------------------------------------------------------------------------------------------------


@op("", same_dtype=0, shape=lambda images, *_: images, size=on_host, differentiable=False)
def draw_boxes(xp: Any, images: Any, boxes: Any, colors: Any) -> Any:
    """Draws the outline of each box, one pixel wide; later boxes lie over earlier ones."""
    height, width = images.shape[1:3]
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    for number in range(boxes.shape[1]):
        corner = boxes[:, number].astype(FLOAT32)[:, :, None, None]
        top, bottom = (xp.floor(corner[:, i] * np.float32(height - 1)) for i in (0, 2))
        left, right = (xp.floor(corner[:, i] * np.float32(width - 1)) for i in (1, 3))
        inside = (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
        edge = inside & ((rows == top) | (rows == bottom) | (columns == left) | (columns == right))
        color = colors[number % colors.shape[0], : images.shape[-1]].astype(images.dtype)
        images = xp.where(edge[..., None], color, images)
    return images


_PALETTE = np.array(
    [[1, 1, 0, 1], [0, 0, 1, 1], [1, 0, 0, 1], [0, 1, 0, 1], [0.5, 0, 0.5, 1], [0.5, 0.5, 0, 1], [0.5, 0, 0, 1],
     [0, 0, 0.5, 1], [0, 1, 1, 1], [1, 0, 1, 1]],
    np.float32,
)  # fmt: skip


@export("image.draw_bounding_boxes")
def draw_bounding_boxes(images: Any, boxes: Any, colors: Any = None, name: str | None = None) -> Any:
    """Draws boxes (batch, n, 4), corners y1, x1, y2, x2 in [0, 1], on float images (batch, height, width, channels).

    Args:
        colors: tensor of shape (colors, channels), used in turn; a fixed palette by default.
    """
    return draw_boxes(images, boxes, convert_to_tensor(_PALETTE if colors is None else colors))


# ---- random boxes -------------------------------------------------------------------------------------------------


def _sample(
    xp: Any, key: Any, image_size: Any, boxes: Any, *, least: float, low: float, high: float, small: float,
    large: float, attempts: int, whole: bool,
) -> Any:  # fmt: skip
    """Returns (begin, size), both (y, x), of the first of many random boxes that shows enough of an object."""
    uniform = bits.floats(xp, key, (4, attempts), FLOAT32)
    height, width = image_size[0].astype(FLOAT32), image_size[1].astype(FLOAT32)
    ratio = np.float32(low) + uniform[0] * np.float32(high - low)
    area = (np.float32(small) + uniform[1] * np.float32(large - small)) * height * width
    tall = xp.round(xp.sqrt(area / ratio))
    wide = xp.round(xp.sqrt(area * ratio))
    fits = (tall <= height) & (wide <= width) & (tall > 0) & (wide > 0)
    top = xp.floor(uniform[2] * (height - xp.minimum(tall, height) + 1))
    left = xp.floor(uniform[3] * (width - xp.minimum(wide, width) + 1))
    corners = xp.reshape(boxes, (-1, 4)).astype(FLOAT32)
    if corners.shape[0]:
        fits = fits & _shows(
            xp, corners, top / height, left / width, (top + tall) / height, (left + wide) / width, least
        )
    first = xp.argmax(fits)
    found = fits[first]
    begin = xp.where(found, xp.stack([top[first], left[first]]), 0)
    size = xp.where(found, xp.stack([tall[first], wide[first]]), xp.stack([height, width]))
    return begin.astype(INT32), size.astype(INT32)


def _shows(xp: Any, boxes: Any, top: Any, left: Any, bottom: Any, right: Any, least: float) -> Any:
    """Tells for each attempt whether at least `least` of some object lies inside."""
    height = xp.minimum(boxes[:, 2:3], bottom) - xp.maximum(boxes[:, 0:1], top)
    width = xp.minimum(boxes[:, 3:4], right) - xp.maximum(boxes[:, 1:2], left)
    area = (boxes[:, 2:3] - boxes[:, 0:1]) * (boxes[:, 3:4] - boxes[:, 1:2])
    return xp.any(xp.maximum(height, 0) * xp.maximum(width, 0) >= np.float32(least) * area, axis=0)


sample_box = Op(
    "sample_box",
    _sample,
    same_dtype=0,
    shape=lambda *_, **__: [(2,), (2,)],
    dtype=lambda *_, **__: [INT32, INT32],
    differentiable=False,
    several=True,
)


def _sampled(key: Any, image_size: Any, boxes: Any, options: dict) -> tuple:
    size = convert_to_tensor(image_size)
    corners = convert_to_tensor(np.zeros((0, 4), np.float32) if boxes is None else boxes)
    if 0 in tuple(corners.shape) and not options["whole"]:
        raise ValueError(
            "sample_distorted_bounding_box: no bounding boxes; pass use_image_if_no_bounding_boxes=True"
            f"{at_user_location()}"
        )
    begin, extent = sample_box(key, size, corners, **options)
    zero, rest = convert_to_tensor(np.zeros(1, np.int32)), convert_to_tensor(np.full(1, -1, np.int32))
    sizes = slice_(size, [0], [2])._astype(FLOAT32)
    ends = [begin._astype(FLOAT32) / sizes, (begin + extent)._astype(FLOAT32) / sizes]
    return _extended(begin, zero), _extended(extent, rest), reshape(stack(*ends, axis=0), shape=(1, 1, 4))


def _extended(pair: Any, last: Any) -> Any:
    return stack(pair[0], pair[1], last[0], axis=0)


def _options(least: Any, ratios: Any, areas: Any, attempts: int | None, whole: bool | None) -> dict:
    low, high = (0.75, 1.33) if ratios is None else ratios
    small, large = (0.05, 1.0) if areas is None else areas
    return {
        "least": float(least),
        "low": float(low),
        "high": float(high),
        "small": float(small),
        "large": float(large),
        "attempts": 100 if attempts is None else int(attempts),
        "whole": bool(whole),
    }


@export("image.sample_distorted_bounding_box")
def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: int | None = 0,
    min_object_covered: float = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> tuple:
    """Draws a random window of an image that shows enough of some object.

    Args:
        image_size: height, width and channels.
        bounding_boxes: float tensor of shape (1, n, 4) or (n, 4): y1, x1, y2, x2 in [0, 1].
        seed: 0 or None draws from the global generator, another number from its own sequence.
        min_object_covered: part of some object that the window must show.
        aspect_ratio_range, area_range: of the window: width / height, and its share of the image.
        max_attempts: number of windows tried; the whole image is taken when none of them fits.
        use_image_if_no_bounding_boxes: without boxes, the whole image is the object.

    Returns:
        (begin, size) for `tf.slice`, and the window as a box of shape (1, 1, 4).
    """
    options = _options(
        min_object_covered, aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes
    )
    return _sampled(next_key(seed or None), image_size, bounding_boxes, options)


@export("image.stateless_sample_distorted_bounding_box")
def stateless_sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any,
    min_object_covered: float = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: int | None = None,
    use_image_if_no_bounding_boxes: bool | None = None,
    name: str | None = None,
) -> tuple:
    """As `sample_distorted_bounding_box`, determined by `seed` (two integers)."""
    options = _options(
        min_object_covered, aspect_ratio_range, area_range, max_attempts, use_image_if_no_bounding_boxes
    )
    return _sampled(stateless_key(seed), image_size, bounding_boxes, options)
