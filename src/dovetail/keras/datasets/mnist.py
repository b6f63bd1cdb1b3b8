"""`keras.datasets.mnist`: 70,000 handwritten digits (LeCun et al., 1998)."""

from __future__ import annotations

from typing import Any

from dovetail.keras.datasets import files

__all__ = ["load_data"]

_HASH = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: Any = "mnist.npz", cache_dir: Any = None) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: uint8 images of shape (n, 28, 28), labels of shape (n,).

    Args:
        path: of the file; a bare name is one in the cache, where it is fetched to.
        cache_dir: see `keras.utils.get_file`.
    """
    file = files.find(path, "mnist.npz", _HASH, cache_dir)
    x_train, y_train, x_test, y_test = files.arrays(file, "x_train", "y_train", "x_test", "y_test")
    return (x_train, y_train), (x_test, y_test)
