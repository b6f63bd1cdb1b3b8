"""A pass over a pipeline that changes images at random with Keras' layers.

The layers flip, turn and zoom 1,000 images of 64x64, one at a time, in `Dataset.map`. A repeat is one pass.
`keras_tf` is Keras on TensorFlow, whose own input pipeline `tf.data` is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_IMAGES, BATCH_SIZE = 1_000, 32


class AllImages:
    """Check that a pass has given all images, changed and in range."""

    def __init__(self, last: np.ndarray) -> None:
        self._given = last

    def __call__(self, found: tuple[int, Any]) -> None:
        count, last = found
        last = np.asarray(last)
        if count != NUM_IMAGES or last.shape != self._given.shape or not 0 <= last.min() <= last.max() <= 255:
            raise BenchmarkError(f"{count} images, the last batch of shape {last.shape}")
        if np.array_equal(last, self._given):
            raise BenchmarkError("the images did not change")


def augment(fw: Loaded) -> Run:
    """Time a pass over images that a per-element `map` flips, turns and zooms."""
    layers = fw.keras.layers
    steps = [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomZoom(0.2)]
    images = np.random.default_rng(0).uniform(0, 255, (NUM_IMAGES, 64, 64, 3)).astype("float32")

    def change(image: Any) -> Any:
        for step in steps:
            image = step(image, training=True)
        return image

    batches = fw.tf.data.Dataset.from_tensor_slices(images).map(change).batch(BATCH_SIZE)

    def repeat(_: int) -> tuple[int, Any]:
        count, last = 0, None
        for changed in batches:
            count, last = count + int(changed.shape[0]), changed
        return count, last

    return Run(repeat, AllImages(images[-(NUM_IMAGES % BATCH_SIZE) :]), units=NUM_IMAGES, warmups=4)


WORKLOADS = (
    Workload(
        name="map_augmentation_layers",
        about="a pass over 1,000 images of 64x64: random flips, turns, zooms in Dataset.map",
        unit="samples/s",
        sides=(
            Side("dovetail", "dovetail", augment),
            Side("keras_tf", "tensorflow", augment),
        ),
        bars=(Bar("at least 1.5x Keras on TensorFlow", than="keras_tf", at_least=1.5),),
    ),
)
