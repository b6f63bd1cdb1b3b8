"""The same model on MNIST: the 10,000 test digits, 8,000 to train on and 2,000 held back.

    python examples/mnist.py [folder with mnist-t10k-images-idx3-ubyte.gz and mnist-t10k-labels-idx1-ubyte.gz]

Data: LeCun, Cortes, Burges, The MNIST database of handwritten digits (CC BY-SA 3.0).
"""

from __future__ import annotations

import gzip
import pathlib
import sys
import time

import numpy as np
from digits_model import build

from dovetail import keras

IMAGES, LABELS = "mnist-t10k-images-idx3-ubyte.gz", "mnist-t10k-labels-idx1-ubyte.gz"
DEFAULT = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data"
EPOCHS = 6


def load(folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns images (n, 28, 28, 1) in 0..1 and labels (n,)."""
    with gzip.open(folder / IMAGES) as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(folder / LABELS) as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype("float32") / 255.0, labels.astype("int32")


def main(folder: str | None = None) -> float:
    """Trains, and returns the accuracy on the held-back digits."""
    source = pathlib.Path(folder) if folder else DEFAULT
    if not (source / IMAGES).exists():
        raise SystemExit(f"{source / IMAGES} is not there. Pass the folder with MNIST's two t10k files.")
    keras.utils.set_random_seed(0)
    images, labels = load(source)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:8000], order[8000:]
    model = build(image_size=28)
    steps = EPOCHS * len(train) // 64
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    began = time.perf_counter()
    model.fit(images[train], labels[train], batch_size=64, epochs=EPOCHS)
    _, accuracy = model.evaluate(images[test], labels[test], verbose=0)
    print(f"test accuracy {accuracy:.2%} after {time.perf_counter() - began:.0f} s of training")
    return accuracy


if __name__ == "__main__":
    main(*sys.argv[1:2])
