"""`tf.train.Checkpoint`: variables of many objects in one file, found again by the names that lead to them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from dovetail.base.errors import NotFoundError, at_user_location
from dovetail.module import Module
from dovetail.tensor.dtype import int64
from dovetail.tensor.variable import Variable
from dovetail.train import bundle, state_file
from dovetail.train.object_graph import GRAPH_KEY, named_children, written
from dovetail.train.restoration import Restoration
from dovetail.train.status import LoadStatus

_COUNTER = "save_counter"


class CheckpointOptions:
    """How checkpoints are written; everything is written at once, in one file, by this process.

    Args:
        experimental_write_callbacks: functions that are called after writing, with the path or nothing.
        experimental_io_device, experimental_enable_async_checkpoint, enable_async, experimental_skip_slot_variables,
            experimental_sharding_callback: of TensorFlow; they change nothing here.
    """

    def __init__(
        self,
        experimental_io_device: Any = None,
        experimental_enable_async_checkpoint: bool = False,
        experimental_write_callbacks: Any = None,
        enable_async: bool = False,
        experimental_skip_slot_variables: bool = False,
        experimental_sharding_callback: Any = None,
    ) -> None:
        self.experimental_io_device = experimental_io_device
        self.enable_async = enable_async or experimental_enable_async_checkpoint
        self.experimental_write_callbacks = experimental_write_callbacks
        self.experimental_skip_slot_variables = experimental_skip_slot_variables
        self.experimental_sharding_callback = experimental_sharding_callback


class Checkpoint(Module):
    """Writes the variables of objects to files in TensorFlow's format, and reads them.

    Args:
        root: an object whose attributes belong to the checkpoint itself; None: only those of `kwargs` do.
        kwargs: objects by name: models, optimizers, modules, variables, lists and dicts of such, iterators of datasets.

    Attributes that are set later belong to it as well.  Reading matches objects by name, not by order: objects that
    are made afterwards get their values when they are attached.

    Raises:
        ValueError: an argument holds nothing that could be saved.

    Example:
        >>> checkpoint = tf.train.Checkpoint(step=tf.Variable(3))
        >>> path = checkpoint.save("/tmp/run/ckpt")
        >>> checkpoint.restore(path).assert_consumed()
    """

    def __init__(self, root: Any = None, **kwargs: Any) -> None:
        super().__init__(name="checkpoint")
        self._root = root
        self._kwargs = kwargs
        self._counter: Any = None
        for name, value in kwargs.items():
            if not named_children([value]) and not _is_empty(value):
                raise ValueError(
                    f"Checkpoint: {name}={value!r:.60} holds no variables and cannot be saved. Expected a variable, a "
                    f"module, model, optimizer, iterator, or a list or dict of such{at_user_location()}"
                )
            setattr(self, name, value)

    def __saved_children__(self) -> list[tuple[str, Any]]:
        own = [
            (name, child)
            for name, child in vars(self).items()
            if name not in ("_root", "_kwargs", "_counter", "_name")
        ]
        counter = [] if self._counter is None else [(_COUNTER, self._counter)]
        return [*({} if self._root is None else dict(named_children(self._root))).items(), *own, *counter]

    __children__ = __saved_children__

    @property
    def save_counter(self) -> Variable:
        """How often `save` was called: a variable, saved with the others."""
        if self._counter is None:
            self._counter = Variable(np.int64(0), trainable=False, name=_COUNTER, dtype=int64)
        return self._counter

    def write(self, file_prefix: Any, options: CheckpointOptions | None = None) -> str:
        """Writes a checkpoint without numbering it, or noting it as the latest; returns the path without endings."""
        prefix = os.fspath(file_prefix)
        bundle.write(prefix, written(self))
        for callback in (options and options.experimental_write_callbacks) or ():
            callback(prefix) if _takes_path(callback) else callback()
        return prefix

    def save(self, file_prefix: Any, options: CheckpointOptions | None = None) -> str:
        """Writes the checkpoint `FILE_PREFIX-NUMBER`, and notes it as the latest of its folder; returns its path."""
        self.save_counter.assign_add(1)
        return self.write_as_latest(f"{os.fspath(file_prefix)}-{int(self.save_counter.numpy())}", options)

    def write_as_latest(self, file_prefix: Any, options: CheckpointOptions | None = None) -> str:
        """Writes a checkpoint without numbering it, and notes it as the latest of its folder."""
        prefix = self.write(file_prefix, options)
        folder = os.path.dirname(prefix)
        before = state_file.read(folder)
        known = [] if before is None else list(before.all_model_checkpoint_paths)
        state_file.write(folder, prefix, [path for path in known if path != prefix] + [prefix])
        return prefix

    def read(self, save_path: Any, options: CheckpointOptions | None = None) -> LoadStatus:
        """Reads a checkpoint that `write` wrote; see `restore`."""
        return LoadStatus(self._restoration(os.fspath(save_path)))

    def restore(self, save_path: Any, options: CheckpointOptions | None = None) -> LoadStatus:
        """Reads a checkpoint: each object that is found by its name gets its value, now or when it is attached.

        Args:
            save_path: as `save` returned it, or `tf.train.latest_checkpoint(folder)`; None reads nothing.
            options: see `CheckpointOptions`.

        Raises:
            NotFoundError: there is no such checkpoint.
            ValueError: the shape of a variable differs from that in the file.
        """
        if save_path is None:
            return LoadStatus(None)
        self.save_counter  # noqa: B018 - it is restored, too
        return LoadStatus(self._restoration(os.fspath(save_path)))

    def _restoration(self, path: str) -> Restoration:
        found = bundle.Bundle(state_file.prefix_of(path))
        if GRAPH_KEY not in found:
            raise NotFoundError(
                f"{path!r} is a checkpoint of TensorFlow 1, whose variables are found by their own names: read it with "
                f"tf.train.load_checkpoint, or tf.compat.v1.train.Saver{at_user_location()}"
            )
        return Restoration(found, self)


def _is_empty(value: Any) -> bool:
    return isinstance(value, list | dict | Module) or hasattr(type(value), "__children__")


def _takes_path(callback: Any) -> bool:
    return getattr(getattr(callback, "__code__", None), "co_argcount", 1) > 0
