"""Training throughput of `fit` on data that comes in batches, and of a pipeline that changes images.

The MLP of fit_mlp, with Adam, cross-entropy from logits and batches of 32. A repeat is one call of `fit`, or one pass
over the pipeline. `keras_tf` is Keras on TensorFlow, whose own input pipeline `tf.data` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import data, keras_models
from benchmarks.checks import LossFalls
from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_SAMPLES, BATCH_SIZE, EPOCHS = 12_800, 32, 3
NUM_BATCHES = NUM_SAMPLES // BATCH_SIZE
NUM_IMAGES = 2_000


def fit(make: Callable[[Loaded, np.ndarray, np.ndarray], dict[str, Any]]) -> Callable[[Loaded], Run]:
    """Time `model.fit` in any Keras; `make` gives its data arguments."""

    def build(fw: Loaded) -> Run:
        given = make(fw, *data.digits(NUM_SAMPLES))
        model = keras_models.compiled(fw.keras, keras_models.mlp(fw.keras))

        def repeat(_: int) -> float:
            history = model.fit(**given, epochs=EPOCHS, verbose=0)
            return float(history.history["loss"][-1])

        return Run(repeat, LossFalls(), units=NUM_SAMPLES * EPOCHS)

    return build


def arrays(fw: Loaded, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Give the arrays themselves."""
    return {"x": x, "y": y, "batch_size": BATCH_SIZE}


def dataset(fw: Loaded, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Give the rows as a shuffled dataset of batches."""
    rows = fw.tf.data.Dataset.from_tensor_slices((x, y))
    return {"x": rows.shuffle(NUM_SAMPLES).batch(BATCH_SIZE)}


def generator(fw: Loaded, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Give an endless Python generator of batches."""

    def batches() -> Iterator[tuple]:
        while True:
            for start in range(0, NUM_SAMPLES, BATCH_SIZE):
                yield x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE]

    return {"x": batches(), "steps_per_epoch": NUM_BATCHES}


def sequence(fw: Loaded, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Give a `keras.utils.Sequence` of batches."""

    class Batches(fw.keras.utils.Sequence):  # type: ignore[misc,name-defined]  # of the framework at hand
        def __len__(self) -> int:
            return NUM_BATCHES

        def __getitem__(self, index: int) -> tuple:
            rows = slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE)
            return x[rows], y[rows]

    return {"x": Batches(), "shuffle": True}


def table(fw: Loaded, x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Give a DataFrame with a column for each pixel, and a Series of labels."""
    return {"x": pd.DataFrame(x), "y": pd.Series(y), "batch_size": BATCH_SIZE}


class AllImages:
    """Check that a pass has given all images, resized and in range."""

    def __call__(self, found: tuple[int, Any]) -> None:
        count, last = found
        last = np.asarray(last)
        if count != NUM_IMAGES or last.shape[1:] != (64, 64, 3) or not 0 <= last.min() <= last.max() <= 1:
            raise BenchmarkError(f"{count} images, the last batch of shape {last.shape}")


def map_images(fw: Loaded) -> Run:
    """Time a pass over images that a per-element `map` flips at random, resizes and scales."""
    tf = fw.tf
    images = np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, 32, 32, 3), dtype=np.uint8)

    def change(image: Any, label: Any) -> tuple:
        image = tf.image.random_flip_left_right(image)
        return tf.image.resize(image, [64, 64]) / 255.0, label

    rows = tf.data.Dataset.from_tensor_slices((images, np.arange(NUM_IMAGES)))
    batches = rows.map(change, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH_SIZE)

    def repeat(_: int) -> tuple[int, Any]:
        count, last = 0, None
        for changed, labels in batches:
            count, last = count + int(labels.shape[0]), changed
        return count, last

    return Run(repeat, AllImages(), units=NUM_IMAGES)


def fit_workload(name: str, about: str, make: Callable, *bars: Bar, with_arrays: bool = False) -> Workload:
    """Return the workload that trains from such data in every Keras that has TensorFlow's pipelines."""
    beside = (Side("dovetail_arrays", "dovetail", fit(arrays)),) if with_arrays else ()
    return Workload(
        name=name,
        about=about,
        unit="samples/s",
        sides=(
            Side("dovetail", "dovetail", fit(make)),
            *beside,
            Side("tf_keras", "tf_keras", fit(make)),
            Side("keras_tf", "tensorflow", fit(make)),
        ),
        bars=bars,
    )


WORKLOADS = (
    fit_workload(
        "fit_dataset",
        "fit of the MLP from Dataset.from_tensor_slices(...).shuffle(...).batch(32)",
        dataset,
        Bar("at least 0.9x fit from arrays", than="dovetail_arrays", at_least=0.9),
        Bar("at least 6x Keras on TensorFlow", than="keras_tf", at_least=6.0),
        with_arrays=True,
    ),
    fit_workload(
        "fit_generator",
        "fit of the MLP from a Python generator of batches of 32",
        generator,
        Bar("at least 7x Keras on TensorFlow", than="keras_tf", at_least=7.0),
    ),
    fit_workload(
        "fit_sequence",
        "fit of the MLP from a keras.utils.Sequence of batches of 32",
        sequence,
        Bar("at least 7x Keras on TensorFlow", than="keras_tf", at_least=7.0),
        Bar("at most 1.3x the time of fit from arrays", than="dovetail_arrays", at_least=1 / 1.3),
        with_arrays=True,
    ),
    fit_workload(
        "fit_dataframe",
        "fit of the MLP from a pandas DataFrame with 784 columns, batches of 32",
        table,
        Bar("at most 1.3x the time of fit from arrays", than="dovetail_arrays", at_least=1 / 1.3),
        Bar("ahead of Keras on TensorFlow", than="keras_tf", at_least=1.0),
        Bar("ahead of tf_keras", than="tf_keras", at_least=1.0),
        with_arrays=True,
    ),
    Workload(
        name="map_images",
        about="a pass over 2,000 images: a per-element map (random flip, resize 32x32 to 64x64), batches of 32",
        unit="samples/s",
        sides=(
            Side("dovetail", "dovetail", map_images),
            Side("tensorflow", "tensorflow", map_images),
        ),
        bars=(Bar("no slower than TensorFlow with AUTOTUNE", than="tensorflow", at_least=1.0),),
    ),
)
