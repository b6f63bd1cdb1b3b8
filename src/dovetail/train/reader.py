"""Reading single tensors of a checkpoint: `tf.train.load_checkpoint` and its kin."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.train.bundle import Bundle
from dovetail.train.state_file import latest_checkpoint, prefix_of


class CheckpointReader:
    """The tensors of a checkpoint, by their keys.  `tf.train.load_checkpoint` makes it.

    Args:
        prefix: path of the checkpoint without endings.
    """

    def __init__(self, prefix: str) -> None:
        self._bundle = Bundle(prefix)

    def has_tensor(self, tensor_str: str) -> bool:
        return tensor_str in self._bundle

    def get_tensor(self, tensor_str: str) -> Any:
        """Returns a tensor as a NumPy array; a single string as bytes.

        Raises:
            NotFoundError: there is none of that name.
            DataLossError: its values are damaged.
        """
        value = self._bundle.read(tensor_str)
        return value.item() if value.dtype == object and not value.ndim else value

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        return {name: self._bundle.shape(name) for name in self._bundle.names()}

    def get_variable_to_dtype_map(self) -> dict[str, Any]:
        return {name: self._bundle.dtype(name) for name in self._bundle.names()}


def load_checkpoint(ckpt_dir_or_file: Any) -> CheckpointReader:
    """Returns a reader for a checkpoint.

    Args:
        ckpt_dir_or_file: its path, or a folder of checkpoints, of which the latest is read.

    Raises:
        NotFoundError, ValueError: there is none.
    """
    path = os.fspath(ckpt_dir_or_file)
    found = prefix_of(path)
    if os.path.isdir(found):
        raise ValueError(f"there is no checkpoint in the folder {path!r}{at_user_location()}")
    return CheckpointReader(found)


def list_variables(ckpt_dir_or_file: Any) -> list[tuple[str, list[int]]]:
    """Returns the names and shapes of a checkpoint's tensors; see `load_checkpoint`."""
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file: Any, name: str) -> np.ndarray:
    """Returns one tensor of a checkpoint; ":0" after its name is left out.  See `load_checkpoint`."""
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))


def checkpoints_iterator(
    checkpoint_dir: Any,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Yields the path of each new checkpoint of a folder as it appears.

    Args:
        checkpoint_dir: the folder.
        min_interval_secs: at least so many seconds lie between two of them.
        timeout: ends when none appears for so many seconds; None: waits for ever.
        timeout_fn: called then; it ends only when this returns True.
    """
    seen: str | None = None
    while True:
        begin = time.monotonic()
        while (found := latest_checkpoint(checkpoint_dir)) in (None, seen):
            if timeout is not None and time.monotonic() - begin > timeout:
                if timeout_fn is None or timeout_fn():
                    return
                begin = time.monotonic()
            time.sleep(min(1.0, timeout / 4 if timeout else 1.0))
        started, seen = time.monotonic(), found
        assert found is not None  # noqa: S101
        yield found
        time.sleep(max(0.0, min_interval_secs - (time.monotonic() - started)))
