"""Rows of recurrent layers, cells and wrappers."""

from tests.keras.layer_case import LayerCase

C = LayerCase
KRB = ("kernel", "recurrent_kernel", "bias")
LOOSE = {"bias_initializer": "random_normal"}

CASES: list[LayerCase] = [
    C(
        "SimpleRNN",
        {"units": 4, **LOOSE},
        (2, 5, 3),
        bad=(2, 5),
        unknown=(None, None, 3),
        weights=KRB,
        scale=0.5,
    ),
    C(
        "SimpleRNN",
        {"units": 4, "activation": "relu", "use_bias": False, "go_backwards": True, "return_sequences": True},
        (2, 5, 3),
        weights=KRB[:2],
        scale=0.2,
    ),
    C("LSTM", {"units": 4, **LOOSE}, (2, 5, 3), bad=(2, 5), unknown=(None, None, 3), weights=KRB),
    C("LSTM", {"units": 4, "return_sequences": True, "unit_forget_bias": False}, (2, 9, 3), weights=KRB),
    C(
        "LSTM",
        {"units": 4, "return_sequences": True, "zero_output_for_mask": True},
        (3, 5, 3),
        mask=(3, 5),
        weights=KRB,
    ),
    C(
        "LSTM",
        {"units": 4, "go_backwards": True, "return_sequences": True},
        (3, 5, 3),
        mask=(3, 5),
        weights=KRB,
    ),
    C(
        "LSTM",
        {
            "units": 4,
            "activation": "softsign",
            "recurrent_activation": "hard_sigmoid",
            "return_sequences": True,
        },
        (2, 10, 3),
        unknown=(None, None, 3),
        weights=KRB,
        scale=0.5,
    ),
    C("GRU", {"units": 4, **LOOSE}, (2, 5, 3), bad=(2, 5), unknown=(None, None, 3), weights=KRB),
    C(
        "GRU",
        {"units": 4, "reset_after": False, "return_sequences": True},
        (3, 5, 3),
        mask=(3, 5),
        weights=KRB,
    ),
    C(
        "GRU",
        {"units": 4, "return_sequences": True, "go_backwards": True},
        (3, 5, 3),
        mask=(3, 5),
        weights=KRB,
    ),
    C("GRU", {"units": 4, "activation": "elu", "reset_after": False}, (2, 5, 3), weights=KRB),
    C("GRU", {"units": 4, "activation": "elu", "use_bias": False}, (2, 5, 3), weights=KRB[:2]),
    C("RNN", {"return_sequences": True}, (2, 5, 3), inner=("LSTMCell", {"units": 4}), weights=KRB),
    C(
        "RNN",
        {},
        (3, 5, 3),
        inner=("SimpleRNNCell", {"units": 4, "activation": "gelu"}),
        mask=(3, 5),
        weights=KRB,
    ),
]
