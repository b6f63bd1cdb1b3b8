"""Training throughput of `fit` with recurrent layers, samples per second, on every Keras and on PyTorch by hand.

The layers have Keras' default arguments: 64 steps of 32 features and 128 units, batch 32; the films of the
convolutional LSTM are (8, 16, 16, 4), batch 16.  See `fit.py` for what is the same everywhere.
"""

from __future__ import annotations

from benchmarks import data, keras_models
from benchmarks.kinds import Bar
from benchmarks.workloads.fit import Task, workload

PEERS = ("tf_keras", "keras_tf", "keras_jax", "keras_torch", "torch")


def ahead(factor: float = 1.0) -> tuple[Bar, ...]:
    """Return a bar for each peer: ahead of it, by a factor."""
    words = "ahead of" if factor == 1 else f"at least {factor:g}x"
    return tuple(Bar(f"{words} {peer}", than=peer, at_least=factor) for peer in PEERS)


LSTM = Task(640, 1, 32, data.sequences, lambda fw: keras_models.recurrent(fw.keras, "LSTM"), "lstm")
GRU = Task(640, 1, 32, data.sequences, lambda fw: keras_models.recurrent(fw.keras, "GRU"), "gru")
BIDIRECTIONAL = Task(
    320,
    1,
    32,
    data.padded_sequences,
    lambda fw: keras_models.recurrent(fw.keras, "Bidirectional"),
    "MaskedBidirectional",
)
CONV_LSTM = Task(64, 1, 16, data.films, lambda fw: keras_models.conv_lstm(fw.keras), "ConvLSTMs")

WORKLOADS = (
    workload("fit_lstm", "fit of an LSTM: 64 steps, 32 features, 128 units, batch 32", LSTM, *ahead(1.3)),
    workload("fit_gru", "fit of a GRU: 64 steps, 32 features, 128 units, batch 32", GRU, *ahead()),
    workload(
        "fit_bilstm_masked",
        "fit of a bidirectional LSTM on padded sequences: 64 steps, 32 features, 128 units, batch 32",
        BIDIRECTIONAL,
        *ahead(),
    ),
    workload(
        "fit_convlstm",
        "fit of two convolutional LSTM layers on films of 8 pictures 16x16x4, batch 16",
        CONV_LSTM,
        *ahead(),
    ),
)
