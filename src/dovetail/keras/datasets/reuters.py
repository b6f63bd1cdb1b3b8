"""`keras.datasets.reuters`: 11,228 newswires of 46 topics as numbers of words."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np

from dovetail.keras.datasets import files

__all__ = ["get_label_names", "get_word_index", "load_data"]

_HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
_INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"
_TOPICS = (
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship"
    " cotton carcass crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strateg"
    "ic-metal livestock retail ipi iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas "
    "silver wpi hog lead"
)


def load_data(
    path: Any = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    cache_dir: Any = None,
) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: arrays of lists of numbers, and numbers of topics.

    Args:
        path: of the file; a bare name is one in the cache, where it is fetched to.
        test_split: share of the texts for the test.
        num_words: keep the most frequent ones; None: all.
        skip_top: leave out so many of the most frequent ones.
        maxlen: leave out texts of so many words and more.
        seed: of the order.
        start_char: stands at the beginning of each text.
        oov_char: stands for words that are left out; None: nothing does.
        index_from: numbers of words are larger by this.
    """
    file = files.find(path, "reuters.npz", _HASH, cache_dir)
    stored = files.arrays(file, "x", "y")
    x, y = files.shuffled(stored[0], stored[1], np.random.RandomState(seed))
    kept, labels = files.short_ones(files.numbered(x, start_char, index_from), y, maxlen)
    texts = files.known_words(kept, num_words, skip_top, oov_char)
    border = int(len(texts) * (1 - test_split))
    return (texts[:border], labels[:border]), (texts[border:], labels[border:])


def get_word_index(path: Any = "reuters_word_index.json") -> dict[str, int]:
    """Returns the number of each word, before `index_from` is added."""
    return json.loads(pathlib.Path(files.find(path, "reuters_word_index.json", _INDEX_HASH)).read_text())


def get_label_names() -> tuple[str, ...]:
    """Returns the names of the topics."""
    return tuple(_TOPICS.split())
