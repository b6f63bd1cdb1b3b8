"""`keras.datasets.california_housing`: prices of houses in 20,640 districts (Pace and Barry, 1997)."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.datasets import files

__all__ = ["load_data"]

_HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
_ROWS = {"large": None, "small": 600}


def load_data(
    version: str = "large", path: Any = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: x of shape (n, 8), y of shape (n,).

    Args:
        version: "large", or "small": 600 rows.
        path: of the file; a bare name is one in the cache, where it is fetched to.
        test_split: share of the rows for the test.
        seed: of their order.
    """
    if version not in _ROWS:
        raise ValueError(
            f"load_data: version must be 'large' or 'small', received {version!r}{at_user_location()}"
        )
    file = files.find(path, "california_housing.npz", _HASH)
    return files.split_table(file, test_split, seed, _ROWS[version])
