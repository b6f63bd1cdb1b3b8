"""Which files a folder holds, with the labels that its subfolders give them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.data import AUTOTUNE, Dataset
from dovetail.keras.utils import messages
from dovetail.ops import create
from dovetail.tensor import dtype as dt

_MODES = ("int", "categorical", "binary", None)
_SUBSETS = ("training", "validation", "both")
_UNBATCHED_BUFFER = 1024


@dataclasses.dataclass(frozen=True)
class Listing:
    """Files with their labels.

    Attributes:
        paths: of the files.
        labels: class numbers, one a file; None where there are no labels.
        names: of the classes.
    """

    paths: list[str]
    labels: np.ndarray | None
    names: list[str]

    def part(self, chosen: slice) -> Listing:
        labels = None if self.labels is None else self.labels[chosen]
        return Listing(self.paths[chosen], labels, self.names)


@dataclasses.dataclass(frozen=True)
class Request:
    """What the functions that make datasets of folders have in common; see `image_dataset_from_directory`."""

    label: str
    directory: Any
    labels: Any
    label_mode: Any
    class_names: Any
    batch_size: int | None
    shuffle: bool
    seed: int | None
    validation_split: float | None
    subset: str | None
    follow_links: bool
    verbose: bool
    endings: tuple[str, ...]

    def fail(self, message: str) -> None:
        raise ValueError(f"{self.label}: {message}{at_user_location()}")

    def check(self) -> None:
        """Raises a ValueError for arguments that say nothing."""
        if self.label_mode not in _MODES:
            self.fail(f"label_mode must be one of {_MODES}, received {self.label_mode!r}")
        explicit = isinstance(self.labels, list | tuple | np.ndarray)
        if not explicit and self.labels not in ("inferred", None):
            self.fail(f"labels must be 'inferred', None or a list of integers, received {self.labels!r}")
        if self.class_names and self.labels != "inferred" if not explicit else self.class_names:
            self.fail("class_names= goes with labels='inferred' only")
        if self.validation_split is not None and not 0 < self.validation_split < 1:
            self.fail(f"validation_split must be between 0 and 1, received {self.validation_split!r}")
        if (self.validation_split is None) != (self.subset is None):
            self.fail("pass validation_split and subset together, or neither")
        if self.subset is not None and self.subset not in _SUBSETS:
            self.fail(f"subset must be one of {_SUBSETS}, received {self.subset!r}")
        if self.validation_split is not None and self.shuffle and self.seed is None:
            self.fail(
                "pass seed= or shuffle=False: with a new order in each call the two subsets would overlap"
            )

    def listings(self) -> list[Listing]:
        """Returns the files; two listings for `subset="both"`, of training and validation."""
        self.check()
        found = self._shuffled(self._found())
        if self.label_mode == "binary" and found.labels is not None and len(found.names) != 2:
            self.fail(
                f"label_mode='binary' needs 2 classes, found {len(found.names)}: {', '.join(found.names)}"
            )
        if not found.paths:
            self.fail(f"no files that end with {', '.join(self.endings)} in {os.fspath(self.directory)}")
        self._say(
            f"Found {len(found.paths)} files"
            + (f" belonging to {len(found.names)} classes" if found.labels is not None else "")
        )
        if self.validation_split is None:
            return [found]
        parts = _parts(found, self.validation_split)
        subsets = ("training", "validation") if self.subset == "both" else (self.subset,)
        for subset in subsets:
            if not parts[subset].paths:
                self.fail(f"validation_split={self.validation_split} leaves no file for {subset}")
            self._say(f"Using {len(parts[subset].paths)} files for {subset}")
        return [parts[subset] for subset in subsets]

    def _say(self, text: str) -> None:
        if self.verbose:
            messages.write(f"{text}.\n")

    def _found(self) -> Listing:
        root = os.path.expanduser(os.fspath(self.directory))
        if not os.path.isdir(root):
            raise NotADirectoryError(f"{self.label}: {root!r} is no folder{at_user_location()}")
        if isinstance(self.labels, str):
            return self._labelled_by_folder(root)
        paths = files_below(root, self.endings, self.follow_links)
        if self.labels is None or self.label_mode is None:
            return Listing(paths, None, [])
        labels = np.asarray(self.labels, dtype="int32")
        if len(labels) != len(paths):
            self.fail(f"{len(labels)} labels for {len(paths)} files in {root}")
        return Listing(paths, labels, [str(label) for label in sorted(set(labels.tolist()))])

    def _labelled_by_folder(self, root: str) -> Listing:
        folders = sorted(
            entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith(".")
        )
        names = list(self.class_names or folders)
        if set(names) != set(folders):
            self.fail(f"class_names= must name the subfolders, {folders}, received {names}")
        paths, labels = [], []
        for number, folder in enumerate(names):
            found = files_below(os.path.join(root, folder), self.endings, self.follow_links)
            paths += found
            labels += [number] * len(found)
        return Listing(paths, None if self.label_mode is None else np.asarray(labels, "int32"), names)

    def _shuffled(self, found: Listing) -> Listing:
        """Puts the files into the order that Keras gives them for the same seed."""
        if not self.shuffle:
            return found
        order = list(range(len(found.paths)))
        np.random.RandomState(_seed_of(self.seed)).shuffle(order)
        labels = None if found.labels is None else found.labels[order]
        return Listing([found.paths[i] for i in order], labels, found.names)

    def dataset(self, read: Callable[[Any], Any], batch: Callable[[Dataset, int], Dataset]) -> Any:
        """Returns the dataset of the files, or two for `subset="both"`.

        Args:
            read: returns what an element has for a path, a scalar tensor.
            batch: `batch(dataset, batch_size)`.
        """
        made = []
        for listing in self.listings():
            dataset = self._elements(listing, read)
            if self.batch_size is not None:
                dataset = batch(dataset, self.batch_size)
            dataset = dataset.prefetch(AUTOTUNE)
            dataset.class_names, dataset.file_paths = listing.names, listing.paths  # type: ignore[attr-defined]
            made.append(dataset)
        return made[0] if len(made) == 1 else made

    def _elements(self, listing: Listing, read: Callable) -> Dataset:
        workers = min(8, os.cpu_count() or 1)
        paths = np.asarray(listing.paths, dtype=object)
        is_labelled = listing.labels is not None
        columns = (paths, self._coded(listing)) if is_labelled else paths
        dataset = Dataset.from_tensor_slices(columns)
        if self.shuffle:
            buffer = self.batch_size * 8 if self.batch_size else _UNBATCHED_BUFFER
            dataset = dataset.shuffle(buffer, seed=self.seed)
        if is_labelled:
            return dataset.map(lambda path, label: (read(path), label), num_parallel_calls=workers)
        return dataset.map(read, num_parallel_calls=workers)

    def _coded(self, listing: Listing) -> Any:
        """Returns the labels in the form of `label_mode`."""
        if self.label_mode == "categorical":
            return create.one_hot(listing.labels, len(listing.names), dtype=dt.float32)
        if self.label_mode == "binary":
            return listing.labels.astype("float32")[:, None]  # type: ignore[union-attr] # (files, 1)
        return listing.labels


def _seed_of(seed: int | None) -> int:
    return int(np.random.randint(1_000_000)) if seed is None else seed


def _parts(found: Listing, share: float) -> dict[Any, Listing]:
    """Returns the two parts: the last files are those for validation."""
    first = len(found.paths) - int(share * len(found.paths))
    return {"training": found.part(slice(None, first)), "validation": found.part(slice(first, None))}


def files_below(root: str, endings: tuple[str, ...], follow_links: bool) -> list[str]:
    """Returns the files in a folder and all below it, in the order of their names."""
    return [
        os.path.join(folder, name)
        for folder, _, names in sorted(os.walk(root, followlinks=follow_links))
        for name in sorted(names)
        if name.lower().endswith(endings)
    ]
