"""One training step in a session of TensorFlow 1: a perceptron, its batch fed, Adam, cross-entropy.

Two sizes: the 784-128-10 of the other steps at batch 32, and 20-32-32-2, as in reinforcement learning; and one
prediction of that.  A repeat takes its steps and fetches the loss of each, as such programs do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.checks import LossFalls
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

SIZES = {"session_step": (784, 128, 10), "session_step_small": (20, 32, 32, 2)}
BATCH_SIZE = 32
NUM_STEPS = 300  # the first ones, op by op and compiling, say nothing of how many fill a repeat


def _layers(tf: Any, x: Any, sizes: tuple[int, ...]) -> Any:
    """Return the logits of a perceptron over a placeholder."""
    v1 = tf.compat.v1
    for number, (before, after) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        with v1.variable_scope(f"layer{number}"):
            w = v1.get_variable("w", [before, after])
            b = v1.get_variable("b", [after], initializer=v1.zeros_initializer())
        x = tf.matmul(x, w) + b
        if number < len(sizes) - 2:
            x = tf.nn.relu(x)
    return x


def _step(sizes: tuple[int, ...]) -> Any:
    def made(fw: Loaded) -> Run:
        tf = fw.tf
        v1 = tf.compat.v1
        rng = np.random.default_rng(0)
        images = rng.normal(size=(BATCH_SIZE, sizes[0])).astype("float32")
        labels = rng.integers(0, sizes[-1], BATCH_SIZE)
        with tf.Graph().as_default() as graph:
            x, y = v1.placeholder(tf.float32, [None, sizes[0]]), v1.placeholder(tf.int64, [None])
            logits = _layers(tf, x, sizes)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
            loss = tf.reduce_mean(losses)
            train = v1.train.AdamOptimizer(1e-3).minimize(loss)
            session = v1.Session(graph=graph)
            session.run(v1.global_variables_initializer())

        def repeat(n: int) -> float:
            last = 0.0
            for _ in range(n):
                _, last = session.run([train, loss], feed_dict={x: images, y: labels})
            return float(last)

        return Run(repeat, LossFalls(), NUM_STEPS)

    return made


def is_action(found: Any) -> None:
    """Raise BenchmarkError if no action was chosen."""
    if found not in (0.0, 1.0):
        raise BenchmarkError(f"expected an action, 0 or 1, received {found}")


def _predict(fw: Loaded) -> Run:
    tf = fw.tf
    v1 = tf.compat.v1
    observation = np.ones((1, 20), "float32")
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 20])
        action = tf.argmax(_layers(tf, x, SIZES["session_step_small"]), axis=1)
        session = v1.Session(graph=graph)
        session.run(v1.global_variables_initializer())

    def repeat(n: int) -> float:
        found = [0]
        for _ in range(n):
            found = session.run(action, {x: observation})
        return float(found[0])

    return Run(repeat, is_action, NUM_STEPS)


WORKLOADS = (
    *(
        Workload(
            name=name,
            about=f"one Adam step of a {'-'.join(map(str, sizes))} perceptron in a session, batch {BATCH_SIZE}, fed",
            unit="us",
            sides=(
                Side("dovetail", "dovetail", _step(sizes)),
                Side("tensorflow", "tensorflow", _step(sizes)),
            ),
            bars=(Bar("at least 2x faster than TensorFlow", than="tensorflow", at_least=2.0),),
        )
        for name, sizes in SIZES.items()
    ),
    Workload(
        name="session_predict",
        about="one prediction of a 20-32-32-2 perceptron in a session, one row fed",
        unit="us",
        sides=(Side("dovetail", "dovetail", _predict), Side("tensorflow", "tensorflow", _predict)),
        bars=(Bar("at least 2x faster than TensorFlow", than="tensorflow", at_least=2.0),),
    ),
)
