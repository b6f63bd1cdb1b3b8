"""Keras 2's endless batches of images: the base, and those of arrays."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator as Iterates
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.utils.batches import PyDataset
from dovetail.keras.utils.image_files import array_to_img, checked_format

__all__ = ["Iterator", "NumpyArrayIterator"]


class Iterator(PyDataset):
    """Batches that come for ever with `next`, and by number as those of a `Sequence`.

    Args:
        n: number of samples.
        batch_size: samples in a batch.
        shuffle: a new order in each epoch.
        seed: of the order and of random changes; batch k is drawn from `seed + k`.

    Subclasses define `_get_batches_of_transformed_samples(index_array)`, which returns the batch of these samples.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        super().__init__()
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.lock = threading.Lock()
        self.index_array: Any = None
        self.index_generator = self._flow_index()

    def _set_index_array(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def _seed_batch(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise ValueError(
                f"{type(self).__name__}: there is no batch {index}, there are {len(self)}{at_user_location()}"
            )
        self._seed_batch()
        if self.index_array is None:
            self._set_index_array()
        first = self.batch_size * index
        return self._get_batches_of_transformed_samples(self.index_array[first : first + self.batch_size])

    def on_epoch_end(self) -> None:
        self._set_index_array()

    def reset(self) -> None:
        """Begins with the first batch again."""
        self.batch_index = 0

    def _flow_index(self) -> Iterates[np.ndarray]:
        """Yields the numbers of the samples of each batch, for ever."""
        self.reset()
        while True:
            self._seed_batch()
            if self.batch_index == 0:
                self._set_index_array()
            first = self.batch_index * self.batch_size
            self.batch_index = self.batch_index + 1 if first + self.batch_size < self.n else 0
            yield self.index_array[first : first + self.batch_size]

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        with self.lock:
            chosen = next(self.index_generator)
        return self._get_batches_of_transformed_samples(chosen)

    def next(self) -> Any:
        """Returns the next batch."""
        return next(self)

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__} has no _get_batches_of_transformed_samples(): define it{at_user_location()}"
        )


class ImageIterator(Iterator):
    """What the iterators over images have in common: they change images at random and may write them.

    Args:
        generator: the `ImageDataGenerator` that changes them, None: nobody does.
        count: number of images.
        dtype: of the batches.
        saving: `(folder, prefix, format)` to write images to.
    """

    def __init__(
        self,
        generator: Any,
        count: int,
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        data_format: str | None,
        dtype: Any,
        saving: tuple[Any, str, str],
    ) -> None:
        self.image_data_generator = generator
        self.data_format = checked_format(data_format, type(self).__name__)
        self.dtype = np.dtype(dtype or settings.floatx).name
        self.save_to_dir, self.save_prefix, self.save_format = saving
        super().__init__(count, batch_size, shuffle, seed)

    def _changed(self, image: np.ndarray) -> np.ndarray:
        generator = self.image_data_generator
        if generator is None:
            return image
        changed = generator.apply_transform(
            image.astype(self.dtype), generator.get_random_transform(image.shape)
        )
        return generator.standardize(changed)

    def _save(self, batch: np.ndarray, numbers: np.ndarray) -> None:
        if not self.save_to_dir:
            return
        for image, number in zip(batch, numbers, strict=True):
            name = f"{self.save_prefix}_{number}_{np.random.randint(10_000_000)}.{self.save_format}"
            array_to_img(image, self.data_format).save(os.path.join(self.save_to_dir, name))


class NumpyArrayIterator(ImageIterator):
    """Batches of an array of images; see `ImageDataGenerator.flow`.

    Args:
        x: array of shape (images, height, width, channels), or `(images, other)` with further arrays of that length.
        y: labels, or None.
        image_data_generator: changes the images.
        sample_weight: a number an image, or None.
        subset: "training" or "validation", by the generator's `validation_split`: the first images are validation's.
        ignore_class_split: accept a subset that lacks classes.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        image_data_generator: Any,
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: Any = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: Any = None,
    ) -> None:
        images, others = (x[0], x[1]) if isinstance(x, tuple | list) else (x, [])
        others = [np.asarray(other) for other in (others if isinstance(others, list) else [others])]
        images = np.asarray(images)
        extras = {
            "y": None if y is None else np.asarray(y),
            "sample_weight": None if sample_weight is None else np.asarray(sample_weight),
        }
        for name, array in (*extras.items(), *(("x", other) for other in others)):
            if array is not None and len(array) != len(images):
                raise ValueError(
                    f"NumpyArrayIterator: {len(images)} images, but {name} has length {len(array)}"
                    f"{at_user_location()}"
                )
        if images.ndim != 4:
            raise ValueError(
                f"NumpyArrayIterator: the images must have rank 4, received shape {images.shape}"
                f"{at_user_location()}"
            )
        chosen = _subset(subset, image_data_generator, len(images), extras["y"], ignore_class_split)
        self.x = np.asarray(images[chosen], dtype=dtype or settings.floatx)
        self.x_misc = [other[chosen] for other in others]
        self.y, self.sample_weight = (None if e is None else e[chosen] for e in extras.values())
        saving = (save_to_dir, save_prefix, save_format)
        super().__init__(
            image_data_generator, len(self.x), batch_size, shuffle, seed, data_format, dtype, saving
        )
        channels = self.x.shape[3 if self.data_format == "channels_last" else 1]
        if channels not in (1, 3, 4):
            warnings.warn(
                f"NumpyArrayIterator: images have 1, 3 or 4 channels, received {channels} (shape {self.x.shape})",
                stacklevel=3,
            )

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        batch = np.zeros((len(index_array), *self.x.shape[1:]), dtype=self.dtype)
        for place, number in enumerate(index_array):
            batch[place] = self._changed(self.x[number])
        self._save(batch, index_array)
        inputs = [batch, *(other[index_array] for other in self.x_misc)] if self.x_misc else batch
        rest = [array[index_array] for array in (self.y, self.sample_weight) if array is not None]
        return inputs if self.y is None else (inputs, *rest)


def _subset(subset: str | None, generator: Any, count: int, y: Any, ignore_classes: bool) -> slice:
    """Returns which rows a subset has."""
    if subset is None:
        return slice(None)
    if subset not in ("training", "validation"):
        raise ValueError(
            f"subset must be 'training' or 'validation', received {subset!r}{at_user_location()}"
        )
    border = int(count * generator._validation_split)
    if (
        y is not None
        and not ignore_classes
        and not np.array_equal(np.unique(y[:border]), np.unique(y[border:]))
    ):
        raise ValueError(
            f"flow: the training and validation subsets have different classes; shuffle the data, or pass "
            f"ignore_class_split=True{at_user_location()}"
        )
    return slice(None, border) if subset == "validation" else slice(border, None)
