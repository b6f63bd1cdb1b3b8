"""`tf.train.CheckpointManager`: numbered checkpoints in a folder, of which the newest are kept."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.train import state_file
from dovetail.train.bundle import index_path
from dovetail.train.checkpoint import Checkpoint, CheckpointOptions


class CheckpointManager:
    """Saves checkpoints of one object, and deletes old ones.

    Args:
        checkpoint: what to save.
        directory: the folder; it is made when it is not there.
        max_to_keep: how many of the newest stay; None: all.
        keep_checkpoint_every_n_hours: of those that would be deleted, one for so many hours stays for good.
        checkpoint_name: the beginning of the names; "ckpt" gives "ckpt-1".
        step_counter: a variable with the number of the step; needed for `checkpoint_interval`.
        checkpoint_interval: `save` writes when so many steps have passed since the last time.
        init_fn: called by `restore_or_initialize` when there is no checkpoint.
        last_checkpoint_step: the step of the last checkpoint, which `checkpoint_interval` counts from.

    Raises:
        ValueError: `max_to_keep` is less than 1, or `checkpoint_interval` has no `step_counter`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        directory: Any,
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable | None = None,
        last_checkpoint_step: int | None = None,
    ) -> None:
        if max_to_keep is not None and max_to_keep < 1:
            raise ValueError(
                f"CheckpointManager: max_to_keep must be 1 or more, or None, received {max_to_keep!r}"
                f"{at_user_location()}"
            )
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError(
                f"CheckpointManager: checkpoint_interval needs a step_counter{at_user_location()}"
            )
        self._checkpoint, self._directory = checkpoint, os.fspath(directory)
        self._most, self._hours = max_to_keep, keep_checkpoint_every_n_hours
        self._name, self._steps, self._interval = checkpoint_name, step_counter, checkpoint_interval
        self._init_fn = init_fn
        self._last_step = last_checkpoint_step
        self._latest: str | None = None
        self._kept: list[tuple[str, float]] = []  # paths and times, oldest first
        self._preserved = time.time()
        self._resume()

    def _resume(self) -> None:
        """Takes over what an earlier manager left in the folder."""
        state = state_file.read(self._directory)
        if state is None:
            return
        paths = state.all_model_checkpoint_paths
        times = state.all_model_checkpoint_timestamps or [time.time()] * len(paths)
        self._kept = list(zip(paths, times))
        self._latest = state.model_checkpoint_path or None
        self._preserved = state.last_preserved_timestamp or self._preserved

    @property
    def checkpoint(self) -> Checkpoint:
        return self._checkpoint

    @property
    def directory(self) -> str:
        return self._directory

    @property
    def checkpoint_interval(self) -> int | None:
        return self._interval

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, None when there is none."""
        return self._latest

    @property
    def checkpoints(self) -> list[str]:
        """The paths of those that are kept and may be deleted later, oldest first."""
        return [path for path, _ in self._kept]

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = True,
        options: CheckpointOptions | None = None,
    ) -> str | None:
        """Writes a checkpoint, and deletes those that are too many.

        Args:
            checkpoint_number: in its name; the number of saves when None.
            check_interval: write only when `checkpoint_interval` steps have passed.
            options: see `CheckpointOptions`.

        Returns:
            its path; None when it was not time yet.
        """
        if self._interval is not None:
            step = int(self._steps.numpy())
            if check_interval and self._last_step is not None and step - self._last_step < self._interval:
                return None
            self._last_step = step
        counter = self._checkpoint.save_counter.assign_add(1)
        number = int(np.asarray(counter if checkpoint_number is None else checkpoint_number))
        path = self._checkpoint.write(os.path.join(self._directory, f"{self._name}-{number}"), options)
        self._latest = path
        self._kept = [(kept, when) for kept, when in self._kept if kept != path] + [(path, time.time())]
        superfluous = self._superfluous()
        times = [when for _, when in self._kept]
        state_file.write(self._directory, path, self.checkpoints, times, self._preserved)
        for old in superfluous:  # now that the folder's file names others
            self._delete(old)
        return path

    def _superfluous(self) -> list[str]:
        """Forgets the oldest while there are too many, and returns them, but for one in so many hours."""
        found = []
        while self._most is not None and len(self._kept) > self._most:
            path, when = self._kept.pop(0)
            if not self._is_own(
                path
            ):  # the folder's file named it; what lies elsewhere is not ours to delete
                continue
            if self._hours is not None and when - self._hours * 3600 >= self._preserved:
                self._preserved = when
                continue
            found.append(path)
        return found

    @staticmethod
    def _delete(path: str) -> None:
        for file in (index_path(path), *glob.glob(glob.escape(path) + ".data-?????-of-?????")):
            if os.path.exists(file):
                os.remove(file)

    def _is_own(self, path: str) -> bool:
        return os.path.dirname(os.path.abspath(path)) == os.path.abspath(self._directory)

    def restore_or_initialize(self) -> str | None:
        """Reads the latest checkpoint; without one, calls `init_fn`.  Returns the path, None when there was none."""
        if self._latest is not None:
            self._checkpoint.restore(self._latest)
            if self._steps is not None:
                self._last_step = int(self._steps.numpy())
            return self._latest
        if self._init_fn is not None:
            self._init_fn()
        return None

    def sync(self) -> None:
        """Does nothing: checkpoints are written before `save` returns."""
