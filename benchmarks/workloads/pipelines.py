"""Passes over pipelines of text and of sequences: CSV files, padded batches, buckets of like lengths.

A repeat is one pass. The sequences are 50,000 of 1 to 99 numbers, the rows of a ragged tensor; the file has 100,000
records of five fields. `tensorflow` is TensorFlow's own `tf.data`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_SEQUENCES, NUM_RECORDS, BATCH_SIZE = 50_000, 100_000, 64
BOUNDARIES = [20, 40, 60, 80]


class AllRows:
    """Check that a pass has given all rows, and that what they hold adds up."""

    def __init__(self, count: int, total: float) -> None:
        self._count, self._total = count, total

    def __call__(self, found: tuple[int, float]) -> None:
        count, total = found
        if count != self._count or not np.isclose(total, self._total, rtol=1e-3):
            raise BenchmarkError(f"{count} rows that add up to {total}, not {self._count} and {self._total}")


def sequences() -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of all sequences, and where each ends."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 100, NUM_SEQUENCES)
    return rng.integers(0, 1000, lengths.sum()).astype(np.int32), np.concatenate([[0], np.cumsum(lengths)])


def of_sequences(make: Callable[[Any, Any], Any]) -> Callable[[Loaded], Run]:
    """Time a pass over batches; `make(tf, rows)` gives the dataset."""

    def build(fw: Loaded) -> Run:
        values, splits = sequences()
        ragged = fw.tf.RaggedTensor.from_row_splits(values, splits)
        batches = make(fw.tf, fw.tf.data.Dataset.from_tensor_slices(ragged).map(lambda row: row))

        def repeat(_: int) -> tuple[int, float]:
            count, total = 0, 0.0
            for batch in batches:
                count, total = count + int(batch.shape[0]), total + float(np.sum(batch.numpy()))
            return count, total

        return Run(repeat, AllRows(NUM_SEQUENCES, float(values.sum())), units=NUM_SEQUENCES)

    return build


def padded(tf: Any, rows: Any) -> Any:
    """Batches as long as their longest row."""
    return rows.padded_batch(BATCH_SIZE)


def bucketed(tf: Any, rows: Any) -> Any:
    """Batches of rows of like lengths."""
    return rows.bucket_by_sequence_length(lambda row: tf.shape(row)[0], BOUNDARIES, [BATCH_SIZE] * 5)


def csv_file() -> tuple[str, float]:
    """Write a file of records; return its path, and the sum of its first column."""
    rng = np.random.default_rng(0)
    numbers, more = rng.normal(size=(NUM_RECORDS, 3)).round(4), rng.integers(0, 1000, NUM_RECORDS)
    path = os.path.join(tempfile.mkdtemp(), "records.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("a,b,c,k,name\n")
        for (a, b, c), k in zip(numbers.tolist(), more.tolist(), strict=True):
            file.write(f"{a},{b},{c},{k},name {k}\n")
    return path, float(numbers[:, 0].sum())


def csv_dataset(fw: Loaded) -> Run:
    """Time a pass over batches of a CsvDataset."""
    tf, (path, total) = fw.tf, csv_file()
    kinds = [tf.float32, tf.float32, tf.float32, tf.int32, tf.string]
    batches = tf.data.experimental.CsvDataset(path, kinds, header=True).batch(BATCH_SIZE)

    def repeat(_: int) -> tuple[int, float]:
        count, found = 0, 0.0
        for a, *_others in batches:
            count, found = count + int(a.shape[0]), found + float(np.sum(a.numpy(), dtype=np.float64))
        return count, found

    return Run(repeat, AllRows(NUM_RECORDS, total), units=NUM_RECORDS)


def made_csv_dataset(fw: Loaded) -> Run:
    """Time a pass over shuffled batches of make_csv_dataset."""
    path, total = csv_file()
    make = fw.tf.data.experimental.make_csv_dataset

    def repeat(_: int) -> tuple[int, float]:
        count, found = 0, 0.0
        for batch in make(path, BATCH_SIZE, num_epochs=1, shuffle=True):
            count, found = (
                count + int(batch["a"].shape[0]),
                found + float(np.sum(batch["a"].numpy(), dtype=np.float64)),
            )
        return count, found

    return Run(repeat, AllRows(NUM_RECORDS, total), units=NUM_RECORDS)


def workload(name: str, about: str, build: Callable[[Loaded], Run]) -> Workload:
    """Return the workload that runs in both frameworks."""
    return Workload(
        name=name,
        about=about,
        unit="samples/s",
        sides=(Side("dovetail", "dovetail", build), Side("tensorflow", "tensorflow", build)),
        bars=(Bar("no slower than TensorFlow", than="tensorflow", at_least=1.0),),
    )


WORKLOADS = (
    workload("padded_batch", "padded batches of 64 of 50,000 sequences", of_sequences(padded)),
    workload(
        "bucketing", "bucket_by_sequence_length of 50,000 sequences, batches of 64", of_sequences(bucketed)
    ),
    workload("csv_dataset", "CsvDataset: 100,000 records of five fields, batches of 64", csv_dataset),
    workload(
        "make_csv_dataset", "make_csv_dataset: 100,000 shuffled records, batches of 64", made_csv_dataset
    ),
)
