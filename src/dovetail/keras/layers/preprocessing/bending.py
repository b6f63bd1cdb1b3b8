"""Seeing images from elsewhere, and bending them."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.keras import random
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.image_layer import (
    IMAGES,
    INTERPOLATION,
    SEED,
    VALUE_RANGE,
    MovingLayer,
    among,
    chance,
    factor,
    per_image,
    uniform,
)
from dovetail.keras.utils.bounding_boxes import clip_to_image_size, convert_format
from dovetail.ops import arithmetic, array, indexing, reduction
from dovetail.ops.image_filter import blur_images
from dovetail.ops.image_sample import displace_images, elastic_size, homography, project_images
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor

__all__ = ["RandomElasticTransform", "RandomPerspective"]

_ANY_FILL = among("constant", "nearest", "wrap", "mirror", "reflect")


class RandomPerspective(MovingLayer):
    """Shows images from elsewhere: their corners move, each by amounts of its own; with some probability.

    Args:
        factor: the probability, or two numbers between which it is drawn.
        scale: how far the corners move at most, in [0, 1].
        interpolation: "nearest" or "bilinear".
        fill_value: the value outside of an image.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.
    """

    _arguments = (
        Argument("factor", 1.0, read=factor(0, 1)),
        Argument("scale", 1.0, read=lambda *given: factor(0, 1)(*given)[1], hint="float"),
        Argument("interpolation", "bilinear", read=INTERPOLATION, hint="str"),
        Argument("fill_value", 0.0, hint="float"),
        SEED,
        *IMAGES,
    )
    factor: tuple
    scale: float
    fill_value: float

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, height, width = self._sizes(images)
        apply = chance(seed, count, self.factor)
        moved = uniform(seed, (count, 4, 2), -0.5 * self.scale, 0.5 * self.scale) + 1.0
        unit: Any = Tensor(np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32))
        corners = unit * array.stack_values([width - 1, height - 1])._astype("float32")
        end = moved * corners
        return {
            "apply_perspective": apply,
            "start_points": end * 0.0 + corners,
            "end_points": end,
            "input_shape": tuple(images.shape),
        }

    def _projection(self, transformation: Any) -> Any:
        start, end = (
            convert_to_tensor(transformation[key])._astype("float32")
            for key in ("start_points", "end_points")
        )
        return homography(start, end)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        seen = project_images(
            images,
            self._projection(transformation),
            order=int(interpolation == "bilinear"),
            mode="constant",
            fill=self.fill_value,
            flat=False,
            channels_first=self._channels_first,
        )
        return indexing.where(per_image(transformation["apply_perspective"]), seen, images)

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return bounding_boxes
        height, width = self._given(transformation)
        given = convert_format(bounding_boxes, self.bounding_box_format, "xyxy", height, width)
        start, end = (convert_to_tensor(transformation[k]) for k in ("start_points", "end_points"))
        back = homography(end._astype("float32"), start._astype("float32"))[:, None]  # (batch, 1, 8)
        left, top, right, bottom = (given["boxes"][..., i] for i in range(4))
        places = [
            _projected(back, x, y) for x, y in ((left, top), (right, top), (left, bottom), (right, bottom))
        ]
        xs, ys = (array.stack(*one, axis=-1) for one in zip(*places, strict=True))
        sides = [
            reduce(one, axis=-1)
            for reduce in (reduction.reduce_min, reduction.reduce_max)
            for one in (xs, ys)
        ]
        apply = convert_to_tensor(transformation["apply_perspective"])[:, None, None]
        boxes = indexing.where(apply, array.stack(*sides, axis=-1), given["boxes"])
        clipped = clip_to_image_size(given | {"boxes": boxes}, height, width)
        return convert_format(clipped, "xyxy", self.bounding_box_format, height, width)


def _projected(rows: Any, x: Any, y: Any) -> tuple:
    """Returns where a projection (batch, 1, 8) moves points (batch, n)."""
    a0, a1, a2, b0, b1, b2, c0, c1 = (rows[..., i] for i in range(8))
    k = c0 * x + c1 * y + 1.0
    return (a0 * x + a1 * y + a2) / k, (b0 * x + b1 * y + b2) / k


class RandomElasticTransform(MovingLayer):
    """Bends images: every pixel moves by random amounts that change smoothly; with some probability.

    Args:
        factor: the probability, or two numbers between which it is drawn.
        scale: how much, from [0, scale), or between two numbers in [0, 1]; one for a batch.
        interpolation: "nearest" or "bilinear".
        fill_mode: what is outside of an image: "constant", "nearest", "wrap", "mirror", "reflect".
        fill_value: the value outside, for "constant".
        value_range: least and greatest value of a pixel; what exceeds them is clipped.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".

    Differs from Keras: masks move as the images do, and the kernel that smooths has the size for the largest scale.
    """

    _arguments = (
        Argument("factor", 1.0, read=factor(0, 1)),
        Argument("scale", 1.0, read=factor(0, 1)),
        Argument("interpolation", "bilinear", read=INTERPOLATION, hint="str"),
        Argument("fill_mode", "reflect", read=_ANY_FILL, hint="str"),
        Argument("fill_value", 0.0, hint="float"),
        VALUE_RANGE,
        SEED,
        *IMAGES,
    )
    factor: tuple
    scale: tuple
    fill_mode: str
    fill_value: float
    value_range: Any

    def _drawn(self, images: Any, seed: Any) -> Any:
        if not self.scale[1] or not self.factor[1]:
            return None
        count, height, width = self._sizes(images)
        apply = chance(seed, count, self.factor)
        scale = uniform(seed, (), *map(float, self.scale))
        noise = random.normal((count, height, width, 2), dtype="float32", seed=seed)
        return {"apply_transform": apply, "distortion_factor": scale, "noise": noise}

    def _shifts(self, transformation: Any) -> Any:
        """Returns how far each pixel moves: (batch, height, width, 2)."""
        noise = convert_to_tensor(transformation["noise"])
        height, width = tuple(noise.shape)[1:3]
        scale = convert_to_tensor(transformation["distortion_factor"])
        alpha, sigma = scale * (0.1 * max(height, width)), scale * (0.05 * min(height, width)) + 1e-6
        size = elastic_size(0.05 * min(height, width) * self.scale[1])
        return blur_images(noise, array.stack(sigma, sigma), size=(size, size)) * (alpha * sigma)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        if None in tuple(images.shape)[1:]:
            return images  # described only: nothing has a size yet
        bent = displace_images(
            images,
            self._shifts(transformation),
            order=int(interpolation == "bilinear"),
            mode=self.fill_mode,
            fill=self.fill_value,
            channels_first=self._channels_first,
        )
        return indexing.where(per_image(transformation["apply_transform"]), bent, images)

    def transform_images(self, images: Any, transformation: Any, training: Any = True) -> Any:
        if not training or transformation is None:
            return self._cast(images)
        low, high = map(float, self.value_range)
        return arithmetic.clip_by_value(super().transform_images(images, transformation), low, high)
