"""Keras 2's batches of image files: those of a folder, and those that a table lists."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.preprocessing.iterators import ImageIterator
from dovetail.keras.utils import messages
from dovetail.keras.utils.directories import files_below
from dovetail.keras.utils.image_files import img_to_array, load_img

__all__ = ["DataFrameIterator", "DirectoryIterator"]

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff")
_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
_FOLDER_MODES = ("categorical", "binary", "sparse", "input", None)
_TABLE_MODES = ("binary", "categorical", "input", "multi_output", "raw", "sparse", None)


class FileIterator(ImageIterator):
    """Batches of image files with labels.

    Attributes:
        filepaths: of the files.
        filenames: the same, relative to the folder.
        labels: class numbers, or what else the class mode gives.
        class_indices: the number of each class.
    """

    filepaths: list[str]
    labels: Any
    class_indices: dict[Any, int]
    sample_weight: Any = None

    def _choose(self, class_mode: Any, modes: tuple, color_mode: str, label: str) -> None:
        if class_mode not in modes:
            raise ValueError(
                f"{label}: class_mode must be one of {modes}, received {class_mode!r}{at_user_location()}"
            )
        if color_mode not in _CHANNELS:
            raise ValueError(
                f"{label}: color_mode must be one of {', '.join(_CHANNELS)}, received {color_mode!r}"
                f"{at_user_location()}"
            )
        self.class_mode, self.color_mode = class_mode, color_mode

    def _part(self, subset: str | None, generator: Any) -> tuple[float, float]:
        """Returns the shares where a subset begins and ends."""
        share = 0.0 if generator is None else generator._validation_split
        parts = {None: (0.0, 1.0), "validation": (0.0, share), "training": (share, 1.0)}
        if subset not in parts:
            raise ValueError(
                f"subset must be 'training' or 'validation', received {subset!r}{at_user_location()}"
            )
        return parts[subset]

    def _load_as(self, target_size: tuple[int, int], interpolation: str, keep_aspect_ratio: bool) -> None:
        self.target_size = tuple(target_size)
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio
        channels = _CHANNELS[self.color_mode]
        last = self.data_format == "channels_last"
        self.image_shape = (*self.target_size, channels) if last else (channels, *self.target_size)

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        batch: np.ndarray = np.zeros((len(index_array), *self.image_shape), dtype=self.dtype)
        for place, number in enumerate(index_array):
            image = load_img(
                self.filepaths[number],
                color_mode=self.color_mode,
                target_size=self.target_size,
                interpolation=self.interpolation,
                keep_aspect_ratio=self.keep_aspect_ratio,
            )
            array = img_to_array(image, data_format=self.data_format)
            image.close()
            batch[place] = self._changed(array)
        self._save(batch, index_array)
        if self.class_mode is None:
            return batch
        labels = self._labels(batch, index_array)
        if self.sample_weight is None:
            return batch, labels
        return batch, labels, self.sample_weight[index_array]

    def _labels(self, batch: np.ndarray, chosen: np.ndarray) -> Any:
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [column[chosen] for column in self.labels]
        if self.class_mode == "raw":
            return self.labels[chosen]
        if self.class_mode in ("binary", "sparse"):
            return np.array([self.classes[number] for number in chosen], dtype=settings.floatx)
        hot: np.ndarray = np.zeros((len(chosen), len(self.class_indices)), dtype=settings.floatx)
        for row, number in zip(hot, chosen, strict=True):
            row[self.classes[number]] = 1  # of several labels, several
        return hot

    classes: Any


class DirectoryIterator(FileIterator):
    """Batches of the images in a folder with one subfolder a class; see `ImageDataGenerator.flow_from_directory`."""

    def __init__(
        self,
        directory: Any,
        image_data_generator: Any,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Any = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = None,
    ) -> None:
        self._choose(class_mode, _FOLDER_MODES, color_mode, "flow_from_directory")
        self.directory = os.fspath(directory)
        self.subset = subset
        names = list(classes or sorted(e.name for e in os.scandir(self.directory) if e.is_dir()))
        start, stop = self._part(subset, image_data_generator)
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.filepaths, numbers = [], []
        for name, number in self.class_indices.items():
            found = files_below(os.path.join(self.directory, name), _ENDINGS, follow_links)
            found = found[int(start * len(found)) : int(stop * len(found))]
            self.filepaths += found
            numbers += [number] * len(found)
        self.classes = self.labels = np.array(numbers, dtype="int32")
        self.filenames = [os.path.relpath(path, self.directory) for path in self.filepaths]
        self.samples, self.num_classes = len(self.filepaths), len(names)
        messages.write(f"Found {self.samples} images belonging to {self.num_classes} classes.\n")
        saving = (save_to_dir, save_prefix, save_format)
        super().__init__(
            image_data_generator, self.samples, batch_size, shuffle, seed, data_format, dtype, saving
        )
        self._load_as(target_size, interpolation, keep_aspect_ratio)


class DataFrameIterator(FileIterator):
    """Batches of the images that a table of pandas lists; see `ImageDataGenerator.flow_from_dataframe`."""

    def __init__(
        self,
        dataframe: Any,
        directory: Any = None,
        image_data_generator: Any = None,
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
        data_format: str | None = "channels_last",
        save_to_dir: Any = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: Any = "float32",
        validate_filenames: bool = True,
    ) -> None:
        self._choose(class_mode, _TABLE_MODES, color_mode, "flow_from_dataframe")
        self.directory = os.fspath(directory or "")
        self.subset = subset
        table = _checked_table(dataframe, x_col, y_col, weight_col, class_mode)
        if validate_filenames:
            table = self._existing(table, x_col)
        if class_mode in ("binary", "categorical", "sparse"):
            table = self._with_classes(table, y_col, classes)
        start, stop = self._part(subset, image_data_generator)
        table = table.iloc[int(start * len(table)) : int(stop * len(table))]
        self.filenames = table[x_col].tolist()
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        self.sample_weight = None if weight_col is None else table[weight_col].to_numpy()
        if class_mode in ("binary", "categorical", "sparse"):
            self.classes = self.labels = [self._numbers(value) for value in table[y_col]]
        elif class_mode == "multi_output":
            self.labels = [np.array(table[name].tolist()) for name in y_col]
        elif class_mode == "raw":
            self.labels = table[y_col].to_numpy()
        self.samples = len(self.filepaths)
        of_classes = (
            f" belonging to {len(self.class_indices)} classes" if hasattr(self, "class_indices") else ""
        )
        validated = "validated" if validate_filenames else "non-validated"
        messages.write(f"Found {self.samples} {validated} image filenames{of_classes}.\n")
        saving = (save_to_dir, save_prefix, save_format)
        super().__init__(
            image_data_generator, self.samples, batch_size, shuffle, seed, data_format, dtype, saving
        )
        self._load_as(target_size, interpolation, keep_aspect_ratio)

    def _existing(self, table: Any, x_col: str) -> Any:
        """Leaves out the rows whose file is not there, with a warning."""
        there = [
            name.lower().endswith(_ENDINGS) and os.path.isfile(os.path.join(self.directory, name))
            for name in table[x_col]
        ]
        missing = len(there) - sum(there)
        if missing:
            warnings.warn(
                f"flow_from_dataframe: {missing} of the files in column {x_col!r} are no images or not there; they are "
                "left out",
                stacklevel=4,
            )
        return table[there]

    def _with_classes(self, table: Any, y_col: str, classes: Any) -> Any:
        """Numbers the classes; with `classes` given, rows of other ones are left out."""
        values = [value if isinstance(value, list | tuple) else [value] for value in table[y_col]]
        if classes is not None:
            kept = [[value for value in row if value in set(classes)] for row in values]
            there = [bool(row) for row in kept]
            several = [isinstance(value, list | tuple) for value in table[y_col]]
            column = [row if is_list else row[:1] for row, is_list in zip(kept, several, strict=True)]
            table = table.assign(**{y_col: column})[there]
            values = [row for row in kept if row]
        names = list(classes) if classes is not None else sorted({value for row in values for value in row})
        self.class_indices = {name: number for number, name in enumerate(names)}
        if self.class_mode == "binary" and len(names) != 2:
            raise ValueError(
                f"flow_from_dataframe: class_mode='binary' needs 2 classes, found {names}{at_user_location()}"
            )
        return table

    def _numbers(self, value: Any) -> Any:
        """Returns the number of a label, or those of a list of labels."""
        if isinstance(value, list | tuple):
            numbers = [self.class_indices[one] for one in value]
            return numbers if self.class_mode == "categorical" else numbers[0]
        return self.class_indices[value]


def _checked_table(table: Any, x_col: str, y_col: Any, weight_col: Any, class_mode: Any) -> Any:
    """Returns a copy of the table, whose columns are what the class mode needs."""
    wanted = (
        [x_col]
        if class_mode in ("input", None)
        else [x_col, *(y_col if isinstance(y_col, list | tuple) else [y_col])]
    )
    for name in [*wanted, *([] if weight_col is None else [weight_col])]:
        if name not in table.columns:
            raise ValueError(
                f"flow_from_dataframe: the table has no column {name!r}, its columns are {list(table.columns)}"
                f"{at_user_location()}"
            )
    if not all(isinstance(name, str) for name in table[x_col]):
        raise TypeError(
            f"flow_from_dataframe: the column {x_col!r} must hold the names of files{at_user_location()}"
        )
    if class_mode == "multi_output" and not isinstance(y_col, list | tuple):
        raise TypeError(
            f"flow_from_dataframe: class_mode='multi_output' takes a list of columns as y_col, received {y_col!r}"
            f"{at_user_location()}"
        )
    return table.copy()
