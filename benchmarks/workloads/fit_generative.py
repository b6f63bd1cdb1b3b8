"""Training throughput of generative models, samples per second: a VAE by `add_loss`, a DCGAN by a custom `train_step`.

The `train_step` of the DCGAN is written for TensorFlow's API and for Keras on PyTorch. Keras on JAX has no side: there
a `train_step` without state would have to carry two optimizers' variables by hand, which is another program.
See `fit.py` for what is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import data, keras_generative
from benchmarks.bars import MEMORY, best
from benchmarks.checks import LossMoves
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Run, Side, Workload
from benchmarks.workloads.fit import HAS_COMPILER, Task, channels_first, images, workload

NUM_PICTURES, BATCH_SIZE = 320, 64


def pixels(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return flat images, twice: as inputs, and as what is to be reconstructed."""
    flat, _ = data.digits(num_samples)
    return flat, flat


VAE = Task(6_400, 1, 64, pixels, keras_generative.vae, "VAE", jax_model="vae", loss="evidence")


def pictures() -> np.ndarray:
    """Return images (num_samples, 28, 28, 1) in [-1, 1]."""
    x, _ = images(NUM_PICTURES)
    return x * 2 - 1


def gan_keras(fw: Loaded) -> Run:
    """Time `fit` of the DCGAN in any Keras."""
    x, model = pictures(), keras_generative.gan(fw)

    def repeat(_: int) -> float:
        history = model.fit(x, batch_size=BATCH_SIZE, verbose=0)
        return float(history.history["discriminator_loss"][-1])

    return Run(repeat, LossMoves(), units=NUM_PICTURES)


def gan_torch(compiled: bool) -> Callable[[Loaded], Run]:
    """Time the same training in PyTorch by hand."""

    def build(fw: Loaded) -> Run:
        fit = fw.by_hand.gan_fitter(channels_first(pictures()), BATCH_SIZE, compiled)
        return Run(lambda _: fit(1), LossMoves(), units=NUM_PICTURES)

    return build


DCGAN = Workload(
    name="fit_dcgan",
    about="fit of a DCGAN with a train_step of its own on 28x28x1, batch 64",
    unit="samples/s",
    sides=(
        *(Side(label, label, gan_keras) for label in ("dovetail", "tf_keras", "keras_tf", "keras_torch")),
        Side("torch", "torch", gan_torch(compiled=False)),
        *([Side("torch compiled", "torch", gan_torch(compiled=True))] if HAS_COMPILER else []),
    ),
    bars=(best(1.2), MEMORY),
)

WORKLOADS = (
    DCGAN,
    workload(
        "fit_vae",
        "fit of a VAE of dense layers, 784-256-16-256-784, with add_loss, batch 64",
        VAE,
        best(1.5),
    ),
)
