"""Learns real handwritten digits with a model that mixes layers and raw tensor ops.

    python examples/digits.py [folder for the pictures and the weights]

The data is scikit-learn's bundled set: 1,797 images of 8x8 pixels, no download.  It trains with `fit`, saves the
training curves, a picture of the model and the weights, reloads them, and checks that the predictions are the same.
"""

from __future__ import annotations

import pathlib
import sys
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from digits_model import build
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from dovetail import keras

EPOCHS = 30


def load() -> tuple:
    """Returns `(x_train, x_test, y_train, y_test)`: images (n, 8, 8, 1) in 0..1, labels (n,)."""
    digits = load_digits()
    images = (digits.images / 16.0).astype("float32")[..., None]
    return train_test_split(images, digits.target, test_size=0.2, random_state=0, stratify=digits.target)


def draw_curves(history: dict, path: pathlib.Path) -> None:
    """Draws loss and accuracy of training and validation over the epochs."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        epochs = range(1, len(history[name]) + 1)
        axis.plot(epochs, history[name], label="training")
        axis.plot(epochs, history[f"val_{name}"], label="validation")
        axis.set_xlabel("epoch")
        axis.set_title(name)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(folder: str = "build/demo") -> float:
    """Trains, saves, reloads; returns the accuracy on the test images."""
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    x_train, x_test, y_train, y_test = load()
    model = build(image_size=8)
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.summary()
    began = time.perf_counter()
    schedule = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3)
    history = model.fit(
        x_train, y_train, batch_size=32, epochs=EPOCHS, validation_split=0.1, callbacks=[schedule], verbose=1
    )
    seconds = time.perf_counter() - began
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    draw_curves(history.history, target / "curves.png")
    keras.utils.plot_model(model, str(target / "model.png"), show_shapes=True)
    model.save_weights(target / "digits.weights.h5")
    again = build(image_size=8)
    again.load_weights(target / "digits.weights.h5")
    same = np.array_equal(model.predict(x_test, verbose=0), again.predict(x_test, verbose=0))
    print(f"\ntest accuracy {accuracy:.2%} after {seconds:.0f} s of training")
    print(f"the reloaded weights give {'the same' if same else 'OTHER'} predictions")
    print(f"curves.png, model.png and digits.weights.h5 are in {target}/")
    if not same:
        raise SystemExit("the reloaded model differs")
    return accuracy


if __name__ == "__main__":
    main(*sys.argv[1:2])
