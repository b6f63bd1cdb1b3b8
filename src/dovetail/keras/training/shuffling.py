"""The random orders of epochs, repeatable under `keras.utils.set_random_seed`."""

from __future__ import annotations

import numpy as np


def epoch_generator() -> np.random.Generator:
    """Returns a generator for one epoch's order, drawn from NumPy's global state, which `set_random_seed` seeds."""
    return np.random.Generator(np.random.PCG64(np.random.randint(0, 2**63 - 1, dtype=np.int64)))
