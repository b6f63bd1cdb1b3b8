"""One training step of a table of 1,000,000 rows x 64 that looks up a batch of 256 rows: gradients by rows.

A sum of squares of the looked-up rows, differentiated under a GradientTape and applied by SGD or Adagrad, whose rules
leave rows without a gradient alone, and by Adam, which moves every row in every step. "dense" makes the gradient a
tensor of the table's shape first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.checks import LossFalls
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload

NUM_ROWS, UNITS, BATCH_SIZE, NUM_BATCHES = 1_000_000, 64, 256, 16
RATES = {"SGD": 0.05, "Adagrad": 0.05, "Adam": 0.001}


def step_of(fw: Loaded, rule: str, dense: bool) -> Callable[[Any], Any]:
    """Return the step on a batch of row numbers."""
    tf, keras = fw.tf, fw.keras
    table = tf.Variable(np.full((NUM_ROWS, UNITS), 0.5, np.float32))
    optimizer = getattr(keras.optimizers, rule)(RATES[rule])
    optimizer.build([table])

    def step(ids: Any) -> Any:
        with tf.GradientTape() as tape:
            rows = tf.nn.embedding_lookup(table, ids)
            loss = tf.reduce_mean(tf.reduce_sum(rows * rows, axis=-1))
        gradient = tape.gradient(loss, table)
        if dense:
            gradient = tf.convert_to_tensor(gradient)
        optimizer.apply_gradients([(gradient, table)])
        return loss

    return step


def build(fw: Loaded, rule: str, compiled: bool, dense: bool = False) -> Run:
    """Return the Run that takes `n` steps and gives back the last loss."""
    step = step_of(fw, rule, dense)
    step = fw.tf.function(step) if compiled else step
    drawn = np.random.default_rng(0).integers(0, NUM_ROWS, (NUM_BATCHES, BATCH_SIZE)).astype(np.int32)
    batches = [fw.tf.constant(ids) for ids in drawn]

    def repeat(n: int) -> float:
        loss: Any = None
        for i in reversed(range(n)):  # the last batch is always the same one: its loss falls
            loss = step(batches[i % NUM_BATCHES])
        return float(loss)

    return Run(repeat, LossFalls())


def workload(rule: str, compiled: bool) -> Workload:
    """Return the workload of one rule, eager or in `tf.function`."""
    where = "function" if compiled else "eager"
    sides = [
        Side("dovetail", "dovetail", functools.partial(build, rule=rule, compiled=compiled)),
        Side(
            "dovetail dense", "dovetail", functools.partial(build, rule=rule, compiled=compiled, dense=True)
        ),
        Side("tf_keras", "tf_keras", functools.partial(build, rule=rule, compiled=compiled)),
    ]
    bars = [Bar("no slower than tf_keras", than="tf_keras", at_least=1.0)]
    if rule != "Adam":
        bars.append(
            Bar("at least 20x faster than with dense gradients", than="dovetail dense", at_least=20.0)
        )
    return Workload(
        name=f"embedding_step_{rule.lower()}_{where}",
        about=f"one {where} step on 256 of 1,000,000 rows x 64, {rule}",
        unit="us",
        sides=tuple(sides),
        bars=tuple(bars),
    )


WORKLOADS = (
    workload("SGD", compiled=False),
    workload("SGD", compiled=True),
    workload("Adagrad", compiled=False),
    workload("Adagrad", compiled=True),
    workload("Adam", compiled=True),
)
