"""Synthetic data, the same for every framework. It can be learnt: a falling loss shows real training."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from benchmarks import sizes

NUM_CLASSES = 10
VOCABULARY = 1000
NUM_STEPS = 128
WIDTH = 128


def digits(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images (num_samples, 784), 256 grey levels in [0, 1], float32, and labels (num_samples,), int32.

    Each class has a random prototype under noise. The second half repeats the images of the first, and three
    in ten of its labels are wrong: the loss stays away from zero, where denormal numbers would slow some
    frameworks down.
    """
    rng = np.random.default_rng(seed)
    prototypes = rng.integers(0, 256, (NUM_CLASSES, 784))
    half = (num_samples + 1) // 2
    labels = rng.integers(0, NUM_CLASSES, half)
    images = (prototypes[labels] + rng.integers(0, 256, (half, 784))) // 2
    images = np.concatenate([images, images])[:num_samples].astype(np.float32) / np.float32(255)
    wrong = np.where(rng.random(half) < 0.3, rng.integers(0, NUM_CLASSES, half), labels)
    return images, np.concatenate([labels, wrong])[:num_samples].astype(np.int32)


def tokens(
    num_samples: int, steps: int = NUM_STEPS, vocabulary: int = VOCABULARY, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids and the ids to predict, a fixed map of them, both (num_samples, steps), int32."""
    ids = np.random.default_rng(seed).integers(0, vocabulary, (num_samples, steps)).astype(np.int32)
    return ids, (ids * 7 + 3) % vocabulary


def sequences(
    num_samples: int, size: sizes.Recurrent = sizes.RECURRENT, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences (num_samples, steps, features), float32, and labels (num_samples,), int32.

    A class is a pattern in noise.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, num_samples).astype(np.int32)
    shape = size.steps, size.features
    patterns = rng.normal(size=(NUM_CLASSES, *shape))
    return (0.3 * patterns[labels] + rng.normal(size=(num_samples, *shape))).astype(np.float32), labels


def padded_sequences(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as `sequences`, with zeros from some step on, from 32 to 64 steps in each."""
    x, labels = sequences(num_samples, seed=seed)
    lengths = np.random.default_rng(seed + 1).integers(32, 65, num_samples)
    return x * (np.arange(64) < lengths[:, None])[..., None].astype(np.float32), labels


def films(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return films (num_samples, 8, 16, 16, 4), float32, and labels (num_samples,), int32."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, num_samples).astype(np.int32)
    patterns = rng.normal(size=(NUM_CLASSES, 8, 16, 16, 4))
    return (0.3 * patterns[labels] + rng.normal(size=(num_samples, 8, 16, 16, 4))).astype(np.float32), labels


def pictures(num_samples: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (num_samples, size, size, 3) in about [-1, 1], float32, and labels (num_samples,), int32.

    A class is a coarse pattern of 4x4 colours under noise.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, num_samples).astype(np.int32)
    patterns = rng.uniform(-0.5, 0.5, (NUM_CLASSES, 4, 4, 3)).repeat(size // 4, 1).repeat(size // 4, 2)
    return (patterns[labels] + 0.2 * rng.normal(size=(num_samples, size, size, 3))).astype(np.float32), labels


def masks(num_samples: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (num_samples, size, size, 3), float32, and each pixel's class, int32: its brightest colour."""
    x, _ = pictures(num_samples, size, seed)
    return x, x.argmax(-1).astype(np.int32)


def ratings(num_samples: int, seed: int = 0) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return row numbers of users and items, both (num_samples,), int32, and ratings from 1 to 5, float32."""
    rng = np.random.default_rng(seed)
    users, items = (
        rng.integers(0, sizes.NUM_USERS, num_samples),
        rng.integers(0, sizes.NUM_ITEMS, num_samples),
    )
    stars = 1 + (users + items) % 5
    return (users.astype(np.int32), items.astype(np.int32)), stars.astype(np.float32)


def frame(num_samples: int, seed: int = 0) -> tuple[Any, Any]:
    """Return a DataFrame of 100 columns of numbers, float64 as pandas reads them, and a Series of 0 and 1, float32."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(num_samples, sizes.NUM_COLUMNS))
    target = values @ rng.normal(size=sizes.NUM_COLUMNS) + 3 * rng.normal(size=num_samples) > 0
    names = [f"column_{number}" for number in range(sizes.NUM_COLUMNS)]
    return _as_pandas(dict(zip(names, values.T)), target)


def mixed_frame(num_samples: int, seed: int = 0) -> tuple[Any, Any]:
    """Return a DataFrame of 40 columns of numbers, float32, and 10 of codes, int32, and a Series of 0 and 1."""
    rng = np.random.default_rng(seed)
    measures = rng.normal(size=(num_samples, sizes.NUM_MEASURES)).astype(np.float32)
    codes = rng.integers(0, sizes.CODES, (num_samples, sizes.NUM_CODES)).astype(np.int32)
    target = measures.sum(1) + (codes % 7 - 3).sum(1) + rng.normal(size=num_samples) > 0
    columns = {f"measure_{number}": column for number, column in enumerate(measures.T)}
    columns |= {f"code_{number}": column for number, column in enumerate(codes.T)}
    return _as_pandas(columns, target)


def _as_pandas(columns: dict[str, np.ndarray], target: np.ndarray) -> tuple[Any, Any]:
    pandas = importlib.import_module("pandas")  # by name: the other workloads' processes are without it
    return pandas.DataFrame(columns), pandas.Series(target.astype(np.float32), name="target")


def position_table() -> np.ndarray:
    """Return sinusoidal position codes, (1, 128, 128), float32.

    Source: Vaswani et al. 2017, Attention Is All You Need.
    """
    rates = np.exp(np.arange(0, WIDTH, 2) * (-math.log(10_000.0) / WIDTH))
    angles = np.arange(NUM_STEPS)[:, None] * rates[None, :]  # (step, width / 2)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[None].astype(np.float32)
