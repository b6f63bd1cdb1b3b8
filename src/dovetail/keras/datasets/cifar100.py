"""`keras.datasets.cifar100`: 60,000 small pictures of 100 classes (Krizhevsky, 2009)."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.datasets import files

__all__ = ["load_data"]

_NAME = "cifar-100-python.tar.gz"
_HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine", cache_dir: Any = None) -> tuple:
    """Returns `((x_train, y_train), (x_test, y_test))`: uint8 images (n, 32, 32, 3), labels (n, 1)."""
    if label_mode not in ("fine", "coarse"):
        raise ValueError(
            f"load_data: label_mode must be 'fine' or 'coarse', received {label_mode!r}{at_user_location()}"
        )
    origin = f"https://www.cs.toronto.edu/~kriz/{_NAME}"
    file = files.find(_NAME, _NAME, _HASH, cache_dir, origin)
    train, test = (
        files.cifar(file, (f"cifar-100-python/{part}",), f"{label_mode}_labels") for part in ("train", "test")
    )
    return train, test
