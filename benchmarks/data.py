"""Synthetic data, the same for every framework. It can be learnt: a falling loss shows real training."""

from __future__ import annotations

import math

import numpy as np

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


def tokens(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return token ids and the ids to predict, a fixed map of them, both (num_samples, 128), int32."""
    ids = np.random.default_rng(seed).integers(0, VOCABULARY, (num_samples, NUM_STEPS)).astype(np.int32)
    return ids, (ids * 7 + 3) % VOCABULARY


def sequences(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences (num_samples, 64, 32), float32, and labels (num_samples,), int32: a pattern a class in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, num_samples).astype(np.int32)
    patterns = rng.normal(size=(NUM_CLASSES, 64, 32))
    return (0.3 * patterns[labels] + rng.normal(size=(num_samples, 64, 32))).astype(np.float32), labels


def padded_sequences(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as `sequences`, with zeros from some step on, from 32 to 64 steps in each."""
    x, labels = sequences(num_samples, seed)
    lengths = np.random.default_rng(seed + 1).integers(32, 65, num_samples)
    return x * (np.arange(64) < lengths[:, None])[..., None].astype(np.float32), labels


def films(num_samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return films (num_samples, 8, 16, 16, 4), float32, and labels (num_samples,), int32."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, NUM_CLASSES, num_samples).astype(np.int32)
    patterns = rng.normal(size=(NUM_CLASSES, 8, 16, 16, 4))
    return (0.3 * patterns[labels] + rng.normal(size=(num_samples, 8, 16, 16, 4))).astype(np.float32), labels


def position_table() -> np.ndarray:
    """Return sinusoidal position codes, (1, 128, 128), float32.

    Source: Vaswani et al. 2017, Attention Is All You Need.
    """
    rates = np.exp(np.arange(0, WIDTH, 2) * (-math.log(10_000.0) / WIDTH))
    angles = np.arange(NUM_STEPS)[:, None] * rates[None, :]  # (step, width / 2)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[None].astype(np.float32)
