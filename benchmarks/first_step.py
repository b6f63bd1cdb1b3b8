"""What `first_step` times: `python -m benchmarks.first_step FRAMEWORK [MODEL]` trains a model on one batch."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import data, keras_images, keras_models
from benchmarks.frameworks import Loaded, load

FINISHED = "first step finished"
IMAGE_SIZE = 32


@dataclass(frozen=True)
class First:
    """A model and its first batch.

    Args:
        batch: gives inputs and labels.
        keras_model: builds the model in any Keras.
        torch_model: builds it from the module by_hand_torch.
        channels_last: the inputs are images, which PyTorch has the other way.
    """

    batch: Callable[[], tuple[np.ndarray, np.ndarray]]
    keras_model: Callable[[Loaded], Any]
    torch_model: Callable[[Any], Any]
    channels_last: bool = False


def _images(size: int, channels: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    images = rng.random((rows, size, size, channels)).astype(np.float32)
    return images, rng.integers(0, data.NUM_CLASSES, rows).astype(np.int32)


MODELS = {
    "cnn": First(
        lambda: _images(28, 1, 128), lambda fw: keras_models.cnn(fw.keras), lambda hand: hand.cnn(), True
    ),
    "resnet50": First(
        lambda: _images(IMAGE_SIZE, 3, 32),
        lambda fw: keras_images.application(fw.keras, "ResNet50", IMAGE_SIZE),
        lambda hand: hand.ResNet50(),
        True,
    ),
    "transformer": First(
        lambda: data.tokens(8),
        lambda fw: keras_models.gpt(fw.keras),
        lambda hand: hand.GPT(),
    ),
    "lstm": First(
        lambda: data.sequences(32),
        lambda fw: keras_models.recurrent(fw.keras, "LSTM"),
        lambda hand: hand.lstm(),
    ),
}


def fit_keras(fw: Loaded, first: First) -> float:
    """Build, compile and fit on a single batch; returns the loss."""
    x, y = first.batch()
    model = keras_models.compiled(fw.keras, first.keras_model(fw))
    history = model.fit(x, y, batch_size=len(x), epochs=1, verbose=0)
    return float(history.history["loss"][0])


def step_torch(fw: Loaded, first: First) -> float:
    """Build the module and take one eager step; returns the loss."""
    x, y = first.batch()
    if first.channels_last:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return float(fw.by_hand.fitter(first.torch_model(fw.by_hand), x, y, len(x))(1))


def main(framework: str, name: str = "cnn") -> None:
    """Train on one batch, then say so."""
    fw = load(framework)
    loss = (step_torch if fw.torch else fit_keras)(fw, MODELS[name])
    if not math.isfinite(loss):
        raise SystemExit(f"the first loss is {loss}")
    os.write(1, f"{FINISHED}: loss {loss:.4f}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
