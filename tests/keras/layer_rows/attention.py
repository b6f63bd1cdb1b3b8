"""Rows of attention, and of what is built with it."""

from tests.keras.layer_case import LayerCase

C = LayerCase
KB = ("kernel", "bias")
TRIPLE = [(2, 3, 4), (2, 5, 6), (2, 5, 4)]

HEADS: list[tuple] = [
    ({}, [(2, 3, 4), (2, 5, 6)], KB * 4),
    ({"value_dim": 5, "output_shape": 7, "use_gate": True}, TRIPLE, KB * 5),
    ({"use_bias": False, "sliding_window": 2}, [(2, 4, 4), (2, 4, 4)], ("kernel",) * 4),
    ({"attention_axes": (1, 2)}, [(2, 3, 2, 4), (2, 3, 2, 4)], KB * 4),
    ({"attention_axes": 2}, [(2, 3, 2, 4), (2, 3, 2, 4)], KB * 4),
]


def A(kwargs: dict, shape: list, names: tuple) -> LayerCase:
    return C(
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, **kwargs},
        shape,
        weights=names,
        apart=True,
        unknown=[(None, None, *one[2:]) for one in shape] if len(shape[0]) == 3 else None,
    )


CASES = [
    C(
        "EinsumDense",
        {"equation": "abc,cd->abd", "output_shape": (None, 5), "bias_axes": "d"},
        (2, 3, 4),
        bad=(2, 3),
        weights=KB,
    ),
    C(
        "EinsumDense",
        {"equation": "...x,xy->...y", "output_shape": 5, "bias_axes": "y"},
        (2, 3, 4),
        unknown=(None, None, 4),
        weights=KB,
    ),
    C(
        "EinsumDense",
        {"equation": "ab...,bc->ac...", "output_shape": 5, "bias_axes": "c", "activation": "tanh"},
        (2, 3, 4),
        weights=KB,
    ),
    C(
        "EinsumDense",
        {"equation": "abcd,cde->abe", "output_shape": (None, 5)},
        (2, 3, 4, 2),
        weights=("kernel",),
    ),
    C(
        "EinsumDense",
        {"equation": "abc,bd->adc", "output_shape": (6, None), "bias_axes": "d"},
        (2, 3, 4),
        weights=KB,
    ),
    *(A(kwargs, shape, names) for kwargs, shape, names in HEADS),
    C(
        "GroupQueryAttention",
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2},
        [(2, 3, 4), (2, 5, 4)],
        apart=True,
        weights=KB * 4,
    ),
    C("Attention", {}, TRIPLE, bad=[(2, 3, 4)]),
    C("Attention", {"use_scale": True}, [(2, 3, 4), (2, 5, 4)], weights=("scale",)),
    C(
        "Attention",
        {"score_mode": "concat", "use_scale": True},
        TRIPLE,
        weights=("scale", "concat_score_weight"),
    ),
    C("AdditiveAttention", {}, TRIPLE, bad=[(2, 3, 4)], weights=("scale",)),
    C("AdditiveAttention", {"use_scale": False}, [(2, 3, 4), (2, 5, 4)]),
]
