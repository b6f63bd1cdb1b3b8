"""Rows for images."""

import numpy as np
from scipy import ndimage

from tests.ops.case import Case, f32, i32, of


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


def then(make, *more):
    return lambda rng: (*make(rng), *more)


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


TURN = f32([0.91, 0.213, -0.717, -0.317, 1.119, 0.437, 0, 0])
MOVES = f32([TURN, [1.213, 0.011, -3.117, 0.013, 0.819, 2.371, 0, 0]])
SQUARE = f32([[0, 0], [6, 0], [0, 5], [6, 5]])
BENT = f32([[0.3, -0.4], [5.1, 0.6], [-0.2, 5.5], [6.3, 4.2]])


def placed(*shape):
    """Arguments: an array, and coordinates in and around it."""

    def make(rng):
        low, high = np.full(len(shape), -1.0), np.array(shape, float)
        where = np.stack([rng.uniform(a, b, (4, 5)) for a, b in zip(low, high, strict=True)])
        return rng.uniform(0, 1, shape).astype(np.float32), where.astype(np.float32)

    return make


def read_at(x, coordinates, order, fill_mode="constant", fill_value=0.0):
    """The reference: SciPy's; its names of what JAX calls "constant" and "wrap" begin with grid-."""
    mode = {"constant": "grid-constant", "wrap": "grid-wrap"}.get(fill_mode, fill_mode)
    return ndimage.map_coordinates(x, coordinates, order=order, mode=mode, cval=fill_value)


def shifted(images, shifts, order, mode, fill):
    places = np.stack(np.meshgrid(*map(np.arange, images.shape[1:3]), indexing="ij"), -1) + shifts
    planes = [
        [read_at(image[..., c], place.transpose(2, 0, 1), order, mode, fill) for c in range(image.shape[-1])]
        for image, place in zip(images, places, strict=True)
    ]
    return np.moveaxis(np.array(planes), 1, -1)


def projected(images, rows, order, mode, fill, flat):
    y, x = np.meshgrid(*map(np.arange, images.shape[1:3]), indexing="ij")
    a = rows[:, :6, None, None]
    places = np.stack([a[:, 3] * x + a[:, 4] * y + a[:, 5] - y, a[:, 0] * x + a[:, 1] * y + a[:, 2] - x], -1)
    return shifted(images, places, order, mode, fill)


SAMPLED = [
    *(
        Case(
            "ops.image.affine_transform",
            image(then=(MOVES,)),
            {"fill_mode": mode, "fill_value": 0.3, "data_format": "channels_last"},
            rtol=1e-4,
            atol=1e-5,
            id=mode,
        )
        for mode in ("constant", "nearest", "reflect")
    ),
    Case("ops.image.affine_transform", image(7, 6, 3, then=(TURN,)), rtol=1e-4, atol=1e-5, id="one"),
    Case(
        "ops.image.affine_transform", image(then=(MOVES,)), {"interpolation": "nearest"}, id="nearest_pixel"
    ),
    Case(
        "ops.image.affine_transform",
        image(then=(MOVES,), dtype=np.uint8),
        {"interpolation": "nearest"},
        id="uint8",
    ),
    Case(
        "ops.image.perspective_transform",
        image(then=(np.stack([SQUARE, SQUARE]), np.stack([BENT, SQUARE]))),
        {"fill_value": 0.5},
        rtol=1e-3,
        atol=1e-4,
    ),
    Case(
        "ops.image.perspective_transform", image(6, 7, 3, then=(SQUARE, BENT)), rtol=1e-3, atol=1e-4, id="one"
    ),
    Case(
        "project_images",
        image(then=(MOVES,)),
        {"order": 1, "mode": "wrap", "fill": 0.0, "flat": True},
        oracle=projected,
        grad=(0, 1),
        rtol=1e-4,
        atol=1e-5,
        id="wrap",
    ),
    *(
        Case(
            "ops.image.map_coordinates",
            then(placed(5, 6), order),
            {"fill_mode": mode, "fill_value": 0.5},
            oracle=read_at,
            grad=(0,) if order and mode == "mirror" else (),
            id=f"{mode}_{order}",
        )
        for mode in ("constant", "nearest", "reflect", "wrap", "mirror")
        for order in (0, 1)
    ),
    Case(
        "ops.image.map_coordinates",
        then(placed(4, 3, 5), 1),
        oracle=read_at,
        id="volume",
    ),
    Case(
        "displace_images",
        lambda rng: (*image()(rng), np.float32(rng.normal(size=(2, 6, 7, 2)))),
        {"order": 1, "mode": "reflect", "fill": 0.0},
        oracle=shifted,
        grad=(0,),
    ),
    Case("ops.image.gaussian_blur", image(), {"data_format": "channels_last"}, grad=(0,), atol=1e-5),
    Case(
        "ops.image.gaussian_blur",
        image(),
        {"kernel_size": (5, 5), "sigma": (0.7, 2.0), "data_format": "channels_last"},
        atol=1e-5,
        id="wide",
    ),
    Case("ops.image.gaussian_blur", image(6, 7, 3), {"data_format": "channels_last"}, atol=1e-5, id="one"),
    *(
        Case(
            "ops.image.scale_and_translate",
            image(6, 7, 3, then=((9, 5, 3), f32(1.5, 0.6), f32(0.3, -0.4), (0, 1), method)),
            rtol=1e-4,
            atol=1e-5,
            id=method,
        )
        for method in ("linear", "cubic", "lanczos3", "lanczos5")
    ),
    Case(
        "ops.image.scale_and_translate",
        image(6, 7, 3, then=((4, 7, 3), f32([0.5]), f32([0.0]), (0,), "bilinear")),
        {"antialias": False},
        atol=1e-5,
        id="plain",
    ),
]


def some_boxes(rng):
    return (np.float32(rng.uniform(0, 5, (2, 3, 4))),)


def keras_boxes(source, target):
    """The reference: Keras' own converter."""

    def convert(boxes, height=1.0, width=1.0, **_):
        from keras.utils.bounding_boxes import convert_format

        return np.asarray(convert_format(boxes, source, target, height=height, width=width))

    return convert


def keras_layer(kind, **kwargs):
    """The reference: a layer of Keras."""

    def change(images, **_):
        from keras import layers

        return np.asarray(getattr(layers, kind)(**kwargs)(images, training=True))

    return change


def tone(low, high):
    return lambda rng: (np.float32(rng.uniform(low, high, (2, 6, 7, 3))),)


def about_center(matrices, size):
    """The reference of rows: a matrix about the middle of an image."""
    middle = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    rows = [[*m[0], (middle - m @ middle)[0], *m[1], (middle - m @ middle)[1], 0, 0] for m in matrices]
    return np.array(rows, np.float32)


def turns(angles, size):
    radians = np.deg2rad(np.float64(angles))
    return about_center([np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in radians], size)


def window(images, top, left, size):
    return images[:, top : top + size[0], left : left + size[1]]


PREPROCESSING = [
    *(
        Case(
            "convert_boxes",
            then(some_boxes, *((f32(9.0), f32(12.0)) if sized else ())),
            {"source": source, "target": target},
            oracle=keras_boxes(source, target),
            grad=(0,) if not sized else (),
            id=f"{source}_{target}",
        )
        for source, target, sized in (
            ("xyxy", "center_xywh", False),
            ("center_yxhw", "xywh", False),
            ("rel_yxyx", "rel_center_xywh", False),
            ("rel_xywh", "yxyx", True),
            ("center_xywh", "rel_xyxy", True),
        )
    ),
    Case(
        "clip_boxes",
        then(some_boxes, f32(3.0), f32(4.0)),
        oracle=lambda boxes, height, width: np.clip(boxes, 0, np.float32([width, height, width, height])),
    ),
    Case(
        "turn_boxes",
        then(some_boxes, np.float32([[[0, -1, 5], [1, 0, 0]]] * 2)),
        oracle=lambda b, rows: np.stack([5 - b[..., 3], b[..., 0], 5 - b[..., 1], b[..., 2]], -1),
        compare=lambda b: np.stack(
            [
                np.minimum(b[..., 0], b[..., 2]),
                np.minimum(b[..., 1], b[..., 3]),
                np.maximum(b[..., 0], b[..., 2]),
                np.maximum(b[..., 1], b[..., 3]),
            ],
            -1,
        ),
        atol=1e-5,
    ),
    Case("rotation_rows", of(f32(30.0, -90.0)), {"size": (6, 7)}, oracle=turns, atol=1e-5, grad=(0,)),
    Case(
        "zoom_rows",
        of(f32([[1.2, 0.7], [0.5, 1.0]])),
        {"size": (6, 7)},
        oracle=lambda zooms, size: about_center([np.diag(zoom) for zoom in zooms], size),
        atol=1e-5,
        grad=(0,),
    ),
    Case(
        "center_window",
        image(2, 7, 9, 3),
        {"size": (4, 5)},
        oracle=lambda x, size: x[:, 1:5, 2:7],
        grad=(0,),
    ),
    Case(
        "center_window",
        image(2, 4, 9, 3),
        {"size": (6, 6)},
        oracle=keras_layer("CenterCrop", height=6, width=6),
        atol=1e-5,
        id="small",
    ),
    Case(
        "window_at",
        image(2, 7, 9, 3, then=(i32(2), i32(3))),
        {"size": (4, 5)},
        oracle=window,
        grad=(0,),
    ),
    Case(
        "smooth_images",
        tone(0, 255),
        oracle=lambda x: keras_layer("RandomSharpness", factor=(0.0, 0.0))(x),
        atol=1e-3,
    ),
    Case("equalize", tone(0, 255), {"bins": 256}, oracle=keras_layer("Equalization"), atol=1e-3),
    Case(
        "equalize",
        tone(0, 255),
        {"bins": 32},
        oracle=keras_layer("Equalization", bins=32),
        atol=1e-3,
        id="few",
    ),
    Case(
        "equalize_tiles",
        tone(0, 255),
        {"limit": 4.0, "grid": (2, 3)},
        oracle=keras_layer("ContrastLimitedAdaptiveHistogramEqualization", tile_grid_size=(2, 3)),
        atol=1e-3,
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

CASES = [*RESIZE, *SHAPES, *COLORS, *SAMPLED, *PREPROCESSING, *BOXES]
