"""Training throughput of `fit` on NumPy data, samples per second: an MLP, a CNN and a transformer.

The same models, batch sizes, Adam, cross-entropy from logits, shuffling, no metrics and no progress bar
everywhere; PyTorch by hand is the loop one writes, with Adam(fused=True). A repeat is one call of `fit`.
Other themes train their tasks by `workload` too, which adds the bar of peak memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import data, flops, keras_models
from benchmarks.bars import MEMORY, best
from benchmarks.checks import LossFalls
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, Run, Side, Workload

HAS_COMPILER = any(shutil.which(name) for name in ("c++", "g++", "clang++"))  # torch.compile needs one
KERAS_PEERS = ("tf_keras", "keras_tf", "keras_jax", "keras_torch")


def as_it_is(x: Any) -> Any:
    """Return the data as Keras gets them."""
    return x


def channels_first(x: np.ndarray) -> np.ndarray:
    """Return images as PyTorch wants them, (num_samples, channel, height, width)."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


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
        torch_inputs: turns the inputs into an array, or a tuple of them, for PyTorch and JAX.
        jax_model: its name in by_hand_jax.MODELS; None where it is not written there.
        compiles: whether there is a side of `torch.compile`.
        loss: a key of LOSSES, in keras_models and by_hand_torch.
        optimizer: "adam" or "adagrad".
        flops: operations of training on one sample, where they bound it.
    """

    num_samples: int
    epochs: int
    batch_size: int
    make_data: Callable[[int], tuple[Any, Any]]
    keras_model: Callable[[Loaded], Any]
    torch_model: str
    torch_inputs: Callable[[Any], Any] = as_it_is
    jax_model: str | None = None
    compiles: bool = True
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    flops: float | None = None

    @property
    def units(self) -> int:
        """Samples a repeat trains on."""
        return self.num_samples * self.epochs

    def arrays(self) -> tuple[Any, np.ndarray]:
        """Return inputs and labels for what is written by hand."""
        x, y = self.make_data(self.num_samples)
        return self.torch_inputs(x), np.asarray(y)


def images(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images with height, width and channel, (num_samples, 28, 28, 1), and labels."""
    flat, labels = data.digits(num_samples)
    return flat.reshape(-1, 28, 28, 1), labels


MLP = Task(12_800, 3, 32, data.digits, lambda fw: keras_models.mlp(fw.keras), "mlp", jax_model="mlp")
CNN = Task(
    2_560,
    1,
    128,
    images,
    lambda fw: keras_models.cnn(fw.keras),
    "cnn",
    channels_first,
    flops=flops.trained(*flops.CNN_LAYERS),
)
TRANSFORMER = Task(
    96, 1, 16, data.tokens, keras_models.transformer, "Transformer", flops=3 * flops.transformer()
)


def fit_keras(task: Task, policy: str | None = None) -> Callable[[Loaded], Run]:
    """Time `model.fit` in any Keras, under its default policy of dtypes or another one."""

    def build(fw: Loaded) -> Run:
        if policy is not None:
            fw.keras.mixed_precision.set_global_policy(policy)
        x, y = task.make_data(task.num_samples)
        x = list(x) if isinstance(x, tuple) else x
        model = keras_models.compiled(fw.keras, task.keras_model(fw), task.loss, task.optimizer)

        def repeat(_: int) -> float:
            history = model.fit(x, y, batch_size=task.batch_size, epochs=task.epochs, verbose=0)
            return float(history.history["loss"][-1])

        return Run(repeat, LossFalls(), units=task.units)

    return build


def fit_under_strategy(task: Task) -> Callable[[Loaded], Run]:
    """Time the same `fit` of a model that was made in the scope of a strategy for one device."""

    def build(fw: Loaded) -> Run:
        with fw.tf.distribute.OneDeviceStrategy("/cpu:0").scope():
            return fit_keras(task)(fw)

    return build


def fit_torch(
    task: Task, compiled: bool = False, mixed: bool = False, device: str = "cpu"
) -> Callable[[Loaded], Run]:
    """Time the same training in PyTorch by hand, with the model through `torch.compile`, or under autocast."""

    def build(fw: Loaded) -> Run:
        x, y = task.arrays()
        model = getattr(fw.by_hand, task.torch_model)()
        model = fw.torch.compile(model) if compiled else model
        options = {"loss": task.loss, "optimizer": task.optimizer, "mixed": mixed, "device": device}
        fit = fw.by_hand.fitter(model, x, y, task.batch_size, **options)
        return Run(lambda _: fit(task.epochs), LossFalls(), units=task.units)

    return build


def fit_jax(task: Task) -> Callable[[Loaded], Run]:
    """Time the same training in JAX by hand: a loop around a jitted step that takes its state over."""

    def build(fw: Loaded) -> Run:
        x, y = task.arrays()
        fit = fw.by_hand.fitter(task.jax_model, np.asarray(x, np.float32), y, task.batch_size)
        return Run(lambda _: fit(task.epochs), LossFalls(), units=task.units)

    return build


def by_hand(task: Task) -> list[Side]:
    """Return the sides without Keras."""
    sides = [Side("torch", "torch", fit_torch(task))]
    if task.compiles and HAS_COMPILER:
        sides.append(Side("torch compiled", "torch", fit_torch(task, compiled=True)))
    if task.jax_model is not None:
        sides.append(Side("jax jitted", "jax", fit_jax(task)))
    return sides


def workload(name: str, about: str, task: Task, *bars: Bar) -> Workload:
    """Return the workload that trains `task` everywhere."""
    keras_sides = [Side(label, label, fit_keras(task)) for label in ("dovetail", *KERAS_PEERS)]
    return Workload(
        name=name,
        about=about,
        unit="samples/s",
        sides=(*keras_sides, *by_hand(task)),
        bars=(*bars, MEMORY),
        flops=task.flops,
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
        Bar("at least 2.5x Keras on JAX", than="keras_jax", at_least=2.5),
        best(1.5),
    ),
    workload(
        "fit_cnn",
        "fit of the CNN with two convolutions on 28x28x1, batch 128",
        CNN,
        best(1.5),
    ),
    workload(
        "fit_transformer",
        "fit of the transformer: 4 layers, width 128, 128 tokens, batch 16",
        TRANSFORMER,
        best(1.3),
    ),
)
