"""`keras.preprocessing.image.ImageDataGenerator`: Keras 2's random changes of images."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from dovetail.keras.preprocessing.iterators import NumpyArrayIterator
from dovetail.keras.preprocessing.transforms import (
    apply_affine_transform,
    apply_brightness_shift,
    apply_channel_shift,
)
from dovetail.keras.utils.image_files import checked_format

__all__ = ["ImageDataGenerator"]

_EPSILON = 1e-6


class ImageDataGenerator:
    """Gives batches of images that are changed at random; random numbers are those of `np.random`.

    Args:
        featurewise_center: subtract the mean of each channel over the data set; see `fit`.
        samplewise_center: subtract the mean of the image.
        featurewise_std_normalization, samplewise_std_normalization: divide by the standard deviation as well.
        zca_whitening: make the pixels uncorrelated; see `fit`.
        zca_epsilon: added to what is divided by.
        rotation_range: degrees.
        width_shift_range, height_shift_range: a share of the size (a number below 1), pixels (a number from 1 on), or a
            list of pixels to choose from.
        brightness_range: two factors.
        shear_range: degrees.
        zoom_range: two factors, or z for (1 - z, 1 + z).
        channel_shift_range: largest number that is added to the image.
        fill_mode, cval: see `apply_affine_transform`.
        horizontal_flip, vertical_flip: turn half of the images round.
        rescale: factor, after the changes.
        preprocessing_function: called with each image after the changes.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
        validation_split: share of the images in the validation subset.
        interpolation_order: see `apply_affine_transform`.
        dtype: of the batches.

    Example:
        >>> generator = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True)
        >>> model.fit(generator.flow(images, labels, batch_size=32), epochs=3)
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Any = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: Any = None,
    ) -> None:
        self.data_format = checked_format(data_format, "ImageDataGenerator")
        first = self.data_format == "channels_first"
        self.channel_axis, self.row_axis, self.col_axis = (1, 2, 3) if first else (3, 1, 2)
        if validation_split and not 0 < validation_split < 1:
            self._refuse("validation_split must be between 0 and 1", validation_split)
        if brightness_range is not None and not _is_pair(brightness_range):
            self._refuse("brightness_range must be two factors", brightness_range)
        if isinstance(zoom_range, int | float):
            zoom_range = [1 - zoom_range, 1 + zoom_range]
        if not _is_pair(zoom_range):
            self._refuse("zoom_range must be a number or two factors", zoom_range)
        self.featurewise_center = _with(
            "featurewise_center",
            featurewise_center,
            featurewise_std_normalization=featurewise_std_normalization,
            zca_whitening=zca_whitening,
        )
        if zca_whitening and featurewise_std_normalization:
            warnings.warn(
                "ImageDataGenerator: zca_whitening takes the place of featurewise_std_normalization",
                stacklevel=2,
            )
        self.featurewise_std_normalization = featurewise_std_normalization and not zca_whitening
        self.samplewise_center = _with(
            "samplewise_center", samplewise_center, samplewise_std_normalization=samplewise_std_normalization
        )
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.zoom_range = brightness_range, list(zoom_range)
        self.channel_shift_range = channel_shift_range
        self.fill_mode, self.cval, self.interpolation_order = fill_mode, cval, interpolation_order
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.dtype = np.dtype(dtype or settings.floatx).name
        self._validation_split = validation_split
        self.mean: Any = None
        self.std: Any = None
        self.zca_whitening_matrix: Any = None

    def _refuse(self, message: str, value: Any) -> None:
        raise ValueError(f"ImageDataGenerator: {message}, received {value!r}{at_user_location()}")

    # ---- batches ----

    def flow(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Returns endless batches of the images in an array; see `NumpyArrayIterator`.

        Args:
            save_to_dir, save_prefix, save_format: write the changed images into a folder.
        """
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, self.data_format, save_to_dir, save_prefix,
            save_format, subset, ignore_class_split, self.dtype,
        )  # fmt: skip

    def flow_from_directory(
        self,
        directory: Any,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Returns endless batches of the images in a folder with one subfolder a class.

        Args:
            directory: the folder.
            target_size: (height, width) of the images.
            color_mode, interpolation, keep_aspect_ratio: see `keras.utils.load_img`.
            classes: subfolders, in the order of their numbers; all, sorted, by default.
            class_mode: "categorical": one-hot labels; "binary", "sparse": numbers; "input": the images; None: no
                labels.
        """
        return DirectoryIterator(
            directory, self, target_size, color_mode, classes, class_mode, batch_size, shuffle, seed,
            self.data_format, save_to_dir, save_prefix, save_format, follow_links, subset, interpolation,
            keep_aspect_ratio, self.dtype,
        )  # fmt: skip

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: Any = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        keep_aspect_ratio: bool = False,
    ) -> DataFrameIterator:
        """Returns endless batches of the images that a table of pandas lists.

        Args:
            dataframe: the table.
            directory: that the names of files begin in.
            x_col: column with the names of files.
            y_col: column with the labels; a list of columns for "multi_output" (and "raw").
            weight_col: column with the weights of samples.
            class_mode: as in `flow_from_directory`; or "raw": the labels as they are; "multi_output": a list of them.
            validate_filenames: leave out files that are not there.
        """
        return DataFrameIterator(
            dataframe, directory, self, x_col, y_col, weight_col, target_size, color_mode, classes, class_mode,
            batch_size, shuffle, seed, self.data_format, save_to_dir, save_prefix, save_format, subset, interpolation,
            keep_aspect_ratio, self.dtype, validate_filenames,
        )  # fmt: skip

    # ---- one image ----

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Returns an image, or a batch, with the changes that are not random; the array may be changed as well."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x = x * self.rescale
        if self.samplewise_center:
            x = x - np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (np.std(x, keepdims=True) + _EPSILON)
        if self.featurewise_center and self._is_fitted("featurewise_center", self.mean):
            x = x - self.mean
        if self.featurewise_std_normalization and self._is_fitted("featurewise_std_normalization", self.std):
            x = x / (self.std + _EPSILON)
        if self.zca_whitening and self._is_fitted("zca_whitening", self.zca_whitening_matrix):
            flat = np.reshape(x, (-1, np.prod(x.shape[-3:])))
            x = np.reshape(flat @ self.zca_whitening_matrix, x.shape)
        return x

    @staticmethod
    def _is_fitted(name: str, value: Any) -> bool:
        if value is None:
            warnings.warn(f"ImageDataGenerator: {name} has no effect before fit() is called", stacklevel=4)
        return value is not None

    def get_random_transform(self, img_shape: tuple, seed: int | None = None) -> dict[str, Any]:
        """Returns what `apply_transform` takes, drawn at random.

        Args:
            img_shape: of the image.
            seed: of `np.random`, which is seeded with it.
        """
        if seed is not None:
            np.random.seed(seed)
        drawn: dict[str, Any] = {"theta": _around_zero(self.rotation_range)}
        drawn["tx"] = _shift(self.height_shift_range, img_shape[self.row_axis - 1])
        drawn["ty"] = _shift(self.width_shift_range, img_shape[self.col_axis - 1])
        drawn["shear"] = _around_zero(self.shear_range)
        drawn["zx"], drawn["zy"] = (
            (1, 1)
            if self.zoom_range == [1, 1]
            else np.random.uniform(self.zoom_range[0], self.zoom_range[1], 2)
        )
        drawn["flip_horizontal"] = (np.random.random() < 0.5) * self.horizontal_flip
        drawn["flip_vertical"] = (np.random.random() < 0.5) * self.vertical_flip
        drawn["channel_shift_intensity"] = _around_zero(self.channel_shift_range) or None
        drawn["brightness"] = (
            None if self.brightness_range is None else np.random.uniform(*self.brightness_range)
        )
        return drawn

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Returns an image with changes.

        Args:
            x: array of rank 3.
            transform_parameters: "theta", "tx", "ty", "shear", "zx", "zy" (see `apply_affine_transform`),
                "channel_shift_intensity", "flip_horizontal", "flip_vertical" and "brightness"; any may be left out.
        """
        given = transform_parameters
        rows, columns, channels = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        moved = {name: given[name] for name in ("theta", "tx", "ty", "shear", "zx", "zy") if name in given}
        x = apply_affine_transform(
            x,
            **moved,
            row_axis=rows,
            col_axis=columns,
            channel_axis=channels,
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )
        if given.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, given["channel_shift_intensity"], channels)
        if given.get("flip_horizontal"):
            x = np.flip(x, columns)
        if given.get("flip_vertical"):
            x = np.flip(x, rows)
        if given.get("brightness") is not None:
            x = apply_brightness_shift(x, given["brightness"], scale=False)
        return x

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Returns an image with changes drawn at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    # ---- statistics ----

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Computes the statistics that the featurewise arguments and `zca_whitening` need.

        Args:
            x: array of images, of rank 4.
            augment: change the images at random first.
            rounds: how often each image is taken then.
            seed: of `np.random`.
        """
        x = np.array(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(
                f"ImageDataGenerator.fit: expected images of rank 4, received shape {x.shape}{at_user_location()}"
            )
        if seed is not None:
            np.random.seed(seed)
        if self.rescale:
            x = x * self.rescale
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x])
        if self.featurewise_center:
            self.mean = self._of_channels(np.mean, x)
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = self._of_channels(np.std, x)
            x = x / (self.std + _EPSILON)
        if self.zca_whitening:
            # The left singular vectors of the pixels, scaled to unit variance and turned back.
            u, s, _ = np.linalg.svd(np.reshape(x, (len(x), -1)).T, full_matrices=False)
            self.zca_whitening_matrix = (u * (np.sqrt(len(x)) / (s + self.zca_epsilon))) @ u.T

    def _of_channels(self, statistic: Callable, x: np.ndarray) -> np.ndarray:
        """Returns a statistic of each channel, of rank 3."""
        return statistic(x, axis=(0, self.row_axis, self.col_axis), keepdims=True)[0]


def _is_pair(value: Any) -> bool:
    is_sequence = isinstance(value, list | tuple | np.ndarray)
    return is_sequence and len(value) == 2 and all(isinstance(v, int | float | np.number) for v in value)


def _with(name: str, asked: bool, **implied_by: bool) -> bool:
    """Returns an option that others turn on, with a warning when they do."""
    for other, value in implied_by.items():
        if value and not asked:
            warnings.warn(f"ImageDataGenerator: {other} turns {name} on", stacklevel=3)
            asked = True
    return asked


def _around_zero(size: float) -> float:
    return np.random.uniform(-size, size) if size else 0


def _shift(size: Any, length: int) -> float:
    """Returns a shift in pixels: see `width_shift_range`."""
    if not np.any(size):
        return 0
    if np.ndim(size) or isinstance(size, int | np.integer):
        pixels = np.random.choice(size) * np.random.choice([-1, 1])
    else:
        pixels = np.random.uniform(-size, size)
    return pixels * length if np.max(size) < 1 else pixels
