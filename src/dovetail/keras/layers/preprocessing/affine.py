"""Turning, shifting, zooming and shearing images by random amounts."""

from __future__ import annotations

from typing import Any

from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.image_layer import (
    FILL_MODE,
    IMAGES,
    INTERPOLATION,
    SEED,
    MovingLayer,
    between,
    ends,
    factor,
    strict,
    uniform,
)
from dovetail.keras.utils.bounding_boxes import affine_transform, clip_to_image_size, convert_format
from dovetail.ops import arithmetic, array, indexing
from dovetail.ops.image_boxes import rotation_rows, zoom_rows
from dovetail.ops.image_sample import project_images
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["RandomRotation", "RandomShear", "RandomTranslation", "RandomZoom"]

_PIXELS = (
    Argument("fill_mode", "reflect", read=FILL_MODE, hint="str"),
    Argument("interpolation", "bilinear", read=INTERPOLATION, hint="str"),
    SEED,
    Argument("fill_value", 0.0, hint="float"),
    *IMAGES,
)


class _Affine(MovingLayer):
    """Reads the pixels of images at places that a matrix gives."""

    fill_mode: str
    fill_value: float

    def _rows(self, transformation: Any, images: Any) -> Any:
        """Returns eight numbers an image; see `project_images`."""
        raise NotImplementedError(f"{type(self).__name__} does not define _rows")

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return project_images(
            images,
            self._rows(transformation, images),
            order=int(interpolation == "bilinear"),
            mode=self.fill_mode,
            fill=self.fill_value,
            flat=True,
            channels_first=self._channels_first,
        )

    def _moved_boxes(self, bounding_boxes: dict, transformation: Any, sizes: tuple) -> dict:
        """Returns boxes (left, top, right, bottom) where the pixels went, clipped to the image."""
        raise NotImplementedError(f"{type(self).__name__} does not define _moved_boxes")

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return bounding_boxes
        _, height, width = self._shape_in(transformation)
        boxes = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        moved = self._moved_boxes(boxes, transformation, (height, width))
        return convert_format(moved, "xyxy", self.bounding_box_format, height, width)

    def _shape_in(self, transformation: Any) -> tuple:
        return transformation["input_shape"][0], *self._given(transformation)


class RandomRotation(_Affine):
    """Turns images about their centers, each by an angle of its own.

    Args:
        factor: the angle lies in [-factor, factor), or between two numbers, where 1 is a whole turn; positive angles
            turn counter-clockwise.
        fill_mode: what is outside of an image: "reflect", "wrap", "constant", "nearest".
        interpolation: "nearest" or "bilinear".
        seed: an int; None: one from the global generator.
        fill_value: the value outside, for "constant".
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
    """

    _arguments = (Argument("factor", read=factor(-1, 1)), *_PIXELS)
    factor: tuple

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, height, width = self._sizes(images)
        angle = uniform(seed, (count,), self.factor[0] * 360.0, self.factor[1] * 360.0)
        return {
            "angle": angle,
            "rotation_matrix": rotation_rows(angle, size=(height, width)),
            "image_height": height,
            "image_width": width,
            "batch_size": count,
        }

    def _rows(self, transformation: Any, images: Any) -> Any:
        rows = convert_to_tensor(transformation["rotation_matrix"])
        return rows[None] if len(rows.shape) == 1 else rows

    def _shape_in(self, transformation: Any) -> tuple:
        return tuple(transformation[key] for key in ("batch_size", "image_height", "image_width"))

    def _moved_boxes(self, bounding_boxes: dict, transformation: Any, sizes: tuple) -> dict:
        angle = convert_to_tensor(transformation["angle"])
        zero, one = angle * 0.0, angle * 0.0 + 1.0
        boxes = affine_transform(bounding_boxes["boxes"], angle, zero, zero, one, zero, zero, *sizes)
        return clip_to_image_size(bounding_boxes | {"boxes": boxes}, *sizes)


def _fixed(count_like: Any, *columns: Any) -> Any:
    """Joins columns, tensors of shape (batch, 1) and numbers, to rows."""
    zero = count_like * 0.0
    full = [zero + column if isinstance(column, float) else column for column in columns]
    return array.concat(full, -1)


class RandomTranslation(_Affine):
    """Shifts images, each by an amount of its own.

    Args:
        height_factor: how far down, in parts of the height: [-f, f), or between two numbers.
        width_factor: the same to the right.
        fill_mode, interpolation, seed, fill_value, data_format, bounding_box_format: as of `RandomRotation`.
    """

    _arguments = (
        Argument("height_factor", read=strict(-1, 1)),
        Argument("width_factor", read=strict(-1, 1)),
        *_PIXELS,
    )
    height_factor: Any
    width_factor: Any

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, height, width = self._sizes(images)
        ranges = ends(self.width_factor), ends(self.height_factor)
        if isinstance(height, int) and isinstance(width, int):
            scaled = [(low * size, high * size) for (low, high), size in zip(ranges, (width, height))]
            moves = between(seed, count, *scaled)
        else:
            moves = between(seed, count, *ranges) * array.stack(width, height)._astype("float32")
        return {"translations": moves, "input_shape": (count, *tuple(images.shape)[-3:])}

    def _rows(self, transformation: Any, images: Any) -> Any:
        moves = convert_to_tensor(transformation["translations"])
        x, y = moves[:, :1], moves[:, 1:]
        return _fixed(x, 1.0, 0.0, -x, 0.0, 1.0, -y, 0.0, 0.0)

    def _moved_boxes(self, bounding_boxes: dict, transformation: Any, sizes: tuple) -> dict:
        moves = convert_to_tensor(transformation["translations"])
        boxes = bounding_boxes["boxes"] + array.concat([moves, moves], -1)[:, None]
        return clip_to_image_size(bounding_boxes | {"boxes": boxes}, *sizes)


class RandomZoom(_Affine):
    """Zooms images in or out about their centers, each by an amount of its own.

    Args:
        height_factor: a part of the height: positive zooms out, negative in: [-f, f), or between two numbers.
        width_factor: the same for the width; None: that of the height, so that the proportions stay.
        fill_mode, interpolation, seed, fill_value, data_format, bounding_box_format: as of `RandomRotation`.
    """

    _arguments = (
        Argument("height_factor", read=strict(-1, 1)),
        Argument("width_factor", None, read=strict(-1, 1, or_none=True)),
        *_PIXELS,
    )
    height_factor: Any
    width_factor: Any

    def _begin(self) -> None:
        super()._begin()
        for name in ("height_factor", "width_factor"):
            value = getattr(self, name)
            if value is not None and -1 in (value if isinstance(value, list | tuple) else (value,)):
                strict(-0.999, 1)(self, name, value)

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        factors = (
            [self.height_factor] if self.width_factor is None else [self.height_factor, self.width_factor]
        )
        zooms = between(seed, count, *[(1.0 + low, 1.0 + high) for low, high in map(ends, factors)])
        height = zooms if self.width_factor is None else zooms[:, :1]
        width = zooms if self.width_factor is None else zooms[:, 1:]
        return {
            "height_zoom": height,
            "width_zoom": width,
            "input_shape": (count, *tuple(images.shape)[-3:]),
        }

    def _zooms(self, transformation: Any) -> Any:
        return array.concat([transformation["width_zoom"], transformation["height_zoom"]], -1)

    def _rows(self, transformation: Any, images: Any) -> Any:
        _, height, width = self._sizes(images)
        return zoom_rows(self._zooms(transformation), size=(height, width))

    def _moved_boxes(self, bounding_boxes: dict, transformation: Any, sizes: tuple) -> dict:
        """Cuts boxes to what is seen, and stretches what is seen over the image."""
        rows = zoom_rows(self._zooms(transformation), size=sizes)[:, None]  # (batch, 1, 8)
        left, top = rows[..., 2], rows[..., 5]
        right, bottom = rows[..., 0] * sizes[1] + left, rows[..., 4] * sizes[0] + top
        x, y = right - left, bottom - top
        boxes = bounding_boxes["boxes"]
        seen = [
            (arithmetic.minimum(arithmetic.maximum(boxes[..., i], low), high) - low) / size
            for i, (low, high, size) in enumerate([(left, right, x), (top, bottom, y)] * 2)
        ]
        parts = clip_to_image_size(
            bounding_boxes | {"boxes": array.stack(*seen, axis=-1)}, bounding_box_format="rel_xyxy"
        )
        return convert_format(parts, "rel_xyxy", "xyxy", *sizes)


class RandomShear(_Affine):
    """Shears images, each by an amount and in a direction of its own.

    Args:
        x_factor: how far rows move for one row down, from [0, f], or between two numbers in [0, 1].
        y_factor: the same for columns.
        interpolation, fill_mode, fill_value, data_format, seed, bounding_box_format: as of `RandomRotation`.
    """

    _arguments = (
        Argument("x_factor", 0.0, read=factor(-1, 1)),
        Argument("y_factor", 0.0, read=factor(-1, 1)),
        Argument("interpolation", "bilinear", read=INTERPOLATION, hint="str"),
        Argument("fill_mode", "reflect", read=FILL_MODE, hint="str"),
        Argument("fill_value", 0.0, hint="float"),
        IMAGES[0],
        SEED,
        IMAGES[1],
    )
    x_factor: tuple
    y_factor: tuple

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        drawn = between(seed, count, self.x_factor, self.y_factor, (0.0, 1.0))
        way = indexing.where(drawn[:, 2:] > 0.5, -1.0, 1.0)
        return {"shear_factor": drawn[:, :2] * way, "input_shape": (count, *tuple(images.shape)[-3:])}

    def _rows(self, transformation: Any, images: Any) -> Any:
        shear = convert_to_tensor(transformation["shear_factor"])
        x, y = shear[:, :1], shear[:, 1:]
        return _fixed(x, 1.0, x, 0.0, y, 1.0, 0.0, 0.0, 0.0)

    def _moved_boxes(self, bounding_boxes: dict, transformation: Any, sizes: tuple) -> dict:
        parts = convert_format(bounding_boxes, "xyxy", "rel_xyxy", *sizes)
        shear = convert_to_tensor(transformation["shear_factor"])
        x, y = shear[:, :1], shear[:, 1:]
        left, top, right, bottom = (parts["boxes"][..., i] for i in range(4))
        left = left - indexing.where(x < 0.0, top, bottom) * x
        right = right - indexing.where(x < 0.0, bottom, top) * x
        top = top - indexing.where(y > 0.0, right, left) * y
        bottom = bottom - indexing.where(y > 0.0, left, right) * y
        boxes = array.stack(left, top, right, bottom, axis=-1)
        parts = clip_to_image_size(parts | {"boxes": boxes}, bounding_box_format="rel_xyxy")
        return convert_format(parts, "rel_xyxy", "xyxy", *sizes)
