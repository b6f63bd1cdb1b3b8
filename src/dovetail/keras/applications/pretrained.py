"""Weights that were trained elsewhere: names, files, and how they come into a model."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from dovetail.base.errors import at_user_location

_BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"


@dataclass(frozen=True)
class Files:
    """Where the pretrained weights of an architecture lie.

    Attributes:
        path: `f(given)` gives the address; a pattern with "{top}" where it is the same for all arguments. What does
            not begin with "https:" is below Keras' own folder.
        tops: what "{top}" stands for with the classifier and without it.
        names: the words that mean pretrained weights.
    """

    path: str | Callable[[SimpleNamespace], str]
    tops: tuple[str, str] = ("", "_notop")
    names: tuple[str, ...] = ("imagenet",)

    def check(self, label: str, weights: Any) -> None:
        """Raises ValueError where `weights` is neither None, one of the words, nor an existing file."""
        if weights is None or weights in self.names or os.path.exists(weights):
            return
        words = ", ".join(repr(name) for name in self.names)
        raise ValueError(
            f"{label}: weights is None, {words} or the path of an existing file, received {weights!r}"
            f"{at_user_location()}"
        )

    def address(self, given: SimpleNamespace) -> str:
        """Returns the address of the file for these arguments."""
        path = self.path if isinstance(self.path, str) else self.path(given)
        path = path.format(top=self.tops[0 if given.include_top else 1])
        return path if path.startswith("https:") else _BASE + path


def is_pretrained(weights: Any) -> bool:
    """Returns whether `weights` asks for pretrained ones by a word, and not for a file."""
    return weights is not None and not os.path.exists(weights)


def load(label: str, model: Any, files: Files, given: SimpleNamespace) -> None:
    """Loads the weights that were asked for into a new model."""
    if given.weights is None:
        return
    if not is_pretrained(given.weights):
        model.load_weights(given.weights)
        return
    address = files.address(given)
    raise ValueError(
        f"{label}: weights={given.weights!r} are not on this machine, and downloading them is not supported yet. "
        f"Fetch {address} by hand and pass its path: {label}(weights='path/to/{address.rpartition('/')[2]}')"
        f"{at_user_location()}"
    )
