"""Methods of `tf.data.Dataset` that say in what order, when, and from where elements come."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.data import cache, shuffle
from dovetail.data.files import text
from dovetail.data.fingerprints import fingerprint
from dovetail.data.methods import Methods, integer, seed_of
from dovetail.data.prefetch import Prefetch
from dovetail.tensor import convert_to_tensor

if TYPE_CHECKING:
    from dovetail.data.dataset import Dataset


class OrderMethods(Methods):
    """shuffle, prefetch, cache, save, snapshot."""

    # ---- order ----

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool = True,
        name: str | None = None,
    ) -> Dataset:
        """Returns the elements in random order, each drawn from a buffer of `buffer_size` elements.

        Args:
            buffer_size: with at least the dataset's size every order is equally likely, smaller ones only mix what is
                near; UNKNOWN_CARDINALITY stands for the whole dataset.
            seed: makes the orders repeat from run to run (so does `tf.random.set_seed`).
            reshuffle_each_iteration: every pass has a new order; False: all have the same.
        """
        size = integer(buffer_size, "shuffle", "buffer_size")
        again = True if reshuffle_each_iteration is None else bool(reshuffle_each_iteration)
        return self._made(shuffle.Shuffle(self._node, size, seed_of(seed), again))

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Dataset:
        """Makes up to `buffer_size` elements ahead in a thread (AUTOTUNE: a few)."""
        return self._made(Prefetch(self._node, integer(buffer_size, "prefetch", "buffer_size")))

    def cache(self, filename: Any = "", name: str | None = None) -> Dataset:
        """Keeps the elements of the first complete pass, in memory or in files that begin with `filename`."""
        path = text(filename)
        return self._made(
            _late("file_cache").FileCache(self._node, path) if path else cache.MemoryCache(self._node)
        )

    def save(
        self,
        path: Any,
        compression: Any = None,
        shard_func: Callable | None = None,
        checkpoint_args: Any = None,
    ) -> None:
        """Writes the elements into a folder, in TensorFlow's layout; `tf.data.Dataset.load` reads them.

        Args:
            path: of the folder.
            compression: None, "GZIP" or "ZLIB".
            shard_func: returns the number (int64) of the file that an element goes to.
            checkpoint_args: must be None.

        Raises:
            UnimplementedError: an element holds something that the files have no word for.
        """
        if checkpoint_args is not None:
            raise UnimplementedError(
                f"Dataset.save: checkpoint_args is not supported: after a stop, save begins anew{at_user_location()}"
            )
        shard_of = None if shard_func is None else self._function(shard_func, "save")
        saved = _late("saved")
        saved.save(self._node, text(path), saved.compression_of(compression, "Dataset.save"), shard_of)

    def snapshot(
        self,
        path: Any,
        compression: Any = "AUTO",
        reader_func: Callable | None = None,
        shard_func: Callable | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Keeps the elements of the first complete pass in a folder; every later pass reads them from there.

        A folder may hold the snapshots of many pipelines: each is known by its fingerprint, see `fingerprint`.

        Args:
            path: of the folder.
            compression: None, "GZIP" or "ZLIB"; "AUTO": None.
            reader_func: makes the dataset out of a dataset of the shards' datasets; by default they take turns.
            shard_func: returns the number (int64) of the file that an element goes to.
        """
        shard_of = None if shard_func is None else self._function(shard_func, "snapshot")
        saved = _late("saved")
        compressed = saved.compression_of(compression, "Dataset.snapshot")
        return self._made(
            saved.Snapshot(self._node, text(path), compressed, reader_func, shard_of, self._made)
        )

    def fingerprint(self) -> Any:
        """Returns a uint64 that is the same for pipelines of the same steps, arguments and functions.

        Pipelines of one fingerprint give the same elements, if these depend on nothing random and on no changing files.
        """
        return convert_to_tensor(np.uint64(fingerprint(self._node)))


def _late(module: str) -> Any:
    """Returns a module of this package that few programs need: it loads the records of `tf.io`."""
    return importlib.import_module(f"dovetail.data.{module}")
