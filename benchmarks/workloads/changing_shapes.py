"""Sequences whose lengths all differ: what shapes that were never seen cost, and what they cost when they return.

Two convolutions of 32 channels are trained on 30 batches of different lengths through `fit`, and on 200 through a
`tf.function` with an open signature. Every repeat has a new model. In the first pass all shapes are new, in the second
each has been seen once; no framework finds programs that were compiled before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.keras_models import compiled
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

ROWS, CHANNELS, CLASSES = 32, 8, 4
FIT_LENGTHS = range(20, 110, 3)
FUNCTION_LENGTHS = range(10, 210)


def batches(lengths: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return one batch a length: (32, length, 8) floats and 32 labels."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(ROWS, length, CHANNELS)).astype(np.float32),
            rng.integers(0, CLASSES, ROWS).astype(np.int32),
        )
        for length in lengths
    ]


def network(keras: Any) -> Any:
    """Build the network, which returns logits."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(shape=(None, CHANNELS)),
            layers.Conv1D(32, 3, padding="same", activation="relu"),
            layers.Conv1D(32, 3, activation="relu"),
            layers.GlobalAveragePooling1D(),
            layers.Dense(CLASSES),
        ]
    )


def fitted(fw: Loaded) -> Callable[[], float]:
    """Return a function that passes over the batches with a new model's `fit`, and gives the loss."""
    model, data = compiled(fw.keras, network(fw.keras)), batches(FIT_LENGTHS)

    def one_pass() -> float:
        history = model.fit(iter(data), steps_per_epoch=len(data), verbose=0)
        return float(history.history["loss"][-1])

    return one_pass


def stepped(fw: Loaded) -> Callable[[], float]:
    """Return a function that passes over the batches with a new `tf.function`, and gives the last loss."""
    tf, keras = fw.tf, fw.keras
    model = network(keras)
    loss, optimizer = keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras.optimizers.Adam()
    signature = [tf.TensorSpec([None, None, CHANNELS], tf.float32), tf.TensorSpec([None], tf.int32)]
    data = [tuple(map(tf.constant, batch)) for batch in batches(FUNCTION_LENGTHS)]

    @tf.function(input_signature=signature)
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        return value

    def one_pass() -> float:
        return [float(step(x, y)) for x, y in data][-1]

    return one_pass


def passes(make: Callable[[Loaded], Callable[[], float]], seen: int) -> Callable[[Loaded], Run]:
    """Time one pass over the batches, after `seen` passes that are not timed."""

    def build(fw: Loaded) -> Run:
        made: list[Callable[[], float]] = []

        def prepare(_: int) -> None:
            made[:] = [make(fw)]
            for _ in range(seen):
                made[0]()

        return Run(lambda _: made[0](), _trains, units=1, prepare=prepare, warmups=0)

    return build


def _trains(loss: float) -> None:
    if not (math.isfinite(loss) and 0 < loss < 2 * math.log(CLASSES)):
        raise BenchmarkError(f"the loss is {loss}, which a trained network does not have")


def workload(name: str, about: str, make: Any, peers: tuple[str, ...], seen: int, bar: Bar) -> Workload:
    """Return the workload of a pass over changing lengths."""
    build = passes(make, seen)
    sides = tuple(Side(label, label, build) for label in ("dovetail", *peers))
    return Workload(name=name, about=about, unit="s", sides=sides, bars=(bar,))


_FIRST = Bar("at most 1.5x tf_keras' time", than="tf_keras", at_least=1 / 1.5)
_SECOND = Bar("no longer than tf_keras", than="tf_keras", at_least=1.0)
_FIT, _FUNCTION = ("tf_keras", "keras_tf"), ("tf_keras", "tensorflow")

WORKLOADS = (
    workload(
        "changing_shapes_fit",
        "fit of two Conv1D on 30 batches of different lengths: the first pass",
        fitted,
        _FIT,
        0,
        _FIRST,
    ),
    workload("changing_shapes_fit_again", "the second pass of the same model", fitted, _FIT, 1, _SECOND),
    workload(
        "changing_shapes_function",
        "200 steps of the same in a tf.function, all lengths different: the first pass",
        stepped,
        _FUNCTION,
        0,
        _FIRST,
    ),
    workload(
        "changing_shapes_function_again",
        "the second pass of the same function",
        stepped,
        _FUNCTION,
        1,
        _SECOND,
    ),
)
