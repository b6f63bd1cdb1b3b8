"""Reading files of records: parsed in batches, and one at a time.

100,000 records of numbers, text and lists of different lengths, in one file of 16 MB. A repeat is one pass.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_RECORDS, BATCH_SIZE = 100_000, 1024
NUM_SINGLE = 10_000


class AllRecords:
    """Check that a pass has given all records with their values."""

    def __init__(self, count: int, width: int) -> None:
        self._count, self._width = count, width

    def __call__(self, found: tuple[int, Any]) -> None:
        count, last = found
        if count != self._count or int(np.asarray(last["id"])[-1]) != self._count - 1:
            raise BenchmarkError(f"{count} records, the last {np.asarray(last['id'])[-1:]}")
        if np.asarray(last["point"]).shape[1] != self._width:
            raise BenchmarkError(f"points of shape {np.asarray(last['point']).shape}")


def _written(tf: Any, count: int) -> str:
    """Return the path of a file with made-up records."""
    rng = np.random.default_rng(0)
    path = os.path.join(tempfile.mkdtemp(), "records")
    train = tf.train
    with tf.io.TFRecordWriter(path) as writer:
        for i in range(count):
            features = {
                "id": train.Feature(int64_list=train.Int64List(value=[i])),
                "point": train.Feature(float_list=train.FloatList(value=rng.normal(size=16))),
                "name": train.Feature(bytes_list=train.BytesList(value=[b"name %d" % i])),
                "tags": train.Feature(bytes_list=train.BytesList(value=[b"a", b"bc"][: i % 3])),
                "numbers": train.Feature(
                    int64_list=train.Int64List(value=rng.integers(0, 1000, i % 5).tolist())
                ),
            }
            example = train.Example(features=train.Features(feature=features))
            writer.write(example.SerializeToString())
    return path


def _features(tf: Any) -> dict[str, Any]:
    return {
        "id": tf.io.FixedLenFeature([], tf.int64),
        "point": tf.io.FixedLenFeature([16], tf.float32),
        "name": tf.io.FixedLenFeature([], tf.string),
        "tags": tf.io.VarLenFeature(tf.string),
        "numbers": tf.io.RaggedFeature(tf.int64),
    }


def in_batches(fw: Loaded) -> Run:
    """Time a pass over records that are batched, then parsed."""
    tf = fw.tf
    features = _features(tf)
    batches = tf.data.TFRecordDataset(_written(tf, NUM_RECORDS)).batch(BATCH_SIZE)
    parsed = batches.map(lambda records: tf.io.parse_example(records, features), tf.data.AUTOTUNE).prefetch(1)
    return Run(lambda _: _pass(parsed), AllRecords(NUM_RECORDS, 16), units=NUM_RECORDS, warmups=1)


def one_at_a_time(fw: Loaded) -> Run:
    """Time a pass over records that are parsed, then batched."""
    tf = fw.tf
    features = dict(itertools.islice(_features(tf).items(), 3))
    singles = tf.data.TFRecordDataset(_written(tf, NUM_SINGLE))
    parsed = singles.map(lambda record: tf.io.parse_single_example(record, features), tf.data.AUTOTUNE)
    batches = parsed.batch(BATCH_SIZE).prefetch(1)
    return Run(lambda _: _pass(batches), AllRecords(NUM_SINGLE, 16), units=NUM_SINGLE, warmups=1)


def _pass(batches: Any) -> tuple[int, Any]:
    count, last = 0, None
    for batch in batches:
        count, last = count + int(batch["id"].shape[0]), batch
    return count, last


WORKLOADS = (
    Workload(
        name="records_parse_example",
        about="a pass over 100,000 TFRecords in batches of 1024, parsed with parse_example",
        unit="samples/s",
        sides=(Side("dovetail", "dovetail", in_batches), Side("tensorflow", "tensorflow", in_batches)),
        bars=(Bar("no slower than TensorFlow", than="tensorflow", at_least=1.0),),
    ),
    Workload(
        name="records_parse_single_example",
        about="a pass over 10,000 TFRecords, each parsed with parse_single_example, then batched",
        unit="samples/s",
        sides=(Side("dovetail", "dovetail", one_at_a_time), Side("tensorflow", "tensorflow", one_at_a_time)),
        bars=(),
    ),
)
