"""Training throughput of `fit` on NumPy data, samples per second: an MLP, a CNN and a transformer.

The same models, batch sizes, Adam, cross-entropy from logits, shuffling, no metrics and no progress bar
everywhere; PyTorch by hand is the loop one writes, with Adam(fused=True). A repeat is one call of `fit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import data, keras_models
from benchmarks.checks import LossFalls
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload


@dataclass(frozen=True)
class Task:
    """What one repeat of `fit` trains.

    Args:
        num_samples: rows of data.
        epochs: passes over them per repeat.
        batch_size: rows per step.
        make_data: gives inputs and labels for a number of samples.
        keras_model: builds the model in any Keras.
        torch_model: the name of its builder in by_hand_torch.
        torch_shape: shape of a sample for PyTorch; None keeps the data's.
    """

    num_samples: int
    epochs: int
    batch_size: int
    make_data: Callable[[int], tuple[np.ndarray, np.ndarray]]
    keras_model: Callable[[Loaded], Any]
    torch_model: str
    torch_shape: tuple[int, ...] | None = None


def images(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with height, width and channel, (num_samples, 28, 28, 1), and labels."""
    flat, labels = data.digits(num_samples)
    return flat.reshape(-1, 28, 28, 1), labels


MLP = Task(12_800, 3, 32, data.digits, lambda fw: keras_models.mlp(fw.keras), "mlp")
CNN = Task(2_560, 1, 128, images, lambda fw: keras_models.cnn(fw.keras), "cnn", (1, 28, 28))
TRANSFORMER = Task(96, 1, 16, data.tokens, keras_models.transformer, "Transformer")


def fit_keras(task: Task) -> Callable[[Loaded], Run]:
    """Time `model.fit` in any Keras."""

    def build(fw: Loaded) -> Run:
        x, y = task.make_data(task.num_samples)
        model = keras_models.compiled(fw.keras, task.keras_model(fw))

        def repeat(_: int) -> float:
            history = model.fit(x, y, batch_size=task.batch_size, epochs=task.epochs, verbose=0)
            return float(history.history["loss"][-1])

        return Run(repeat, LossFalls(), units=task.num_samples * task.epochs)

    return build


def fit_under_strategy(task: Task) -> Callable[[Loaded], Run]:
    """Time the same `fit` of a model that was made in the scope of a strategy for one device."""

    def build(fw: Loaded) -> Run:
        with fw.tf.distribute.OneDeviceStrategy("/cpu:0").scope():
            return fit_keras(task)(fw)

    return build


def fit_torch(task: Task) -> Callable[[Loaded], Run]:
    """Time the same training in PyTorch by hand."""

    def build(fw: Loaded) -> Run:
        x, y = task.make_data(task.num_samples)
        if task.torch_shape is not None:
            x = x.reshape(-1, *task.torch_shape)
        fit = fw.by_hand.fitter(getattr(fw.by_hand, task.torch_model)(), x, y, task.batch_size)
        return Run(lambda _: fit(task.epochs), LossFalls(), units=task.num_samples * task.epochs)

    return build


def workload(name: str, about: str, task: Task, *bars: Bar) -> Workload:
    """Return the workload that trains `task` everywhere."""
    keras_sides = ("dovetail", "tf_keras", "keras_tf", "keras_jax", "keras_torch")
    return Workload(
        name=name,
        about=about,
        unit="samples/s",
        sides=(
            *(Side(framework, framework, fit_keras(task)) for framework in keras_sides),
            Side("torch", "torch", fit_torch(task)),
        ),
        bars=bars,
    )


STRATEGY = Workload(
    name="fit_mlp_strategy",
    about="fit of the same MLP under OneDeviceStrategy, beside fit without a strategy",
    unit="samples/s",
    sides=(
        Side("dovetail", "dovetail", fit_under_strategy(MLP)),
        Side("no strategy", "dovetail", fit_keras(MLP)),
        Side("tf_keras", "tf_keras", fit_under_strategy(MLP)),
    ),
    bars=(Bar("a strategy for one device costs at most 3%", than="no strategy", at_least=0.97),),
)

WORKLOADS = (
    STRATEGY,
    workload(
        "fit_mlp",
        "fit of the 784-128-10 MLP, NumPy data, batch 32",
        MLP,
        Bar("at least 8x Keras on TensorFlow", than="keras_tf", at_least=8.0),
        Bar("at least 1.8x Keras on JAX", than="keras_jax", at_least=1.8),
    ),
    workload(
        "fit_cnn",
        "fit of the CNN with two convolutions on 28x28x1, batch 128",
        CNN,
        Bar("at least 1.5x Keras on JAX", than="keras_jax", at_least=1.5),
    ),
    workload(
        "fit_transformer",
        "fit of the transformer: 4 layers, width 128, 128 tokens, batch 16",
        TRANSFORMER,
        Bar("at least 1.3x Keras on JAX", than="keras_jax", at_least=1.3),
    ),
)
