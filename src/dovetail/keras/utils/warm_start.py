"""Embeddings for a new vocabulary, from those for an old one."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import initializers
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor


def warmstart_embedding_matrix(
    base_vocabulary: Any,
    new_vocabulary: Any,
    base_embeddings: Any,
    new_embeddings_initializer: Any = "uniform",
) -> Tensor:
    """Returns embeddings of shape (new vocabulary, dim): the old ones of words that were known, drawn ones for others.

    Args:
        base_vocabulary: words, or the path of a file with one a line.
        new_vocabulary: the same; may be longer or shorter.
        base_embeddings: array of shape (base vocabulary, dim).
        new_embeddings_initializer: of the new words' rows; None: `base_embeddings`' dtype, "uniform".

    Example:
        >>> keras.utils.warmstart_embedding_matrix(["a", "b"], ["b", "a"], [[1.0], [2.0]]).numpy().tolist()
        [[2.0], [1.0]]
    """
    old, new = _words(base_vocabulary), _words(new_vocabulary)
    known = np.asarray(base_embeddings)
    if known.ndim != 2 or len(known) < len(old):
        raise ValueError(
            f"warmstart_embedding_matrix: base_embeddings must have one row a word, {len(old)}, received shape "
            f"{known.shape}{at_user_location()}"
        )
    shape = (len(new), known.shape[1])
    drawn = initializers.get(new_embeddings_initializer or "uniform")(shape, dtype=known.dtype.name)
    rows = np.array(drawn)
    places = {word: place for place, word in enumerate(old)}
    for place, word in enumerate(new):
        if word in places:
            rows[place] = known[places[word]]
    return convert_to_tensor(rows)


def _words(vocabulary: Any) -> list:
    if isinstance(vocabulary, str | os.PathLike):
        with open(vocabulary, encoding="utf-8") as file:
            return file.read().splitlines()
    words = vocabulary.tolist() if hasattr(vocabulary, "tolist") else vocabulary
    return [word.decode() if isinstance(word, bytes) else word for word in words]
