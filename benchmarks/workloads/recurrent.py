"""Training throughput of `fit` with recurrent layers, samples per second, on every Keras and on PyTorch by hand.

The layers have Keras' default arguments: 64 steps of 32 features and 128 units, batch 32; the films of the
convolutional LSTM are (8, 16, 16, 4), batch 16.  See `fit.py` for what is the same everywhere. `torch.compile` leaves
PyTorch's recurrent layers as they are, so only the convolutional LSTM has such a side.
"""

from __future__ import annotations

from benchmarks import data, keras_models
from benchmarks.bars import best
from benchmarks.workloads.fit import Task, workload

LSTM = Task(
    640, 1, 32, data.sequences, lambda fw: keras_models.recurrent(fw.keras, "LSTM"), "lstm", compiles=False
)
GRU = Task(
    640, 1, 32, data.sequences, lambda fw: keras_models.recurrent(fw.keras, "GRU"), "gru", compiles=False
)
BIDIRECTIONAL = Task(
    320,
    1,
    32,
    data.padded_sequences,
    lambda fw: keras_models.recurrent(fw.keras, "Bidirectional"),
    "MaskedBidirectional",
    compiles=False,
)
BIDIRECTIONAL_GRU = Task(
    320,
    1,
    32,
    data.sequences,
    lambda fw: keras_models.bidirectional_gru(fw.keras),
    "Bidirectional",
    compiles=False,
)
CONV_LSTM = Task(64, 1, 16, data.films, lambda fw: keras_models.conv_lstm(fw.keras), "ConvLSTMs")

WORKLOADS = (
    workload("fit_lstm", "fit of an LSTM: 64 steps, 32 features, 128 units, batch 32", LSTM, best(1.5)),
    workload("fit_gru", "fit of a GRU: 64 steps, 32 features, 128 units, batch 32", GRU, best()),
    workload(
        "fit_bigru",
        "fit of a bidirectional GRU: 64 steps, 32 features, 128 units, batch 32",
        BIDIRECTIONAL_GRU,
        best(1.5),
    ),
    workload(
        "fit_bilstm_masked",
        "fit of a bidirectional LSTM on padded sequences: 64 steps, 32 features, 128 units, batch 32",
        BIDIRECTIONAL,
        best(),
    ),
    workload(
        "fit_convlstm",
        "fit of two convolutional LSTM layers on films of 8 pictures 16x16x4, batch 16",
        CONV_LSTM,
        best(),
    ),
)
