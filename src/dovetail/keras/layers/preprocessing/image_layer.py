"""What the layers that change images share: how they are called, and how their arguments are read.

A layer draws what it will do (`get_random_transformation`), and does it (`transform_images` and its kin), so that the
same change can be made to images, boxes, labels and masks, or be made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import random
from dovetail.keras.layers.machinery.arguments import axis_order, one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.ops.image_crop import axes_of
from dovetail.ops.shapes import shape_tuple
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor, TensorLike

IMAGES = (
    Argument("data_format", None, read=axis_order, hint="str | None"),
    Argument("bounding_box_format", None, hint="str | None"),
)
SEED = Argument("seed", None, hint="int | None")


# ---- arguments ----------------------------------------------------------------------------------------------------


def _refused(layer: Any, name: str, value: Any, expected: str) -> Exception:
    return ValueError(
        f"{type(layer).__name__}: {name} must be {expected}, received {value!r:.60}{at_user_location()}"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def pair_of(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))


def factor(low: float, high: float, symmetric: bool = True) -> Callable:
    """Returns what reads a number, or the two ends of a range, as (lower, upper).

    Args:
        low, high: where a number must lie, and what a range must meet.
        symmetric: a number `f` stands for (-f, f), as far as `low` allows; else for (low, f).
    """

    def read(layer: Any, name: str, value: Any) -> tuple:
        if _is_number(value) and low <= value <= high:
            return (max(-abs(value), low) if symmetric else low), abs(value)
        if pair_of(value):
            lower, upper = sorted(value)
            if lower <= high and upper >= low:
                return lower, upper
        raise _refused(layer, name, value, f"a number in [{low:g}, {high:g}], or a list of two of them")

    return read


def strict(low: float, high: float, or_none: bool = False) -> Callable:
    """Returns what checks a number or two; the value stays as it is. See `ends`."""

    def read(layer: Any, name: str, value: Any) -> Any:
        numbers = value if isinstance(value, list | tuple) else [value]
        fine = all(_is_number(one) and low <= one <= high for one in numbers) and len(numbers) in (1, 2)
        if (value is None and or_none) or (fine and (_is_number(value) or len(numbers) == 2)):
            return value
        raise _refused(layer, name, value, f"a number in [{low:g}, {high:g}], or a list of two of them")

    return read


def ends(value: Any) -> tuple:
    """Returns the range that a number, or two, stand for: (-f, f) for one number `f`."""
    return tuple(sorted(value)) if isinstance(value, list | tuple) else (-abs(value), abs(value))


def among(*words: str) -> Callable:
    """Returns what reads one of several words."""
    return lambda layer, name, value: one_of(value, f"{type(layer).__name__}: {name}", words)


def values(layer: Any, name: str, value: Any) -> Any:
    """Reads the least and the greatest value of a pixel."""
    if not pair_of(value):
        raise _refused(layer, name, value, "a list of two numbers")
    return sorted(value)


FILL_MODE = among("reflect", "wrap", "constant", "nearest")
INTERPOLATION = among("nearest", "bilinear")
VALUE_RANGE = Argument("value_range", (0, 255), read=values)


# ---- numbers ------------------------------------------------------------------------------------------------------


def uniform(seed: Any, shape: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """Draws float32 numbers in [low, high)."""
    return random.uniform(shape, low, high, dtype="float32", seed=seed)


def between(seed: Any, count: Any, *ranges: tuple) -> Any:
    """Draws a row of numbers an image, one from each range: (count, number of ranges)."""
    low, high = np.array(ranges, np.float32).T
    return uniform(seed, (count, len(ranges))) * Tensor(high - low) + Tensor(low)


def chance(seed: Any, count: Any, factor: tuple) -> Any:
    """Draws for each image whether it is changed: with a probability that is itself drawn from a range."""
    if factor[0] == factor[1] == 1:
        return uniform(seed, (count,)) < 1.0
    drawn = uniform(seed, (2, count))
    return drawn[1] < drawn[0] * float(factor[1] - factor[0]) + float(factor[0])


def per_image(numbers: Any) -> Any:
    """Lets one number an image broadcast with the images: (batch,) -> (batch, 1, 1, 1)."""
    numbers = convert_to_tensor(numbers)
    return numbers[:, None, None, None] if len(numbers.shape) == 1 else numbers


# Keras 2 writes these into configs; here there is one kind of generator.
_KINDS_OF_GENERATORS = ("rng_type", "force_generator")


# ---- the base -----------------------------------------------------------------------------------------------------


class ImageLayer(Declared):
    """A layer that changes images, and what comes with them, in training.

    It takes images of shape (batch, height, width, channels) or (height, width, channels), or a dict that has them as
    "images" and, or not, "bounding_boxes" (a dict of "boxes" and "labels"), "labels" and "segmentation_masks".  Images
    are cast to the compute dtype.
    """

    data_format: str
    bounding_box_format: Any
    interpolation: str
    seed: Any
    generator: Any

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        for name in _KINDS_OF_GENERATORS:
            kwargs.pop(name, None)
        return super()._passed_on(given, kwargs)

    def _begin(self) -> None:
        if any(row.name == "seed" for row in self._arguments):
            self.generator = random.SeedGenerator(self.seed)

    # ---- for subclasses

    def _drawn(self, images: Any, seed: Any) -> Any:
        """Returns what to do with images (or with an image), as tensors; None: there is nothing to draw."""
        return None

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        """Changes a batch of images in the compute dtype."""
        raise NotImplementedError(f"{type(self).__name__} does not define _transform_images")

    def _given(self, transformation: Any) -> tuple:
        """Returns height and width of the images that came in."""
        shape = transformation["input_shape"]
        return tuple(shape[-2:] if self._channels_first else shape[-3:-1])

    def get_random_transformation(self, data: Any, training: Any = True, seed: Any = None) -> Any:
        """Draws what the layer will do, as a dict of tensors; None when it will do nothing.

        Args:
            data: images, or a dict with "images".
            training: whether to draw at all.
            seed: an int or a generator; None: the layer's own.
        """
        if not training:
            return None
        images = data["images"] if isinstance(data, dict) else data
        return self._drawn(images, self.generator if seed is None and hasattr(self, "generator") else seed)

    # ---- doing it

    def transform_images(self, images: Any, transformation: Any, training: Any = True) -> Any:
        """Does to images (batch, height, width, channels) what was drawn."""
        images = self._cast(images)
        if not training or transformation is None:
            return images
        return self._transform_images(images, transformation, getattr(self, "interpolation", "bilinear"))

    def transform_labels(self, labels: Any, transformation: Any, training: Any = True) -> Any:
        """Does to labels what was drawn for their images."""
        return labels

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        """Does to boxes what was drawn for their images."""
        return bounding_boxes

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any, training: Any = True
    ) -> Any:
        """Does to masks (batch, height, width, channels) what was drawn for their images."""
        return segmentation_masks

    def transform_single_image(self, image: Any, transformation: Any, training: Any = True) -> Any:
        """As `transform_images`, for one image."""
        return self.transform_images(convert_to_tensor(image)[None], transformation, training=training)[0]

    def transform_single_label(self, label: Any, transformation: Any, training: Any = True) -> Any:
        """As `transform_labels`, for one label."""
        return self.transform_labels(convert_to_tensor(label)[None], transformation, training=training)[0]

    def transform_single_bounding_box(
        self, bounding_box: dict, transformation: Any, training: Any = True
    ) -> dict:
        """As `transform_bounding_boxes`, for the boxes of one image."""
        batch = {key: convert_to_tensor(value)[None] for key, value in bounding_box.items()}
        changed = self.transform_bounding_boxes(batch, transformation, training=training)
        return {key: value[0] for key, value in changed.items()}

    def transform_single_segmentation_mask(
        self, segmentation_mask: Any, transformation: Any, training: Any = True
    ) -> Any:
        """As `transform_segmentation_masks`, for one mask."""
        masks = convert_to_tensor(segmentation_mask)[None]
        return self.transform_segmentation_masks(masks, transformation, training=training)[0]

    def call(self, data: Any, training: Any = True) -> Any:
        images = data["images"] if isinstance(data, dict) else data
        batched = _is_batched(self, images)
        transformation = self.get_random_transformation(data, training=training)
        change = self.transform_images if batched else self.transform_single_image
        changed = change(images, transformation, training=training)
        if not isinstance(data, dict):
            return changed
        data = data | {"images": changed}
        for key, many, one in _BESIDE:
            if key in data:
                given = dense_boxes(self, data[key]) if key == "bounding_boxes" else data[key]
                data[key] = getattr(self, many if batched else one)(given, transformation, training=training)
        return data

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    # ---- what subclasses use

    def _cast(self, images: Any) -> Any:
        tensor = images if isinstance(images, TensorLike) else convert_to_tensor(images)
        return tensor if tensor.dtype.name == self.compute_dtype else tensor._astype(self.compute_dtype)

    @property
    def _channels_first(self) -> bool:
        return self.data_format == "channels_first"

    def _sizes(self, images: Any) -> tuple:
        """Returns how many images there are (1 for one without a batch), and their height and width."""
        sizes = shape_tuple(images)
        rows, columns = axes_of(len(sizes), self._channels_first)
        return (sizes[0] if len(sizes) == 4 else 1), sizes[rows], sizes[columns]


_BESIDE = (  # beside the images: the key, the method for a batch, and for one
    ("bounding_boxes", "transform_bounding_boxes", "transform_single_bounding_box"),
    ("labels", "transform_labels", "transform_single_label"),
    ("segmentation_masks", "transform_segmentation_masks", "transform_single_segmentation_mask"),
)


def _is_batched(layer: Any, images: Any) -> bool:
    rank = len(images.shape)
    if rank not in (3, 4):
        raise ValueError(
            f"{layer.name}: expected images of shape (height, width, channels) or (batch, height, width, channels), "
            f"received shape {tuple(images.shape)}{at_user_location()}"
        )
    return rank == 4


class MovingLayer(ImageLayer):
    """A layer that moves pixels, and so boxes and masks too."""

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any, training: Any = True
    ) -> Any:
        """Moves masks; each of their pixels takes the nearest value."""
        if not training or transformation is None:
            return segmentation_masks
        return self._transform_images(convert_to_tensor(segmentation_masks), transformation, "nearest")


# ---- boxes --------------------------------------------------------------------------------------------------------


def dense_boxes(layer: Any, bounding_boxes: Any) -> dict:
    """Returns boxes and labels as tensors: ragged ones and lists are filled up, with 0 and with the label -1."""
    if layer.bounding_box_format is None:
        raise ValueError(
            f"{layer.name}: to change 'bounding_boxes' it must know their format: pass bounding_box_format, such as "
            f"'xyxy'{at_user_location()}"
        )
    if not isinstance(bounding_boxes, dict) or not {"boxes", "labels"} <= set(bounding_boxes):
        raise ValueError(
            f"{layer.name}: 'bounding_boxes' must be a dict of 'boxes' and 'labels', received "
            f"{bounding_boxes!r:.80}{at_user_location()}"
        )
    boxes = _dense(bounding_boxes["boxes"], 0.0)._astype("float32")
    return bounding_boxes | {"boxes": boxes, "labels": _dense(bounding_boxes["labels"], -1)}


def _dense(given: Any, fill: float) -> Any:
    if hasattr(given, "to_tensor"):
        return given.to_tensor(default_value=fill)
    if isinstance(given, list | tuple) and given and all(isinstance(one, list | tuple) for one in given):
        longest = max(map(len, given))
        inner = next((one[0] for one in given if one), fill)
        filler = [fill] * len(inner) if isinstance(inner, list | tuple) else fill
        given = [list(one) + [filler] * (longest - len(one)) for one in given]
    return convert_to_tensor(given)
