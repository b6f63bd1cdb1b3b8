"""Mirroring images, and bringing them to another size."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.machinery.shapes import symbolic_of
from dovetail.keras.layers.preprocessing.image_layer import (
    IMAGES,
    SEED,
    MovingLayer,
    among,
    pair_of,
    uniform,
)
from dovetail.keras.utils.bounding_boxes import clip_to_image_size, convert_format
from dovetail.keras.utils.bounding_boxes import crop as crop_boxes
from dovetail.ops import arithmetic, array, indexing
from dovetail.ops.image import flip
from dovetail.ops.image_crop import center_window, window_at
from dovetail.ops.image_resize import keras_resize, resize
from dovetail.ops.shapes import shape_tuple
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape

__all__ = ["CenterCrop", "RandomCrop", "RandomFlip", "RandomHeight", "RandomWidth", "Resizing"]

_SIZE = (Argument("height", read=count, hint="int"), Argument("width", read=count, hint="int"))
_METHODS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")
_LEGACY_METHODS = (*_METHODS, "area", "gaussian", "mitchellcubic")


class RandomFlip(MovingLayer):
    """Mirrors each image with probability 1/2; with both ways at once, it is turned by half.

    Args:
        mode: "horizontal", "vertical" or "horizontal_and_vertical".
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
    """

    _arguments = (
        Argument(
            "mode",
            "horizontal_and_vertical",
            read=among("horizontal", "vertical", "horizontal_and_vertical"),
            hint="str",
        ),
        SEED,
        *IMAGES,
    )
    mode: str

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        shape = (count, 1, 1, 1) if len(images.shape) == 4 else (1, 1, 1)
        return {"flips": uniform(seed, shape) <= 0.5, "input_shape": tuple(images.shape)}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        flips = convert_to_tensor(transformation["flips"])
        last = -1 if self._channels_first else -2
        mirrored = images
        for axis, way in ((last, "horizontal"), (last - 1, "vertical")):
            if way in self.mode:
                mirrored = flip(mirrored, axis=axis)
        return indexing.where(flips, mirrored, images)

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._given(transformation)
        parts = convert_format(bounding_boxes, self.bounding_box_format, "rel_xyxy", height, width)
        left, top, right, bottom = (parts["boxes"][..., i] for i in range(4))
        if "horizontal" in self.mode:
            left, right = 1.0 - right, 1.0 - left
        if "vertical" in self.mode:
            top, bottom = 1.0 - bottom, 1.0 - top
        flips = convert_to_tensor(transformation["flips"])[..., 0]
        boxes = indexing.where(flips, array.stack(left, top, right, bottom, axis=-1), parts["boxes"])
        parts = clip_to_image_size(parts | {"boxes": boxes}, bounding_box_format="rel_xyxy")
        return convert_format(parts, "rel_xyxy", self.bounding_box_format, height, width)


class _Sized(MovingLayer):
    """A layer whose images have a size of its choice, in training and otherwise."""

    height: int
    width: int

    @property
    def _size(self) -> tuple[int, int]:
        return self.height, self.width

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = list(input_shape)
        rows = len(sizes) - (2 if self._channels_first else 3)
        sizes[rows : rows + 2] = self._size
        return TensorShape(sizes)

    def get_random_transformation(self, data: Any, training: Any = True, seed: Any = None) -> Any:
        images = data["images"] if isinstance(data, dict) else data
        return self._drawn(images, seed)

    def _drawn(self, images: Any, seed: Any) -> Any:
        _, height, width = self._sizes(images)
        return height, width

    def transform_images(self, images: Any, transformation: Any = None, training: Any = True) -> Any:
        return self._transform_images(self._cast(images), transformation, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: Any = True
    ) -> Any:
        return self._transform_images(convert_to_tensor(segmentation_masks), transformation, "nearest")

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        height, width = self._given(transformation)
        boxes = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        moved = self._sized_boxes(boxes, transformation, float(height), float(width))
        moved = clip_to_image_size(moved, *self._size)
        return convert_format(moved, "xyxy", self.bounding_box_format, *self._size)

    def _given(self, transformation: Any) -> tuple:
        return tuple(transformation)

    def _sized_boxes(self, boxes: dict, transformation: Any, height: float, width: float) -> dict:
        """Returns where boxes (left, top, right, bottom) are in the new images."""
        raise NotImplementedError(f"{type(self).__name__} does not define _sized_boxes")

    def _cropped_boxes(self, boxes: dict, height: float, width: float) -> dict:
        """Returns where boxes are when images are cropped to the new proportions and resized."""
        tall, wide = int(width * self.height / self.width), int(height * self.width / self.height)
        tall, wide = max(min(int(height), tall), 1), max(min(int(width), wide), 1)
        top, left = int((height - tall) / 2), int((width - wide) / 2)
        inside = crop_boxes(boxes["boxes"], top, left, tall, wide)
        parts = convert_format(inside, "xyxy", "rel_xyxy", tall, wide)
        return boxes | {"boxes": convert_format(parts, "rel_xyxy", "xyxy", *self._size)}


class Resizing(_Sized):
    """Resizes images.

    Args:
        height, width: of the result.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3", "lanczos5".
        crop_to_aspect_ratio: cut off what does not fit the new proportions first.
        pad_to_aspect_ratio: add borders of `fill_value` first.
        fill_mode: "constant".
        fill_value: the value of the borders.
        antialias: widen the filter when images shrink.
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
    """

    _arguments = (
        *_SIZE,
        Argument("interpolation", "bilinear", read=among(*_LEGACY_METHODS), hint="str"),
        Argument("crop_to_aspect_ratio", False, hint="bool"),
        Argument("pad_to_aspect_ratio", False, hint="bool"),
        Argument("fill_mode", "constant", read=among("constant"), hint="str"),
        Argument("fill_value", 0.0, hint="float"),
        Argument("antialias", False, hint="bool"),
        *IMAGES,
    )
    crop_to_aspect_ratio: bool
    pad_to_aspect_ratio: bool
    fill_value: float
    antialias: bool

    def _begin(self) -> None:
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ValueError(
                "Resizing: crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other"
                + at_user_location()
            )

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return keras_resize(
            images,
            self._size,
            interpolation=interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def _sized_boxes(self, boxes: dict, transformation: Any, height: float, width: float) -> dict:
        down, right = self.height / height, self.width / width
        x = y = 0.0
        if self.pad_to_aspect_ratio:
            down = right = min(down, right)
            x, y = (self.width - width * right) // 2, (self.height - height * down) // 2
        elif self.crop_to_aspect_ratio:
            down = right = max(down, right)
            x, y = -((width * right - self.width) // 2), -((height * down - self.height) // 2)
        given = boxes["boxes"]
        missing = (given == -1.0) | (given == 0.0)
        numbers = [given[..., i] * (down if i % 2 else right) + (y if i % 2 else x) for i in range(4)]
        none = missing[..., 0] & missing[..., 1] & missing[..., 2] & missing[..., 3]
        return boxes | {
            "boxes": indexing.where(none[..., None], 0.0, array.stack(*numbers, axis=-1)),
        }


class CenterCrop(_Sized):
    """Returns the middle of images; smaller images are resized, and what exceeds the proportions is cut off.

    Args:
        height, width: of the result.
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
    """

    interpolation = "bilinear"
    _arguments = (*_SIZE, *IMAGES)

    def _drawn(self, images: Any, seed: Any) -> Any:
        return {"input_shape": shape_tuple(images)}

    _given = MovingLayer._given

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return center_window(images, size=self._size, channels_first=self._channels_first)

    def _sized_boxes(self, boxes: dict, transformation: Any, height: float, width: float) -> dict:
        if height < self.height or width < self.width:
            return self._cropped_boxes(boxes, height, width)
        top, left = int((height - self.height) / 2), int((width - self.width) / 2)
        return boxes | {"boxes": crop_boxes(boxes["boxes"], top, left, *self._size)}


class RandomCrop(_Sized):
    """Cuts a window out of images in training, from anywhere in them, the same for a batch.

    Otherwise, and when they are smaller than the window, they are resized, and what exceeds the proportions is cut off.

    Args:
        height, width: of the window.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.

    Differs from Keras 3, which returns images of their own size when it does not train.
    """

    interpolation = "bilinear"
    _arguments = (*_SIZE, SEED, *IMAGES)

    def get_random_transformation(self, data: Any, training: Any = True, seed: Any = None) -> Any:
        images = data["images"] if isinstance(data, dict) else data
        return self._drawn(images, self.generator if seed is None else seed) if training else None

    def _drawn(self, images: Any, seed: Any) -> Any:
        _, height, width = self._sizes(images)
        drawn = uniform(seed, (2,))
        room = [_room(height, self.height), _room(width, self.width)]
        return tuple((drawn[i] * room[i])._astype("int32") for i in range(2))

    def transform_images(self, images: Any, transformation: Any = None, training: Any = True) -> Any:
        images = self._cast(images)
        if not training or transformation is None:
            return center_window(images, size=self._size, channels_first=self._channels_first, crop=False)
        return self._transform_images(images, transformation, self.interpolation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any = None, training: Any = True
    ) -> Any:
        return self.transform_images(segmentation_masks, transformation, training)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        top, left = (convert_to_tensor(one)._astype("int32") for one in transformation)
        return window_at(images, top, left, size=self._size, channels_first=self._channels_first)

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        """Moves boxes with the window; they must be in pixels, since the image's size is not known here."""
        if not training or transformation is None:
            return bounding_boxes
        if self.bounding_box_format.startswith("rel_"):
            raise ValueError(
                f"{self.name}: it can move boxes in pixels only, received the format {self.bounding_box_format!r}"
                f"{at_user_location()}"
            )
        top, left = transformation
        boxes = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", *self._size)
        moved = boxes | {"boxes": crop_boxes(boxes["boxes"], top, left, *self._size)}
        moved = clip_to_image_size(moved, *self._size)
        return convert_format(moved, "xyxy", self.bounding_box_format, *self._size)


def _room(size: Any, window: int) -> Any:
    """Returns how many places there are for a window along an axis, as a float."""
    if isinstance(size, int):
        return float(max(size - window + 1, 1))
    return arithmetic.maximum(size - window + 1, 1)._astype("float32")


# ---- Keras 2 ------------------------------------------------------------------------------------------------------


def _growth(layer: Any, name: str, value: Any) -> Any:
    lower, upper = value if pair_of(value) else (-value, value) if isinstance(value, int | float) else (0, -1)
    if upper < lower or lower < -1:
        raise ValueError(
            f"{type(layer).__name__}: {name} must be a number above -1, or two of them in order, received "
            f"{value!r:.60}{at_user_location()}"
        )
    return value


class _RandomSide(MovingLayer):
    """Gives a batch of images another height or width, drawn anew for each batch."""

    _arguments = (
        Argument("factor", read=_growth),
        Argument("interpolation", "bilinear", read=among(*_LEGACY_METHODS), hint="str"),
        SEED,
        *IMAGES,
    )
    _axis = -3
    factor: Any

    def _drawn(self, images: Any, seed: Any) -> Any:
        lower, upper = self.factor if pair_of(self.factor) else (-self.factor, self.factor)
        return {"factor": uniform(seed, (), 1.0 + lower, 1.0 + upper)}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        sizes = list(tuple(images.shape)[-3:-1])
        place = self._axis + 3
        if sizes[place] is None:
            sizes[place] = -1
        else:
            sizes[place] = (transformation["factor"] * float(sizes[place]))._astype("int32")
        return resize(images, sizes, method=interpolation)._astype(self.compute_dtype)

    def compute_output_spec(self, data: Any, training: Any = True) -> Any:
        return symbolic_of(self.compute_output_shape(data.shape), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = list(input_shape)
        sizes[self._axis] = None
        return TensorShape(sizes)


class RandomHeight(_RandomSide):
    """Gives a batch of images another height in training.

    Args:
        factor: change of the height: [-f, f), or between two numbers; 0.1 is ten percent.
        interpolation: a method of `tf.image.resize`.
        seed: an int; None: one from the global generator.
    """


class RandomWidth(_RandomSide):
    """Gives a batch of images another width in training; see `RandomHeight`."""

    _axis = -2
