"""Calls of the functions of `keras.ops` for networks, images and control flow; see tests/keras/ops_cases.py."""

from __future__ import annotations

import numpy as np

from tests.keras.ops_case import (
    BOTH,
    ONE,
    VALUES,
    Row,
    X,
    between,
    bools,
    each,
    fixed,
    ints,
    normal,
    probabilities,
)

NETWORK = [
    Row("relu", (ints(-3, 3, 3, 4),), id="ints"),
    Row("conv", (normal(2, 7, 6, 4), normal(3, 2, 2, 6)), sweep=BOTH, rtol=1e-4, atol=1e-4),
    Row("conv", (normal(2, 9, 4), normal(3, 4, 5), 2, "same"), id="1d", rtol=1e-4, atol=1e-4),
    Row(
        "conv",
        (normal(2, 4, 7, 6), normal(3, 2, 4, 6)),
        {"data_format": "channels_first", "dilation_rate": 2},
        id="first",
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "depthwise_conv",
        (normal(2, 7, 6, 3), normal(3, 3, 3, 2), 1, "same"),
        sweep=BOTH,
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "separable_conv",
        (normal(2, 7, 6, 3), normal(3, 3, 3, 2), normal(1, 1, 6, 5)),
        sweep=(0, 1, 2),
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "conv_transpose",
        (normal(2, 4, 5, 3), normal(3, 3, 2, 3), 2, "same"),
        sweep=BOTH,
        rtol=1e-4,
        atol=1e-4,
    ),
    Row(
        "conv_transpose",
        (normal(2, 5, 3), normal(3, 2, 3), 2, "valid", 1),
        id="output padding",
        rtol=1e-4,
        atol=1e-4,
    ),
    *each("max_pool average_pool", normal(2, 7, 6, 3), 2, 2, sweep=ONE),
    *each("max_pool average_pool", normal(2, 9, 3), 3, 2, "same", id="same"),
    *each("max_pool average_pool", normal(2, 3, 5, 6), (2, 3), 1, "valid", "channels_first", id="first"),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 7, 6, 3), (3, 4)),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 9, 3), 4, id="1d"),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 3, 5, 6), 2, "channels_first", id="first"),
    *each("adaptive_average_pool adaptive_max_pool", normal(2, 4, 5, 6, 2), (2, 2, 3), id="3d"),
    Row("batch_normalization", (normal(2, 3, 4), normal(4), between(0.5, 2, 4), -1), sweep=(0, 1, 2)),
    Row(
        "batch_normalization",
        (normal(2, 3, 4), normal(3), between(0.5, 2, 3), 1, normal(3), normal(3), 1e-2),
        id="scale",
    ),
    Row("layer_normalization", (X,), sweep=ONE, atol=1e-4),
    Row(
        "layer_normalization", (normal(2, 3, 4), normal(4), normal(4)), sweep=(0, 1, 2), id="scale", atol=1e-4
    ),
    Row("rms_normalization", (X,), sweep=ONE),
    Row("rms_normalization", (X, normal(4)), sweep=BOTH, id="scale"),
    Row(
        "dot_product_attention", (normal(2, 5, 3, 4), normal(2, 6, 3, 4), normal(2, 6, 3, 4)), sweep=(0, 1, 2)
    ),
    Row(
        "dot_product_attention",
        (normal(2, 5, 2, 4), normal(2, 5, 2, 4), normal(2, 5, 2, 4)),
        {"bias": normal(2, 2, 5, 5), "scale": 0.3, "is_causal": True},
        id="options",
    ),
    Row("binary_crossentropy", (bools(3, 4), between(0.1, 0.9, 3, 4)), sweep=BOTH),
    Row("binary_crossentropy", (between(0, 1, 3, 4), X, True), id="logits"),
    Row("categorical_crossentropy", (probabilities(3, 4), probabilities(3, 4)), sweep=BOTH),
    Row("categorical_crossentropy", (probabilities(3, 4), X, True), id="logits"),
    Row("sparse_categorical_crossentropy", (ints(0, 4, 3), probabilities(3, 4)), sweep=(1,)),
    Row("sparse_categorical_crossentropy", (ints(0, 4, 3), X, True), id="logits"),
    *each("space_to_depth", normal(2, 4, 6, 3), 2, sweep=ONE),
    *each("depth_to_space", normal(2, 4, 6, 8), 2, sweep=ONE),
    Row(
        "depth_to_space",
        (normal(2, 8, 4, 6), 2, "channels_first"),
        id="first",
        compare=lambda x: [np.array(x.shape)],
    ),
    Row("unfold", (normal(2, 3, 6, 5), 2), sweep=ONE),
    Row("unfold", (normal(2, 3, 6, 5), (2, 3), (2, 1), (1, 0), (1, 2)), id="options"),
    Row("fold", (normal(2, 12, 20), (6, 5), 2), sweep=ONE),
    Row("fold", (normal(2, 18, 12), (6, 5), (2, 3), (2, 1), (1, 0), (1, 2)), id="options"),
]

IMAGES = [
    *each("image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb", between(0, 1, 2, 4, 5, 3), sweep=ONE),
    *each(
        "image.rgb_to_grayscale image.rgb_to_hsv image.hsv_to_rgb",
        between(0, 1, 2, 3, 4, 5),
        kwargs={"data_format": "channels_first"},
        id="first",
    ),
    *[
        Row("image.resize", (normal(2, 6, 5, 3), (4, 7), method), id=method, rtol=1e-4, atol=1e-4)
        for method in ("nearest", "bilinear", "lanczos3")
    ],
    Row("image.resize", (normal(2, 6, 5, 3), (4, 7), "bicubic"), id="bicubic", rtol=1e-2, atol=5e-3),
    Row(
        "image.resize",
        (normal(3, 6, 5), (4, 7)),
        {"data_format": "channels_first", "antialias": True},
        id="first",
    ),
    Row(
        "image.resize",
        (normal(6, 8, 3), (4, 4)),
        {"crop_to_aspect_ratio": True},
        id="crop",
        rtol=1e-4,
        atol=1e-4,
    ),
    Row("image.resize", (ints(0, 255, 2, 6, 8, 3, dtype=np.uint8), (4, 4)), id="bytes"),
    Row("image.extract_patches", (normal(2, 6, 8, 3), 3), sweep=ONE),
    Row("image.extract_patches", (normal(6, 8, 3), (3, 2), 2, 1, "same"), id="one"),
    Row(
        "image.extract_patches", (normal(2, 3, 6, 8), 3, 1, 2), {"data_format": "channels_first"}, id="first"
    ),
    Row("image.extract_patches_3d", (normal(2, 4, 6, 5, 3), 2), sweep=ONE),
    Row("image.extract_patches_3d", (normal(4, 6, 5, 3), (2, 3, 2), (1, 2, 1), 1, "same"), id="one"),
    Row(
        "image.extract_patches_3d", (normal(2, 3, 4, 6, 5), 2), {"data_format": "channels_first"}, id="first"
    ),
    Row("image.pad_images", (normal(2, 4, 5, 3), 1, 2, 3, 0), sweep=ONE),
    Row("image.pad_images", (normal(2, 4, 5, 3), 1, 2), {"target_height": 8, "target_width": 9}, id="target"),
    Row("image.crop_images", (normal(2, 6, 7, 3), 1, 2, 1, 0), sweep=ONE),
    Row(
        "image.crop_images",
        (normal(2, 3, 6, 7),),
        {
            "top_cropping": 1,
            "left_cropping": 2,
            "target_height": 3,
            "target_width": 4,
            "data_format": "channels_first",
        },
        id="target",
    ),
    Row("image.sobel_edges", (normal(2, 5, 6, 3),), sweep=ONE, rtol=1e-4, atol=1e-4),
    Row("image.sobel_edges", (normal(2, 3, 5, 6),), {"data_format": "channels_first"}, id="first", atol=1e-4),
    Row(
        "image.ssim",
        (between(0, 1, 2, 16, 16, 3), between(0, 1, 2, 16, 16, 3)),
        rtol=1e-4,
        sweep=BOTH,
        values=False,
    ),
]

SQUARE = fixed([[0, 0], [0, 4], [4, 0], [4, 4]])
# Keras on JAX leaves the last two numbers out, so these are 0; on TensorFlow (and here) they count.
TRANSFORMS = fixed([[1.1, 0.1, -0.5, 0.2, 0.9, 0.3, 0, 0], [0.8, -0.3, 1.5, 0.1, 1.2, -0.7, 0, 0]])
GEOMETRY = [
    Row("image.affine_transform", (normal(2, 5, 6, 3), TRANSFORMS), sweep=ONE),
    Row(
        "image.affine_transform",
        (normal(2, 3, 5, 6), TRANSFORMS, "nearest", "reflect", 0.5, "channels_first"),
        id="first",
    ),
    Row(
        "image.perspective_transform",
        (normal(5, 6, 3), SQUARE, fixed([[0, 1], [1, 4], [4, 0], [3, 4]])),
        sweep=ONE,
        rtol=1e-3,
        atol=1e-3,
    ),
    *[
        Row(
            "image.map_coordinates",
            (normal(5, 6), between(-1, 6, 2, 3, 4), order, mode),
            id=f"{mode} {order}",
        )
        for order in (0, 1)
        for mode in ("constant", "nearest", "wrap", "mirror", "reflect")
    ],
    # Without a layout, Keras on JAX takes the images for channels-first.
    Row("image.gaussian_blur", (normal(2, 5, 6, 3), (3, 3), (1.0, 0.5), "channels_last"), sweep=ONE),
    Row("image.gaussian_blur", (normal(2, 3, 5, 6),), {"data_format": "channels_first"}, id="first"),
    *[
        Row(
            "image.scale_and_translate",
            (normal(5, 6, 3), (7, 4, 3), fixed(1.4, 0.7), fixed(0.5, -0.2), (0, 1), method),
            id=method,
        )
        for method in ("linear", "cubic", "lanczos3")
    ],
    Row(
        "ctc_loss",
        (ints(1, 5, 2, 3), normal(2, 7, 5), fixed([3, 2], dtype=np.int32), fixed([7, 6], dtype=np.int32)),
        rtol=1e-4,
        atol=1e-4,
    ),
    Row("ctc_decode", (normal(2, 7, 5), fixed([7, 6], dtype=np.int32)), atol=1e-4),
]

CONTROL = [
    *[
        Row(
            "cond",
            (normal(3), flag),
            call=lambda ops, x, flag: ops.cond(flag, lambda: ops.sin(x), lambda: ops.cos(x)),
            id=str(flag),
        )
        for flag in (True, False)
    ],
    Row(
        "cond",
        (normal(3), fixed(1.0)),
        call=lambda ops, x, y: ops.cond(ops.sum(y) > 0, lambda: (x + 1, y), lambda: (x - 1, y)),
        id="structure",
    ),
    *[
        Row(
            "switch",
            (normal(3), index),
            call=lambda ops, x, index: ops.switch(index, [ops.sin, ops.cos, ops.tanh], x),
            id=str(index),
        )
        for index in (0, 2, 9, -3)
    ],
    Row(
        "while_loop",
        (normal(3),),
        call=lambda ops, x: ops.while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x * 2), (0, x)),
    ),
    Row(
        "while_loop",
        (normal(3),),
        call=lambda ops, x: ops.while_loop(lambda x: True, lambda x: x * 2, x, 4),
        id="limit",
        symbolic="the condition is no tensor",
    ),
    Row(
        "fori_loop",
        (normal(3),),
        call=lambda ops, x: ops.fori_loop(0, 3, lambda i, v: v + ops.cast(i, "float32"), x),
    ),
    Row("map", (X,), call=lambda ops, x: ops.map(lambda row: ops.sum(row), x)),
    Row("vectorized_map", (X,), call=lambda ops, x: ops.vectorized_map(lambda row: ops.cumsum(row), x)),
    Row(
        "scan",
        (X,),
        call=lambda ops, x: ops.scan(lambda c, row: (c + row, ops.sum(row)), x[0], x),
        symbolic=VALUES,
    ),
    Row("associative_scan", (X,), call=lambda ops, x: ops.associative_scan(lambda a, b: a + b, x, axis=1)),
    Row(
        "associative_scan",
        (normal(5, 2), normal(5, 2)),
        call=lambda ops, x, y: ops.associative_scan(
            lambda a, b: [a[0] * b[0], a[1] * b[0] + b[1]], [x, y], reverse=True
        ),
        id="pair",
        symbolic="its length is not known",
    ),
    Row(
        "vectorize", (X,), call=lambda ops, x: ops.vectorize(lambda one: ops.sin(one) * 2)(x), symbolic=VALUES
    ),
    Row(
        "vectorize",
        (X, normal(4)),
        call=lambda ops, x, y: ops.vectorize(ops.dot, signature="(n),(n)->()")(x, y),
        id="signature",
        symbolic=VALUES,
    ),
    Row(
        "custom_gradient",
        (X,),
        call=lambda ops, x: ops.custom_gradient(lambda x: (x * 2, lambda g: g))(x),
        symbolic=VALUES,
    ),
    Row("jvp", (X, X), call=lambda ops, x, t: ops.jvp(ops.sin, (x,), (t,)), symbolic=VALUES),
    Row(
        "jvp",
        (X, X),
        call=lambda ops, x, t: ops.jvp(lambda x: (ops.sin(x), x + 1), (x,), (t,), has_aux=True),
        id="aux",
        symbolic=VALUES,
    ),
]
