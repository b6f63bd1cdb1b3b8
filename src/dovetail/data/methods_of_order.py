"""Methods of `tf.data.Dataset` that say in what order, when, and from where elements come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dovetail.data import cache, shuffle
from dovetail.data.files import text
from dovetail.data.methods import Methods, integer, seed_of
from dovetail.data.prefetch import Prefetch

if TYPE_CHECKING:
    from dovetail.data.dataset import Dataset


class OrderMethods(Methods):
    """shuffle, prefetch, cache."""

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
        return self._made(cache.FileCache(self._node, path) if path else cache.MemoryCache(self._node))
