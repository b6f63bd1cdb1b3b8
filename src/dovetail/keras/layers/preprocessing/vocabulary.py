"""Vocabularies: counting tokens, reading files of them."""

from __future__ import annotations

import collections
import math
import os
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location


def unique(layer: Any, tokens: list) -> None:
    """Refuses tokens that stand twice in a vocabulary."""
    if len(set(tokens)) != len(tokens):
        repeated = [token for token, number in collections.Counter(tokens).items() if number > 1]
        raise ValueError(
            f"{layer.name}: the vocabulary holds these tokens more than once: {repeated[:5]}{at_user_location()}"
        )


def file_lines(layer: Any, path: Any) -> list[str]:
    """Returns the lines of a text file, without empty ones at its end."""
    if not os.path.exists(path):
        raise ValueError(f"{layer.name}: there is no vocabulary file {os.fspath(path)!r}{at_user_location()}")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    while lines and not lines[-1]:
        lines.pop()
    return lines


class Counter:
    """How often tokens occur, and in how many documents.

    Attributes:
        total: token -> how often.
        documents: token -> in how many documents.
        num_documents: how many there were.
    """

    def __init__(self) -> None:
        self.total: collections.Counter = collections.Counter()
        self.documents: collections.Counter = collections.Counter()
        self.num_documents = 0

    def add(self, data: Any, documents: bool) -> None:
        """Counts tokens: a tensor of (documents, ...), one of one document, or a ragged one."""
        if hasattr(data, "flat_values"):
            rows = [np.asarray(row).reshape(-1) for row in data]
        else:
            array = np.asarray(data)
            rows = list(array.reshape(1, -1) if array.ndim < 2 else array.reshape(len(array), -1))
        for row in rows if documents else [np.concatenate(rows)] if rows else []:
            found, numbers = np.unique(row, return_counts=True)
            tokens = found.tolist()
            self.total.update(dict(zip(tokens, numbers.tolist(), strict=True)))
            if documents:
                self.documents.update(tokens)
        self.num_documents += len(rows)

    def most_frequent(self, most: int | None, without: list) -> list:
        """Returns the tokens, the most frequent first; of equally frequent ones, the last in order comes first."""
        pairs = [(number, token) for token, number in self.total.items() if token not in without]
        return [token for _, token in sorted(pairs, reverse=True)[:most]]


def document_weights(counter: Counter, tokens: list) -> list[float]:
    """Returns the inverse document frequency of tokens: log(1 + documents / (1 + documents with it))."""
    return [math.log(1 + counter.num_documents / (1 + counter.documents[token])) for token in tokens]
