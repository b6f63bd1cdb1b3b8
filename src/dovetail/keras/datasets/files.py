"""Where the files of data sets come from, and what is done with tables, pictures and texts in them."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.datasets import plain_pickle
from dovetail.keras.utils.downloads import get_file
from dovetail.wire import zipped

_BASE = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
FOLDER = "DOVETAIL_DATASETS"
# What the packages for archives raise where one is damaged.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    RuntimeError,
    struct.error,
    IndexError,
    AttributeError,
)


def find(
    path: Any,
    name: str,
    file_hash: str | None = None,
    cache_dir: Any = None,
    origin: str = "",
    folder: str = "",
) -> str:
    """Returns the path of a data set's file.

    Args:
        path: what the user says: a file that is there, or the name it has in the cache.
        name: of the file; it is looked for in the folder that $DOVETAIL_DATASETS names.
        file_hash, cache_dir: see `get_file`.
        origin: URL, `name` in Keras' storage by default.
        folder: in the cache.
    """
    for place in (
        os.fspath(path),
        os.path.join(os.environ.get(FOLDER) or ".", name) if FOLDER in os.environ else "",
    ):
        if os.sep in place and os.path.isfile(place):
            return place
    subfolder = os.path.join("datasets", folder) if folder else "datasets"
    try:
        return get_file(
            path, origin or _BASE + name, file_hash=file_hash, cache_dir=cache_dir, cache_subdir=subfolder
        )
    except ConnectionError as error:
        raise ConnectionError(f"{error}; or set ${FOLDER} to a folder that holds {name}") from error


def arrays(file: str, *names: str) -> list[np.ndarray]:
    """Returns arrays of an .npz file; its lists are pickled, see `plain_pickle`."""
    try:
        with zipped.opened(file, "load_data", ".npz") as packed:
            return [_array(zipped.member(packed, f"{name}.npy", file, "load_data", ".npz")) for name in names]
    except _DAMAGE as error:
        raise ValueError(
            f"load_data: {file!r} is damaged: {error}. Delete it, and call load_data again{at_user_location()}"
        ) from error


def _array(content: bytes) -> np.ndarray:
    stored = io.BytesIO(content)
    version = np.lib.format.read_magic(stored)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = header(stored)
    if dtype.hasobject:
        return np.reshape(np.asarray(plain_pickle.load(stored), object), shape)
    return np.load(io.BytesIO(content), allow_pickle=False)


def split_table(file: str, test_split: float, seed: int, count: int | None = None) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))` of the first rows of a table, in an order drawn by a seed."""
    if not 0 <= test_split < 1:
        raise ValueError(
            f"load_data: test_split must be in [0, 1), received {test_split}{at_user_location()}"
        )
    x, y = (array[:count] for array in arrays(file, "x", "y"))
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    border = int(len(x) * (1 - test_split))
    return (x[:border], y[:border]), (x[border:], y[border:])


def cifar(archive: str, members: Iterable[str], label: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images, of shape (images, 32, 32, 3), and labels, of shape (images, 1), of members of an archive."""
    images: list[np.ndarray] = []
    labels: list[int] = []
    with tarfile.open(archive) as packed:
        for member in members:
            stored: Any = packed.extractfile(member)
            batch = plain_pickle.load(stored)
            images.append(np.reshape(batch[b"data"], (-1, 3, 32, 32)))
            labels += list(batch[label.encode()])
    x = np.concatenate(images).astype("uint8")
    x = x if settings.image_data_format == "channels_first" else x.transpose(0, 2, 3, 1)
    return x, np.reshape(np.array(labels, dtype="uint8"), (-1, 1))


def shuffled(x: Any, y: Any, generator: np.random.RandomState) -> tuple[Any, Any]:
    order = np.arange(len(x))
    generator.shuffle(order)
    return x[order], y[order]


def numbered(texts: Any, start_char: int | None, index_from: int) -> list[list[int]]:
    """Returns texts whose words are numbered from `index_from` on, each behind `start_char`."""
    first = [] if start_char is None else [start_char]
    shift = index_from if start_char is not None or index_from else 0
    return [[*first, *(int(word) + shift for word in text)] for text in texts]


def short_ones(texts: list, labels: Any, maxlen: int | None) -> tuple[list, Any]:
    """Leaves out texts of `maxlen` words and more."""
    if not maxlen:
        return texts, labels
    kept = [i for i, text in enumerate(texts) if len(text) < maxlen]
    if not kept:
        raise ValueError(f"load_data: no text is shorter than maxlen={maxlen}{at_user_location()}")
    return [texts[i] for i in kept], labels[kept]


def known_words(texts: list, num_words: int | None, skip_top: int, oov_char: int | None) -> np.ndarray:
    """Returns texts in which other words are `oov_char`, or left out where that is None, as an array of lists."""
    limit = num_words or max(map(max, texts)) + 1
    result: Any = np.empty(len(texts), dtype=object)
    for i, text in enumerate(texts):
        if oov_char is None:
            result[i] = [word for word in text if skip_top <= word < limit]
        else:
            result[i] = [word if skip_top <= word < limit else oov_char for word in text]
    return result
