"""Changing the colors of images by random amounts."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.image_layer import (
    IMAGES,
    SEED,
    VALUE_RANGE,
    ImageLayer,
    chance,
    factor,
    per_image,
    uniform,
)
from dovetail.ops import arithmetic, array, image_color, indexing, reduction, shapes
from dovetail.ops.image_crop import axes_of
from dovetail.tensor.convert import convert_to_tensor

__all__ = [
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomContrast",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomSaturation",
]

_COLOR = (VALUE_RANGE, IMAGES[0], SEED, IMAGES[1])


class ColorLayer(ImageLayer):
    """A layer that changes pixels where they are: labels, boxes and masks stay."""

    value_range: Any
    factor: Any

    def _clipped(self, images: Any) -> Any:
        low, high = self.value_range
        return arithmetic.clip_by_value(images, float(low), float(high))

    def _drawn_factor(self, images: Any, seed: Any) -> Any:
        return {"factor": uniform(seed, (self._sizes(images)[0],), *map(float, self.factor))}

    def _last(self, images: Any) -> Any:
        """Returns images with their channels last."""
        return shapes.transpose(images, perm=(0, 2, 3, 1)) if self._channels_first else images

    def _back(self, images: Any) -> Any:
        return shapes.transpose(images, perm=(0, 3, 1, 2)) if self._channels_first else images

    def _scaled(self, images: Any, source: Any, target: Any) -> Any:
        """Maps values from one range to another."""
        (a, b), (c, d) = (tuple(map(float, pair)) for pair in (source, target))
        if (a, b) == (c, d):
            return images
        return (images - a) / (b - a) * (d - c) + c

    def _factors(self, transformation: Any, name: str = "factor") -> Any:
        return per_image(convert_to_tensor(transformation[name])._astype(self.compute_dtype))


class RandomContrast(ColorLayer):
    """Moves pixels away from the mean of their channel, or towards it: `(x - mean) * factor + mean`.

    Args:
        factor: two numbers, `lower` and `upper`: the factor of an image lies in [1 - lower, 1 + upper); one number
            `upper`: in [1, 1 + upper).
        value_range: least and greatest value of a pixel; what exceeds them is clipped.
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(0, 1)), VALUE_RANGE, SEED, *IMAGES)

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        shape = (count, 1, 1, 1) if len(images.shape) == 4 else (1, 1, 1)
        return {"contrast_factor": uniform(seed, shape, 1.0 - self.factor[0], 1.0 + self.factor[1])}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        mean = reduction.reduce_mean(
            images, axis=axes_of(len(images.shape), self._channels_first), keepdims=True
        )
        return self._clipped((images - mean) * self._factors(transformation, "contrast_factor") + mean)


class RandomBrightness(ColorLayer):
    """Adds an amount to all pixels of an image.

    Args:
        factor: the amount lies in [-factor, factor), or between two numbers, in parts of the range of values.
        value_range: least and greatest value of a pixel; what exceeds them is clipped.
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(-1, 1)), VALUE_RANGE, SEED, *IMAGES)

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        shape = (count, 1, 1, 1) if len(images.shape) == 4 else (1, 1, 1)
        width = float(self.value_range[1] - self.value_range[0])
        return {"rgb_delta": uniform(seed, shape, *map(float, self.factor)) * width}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return self._clipped(images + self._factors(transformation, "rgb_delta"))


class RandomHue(ColorLayer):
    """Turns the hue of images.

    Args:
        factor: how far, either way: from [0, factor), or between two numbers; 1 is half a turn.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(0, 1)), *_COLOR)

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        way = indexing.where(uniform(seed, (count,)) > 0.5, -1.0, 1.0)
        return {"factor": way * uniform(seed, (count,), *map(float, self.factor)) * 0.5}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        turn = self._factors(transformation)[..., 0]  # (batch, 1, 1)
        unit = self._scaled(self._last(images), self.value_range, (0, 1))
        turned = arithmetic.clip_by_value(image_color.adjust_hue(unit, turn), 0.0, 1.0)
        return self._back(self._scaled(turned, (0, 1), self.value_range))


class RandomSaturation(ColorLayer):
    """Changes the saturation of images: to gray for a factor of 0, not at all for 0.5, to pure colors for 1.

    Args:
        factor: from [-factor, factor), or between two numbers; the saturation is multiplied by `f / (1 - f)`.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(-1, 1)), *_COLOR)

    def _drawn(self, images: Any, seed: Any) -> Any:
        drawn = self._drawn_factor(images, seed)["factor"]
        return {"factor": drawn / (1.0 - drawn + settings.epsilon)}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        hsv = image_color.rgb_to_hsv(self._last(images))
        saturation = self._clipped(hsv[..., 1] * self._factors(transformation)[..., 0])
        changed = array.stack(hsv[..., 0], saturation, hsv[..., 2], axis=-1)
        return self._back(image_color.hsv_to_rgb(changed))


class RandomGrayscale(ColorLayer):
    """Makes images gray, with some probability.

    Args:
        factor: the probability.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (
        Argument("factor", 0.5, read=lambda *given: factor(0, 1)(*given)[1]),
        IMAGES[0],
        SEED,
        IMAGES[1],
    )

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        return uniform(seed, (count, 1, 1, 1)) < float(self.factor)

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        gray = self._back(image_color.rgb_to_grayscale(self._last(images)))
        return indexing.where(convert_to_tensor(transformation), gray, images)


class RandomColorDegeneration(ColorLayer):
    """Mixes images with their gray forms.

    Args:
        factor: the part of gray: from [-factor, factor), or between two numbers.
        value_range: least and greatest value of a pixel.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.
    """

    _arguments = (Argument("factor", read=factor(-1, 1)), *_COLOR)

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        return {"factor": uniform(seed, (count, 1, 1, 1), *map(float, self.factor))}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        gray = self._back(image_color.rgb_to_grayscale(self._last(images)))
        return self._clipped(images + self._factors(transformation) * (gray - images))


class RandomInvert(ColorLayer):
    """Inverts the colors of images, with some probability.

    Args:
        factor: the probability, or two numbers between which it is drawn.
        value_range: least and greatest value of a pixel; `x` becomes `greatest - x`.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".
    """

    _arguments = (Argument("factor", 1.0, read=factor(0, 1)), VALUE_RANGE, SEED, *IMAGES)

    def _drawn(self, images: Any, seed: Any) -> Any:
        return {"apply_inversion": chance(seed, self._sizes(images)[0], self.factor)}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        inverted = float(self.value_range[1]) - images
        return indexing.where(per_image(transformation["apply_inversion"]), inverted, images)
