"""Weights that were trained elsewhere: names, files, and how they come into a model."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.utils.downloads import get_file

PRETRAINED = "imagenet"
_BASE = "https://storage.googleapis.com/tensorflow/keras-applications/"


@dataclass(frozen=True)
class Files:
    """Where the pretrained weights of an architecture lie.

    Attributes:
        path: `f(given)` gives the address; a pattern with "{top}" where it is the same for all arguments. What does
            not begin with "https:" is below Keras' own folder.
        tops: what "{top}" stands for with the classifier and without it.
    """

    path: str | Callable[[SimpleNamespace], str]
    tops: tuple[str, str] = ("", "_notop")

    def address(self, given: SimpleNamespace) -> str:
        """Returns the address of the file for these arguments."""
        path = self.path if isinstance(self.path, str) else self.path(given)
        path = path.format(top=self.tops[0 if given.include_top else 1])
        return path if path.startswith("https:") else _BASE + path


def is_pretrained(weights: Any) -> bool:
    """Returns whether `weights` asks for the pretrained ones, and not for a file."""
    return isinstance(weights, str) and weights == PRETRAINED


def check_weights(label: str, weights: Any) -> None:
    """Raises ValueError where `weights` is neither None, the word for pretrained ones, nor an existing file."""
    if weights is None or is_pretrained(weights) or os.path.exists(weights):
        return
    raise ValueError(
        f"{label}: weights is None, {PRETRAINED!r} or the path of an existing file, received {weights!r}"
        f"{at_user_location()}"
    )


def home() -> str:
    """Returns the folder where Keras keeps what it has downloaded: weights, and the names of classes."""
    return os.path.join(os.environ.get("KERAS_HOME", os.path.expanduser("~/.keras")), "models")


def weights_file(label: str, files: Files, given: SimpleNamespace) -> Any:
    """Returns the path of the weights that were asked for, None for random ones.

    Raises:
        ConnectionError: pretrained ones that are neither on this machine nor can be fetched; it says where to put them.
    """
    if not is_pretrained(given.weights):
        return given.weights
    address = files.address(given)
    try:
        return get_file(address.rpartition("/")[2], address, cache_subdir="models")
    except ConnectionError as error:
        error.add_note(f"{label} takes the path of a weights file as well: weights=path")
        raise
