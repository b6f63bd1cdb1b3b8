"""`keras.datasets.cifar10`: 60,000 small pictures of 10 classes (Krizhevsky, 2009)."""

from __future__ import annotations

from typing import Any

from dovetail.keras.datasets import files

__all__ = ["load_data"]

_NAME = "cifar-10-python.tar.gz"
_HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def load_data(cache_dir: Any = None) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: uint8 images (n, 32, 32, 3), labels (n, 1)."""
    origin = f"https://www.cs.toronto.edu/~kriz/{_NAME}"
    file = files.find(_NAME, _NAME, _HASH, cache_dir, origin)
    train = files.cifar(file, (f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)), "labels")
    return train, files.cifar(file, ("cifar-10-batches-py/test_batch",), "labels")
