"""`keras.datasets.imdb`: 50,000 reviews of films as numbers of words (Maas et al., 2011)."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np

from dovetail.keras.datasets import files

__all__ = ["get_word_index", "load_data"]

_HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
_INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: Any = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    cache_dir: Any = None,
) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: arrays of lists of numbers, and labels 0 and 1.

    Args:
        path: of the file; a bare name is one in the cache, where it is fetched to.
        num_words: keep the most frequent ones; None: all.
        skip_top: leave out so many of the most frequent ones.
        maxlen: leave out texts of so many words and more.
        seed: of the order.
        start_char: stands at the beginning of each text.
        oov_char: stands for words that are left out; None: nothing does.
        index_from: numbers of words are larger by this.
    """
    file = files.find(path, "imdb.npz", _HASH, cache_dir)
    x_train, y_train, x_test, y_test = files.arrays(file, "x_train", "y_train", "x_test", "y_test")
    generator = np.random.RandomState(seed)
    parts = []
    for x, y in ((x_train, y_train), (x_test, y_test)):
        texts, labels = files.shuffled(x, y, generator)
        parts.append(files.short_ones(files.numbered(texts, start_char, index_from), labels, maxlen))
    border = len(parts[0][0])
    texts = files.known_words(parts[0][0] + parts[1][0], num_words, skip_top, oov_char)
    return (texts[:border], parts[0][1]), (texts[border:], parts[1][1])


def get_word_index(path: Any = "imdb_word_index.json") -> dict[str, int]:
    """Returns the number of each word, before `index_from` is added."""
    return json.loads(pathlib.Path(files.find(path, "imdb_word_index.json", _INDEX_HASH)).read_text())
