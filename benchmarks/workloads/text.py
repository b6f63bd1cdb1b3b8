"""TextVectorization: a vocabulary of 25,000 made-up reviews of 200 words, and the reviews as numbers.

The words are drawn as those of a language are, the k-th of 30,000 with a probability in proportion to 1 / k. A repeat
goes once through all reviews. `keras_tf` is Keras on TensorFlow.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_REVIEWS, NUM_WORDS, VOCABULARY, MOST_TOKENS = 25_000, 200, 30_000, 20_000
DEPTH = 2_000


def reviews() -> np.ndarray:
    """Return made-up reviews, with capitals, commas and full stops in them."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 10, VOCABULARY)], object)
    share = 1 / np.arange(1, VOCABULARY + 1)
    drawn = words[rng.choice(VOCABULARY, (NUM_REVIEWS, NUM_WORDS), p=share / share.sum())]
    drawn[:, 1::17] = [[f"{word.capitalize()}," for word in row] for row in drawn[:, 1::17]]
    return np.array([f"{' '.join(row)}." for row in drawn], object)


def _layer(fw: Loaded, mode: str) -> Any:
    if mode == "int":
        return fw.keras.layers.TextVectorization(max_tokens=MOST_TOKENS, output_sequence_length=NUM_WORDS)
    return fw.keras.layers.TextVectorization(max_tokens=DEPTH, output_mode=mode)


def adapt(fw: Loaded) -> Run:
    """Time `adapt` on a dataset of batches."""
    layer = _layer(fw, "int")
    batches = fw.tf.data.Dataset.from_tensor_slices(reviews()).batch(1024)

    def repeat(_: int) -> list:
        layer.adapt(batches)
        return layer.get_vocabulary()

    def check(vocabulary: list) -> None:
        if len(vocabulary) != MOST_TOKENS or vocabulary[:2] != ["", "[UNK]"]:
            raise BenchmarkError(f"a vocabulary of {len(vocabulary)} words: {vocabulary[:3]}")

    return Run(repeat, check, units=NUM_REVIEWS, warmups=1)


def _call(fw: Loaded, mode: str, shape: tuple[int, int]) -> Run:
    layer, texts = _layer(fw, mode), reviews()
    layer.adapt(texts[:2_000])

    def check(found: Any) -> None:
        found = np.asarray(found)
        if found.shape != shape or not found.any(axis=1).all():
            raise BenchmarkError(f"{mode}: a result of shape {found.shape}")

    return Run(lambda _: np.asarray(layer(texts)), check, units=NUM_REVIEWS, warmups=1)


def numbers(fw: Loaded) -> Run:
    """Time a call on all reviews, which gives the numbers of their words."""
    return _call(fw, "int", (NUM_REVIEWS, NUM_WORDS))


def bags(fw: Loaded) -> Run:
    """Time a call on all reviews, which gives how often each of 2,000 words occurs."""
    return _call(fw, "count", (NUM_REVIEWS, DEPTH))


def mapped(fw: Loaded) -> Run:
    """Time a pass through a dataset that turns batches of 128 reviews into numbers."""
    layer, texts = _layer(fw, "int"), reviews()
    layer.adapt(texts[:2_000])
    batches = fw.tf.data.Dataset.from_tensor_slices(texts).batch(128).map(layer)

    def repeat(_: int) -> int:
        return sum(int(batch.shape[0]) for batch in batches)

    def check(count: int) -> None:
        if count != NUM_REVIEWS:
            raise BenchmarkError(f"{count} reviews")

    return Run(repeat, check, units=NUM_REVIEWS, warmups=1)


def _workload(name: str, about: str, run: Any) -> Workload:
    return Workload(
        name=name,
        about=about,
        unit="samples/s",
        sides=(Side("dovetail", "dovetail", run), Side("keras_tf", "tensorflow", run)),
        bars=(Bar("no slower than Keras on TensorFlow", than="keras_tf", at_least=1.0),),
    )


WORKLOADS = (
    _workload("text_adapt", "TextVectorization.adapt on 25,000 reviews of 200 words", adapt),
    _workload("text_numbers", "TextVectorization of 25,000 reviews of 200 words: their numbers", numbers),
    _workload("text_bags", "TextVectorization of 25,000 reviews of 200 words: counts of 2,000 words", bags),
    _workload("text_map", "TextVectorization of 25,000 reviews of 200 words in Dataset.map", mapped),
)
