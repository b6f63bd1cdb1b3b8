"""Training throughput of `fit` on tables, samples per second: a recommender, and a pandas DataFrame.

The recommender has two towers over 1,000,000 users and 10,000 items, 32 wide, and trains with Adagrad, whose rule
leaves rows without a gradient alone (PyTorch by hand: embeddings with sparse gradients, which `torch.compile` does not
take), and with Adam, which moves every row in every step. The DataFrame goes into `fit` as it is, 100 columns of
float64, and as a dict of its columns, 40 of numbers and 10 of codes, each an input of its own; by hand it is turned
into arrays once, outside the timing. See `fit.py` for what is the same everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks import data, keras_tables, sizes
from benchmarks.bars import best
from benchmarks.workloads.fit import Task, workload


def columns(num_samples: int) -> tuple[dict[str, Any], Any]:
    """Return the DataFrame as a dict of its columns, and the labels."""
    frame, labels = data.mixed_frame(num_samples)
    return dict(frame), labels


def numbers(frame: Any) -> np.ndarray:
    """Return a DataFrame as an array, float32."""
    return frame.to_numpy(np.float32)


def numbers_and_codes(by_name: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of numbers and those of codes, an array each."""
    measures = [by_name[f"measure_{number}"] for number in range(sizes.NUM_MEASURES)]
    codes = [by_name[f"code_{number}"] for number in range(sizes.NUM_CODES)]
    return np.stack(measures, 1), np.stack(codes, 1)


RECOMMENDER = Task(
    10_240,
    1,
    512,
    data.ratings,
    lambda fw: keras_tables.two_towers(fw.keras),
    "TwoTowers",
    compiles=False,
    loss="mean_squared",
    optimizer="adagrad",
)
RECOMMENDER_ADAM = Task(
    4_096,
    1,
    512,
    data.ratings,
    lambda fw: keras_tables.two_towers(fw.keras),
    "TwoTowersDense",
    loss="mean_squared",
)
FRAME = Task(
    25_600,
    1,
    256,
    data.frame,
    lambda fw: keras_tables.tabular(fw.keras),
    "tabular",
    numbers,
    jax_model="tabular",
    loss="binary",
)
COLUMNS = Task(
    6_400,
    1,
    128,
    columns,
    lambda fw: keras_tables.columns(fw.keras),
    "Columns",
    numbers_and_codes,
    loss="binary",
)

WORKLOADS = (
    workload(
        "fit_recommender",
        "fit of a recommender with 1,000,000 users, two towers, Adagrad, batch 512",
        RECOMMENDER,
        best(3),
    ),
    workload(
        "fit_recommender_adam",
        "fit of the same recommender with Adam, which moves every row",
        RECOMMENDER_ADAM,
        best(),
    ),
    workload(
        "fit_tabular",
        "fit of a perceptron from a DataFrame of 100 columns, batch 256",
        FRAME,
        best(2),
    ),
    workload(
        "fit_tabular_columns",
        "fit from a DataFrame's 50 columns, an input each, ten with embeddings, batch 128",
        COLUMNS,
        best(2),
    ),
)
