"""Rows for images."""

import numpy as np

from tests.ops.case import Case, f32, i32


def image(*shape, dtype=np.float32, then=()):
    """Arguments: an image (values in [0, 1], or all of an integer dtype's), then what follows it."""
    shape = shape or (2, 6, 7, 3)
    if np.dtype(dtype).kind == "f":
        return lambda rng: (rng.uniform(0, 1, shape).astype(dtype), *then)
    info = np.iinfo(dtype)
    return lambda rng: (rng.integers(max(info.min, 0), info.max, shape).astype(dtype), *then)


def images(*shape, dtype=np.float32, then=()):
    """Arguments: two images of one shape, then what follows them."""
    return lambda rng: (*image(*shape, dtype=dtype)(rng), *image(*shape, dtype=dtype)(rng), *then)


def resized(shape, size, **kwargs):
    kwargs = {"method": "bilinear", **kwargs}
    name = "-".join(map(str, (*size, *kwargs.values())))
    return Case("image.resize", image(*shape, then=(list(size),)), kwargs, rtol=1e-4, atol=1e-4, id=name)


METHODS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")
RESIZE = [
    *(resized((2, 6, 7, 3), (9, 5), method=method) for method in METHODS),
    *(resized((2, 9, 13, 1), (4, 5), method=method, antialias=True) for method in METHODS),
    resized((6, 7, 3), (1, 20)),
    resized((6, 7, 3), (6, 7)),
    resized((1, 6, 9, 3), (8, 8), preserve_aspect_ratio=True),
    Case("image.resize", image(5, 6, 3, dtype=np.uint8, then=([3, 8],)), rtol=1e-4, id="uint8"),
    Case(
        "image.resize",
        image(5, 6, 3, dtype=np.uint8, then=([3, 8],)),
        {"method": "nearest"},
        id="uint8_nearest",
    ),
    Case("image.resize_with_pad", image(2, 9, 13, 3, then=(7, 20)), rtol=1e-4, atol=1e-5),
    Case("image.resize_with_pad", image(9, 13, 3, then=(20, 20)), rtol=1e-4, atol=1e-5, id="square"),
    Case("ops.image.resize", image(2, 9, 13, 3, then=((6, 11),)), rtol=1e-4, atol=1e-5),
    Case(
        "ops.image.resize",
        image(2, 9, 13, 3, then=((6, 11),)),
        {"crop_to_aspect_ratio": True},
        rtol=1e-4,
        atol=1e-5,
        id="crop",
    ),
    Case(
        "ops.image.resize",
        image(2, 9, 13, 3, then=((6, 11),)),
        {"pad_to_aspect_ratio": True, "fill_value": 0.5},
        rtol=1e-4,
        atol=1e-5,
        id="pad",
    ),
]

_CONVERSIONS = (
    (np.uint8, "float32"),
    (np.float32, "uint8"),
    (np.float32, "float16"),
    (np.uint8, "uint16"),
    (np.uint16, "uint8"),
    (np.int32, "uint8"),
    (np.uint8, "int32"),
)
SHAPES = [
    *(
        Case("image.convert_image_dtype", image(3, 4, 3, dtype=a, then=(b,)), id=f"{np.dtype(a).name}_{b}")
        for a, b in _CONVERSIONS
    ),
    Case(
        "image.convert_image_dtype",
        lambda rng: (f32([[[-0.5], [0.5], [1.5]]]), "uint8"),
        {"saturate": True},
        id="saturate",
    ),
    Case("image.flip_left_right", image(), grad=(0,)),
    Case("image.flip_left_right", image(4, 5, 3), id="one"),
    Case("image.flip_up_down", image(), grad=(0,)),
    *(Case("image.rot90", image(then=(k,)), id=str(k)) for k in range(4)),
    Case("image.transpose", image()),
    Case("image.crop_to_bounding_box", image(then=(1, 2, 3, 4)), grad=(0,)),
    Case("image.crop_to_bounding_box", image(6, 7, 3, then=(0, 0, 6, 7)), id="whole"),
    Case("image.pad_to_bounding_box", image(then=(1, 2, 9, 9)), grad=(0,)),
    Case(
        "image.central_crop", image(8, 10, 3, then=(0.5,)), symbolic="it needs to know the size of the image"
    ),
    Case("image.central_crop", image(2, 8, 10, 3, then=(0.7,)), id="batch"),
    Case("image.resize_with_crop_or_pad", image(2, 7, 6, 3, then=(4, 9))),
    Case("image.resize_with_crop_or_pad", image(7, 6, 3, then=(10, 3)), id="one"),
    Case("image.extract_patches", image(then=([1, 3, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID")), grad=(0,)),
    Case("image.extract_patches", image(then=([1, 3, 3, 1], [1, 2, 2, 1], [1, 2, 1, 1], "SAME")), id="same"),
    Case("ops.image.extract_patches", image(then=((2, 3),))),
    Case(
        "image.crop_and_resize",
        image(then=(f32([[0, 0, 1, 1], [0.2, 0.6, 1.3, -0.4]]), i32(1, 0), [4, 5])),
        rtol=1e-4,
    ),
    Case(
        "image.crop_and_resize",
        image(then=(f32([[0.1, 0.2, 0.8, 0.7]]), i32([1]), [1, 3])),
        {"method": "nearest", "extrapolation_value": 2.0},
        id="nearest",
    ),
]


def gray_or_color(name, **kinds):
    return [
        Case(name, image(), atol=1e-5, rtol=1e-4, **kinds),
        Case(name, image(5, 6, 3, dtype=np.uint8), id="uint8", **kinds),
    ]


def adjusted(name, factor, **kwargs):
    return [
        Case(name, image(then=(factor,)), atol=1e-5, rtol=1e-4, **kwargs),
        Case(name, image(5, 6, 3, dtype=np.uint8, then=(factor,)), id="uint8", **kwargs),
    ]


COLORS = [
    *gray_or_color("image.rgb_to_grayscale"),
    Case("image.grayscale_to_rgb", image(2, 4, 5, 1)),
    Case("image.rgb_to_hsv", image(), rtol=1e-4, atol=1e-5),
    Case(
        "image.rgb_to_hsv",
        lambda rng: (f32([[[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]]),),
        id="pure",
    ),
    Case("image.hsv_to_rgb", image(), rtol=1e-4, atol=1e-5),
    Case("image.rgb_to_yuv", image(), atol=1e-5),
    Case("image.yuv_to_rgb", image(), atol=1e-5),
    Case("image.rgb_to_yiq", image(), atol=1e-5),
    Case("image.yiq_to_rgb", image(), atol=1e-5),
    *adjusted("image.adjust_brightness", 0.3),
    *adjusted("image.adjust_contrast", 1.7),
    Case("image.adjust_gamma", image(then=(0.5, 2.0)), rtol=1e-4),
    Case("image.adjust_gamma", image(), id="default"),
    Case("image.adjust_hue", image(then=(0.2,)), rtol=1e-4, atol=1e-5),
    Case("image.adjust_saturation", image(then=(1.5,)), rtol=1e-4, atol=1e-5),
    Case("image.per_image_standardization", image(), atol=1e-5, rtol=1e-4),
    Case("image.per_image_standardization", image(5, 6, 3, dtype=np.uint8), atol=1e-5, rtol=1e-4, id="uint8"),
    Case("image.total_variation", image(), rtol=1e-4),
    Case("image.psnr", images(then=(1.0,)), rtol=1e-4, atol=1e-4),
    Case("image.psnr", images(5, 6, 3, dtype=np.uint8, then=(255,)), rtol=1e-4, atol=1e-4, id="uint8"),
    Case("image.ssim", images(2, 16, 14, 3, then=(1.0,)), rtol=1e-3, atol=1e-4),
    Case("image.sobel_edges", image(), atol=1e-5),
    Case("image.image_gradients", image()),
    Case(
        "flip_some",
        lambda rng: (*image()(rng), f32(0.2, 0.7)),
        {"axis": -2},
        grad=(0,),
        oracle=lambda x, chance, axis: np.stack([x[0, :, ::-1], x[1]]),
    ),
]


def boxes_and_scores(count):
    """Arguments: overlapping boxes and distinct scores."""

    def make(rng):
        corner = rng.uniform(0, 0.6, (count, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(0.2, 0.4, (count, 2))], 1)
        return boxes.astype(np.float32), (rng.permutation(count) / count).astype(np.float32)

    return make


def then(make, *more):
    return lambda rng: (*make(rng), *more)


def combined(classes):
    def make(rng):
        boxes = np.stack([boxes_and_scores(12)(rng)[0] for _ in range(2 * classes)]).reshape(
            2, classes, 12, 4
        )
        scores = rng.permutation(2 * 12 * 3).reshape(2, 12, 3) / 72
        return boxes.transpose(0, 2, 1, 3).astype(np.float32), scores.astype(np.float32)

    return make


_EAGER = {"xla": False, "symbolic": "the number of boxes depends on the values"}
BOXES = [
    Case("image.non_max_suppression", then(boxes_and_scores(30), 10), **_EAGER),
    Case("image.non_max_suppression", then(boxes_and_scores(30), 20, 0.3, 0.4), id="thresholds", **_EAGER),
    Case(
        "image.non_max_suppression_with_scores",
        then(boxes_and_scores(30), 10),
        {"soft_nms_sigma": 0.5},
        rtol=1e-4,
        **_EAGER,
    ),
    Case(
        "image.non_max_suppression_padded",
        then(boxes_and_scores(30), 20, 0.3, 0.4),
        {"pad_to_max_output_size": True},
    ),
    Case(
        "image.non_max_suppression_overlaps",
        then(lambda rng: (np.float32(rng.uniform(0, 1, (9, 9))), boxes_and_scores(9)(rng)[1]), 5),
        **_EAGER,
    ),
    Case("image.combined_non_max_suppression", then(combined(3), 4, 7, 0.3, 0.1)),
    Case(
        "image.combined_non_max_suppression",
        then(combined(1), 3, 50),
        {"pad_per_class": True},
        id="padded",
    ),
    Case(
        "image.draw_bounding_boxes",
        image(
            2, 9, 12, 3, then=(f32([[[0.1, 0.2, 0.7, 0.8], [0, 0, 1, 1]]] * 2), f32([[1, 0, 0], [0, 2, 1]]))
        ),
    ),
    Case("ops.psnr", images(then=(1.0,)), rtol=1e-4, atol=1e-4),
]

CASES = [*RESIZE, *SHAPES, *COLORS, *BOXES]
