"""`keras.applications.imagenet_utils`: pixels as the networks expect them, and classes by their names."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.applications.pretrained import home
from dovetail.keras.layers.machinery.arguments import layout, one_of
from dovetail.ops import arithmetic, shapes
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["decode_predictions", "preprocess_input"]

_INDEX = "imagenet_class_index.json"
_INDEX_ADDRESS = f"https://storage.googleapis.com/download.tensorflow.org/data/{_INDEX}"
# Mode -> (pixels are divided by, channels are reversed, means of the channels, standard deviations).
_MODES: dict[str, tuple[float, bool, Any, Any]] = {
    "caffe": (1.0, True, (103.939, 116.779, 123.68), None),
    "tf": (127.5, False, (1.0, 1.0, 1.0), None),
    "torch": (255.0, False, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Returns pixels from 0 to 255 as a network was trained on them.

    Args:
        x: (batch, height, width, 3) or one image without the batch axis; an array, a tensor, or a symbolic one.
        data_format: "channels_last" or "channels_first"; Keras' setting when None.
        mode: "caffe": BGR instead of RGB, minus the means of ImageNet; "tf": from -1 to 1; "torch": from 0 to 1, minus
            the means, divided by the standard deviations.

    Returns:
        A NumPy array for one, else a tensor; integers become `floatx`. The input stays as it is, which Keras writes to.

    Raises:
        ValueError: an unknown mode or data format.
    """
    row = _MODES[one_of(mode, "preprocess_input: mode", tuple(_MODES))]
    first = layout(data_format, "preprocess_input") == "channels_first"
    if isinstance(x, np.ndarray):
        return _scaled_array(x, row, first)
    x = convert_to_tensor(x)
    _check_rank(x)
    return _scaled_tensor(x if x.dtype.is_floating else arithmetic.cast(x, dtype=settings.floatx), row, first)


def _check_rank(x: Any) -> None:
    if x.ndim not in (3, 4):
        raise ValueError(
            f"preprocess_input: expected an image or a batch of images, received shape {tuple(x.shape)}"
            f"{at_user_location()}"
        )


def _channels(values: Any, first: bool) -> np.ndarray:
    """Returns three numbers in a shape that meets the channels of an image."""
    return np.reshape(values, (3, 1, 1) if first else (3,))


def _scaled_array(x: np.ndarray, row: tuple, first: bool) -> np.ndarray:
    divisor, is_reversed, means, deviations = row
    _check_rank(x)
    dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(settings.floatx)
    axis = -3 if first else -1
    x = np.flip(x, axis) if is_reversed else x
    x = x.astype(dtype) / dtype.type(divisor) - _channels(means, first).astype(dtype)
    return x if deviations is None else x / _channels(deviations, first).astype(dtype)


def _scaled_tensor(x: Any, row: tuple, first: bool) -> Any:
    divisor, is_reversed, means, deviations = row
    if is_reversed:
        x = shapes.reverse(x, axis=[x.ndim - 3 if first else x.ndim - 1])
    if divisor != 1:
        x = x / divisor
    x = x - convert_to_tensor(_channels(means, first), dtype=x.dtype)
    return x if deviations is None else x / convert_to_tensor(_channels(deviations, first), dtype=x.dtype)


def caffe(x: Any, data_format: str | None = None) -> Any:
    """Returns pixels from 0 to 255 as BGR, minus the means of ImageNet (`imagenet_utils.preprocess_input`)."""
    return preprocess_input(x, data_format, "caffe")


def tf(x: Any, data_format: str | None = None) -> Any:
    """Returns pixels from 0 to 255 scaled to -1 to 1 (`imagenet_utils.preprocess_input`)."""
    return preprocess_input(x, data_format, "tf")


def torch(x: Any, data_format: str | None = None) -> Any:
    """Returns pixels from 0 to 255 standardized by ImageNet's statistics (`imagenet_utils.preprocess_input`)."""
    return preprocess_input(x, data_format, "torch")


def unchanged(x: Any, data_format: str | None = None) -> Any:
    """Returns `x`: these networks take pixels from 0 to 255, and scale them themselves."""
    layout(data_format, "preprocess_input")
    return x


for _name, _function in (("caffe", caffe), ("tf", tf), ("torch", torch), ("unchanged", unchanged)):
    _function.__name__ = _function.__qualname__ = "preprocess_input"


_classes: list[tuple[str, str]] = []


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """Returns the likeliest classes of ImageNet for each sample, by name.

    Args:
        preds: (batch, 1000) probabilities.
        top: how many classes a sample.

    Returns:
        For each sample a list of `(id, name, probability)`, the likeliest first.

    Raises:
        ValueError: `preds` has another shape.
        FileNotFoundError: the names are not on this machine.
    """
    values = np.asarray(preds)
    if values.ndim != 2 or values.shape[1] != 1000:
        raise ValueError(
            f"decode_predictions: expected shape (batch, 1000), received {values.shape}{at_user_location()}"
        )
    classes = _class_names()
    best = np.argsort(-values, axis=1, kind="stable")[:, :top]
    return [
        [(*classes[i], row[i]) for i in chosen] for row, chosen in zip(values, best.tolist(), strict=True)
    ]


def _class_names() -> list[tuple[str, str]]:
    if not _classes:
        path = os.path.join(home(), _INDEX)
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"decode_predictions: the names of the classes are not on this machine, expected at {path}. Fetch "
                f"{_INDEX_ADDRESS} and put it there; KERAS_HOME moves the folder{at_user_location()}"
            )
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        _classes.extend((found[str(i)][0], found[str(i)][1]) for i in range(1000))
    return _classes
