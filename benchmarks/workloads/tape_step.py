"""One training step of the 784-128-10 perceptron under a GradientTape: batch 32, Adam, cross-entropy.

Eager, and inside `tf.function`. The batches lie in memory as tensors; a repeat cycles through 64 of them
and ends when the last loss has been read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import data, keras_models
from benchmarks.checks import LossFalls
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload

BATCH_SIZE = 32
NUM_BATCHES = 64


def batches(convert: Callable[[Any], Any]) -> list[tuple[Any, Any]]:
    """Return 64 batches of images and labels as the framework's tensors."""
    images, labels = data.digits(BATCH_SIZE * NUM_BATCHES)
    starts = range(0, len(images), BATCH_SIZE)
    return [(convert(images[i : i + BATCH_SIZE]), convert(labels[i : i + BATCH_SIZE])) for i in starts]


def run(step: Callable[[Any, Any], Any], pairs: list[tuple[Any, Any]]) -> Run:
    """Return the Run that takes `n` steps and gives back the last loss."""

    def repeat(n: int) -> float:
        loss: Any = None
        for i in range(n):
            loss = step(*pairs[i % NUM_BATCHES])
        return float(loss)

    return Run(repeat, LossFalls())


def step_tf(fw: Loaded) -> Callable[[Any, Any], Any]:
    """Return the step as written by users of TensorFlow."""
    tf, keras = fw.tf, fw.keras
    model = keras_models.mlp(keras)
    optimizer = keras.optimizers.Adam(learning_rate=1e-3)
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_fn(y, model(x, training=True))
        grads = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))
        return loss

    return step


def eager_tf(fw: Loaded) -> Run:
    """Time the eager step under TensorFlow's API."""
    return run(step_tf(fw), batches(fw.tf.constant))


def function_tf(fw: Loaded) -> Run:
    """Time the step inside `tf.function`."""
    return run(fw.tf.function(step_tf(fw)), batches(fw.tf.constant))


def function_jit_tf(fw: Loaded) -> Run:
    """Time the step inside `tf.function(jit_compile=True)`."""
    return run(fw.tf.function(step_tf(fw), jit_compile=True), batches(fw.tf.constant))


def _torch(fw: Loaded, fused: bool) -> Run:
    def convert(array: Any) -> Any:
        tensor = fw.torch.from_numpy(array)
        return tensor.long() if array.ndim == 1 else tensor

    return run(fw.by_hand.stepper(fw.by_hand.mlp(), fused), batches(convert))


def eager_torch(fw: Loaded) -> Run:
    """Time the step in PyTorch with its default Adam."""
    return _torch(fw, fused=False)


def eager_torch_fused(fw: Loaded) -> Run:
    """Time the step in PyTorch with Adam(fused=True)."""
    return _torch(fw, fused=True)


def jitted_jax(fw: Loaded) -> Run:
    """Time the step in bare JAX: one jitted function, its state donated."""
    state = fw.by_hand.mlp_state()

    def step(x: Any, y: Any) -> Any:
        nonlocal state
        state, loss = fw.by_hand.jitted_step(state, x, y)
        return loss

    return run(step, batches(fw.jax.numpy.asarray))


WORKLOADS = (
    Workload(
        name="tape_step_eager",
        about="one eager GradientTape step of the 784-128-10 MLP, batch 32, Adam",
        unit="us",
        sides=(
            Side("dovetail", "dovetail", eager_tf),
            Side("tensorflow", "tensorflow", eager_tf),
            Side("tf_keras", "tf_keras", eager_tf),
            Side("torch", "torch", eager_torch),
            Side("torch fused", "torch", eager_torch_fused),
        ),
        bars=(Bar("at least 10x faster than TensorFlow's eager step", than="tensorflow", at_least=10.0),),
    ),
    Workload(
        name="tape_step_function",
        about="the same step in tf.function",
        unit="us",
        sides=(
            Side("dovetail", "dovetail", function_tf),
            Side("tensorflow", "tensorflow", function_tf),
            Side("tensorflow jit", "tensorflow", function_jit_tf),
            Side("tf_keras", "tf_keras", function_tf),
            Side("tf_keras jit", "tf_keras", function_jit_tf),
            Side("jax jitted", "jax", jitted_jax),
        ),
        bars=(
            Bar("at least 2x faster than TensorFlow's with jit_compile", than="tensorflow jit", at_least=2.0),
            Bar("at least 0.95x of JAX jitted by hand", than="jax jitted", at_least=0.95),
        ),
    ),
)
