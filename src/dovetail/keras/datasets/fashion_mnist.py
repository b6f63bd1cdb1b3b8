"""`keras.datasets.fashion_mnist`: 70,000 pictures of clothes (Xiao et al., 2017)."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np

from dovetail.keras.datasets import files

__all__ = ["load_data"]


def load_data(cache_dir: Any = None) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: uint8 images of shape (n, 28, 28), labels of shape (n,)."""
    return _part("train", cache_dir), _part("t10k", cache_dir)


def _part(prefix: str, cache_dir: Any) -> tuple[np.ndarray, np.ndarray]:
    labels = _bytes(f"{prefix}-labels-idx1-ubyte.gz", 8, cache_dir)
    images = _bytes(f"{prefix}-images-idx3-ubyte.gz", 16, cache_dir)
    return images.reshape(len(labels), 28, 28), labels


def _bytes(name: str, header: int, cache_dir: Any) -> np.ndarray:
    file = files.find(name, name, cache_dir=cache_dir, folder="fashion-mnist")
    with gzip.open(file) as packed:
        return np.frombuffer(packed.read(), "uint8", offset=header)
