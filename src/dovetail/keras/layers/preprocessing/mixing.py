"""Mixing the images of a batch with each other, and their labels with them."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import random
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.image_layer import IMAGES, SEED, MovingLayer, factor, uniform
from dovetail.keras.layers.preprocessing.local import drawn_spans, inside_boxes
from dovetail.ops import array, create, indexing
from dovetail.ops import math as tf_math
from dovetail.ops.gather import gather_
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["CutMix", "MixUp"]


class _Mixing(MovingLayer):
    """Mixes each image with another one of its batch."""

    def _shuffled(self, count: Any, seed: Any) -> Any:
        return random.shuffle(create.range_of(count), seed=seed)

    def _others(self, values: Any, transformation: Any) -> Any:
        return gather_(values, convert_to_tensor(transformation["permutation_order"]))

    def _mixed(self, values: Any, transformation: Any) -> Any:
        """Returns `weight * values + (1 - weight) * those of the other images`."""
        values = convert_to_tensor(values)
        values = values if values.dtype.is_floating else values._astype(self.compute_dtype)
        weight = convert_to_tensor(transformation["mix_weight"])._astype(values.dtype)
        weight = (
            weight[(slice(None), *(None,) * (len(values.shape) - 1))] if len(weight.shape) == 1 else weight
        )
        return weight * values + (1.0 - weight) * self._others(values, transformation)


class MixUp(_Mixing):
    """Returns weighted means of each image and another one of its batch, in training; the same of their labels.

    Args:
        alpha: the weights are from a beta distribution with both parameters `alpha`.
        data_format: "channels_last" or "channels_first".
        seed: an int; None: one from the global generator.

    Source: H. Zhang et al., 2017, "mixup: beyond empirical risk minimization".
    """

    _arguments = (Argument("alpha", 0.2, hint="float"), IMAGES[0], SEED, IMAGES[1])
    alpha: float

    def _drawn(self, images: Any, seed: Any) -> Any:
        count, _, _ = self._sizes(images)
        order = self._shuffled(count, seed)
        weight = random.beta((count,), self.alpha, self.alpha, dtype="float32", seed=seed)
        return {"mix_weight": weight, "permutation_order": order}

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return self._mixed(images, transformation)

    def transform_labels(self, labels: Any, transformation: Any, training: Any = True) -> Any:
        return self._mixed(labels, transformation) if training and transformation is not None else labels

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return bounding_boxes
        both = {
            key: array.concat([bounding_boxes[key], self._others(bounding_boxes[key], transformation)], 1)
            for key in ("boxes", "labels")
        }
        return bounding_boxes | both


class CutMix(_Mixing):
    """Puts a box of another image of the batch into each image, in training; labels are mixed by area.

    Args:
        factor: parameter of the beta distribution of the areas, from [0, factor), or between two numbers.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".

    Source: S. Yun et al., 2019, "CutMix: regularization strategy to train strong classifiers".
    """

    _arguments = (Argument("factor", 1.0, read=factor(0, 1)), SEED, *IMAGES)
    factor: tuple

    def _drawn(self, images: Any, seed: Any) -> Any:
        if len(images.shape) == 3:
            return None
        count, height, width = self._sizes(images)
        alpha = uniform(seed, (), *map(float, self.factor)) + 1e-6
        kept = random.beta((count,), alpha, alpha, dtype="float32", seed=seed)
        ratio = tf_math.sqrt(1.0 - kept)
        left, right = drawn_spans(seed, ratio, width)
        top, bottom = drawn_spans(seed, ratio, height)
        area = (right - left) * (bottom - top)
        whole = height * width
        share = area / (float(whole) if isinstance(whole, int) else whole._astype("float32"))
        return {
            "permutation_order": self._shuffled(count, seed),
            "batch_masks": inside_boxes(images, (left, right, top, bottom), self._channels_first),
            "mix_weight": 1.0 - share,
        }

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        masks = convert_to_tensor(transformation["batch_masks"])
        return indexing.where(masks, self._others(images, transformation), images)

    def transform_labels(self, labels: Any, transformation: Any, training: Any = True) -> Any:
        return self._mixed(labels, transformation) if training and transformation is not None else labels

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        raise NotImplementedError(
            f"{self.name}: it cannot change bounding boxes: parts of objects would have boxes of the whole"
            f"{at_user_location()}"
        )
