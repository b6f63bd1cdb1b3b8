"""What an epoch takes of the samples in memory, and in which order, repeatable under `keras.utils.set_random_seed`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def epoch_generator() -> np.random.Generator:
    """Returns a generator for one epoch's order, drawn from NumPy's global state, which `set_random_seed` seeds."""
    return np.random.Generator(np.random.PCG64(np.random.randint(0, 2**63 - 1, dtype=np.int64)))


def taken(data: Any, steps: int | None) -> tuple[int, int]:
    """Returns `(first, last + 1)` batch of an epoch; passes over the samples continue from epoch to epoch.

    Args:
        data: `ArrayData`; a pass that begins gets its order here.
        steps: number of batches, None for all that are left.
    """
    if data.position == 0 and not data.done:
        draw_order(data)
    data.first = data.position
    first, left = data.position, data.num_batches - data.position
    if steps is not None and steps > left:
        warnings.warn(f"the data ran out after {left} of {steps} batches", stacklevel=8)
    stop = first + (left if steps is None else min(steps, left))
    data.position = 0 if stop == data.num_batches else stop
    return first + data.done, stop


def draw_order(data: Any, drawn_from: dict | None = None) -> None:
    """Gives a pass its order, from NumPy's generator, or from a former state of it, which goes on from there."""
    data.order, data.drawn_from = None, None
    if data.shuffle:
        if drawn_from is not None:
            set_numpy_state(drawn_from)
        data.drawn_from = numpy_state()
        data.order = epoch_generator().permutation(data.num_samples).astype(np.int32)


def numpy_state() -> dict:
    """Returns the state of NumPy's global generator."""
    return np.random.get_state(legacy=False)  # type: ignore[return-value]


def set_numpy_state(state: dict) -> None:
    """Sets what `numpy_state` returned; its arrays may be lists."""
    now = numpy_state()["state"]
    inner = {
        name: np.asarray(value, now[name].dtype) if isinstance(now.get(name), np.ndarray) else value
        for name, value in state["state"].items()
    }
    np.random.set_state({**state, "state": inner})
