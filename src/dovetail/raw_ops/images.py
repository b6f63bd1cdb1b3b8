"""Rows of images: files of them, boxes in them, and crops."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.ops.image_resize import grid_of, resize_
from dovetail.raw_ops.row import Row, add, enter, public, raw
from dovetail.raw_ops.static import known

_JPEG = (
    "channels=0, ratio=1, fancy_upscaling=True, try_recover_truncated=False, acceptable_fraction=1, "
    "dct_method=''"
)
_ENCODED = (
    "format='', quality=95, progressive=False, optimize_size=False, chroma_downsampling=True, density_unit='in', "
    "x_density=300, y_density=300, xmp_metadata=''"
)

enter(
    f"""
    DecodeJpeg(contents; {_JPEG}) = io.decode_jpeg
    DecodeAndCropJpeg(contents, crop_window; {_JPEG}) = io.decode_and_crop_jpeg
    ExtractJpegShape(contents; output_type='int32') = io.extract_jpeg_shape
    DecodePng(contents; channels=0, dtype='uint8') = io.decode_png
    DecodeBmp(contents; channels=0) = io.decode_bmp
    DecodeGif(contents) = io.decode_gif
    DecodeWebP(contents; channels=0, dtype='uint8') = io.decode_webp
    DecodeJxl(contents; channels=0, dtype='uint8') = io.decode_jxl
    DecodeImage(contents; channels=0, dtype='uint8', expand_animations=True) = io.decode_image
    EncodePng(image; compression=-1) = io.encode_png
    EncodeJpeg(image; {_ENCODED}) = io.encode_jpeg
    RGBToHSV(images) = image.rgb_to_hsv
    HSVToRGB(images) = image.hsv_to_rgb
    AdjustHue(images, delta) = image.adjust_hue
    AdjustSaturation(images, scale) = image.adjust_saturation
    AdjustContrastv2(images, contrast_factor) = image.adjust_contrast
    CropAndResize(image, boxes, box_ind, crop_size; method='bilinear', extrapolation_value=0) = image.crop_and_resize
    DrawBoundingBoxes(images, boxes) = image.draw_bounding_boxes
    DrawBoundingBoxesV2(images, boxes, colors) = image.draw_bounding_boxes
    ExtractImagePatches(images; ksizes>sizes, strides, rates, padding) = image.extract_patches
    """
)


@raw("EncodeJpegVariableQuality")
def encode_jpeg(images: Any, quality: Any) -> Any:
    return public("io.encode_jpeg")(images, quality=int(known(quality)))


@raw("AdjustContrast")
def adjust_contrast(images: Any, contrast_factor: Any, min_value: Any, max_value: Any) -> Any:
    """Contrast of the first version, which keeps to a range."""
    changed = public("image.adjust_contrast")(public("cast")(images, "float32"), contrast_factor)
    return public("clip_by_value")(changed, min_value, max_value)


# ---- boxes


def _suppressing(name: str, *thresholds: str, **attributes: Any) -> None:
    """Adds a version of what leaves out boxes that overlap: `thresholds` are inputs of it, `attributes` are none."""

    def suppress(boxes: Any, scores: Any, max_output_size: Any, *given: Any, **stated: Any) -> Any:
        limits = {**attributes, **stated, **dict(zip(thresholds, given, strict=True))}
        return public("image.non_max_suppression")(boxes, scores, int(known(max_output_size)), **limits)

    add(Row(name, ("boxes", "scores", "max_output_size", *thresholds), attributes, suppress))


_suppressing("NonMaxSuppression", iou_threshold=0.5)
_suppressing("NonMaxSuppressionV2", "iou_threshold")
_suppressing("NonMaxSuppressionV3", "iou_threshold", "score_threshold")


@raw("NonMaxSuppressionV4", "selected_indices valid_outputs")
def suppress_padded(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_to_max_output_size: bool = False,
) -> tuple:
    size = int(known(max_output_size))
    return public("image.non_max_suppression_padded")(
        boxes, scores, size, iou_threshold, score_threshold, pad_to_max_output_size
    )


@raw("NonMaxSuppressionV5", "selected_indices selected_scores valid_outputs")
def suppress_softly(
    boxes: Any,
    scores: Any,
    max_output_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    soft_nms_sigma: Any,
    *,
    pad_to_max_output_size: bool = False,
) -> tuple:
    size = int(known(max_output_size))
    chosen, values = public("image.non_max_suppression_with_scores")(
        boxes, scores, size, iou_threshold, score_threshold, soft_nms_sigma
    )
    count = public("size")(chosen)
    if pad_to_max_output_size:
        rest = [[0, size - count]]
        chosen, values = public("pad")(chosen, rest), public("pad")(values, rest)
    return chosen, values, count


@raw("NonMaxSuppressionWithOverlaps")
def suppress_overlaps(
    overlaps: Any, scores: Any, max_output_size: Any, overlap_threshold: Any, score_threshold: Any
) -> Any:
    size = int(known(max_output_size))
    return public("image.non_max_suppression_overlaps")(
        overlaps, scores, size, overlap_threshold, score_threshold
    )


@raw("CombinedNonMaxSuppression", "nmsed_boxes nmsed_scores nmsed_classes valid_detections")
def suppress_by_class(
    boxes: Any,
    scores: Any,
    max_output_size_per_class: Any,
    max_total_size: Any,
    iou_threshold: Any,
    score_threshold: Any,
    *,
    pad_per_class: bool = False,
    clip_boxes: bool = True,
) -> tuple:
    sizes = [int(known(one)) for one in (max_output_size_per_class, max_total_size)]
    return public("image.combined_non_max_suppression")(
        boxes, scores, *sizes, iou_threshold, score_threshold, pad_per_class, clip_boxes
    )


_OF_PARTS = {
    "aspect_ratio_range": (0.75, 1.33),
    "area_range": (0.05, 1),
    "max_attempts": 100,
    "use_image_if_no_bounding_boxes": False,
}
_SEEDS = {"seed": 0, "seed2": 0}


def _distorting(name: str, inputs: str, **attributes: Any) -> None:
    """Adds a version of what draws a part of an image: without the attribute `seed2`, the seed is an input of it."""
    names, attributes = tuple(inputs.split()), {**attributes, **_OF_PARTS}
    function = f"image.{'' if 'seed2' in attributes else 'stateless_'}sample_distorted_bounding_box"

    def draw(*given: Any, **stated: Any) -> tuple:
        facts = {**attributes, **stated, **dict(zip(names, given, strict=True))}
        second = facts.pop("seed2", None)
        ranges = {key: list(facts[key]) for key in ("aspect_ratio_range", "area_range")}
        return public(function)(**{**facts, "seed": second or facts["seed"], **ranges})

    add(Row(name, names, attributes, draw, ("begin", "size", "bboxes")))


_distorting("SampleDistortedBoundingBox", "image_size bounding_boxes", **_SEEDS, min_object_covered=0.1)
_distorting("SampleDistortedBoundingBoxV2", "image_size bounding_boxes min_object_covered", **_SEEDS)
_distorting("StatelessSampleDistortedBoundingBox", "image_size bounding_boxes min_object_covered seed")


# ---- sizes


def _resizing(name: str, method: str) -> None:
    def resize(
        images: Any, size: Any, *, align_corners: bool = False, half_pixel_centers: bool = False
    ) -> Any:
        return _resized(images, size, method, grid_of(align_corners, half_pixel_centers))

    raw(name)(resize)


def _resized(images: Any, size: Any, method: str, grid: str) -> Any:
    return resize_(images, size=tuple(known(size).tolist()), method=method, grid=grid)


for _name, _method in {
    "ResizeBilinear": "bilinear",
    "ResizeNearestNeighbor": "nearest",
    "ResizeBicubic": "bicubic",
}.items():
    _resizing(_name, _method)


@raw("ResizeArea")
def resize_area(images: Any, size: Any, *, align_corners: bool = False) -> Any:
    return _resized(images, size, "area", grid_of(align_corners))


_KERNELS = {
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
    "gaussian": "gaussian",
    "triangle": "bilinear",
    "keyscubic": "bicubic",
    "mitchellcubic": "mitchellcubic",
}


@raw("ScaleAndTranslate")
def scale_and_translate(
    images: Any,
    size: Any,
    scale: Any,
    translation: Any,
    *,
    kernel_type: str = "lanczos3",
    antialias: bool = True,
) -> Any:
    """Resizes, as `tf.image.resize` has it done: the whole image into the whole of the other."""
    wanted = known(size).tolist()
    whole = np.asarray(wanted, np.float32) / np.asarray(images.shape[1:3], np.float32)
    if not np.allclose(known(scale), whole, rtol=1e-3) or np.any(known(translation)):
        raise UnimplementedError(
            f"ScaleAndTranslate: scale={known(scale)} and translation={known(translation)} show a part of the image; "
            f"only whole images are resized, which is scale={whole} here{at_user_location()}"
        )
    return public("image.resize")(images, wanted, method=_KERNELS[kernel_type], antialias=antialias)
