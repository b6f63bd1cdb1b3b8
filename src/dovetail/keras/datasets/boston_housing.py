"""`keras.datasets.boston_housing`: prices of houses in 506 districts (Harrison and Rubinfeld, 1978)."""

from __future__ import annotations

from typing import Any

from dovetail.keras.datasets import files

__all__ = ["load_data"]

_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"


def load_data(
    path: Any = "boston_housing.npz", test_split: float = 0.2, seed: int = 113, cache_dir: Any = None
) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: x of shape (n, 13), y of shape (n,).

    Args:
        path: of the file; a bare name is one in the cache, where it is fetched to.
        test_split: share of the rows for the test.
        seed: of their order.
    """
    return files.split_table(files.find(path, "boston_housing.npz", _HASH, cache_dir), test_split, seed)
