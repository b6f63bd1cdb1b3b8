"""Datasets of the images, texts and sounds in a folder."""

from __future__ import annotations

import os
import pathlib
from typing import Any

import numpy as np

from dovetail.base.errors import suggest
from dovetail.base.told import told_function
from dovetail.data import Dataset
from dovetail.function import numpy_function
from dovetail.keras.utils.directories import Request
from dovetail.keras.utils.image_files import checked_format, pillow
from dovetail.keras.utils.waves import read_wave
from dovetail.ops import image_resize, shapes
from dovetail.ops.files.image import first_image
from dovetail.tensor import dtype as dt

_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
_IMAGES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_INTERPOLATIONS = (
    "nearest",
    "area",
    "bilinear",
    "bicubic",
    "gaussian",
    "lanczos3",
    "lanczos5",
    "mitchellcubic",
)


def _batched(dataset: Dataset, size: int) -> Dataset:
    return dataset.batch(size)


@told_function("keras.utils.image_dataset_from_directory")
def image_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Returns a dataset of the images in a folder, with labels from the names of its subfolders.

    Args:
        directory: with one subfolder a class.  Files are bmp, gif (the first image), jpeg or png.
        labels: "inferred": from the subfolders; None: no labels; or a list of class numbers, one a file in the order of
            their paths.
        label_mode: "int": int32 numbers; "categorical": one-hot float32 vectors; "binary": float32 of shape
            (batch, 1), 0 or 1; None: no labels.
        class_names: the subfolders in the order in which they are numbered; the sorted one by default.
        color_mode: "grayscale", "rgb" or "rgba".
        batch_size: None: no batches.
        image_size: (height, width) that images are resized to.
        shuffle: take the files in a new order in each epoch.
        seed: of the shuffling; the same seed puts a file into the same subset.
        validation_split: share of the files in (0, 1) that is kept for validation.
        subset: "training", "validation" or "both", which gives a list of two datasets.
        interpolation: see `tf.image.resize`.
        follow_links: enter folders by symbolic links.
        crop_to_aspect_ratio: cut off what does not fit the new proportions first.
        pad_to_aspect_ratio: add black borders first.
        data_format: "channels_first" gives images of shape (channels, height, width).
        format: "tf".
        verbose: say how many files there are.

    Returns:
        `tf.data.Dataset` of images in [0, 255], float32 (uint8 for `interpolation="nearest"`) of shape
        (batch, height, width, channels), or of pairs of these and labels.  It has the attributes `class_names` and
        `file_paths`.

    Raises:
        ImportError: Pillow is not installed.
        NotADirectoryError: there is no such folder.
    """
    pillow("image_dataset_from_directory")
    _check_format(format)
    for name, value, known in (
        ("color_mode", color_mode, _CHANNELS),
        ("interpolation", interpolation, _INTERPOLATIONS),
    ):
        if value not in known:
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, received {value!r}.{suggest(str(value), known)}"
            )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other")
    height, width = (int(size) for size in image_size)
    channels = _CHANNELS[color_mode]
    first = checked_format(data_format, "image_dataset_from_directory") == "channels_first"

    kind = dt.uint8 if interpolation == "nearest" else dt.float32
    shape = (channels, height, width) if first else (height, width, channels)

    def content(path: Any) -> np.ndarray:
        image = first_image("keras.utils.image_dataset_from_directory", _content(path), channels)
        image = fitted(image, (height, width), interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio)
        return image.transpose(2, 0, 1) if first else image

    def read(path: Any) -> Any:
        return shapes.ensure_shape(numpy_function(content, [path], kind), shape)

    request = Request(
        "image_dataset_from_directory", directory, labels, label_mode, class_names, batch_size, shuffle, seed,
        validation_split, subset, follow_links, verbose, _IMAGES,
    )  # fmt: skip
    return request.dataset(read, _batched)


def _check_format(format: str) -> None:
    if format != "tf":
        raise ValueError(
            f"format must be 'tf', received {format!r}: other kinds of datasets are not made here"
        )


def _content(path: Any) -> bytes:
    return pathlib.Path(os.fsdecode(np.asarray(path).item())).read_bytes()


def fitted(image: np.ndarray, size: tuple[int, int], interpolation: str, crop: bool, pad: bool) -> np.ndarray:
    """Returns an image of shape (height, width, channels) in another size; float32, of its own dtype for "nearest"."""
    if pad:
        return np.asarray(image_resize.resize_with_pad(image, *size, method=interpolation))
    return np.asarray(
        image_resize.resize(cut_out(image, size) if crop else image, size, method=interpolation)
    )


def cut_out(image: Any, size: tuple[int, int]) -> Any:
    """Returns the middle of images of shape (..., height, width, channels), in the proportions of `size`."""
    height, width = (int(n) for n in image.shape[-3:-1])
    rows = max(min(height, int(width * size[0] / size[1])), 1)
    columns = max(min(width, int(height * size[1] / size[0])), 1)
    top, left = (height - rows) // 2, (width - columns) // 2
    return image[..., top : top + rows, left : left + columns, :]


@told_function("keras.utils.text_dataset_from_directory")
def text_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Returns a dataset of the texts (.txt) in a folder, with labels from the names of its subfolders.

    Args:
        max_length: number of bytes a text is cut to.

    The others are as in `image_dataset_from_directory`.

    Returns:
        `tf.data.Dataset` of strings of shape (batch,), or of pairs of these and labels.
    """
    _check_format(format)
    if max_length is not None and max_length < 1:
        raise ValueError(f"max_length must be positive, received {max_length!r}")

    def read(path: Any) -> Any:
        text = numpy_function(lambda name: np.asarray(_content(name)[:max_length], object), [path], dt.string)
        return shapes.ensure_shape(text, ())

    request = Request(
        "text_dataset_from_directory", directory, labels, label_mode, class_names, batch_size, shuffle, seed,
        validation_split, subset, follow_links, verbose, (".txt",),
    )  # fmt: skip
    return request.dataset(read, _batched)


@told_function("keras.utils.audio_dataset_from_directory")
def audio_dataset_from_directory(
    directory: Any,
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Any = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Returns a dataset of the sounds (.wav) in a folder, with labels from the names of its subfolders.

    Args:
        sampling_rate: in Hz; sounds with another rate are resampled.  None: all have one rate.
        output_sequence_length: number of samples that sounds are cut or padded with zeros to.  None: they are padded to
            the longest one of their batch.
        ragged: batches are `tf.RaggedTensor`s instead.

    The others are as in `image_dataset_from_directory`.

    Returns:
        `tf.data.Dataset` of float32 sounds in [-1, 1], of shape (batch, samples, channels), or of pairs of these and
        labels.
    """
    if ragged and output_sequence_length is not None:
        raise ValueError("ragged=True and output_sequence_length= exclude each other")
    for name, value in (("sampling_rate", sampling_rate), ("output_sequence_length", output_sequence_length)):
        if value is not None and (not isinstance(value, int) or value <= 0):
            raise ValueError(f"{name} must be a positive integer, received {value!r}")

    def content(path: Any) -> np.ndarray:
        wave = read_wave(_content(path), sampling_rate)
        if output_sequence_length is None:
            return wave
        missing = max(output_sequence_length - len(wave), 0)
        return np.pad(wave[:output_sequence_length], ((0, missing), (0, 0)))

    def read(path: Any) -> Any:
        return shapes.ensure_shape(
            numpy_function(content, [path], dt.float32), (output_sequence_length, None)
        )

    def batch(dataset: Dataset, size: int) -> Dataset:
        if output_sequence_length is not None:
            return dataset.batch(size)
        return dataset.ragged_batch(size) if ragged else dataset.padded_batch(size)

    request = Request(
        "audio_dataset_from_directory", directory, labels, label_mode, class_names, batch_size, shuffle, seed,
        validation_split, subset, follow_links, verbose, (".wav",),
    )  # fmt: skip
    return request.dataset(read, batch)
