"""`keras.preprocessing.sequence` of Keras 2: padding, windows and word pairs."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.utils.batches import PyDataset
from dovetail.keras.utils.sequences import pad_sequences

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams"]


class TimeseriesGenerator(PyDataset):
    """The windows of a series in batches, each with the row that follows it: what Keras 2 has for forecasts.

    Args:
        data: array of shape (time, ...).
        targets: array of shape (time, ...).
        length: rows that a window spans.
        sampling_rate: rows from one row of a window to the next.
        stride: rows from a window to the next one.
        start_index, end_index: use the rows from one to the other, both included.
        shuffle: draw the windows of a batch at random.
        reverse: turn the windows round.
        batch_size: windows in a batch.

    Example:
        >>> x, y = TimeseriesGenerator(np.arange(5), np.arange(5), length=2)[0]
        >>> x.tolist(), y.tolist()
        ([[0, 1], [1, 2], [2, 3]], [2, 3, 4])
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
    ) -> None:
        super().__init__()
        if len(data) != len(targets):
            raise ValueError(
                f"TimeseriesGenerator: data and targets must have one length, received {len(data)} and {len(targets)}"
                f"{at_user_location()}"
            )
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride, self.batch_size = sampling_rate, stride, batch_size
        self.shuffle, self.reverse = shuffle, reverse
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        if self.start_index > self.end_index:
            raise ValueError(
                f"TimeseriesGenerator: start_index + length = {self.start_index} is beyond end_index = "
                f"{self.end_index}: no row is left to be a target{at_user_location()}"
            )

    def __len__(self) -> int:
        span = self.batch_size * self.stride
        return (self.end_index - self.start_index + span) // span

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns batch `index`: windows of shape (batch, length // sampling_rate, ...), and targets."""
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            rows = np.arange(first, last, self.stride)
        windows = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (windows[:, ::-1] if self.reverse else windows), targets

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments; the arrays as JSON."""
        names = (
            *("length", "sampling_rate", "stride", "start_index", "end_index"),
            *("shuffle", "reverse", "batch_size"),
        )
        arrays = {name: json.dumps(np.asarray(getattr(self, name)).tolist()) for name in ("data", "targets")}
        return arrays | {name: getattr(self, name) for name in names}

    def to_json(self, **kwargs: Any) -> str:
        """Returns the generator as JSON; `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """Returns the chance with which each word is kept, where words are numbered by how frequent they are.

    Frequencies follow Zipf's law: word `i` has `f = 1 / (i (log i + 0.577) + 1/2 - 1 / (12 i))`, and is kept with
    `min(1, sqrt(t / f))` (Mikolov et al., 2013, Distributed Representations of Words and Phrases and their
    Compositionality).

    Args:
        size: number of words.
        sampling_factor: t.
    """
    rank: np.ndarray = np.arange(size, dtype="float64")
    rank[:1] = 1
    inverse = rank * (np.log(rank) + 0.577) + 0.5 - 1 / (12 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse))


def skipgrams(
    sequence: Any,
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list, list]:
    """Returns pairs of words, with 1 for those that stand near each other and 0 for random ones.

    Args:
        sequence: numbers of words; 0 is no word.
        vocabulary_size: number of words, with 0.
        window_size: how far apart the words of a pair may be.
        negative_samples: number of random pairs for each true one.
        shuffle: put the pairs into a random order.
        categorical: labels are [0, 1] and [1, 0].
        sampling_table: the chance of each word to be taken; see `make_sampling_table`.
        seed: of the order.

    Returns:
        `(pairs, labels)`, lists.
    """
    pairs, labels = [], []
    for place, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        for other in range(max(0, place - window_size), min(len(sequence), place + window_size + 1)):
            if other != place and sequence[other]:
                pairs.append([word, sequence[other]])
                labels.append([0, 1] if categorical else 1)
    if negative_samples > 0:
        words = [pair[0] for pair in pairs]
        count = int(len(labels) * negative_samples)
        random.shuffle(words)
        pairs += [[words[i % len(words)], random.randint(1, int(vocabulary_size - 1))] for i in range(count)]
        labels += [[1, 0] if categorical else 0] * count
    if shuffle:
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for values in (pairs, labels):  # in the same order
            random.seed(seed)
            random.shuffle(values)
    return pairs, labels
