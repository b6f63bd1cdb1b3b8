"""Rows of layers that few models use."""

from tests.keras.layer_case import LayerCase

C = LayerCase

KB = ("kernel", "bias")
FIRST = {"data_format": "channels_first"}
TABLE = {"input_dim": 5, "output_dim": 3}

CASES: list[LayerCase] = [
    C(
        "SpectralNormalization",
        {},
        (3, 4),
        inner=("Dense", {"units": 5}),
        bad=(3, 5),
        weights=("kernel", "vector_u", "bias"),
    ),
    C(
        "SpectralNormalization",
        {"power_iterations": 3},
        (2, 5, 4),
        inner=("Conv1D", {"filters": 3, "kernel_size": 2}),
        weights=("kernel", "vector_u", "bias"),
    ),
    C("ReversibleEmbedding", TABLE, (2, 4), "int32", unknown=(None, None), weights=("embeddings",)),
    C(
        "ReversibleEmbedding",
        {**TABLE, "tie_weights": False, "mask_zero": True},
        (2, 4),
        "int32",
        weights=("embeddings", "reverse_embeddings"),
        gradients=False,
    ),
    *(
        C(
            f"LocallyConnected{len(shape) - 2}D",
            {"filters": 3, "kernel_size": 2, **more},
            shape,
            tf_keras=True,
            weights=KB,
            bad=(2, 9),
        )
        for shape in ((2, 6, 4), (2, 5, 4, 2))
        for more in (
            {"activation": "tanh"},
            {"strides": 2, "implementation": 2, "padding": "same"},
            {"strides": 2, "implementation": 3},
            {"strides": 2, **FIRST},
            {"implementation": 2, **FIRST},
            {"implementation": 3, "padding": "same", **FIRST},
        )
    ),
    C("Softmax", {"robust_masking": True}, (2, 3, 4), mask=(2, 3, 4), tf_keras=True),
    C("GroupNormalization", {"groups": 2, "scale": False, "epsilon": 0.01}, (2, 3, 4), weights=("beta",)),
    C("LayerNormalization", {"gamma_initializer": "random_normal"}, (2, 3, 4), weights=("gamma", "beta")),
    *(
        C(f"Adaptive{kind}Pooling{len(shape) - 2}D", {"output_size": size, **more}, shape, bad=(2, 9))
        for kind in ("Average", "Max")
        for shape, size, more in (
            ((2, 7, 3), 3, {}),
            ((2, 7, 5, 2), (3, 2), {}),
            ((2, 3, 7, 5), 4, FIRST),
            ((2, 4, 5, 6, 2), (2, 3, 4), {}),
        )
    ),
]
