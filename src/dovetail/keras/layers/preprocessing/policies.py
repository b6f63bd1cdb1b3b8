"""Layers that choose among other layers, or put them in a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.engine import is_tracer
from dovetail.keras import random
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.layers.preprocessing import affine, color, local, tone
from dovetail.keras.layers.preprocessing.image_layer import (
    IMAGES,
    INTERPOLATION,
    SEED,
    VALUE_RANGE,
    ImageLayer,
    MovingLayer,
    factor,
)
from dovetail.keras.masks import mask_of
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import arithmetic, indexing, reduction
from dovetail.ops.padding import pad
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import Tensor

__all__ = ["AugMix", "MaxNumBoundingBoxes", "Pipeline", "RandAugment", "RandomColorJitter"]


class RandomColorJitter(color.ColorLayer):
    """Changes brightness, contrast, saturation and hue, each by an amount of its own.

    Args:
        value_range: least and greatest value of a pixel.
        brightness_factor: of `RandomBrightness`; None: the brightness stays.
        contrast_factor: of `RandomContrast`.
        saturation_factor: of `RandomSaturation`.
        hue_factor: of `RandomHue`.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".
    """

    _holds_layers = True
    _arguments = (
        VALUE_RANGE,
        *(Argument(f"{name}_factor", None) for name in ("brightness", "contrast", "saturation", "hue")),
        SEED,
        *IMAGES,
    )
    brightness_factor: Any
    contrast_factor: Any
    saturation_factor: Any
    hue_factor: Any

    def _begin(self) -> None:
        super()._begin()
        kinds = {
            "random_brightness": (color.RandomBrightness, self.brightness_factor),
            "random_contrast": (color.RandomContrast, self.contrast_factor),
            "random_saturation": (color.RandomSaturation, self.saturation_factor),
            "random_hue": (color.RandomHue, self.hue_factor),
        }
        common = {"value_range": self.value_range, "seed": self.seed, "data_format": self.data_format}
        self._steps = []
        for name, (kind, amount) in kinds.items():
            layer = None if amount is None else kind(amount, dtype=self.dtype_policy, **common)
            setattr(self, name, layer)
            self._steps += [] if layer is None else [name]

    def _drawn(self, images: Any, seed: Any) -> Any:
        return {
            name: getattr(self, name).get_random_transformation(images, seed=seed) for name in self._steps
        }

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        for name in self._steps:
            images = getattr(self, name).transform_images(images, transformation[name])
        return images


# ---- choices among many -------------------------------------------------------------------------------------------

_MOVES = ("random_shear", "random_translation", "random_rotation")
_TONES = ("random_posterization", "solarization", "auto_contrast", "equalization")
_COLORS = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")


class _Choosing(MovingLayer):
    """Holds one layer of each kind, which share a factor."""

    _holds_layers = True
    value_range: Any
    factor: tuple

    def _make_layers(self, names: tuple) -> None:
        common = {"data_format": self.data_format, "dtype": self.dtype_policy}
        drawn = common | {"seed": self.seed}
        tones = {"value_range": self.value_range}
        moves = drawn | {"interpolation": self.interpolation}
        amount = self.factor
        makers: dict[str, Callable] = {
            "random_shear": lambda: affine.RandomShear(amount, amount, **moves),
            "random_translation": lambda: affine.RandomTranslation(amount, amount, **moves),
            "random_rotation": lambda: affine.RandomRotation(amount, **moves),
            "random_brightness": lambda: color.RandomBrightness(amount, **drawn, **tones),
            "random_color_degeneration": lambda: color.RandomColorDegeneration(amount, **drawn, **tones),
            "random_contrast": lambda: color.RandomContrast(amount, **drawn, **tones),
            "random_sharpness": lambda: local.RandomSharpness(amount, **drawn, **tones),
            "random_posterization": lambda: tone.RandomPosterization(
                max(1, int(8 * amount[1])), **drawn, **tones
            ),
            "solarization": lambda: tone.Solarization(amount, amount, **drawn, **tones),
            "auto_contrast": lambda: tone.AutoContrast(**common, **tones),
            "equalization": lambda: tone.Equalization(**common, **tones),
        }
        self._names = names
        for name in names:
            setattr(self, name, makers[name]())

    def _draw_all(self, images: Any, seed: Any) -> dict:
        return {
            name: getattr(self, name).get_random_transformation(images, seed=seed) for name in self._names
        }

    def _apply(self, method: str, values: Any, choice: Any, transforms: dict) -> Any:
        """Lets the layer whose number is `choice` change values; a number beyond all changes nothing.

        Where the number is not known yet, all layers do, and what they give is chosen from.
        """
        known = _number_of(choice)
        changed = values
        for number, (name, transformation) in enumerate(transforms.items()):
            if known is not None and known != number:
                continue
            new = getattr(getattr(self, name), method)(values, transformation)
            changed = new if known is not None else _chosen(choice == number, new, changed)
        return changed


def _number_of(choice: Any) -> int | None:
    """Returns a number that is known, None where it is not."""
    if isinstance(choice, int):
        return choice
    return int(choice) if type(choice) is Tensor and not is_tracer(choice._value) else None


def _chosen(condition: Any, new: Any, old: Any) -> Any:
    if isinstance(new, dict):
        return {key: _chosen(condition, new[key], old[key]) for key in new}
    return indexing.where(condition, new, old)


_POLICY = (
    Argument("interpolation", "bilinear", read=INTERPOLATION, hint="str"),
    SEED,
    *IMAGES,
)


class RandAugment(_Choosing):
    """Applies a few layers, chosen at random for each batch.

    Args:
        value_range: least and greatest value of a pixel.
        num_ops: how many layers.
        factor: how much they change: from [0, factor), or between two numbers in [0, 1].
        interpolation: of layers that move pixels.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".
        bounding_box_format: see `keras.utils.bounding_boxes.convert_format`.

    Source: E. Cubuk et al., 2019, "RandAugment: practical automated data augmentation with a reduced search space".
    """

    _arguments = (
        VALUE_RANGE,
        Argument("num_ops", 2, read=count, hint="int"),
        Argument("factor", 0.5, read=factor(0, 1)),
        *_POLICY,
    )
    num_ops: int

    def _begin(self) -> None:
        super()._begin()
        self._make_layers((*_MOVES, *_COLORS, *_TONES))
        for name in _MOVES:
            getattr(self, name).bounding_box_format = self.bounding_box_format

    def _drawn(self, images: Any, seed: Any) -> Any:
        chosen = random.randint((self.num_ops,), 0, len(self._names), seed=seed)
        return {"transforms": self._draw_all(images, seed), "layer_idxes": chosen}

    def _in_turn(self, method: str, values: Any, transformation: Any) -> Any:
        chosen = convert_to_tensor(transformation["layer_idxes"])
        for place in range(self.num_ops):
            values = self._apply(method, values, chosen[place], transformation["transforms"])
        return values

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        return self._in_turn("transform_images", images, transformation)

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return bounding_boxes
        return self._in_turn("transform_bounding_boxes", bounding_boxes, transformation)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return segmentation_masks
        return self._in_turn(
            "transform_segmentation_masks", convert_to_tensor(segmentation_masks), transformation
        )


class AugMix(_Choosing):
    """Returns a weighted mean of images and of several chains of random changes of them.

    Args:
        value_range: least and greatest value of a pixel.
        num_chains, chain_depth: how many chains, and layers in each.
        factor: how much the layers change: from [0, factor), or between two numbers in [0, 1].
        alpha: parameter of the distributions of the weights.
        all_ops: also change brightness, color, contrast and sharpness, which tests of robustness change.
        interpolation: of layers that move pixels.
        seed: an int; None: one from the global generator.
        data_format: "channels_last" or "channels_first".

    Source: D. Hendrycks et al., 2019, "AugMix: a simple data processing method to improve robustness".

    Differs from Keras: the layers are drawn from the seed, not from Python's `random`.
    """

    _arguments = (
        VALUE_RANGE,
        Argument("num_chains", 3, read=count, hint="int"),
        Argument("chain_depth", 3, read=count, hint="int"),
        Argument("factor", 0.3, read=factor(0, 1)),
        Argument("alpha", 1.0, hint="float"),
        Argument("all_ops", True, hint="bool"),
        *_POLICY,
    )
    num_chains: int
    chain_depth: int
    alpha: float
    all_ops: bool

    def _begin(self) -> None:
        super()._begin()
        self._make_layers((*_MOVES, *_TONES, *(_COLORS if self.all_ops else ())))

    def _drawn(self, images: Any, seed: Any) -> Any:
        weights = random.gamma((self.num_chains,), self.alpha, dtype="float32", seed=seed)
        chosen = random.randint((self.num_chains, self.chain_depth), 0, len(self._names) + 1, seed=seed)
        return {
            "chain_mixing_weights": weights / reduction.reduce_sum(weights),
            "weight_sample": random.beta((), self.alpha, self.alpha, dtype="float32", seed=seed),
            "chain_transforms": [
                [
                    {"choice": chosen[chain, place], "transforms": self._draw_all(images, seed)}
                    for place in range(self.chain_depth)
                ]
                for chain in range(self.num_chains)
            ],
        }

    def _step(self, method: str, values: Any, step: dict) -> Any:
        if "layer_name" in step:  # a layer that was chosen already
            return getattr(getattr(self, step["layer_name"]), method)(values, step["transformation"])
        return self._apply(method, values, step["choice"], step["transforms"])

    def _mixed(self, method: str, values: Any, transformation: Any) -> Any:
        weights = convert_to_tensor(transformation["chain_mixing_weights"])._astype(values.dtype)
        share = convert_to_tensor(transformation["weight_sample"])._astype(values.dtype)
        total: Any = None
        for number, chain in enumerate(transformation["chain_transforms"]):
            changed = values
            for step in chain:
                changed = self._step(method, changed, step)
            part = changed * weights[number]
            total = part if total is None else total + part
        return share * values + (1.0 - share) * total

    def _transform_images(self, images: Any, transformation: Any, interpolation: str) -> Any:
        low, high = map(float, self.value_range)
        return arithmetic.clip_by_value(self._mixed("transform_images", images, transformation), low, high)

    def transform_segmentation_masks(
        self, segmentation_masks: Any, transformation: Any, training: Any = True
    ) -> Any:
        if not training or transformation is None:
            return segmentation_masks
        return self._mixed("transform_segmentation_masks", self._cast(segmentation_masks), transformation)


# ---- others -------------------------------------------------------------------------------------------------------


class MaxNumBoundingBoxes(ImageLayer):
    """Gives all images the same number of boxes: cuts the list off, or fills it up.

    Args:
        max_number: how many boxes.
        fill_value: for boxes and labels that are not there.
    """

    _arguments = (
        Argument("max_number", read=count, hint="int"),
        Argument("fill_value", -1, hint="int"),
        *IMAGES,
    )
    max_number: int
    fill_value: int

    def transform_images(self, images: Any, transformation: Any = None, training: Any = True) -> Any:
        return images

    def get_random_transformation(self, data: Any, training: Any = True, seed: Any = None) -> Any:
        return None

    def transform_bounding_boxes(
        self, bounding_boxes: dict, transformation: Any = None, training: Any = True
    ) -> Any:
        return bounding_boxes | {key: self._filled(bounding_boxes[key]) for key in ("boxes", "labels")}

    def _filled(self, values: Any) -> Any:
        values = convert_to_tensor(values)[:, : self.max_number]
        missing = self.max_number - values.shape[1]
        pads = [[0, 0], [0, missing], *[[0, 0]] * (len(values.shape) - 2)]
        return pad(values, paddings=pads, constant_values=self.fill_value) if missing else values


class Pipeline(Layer):
    """Applies layers one after the other, with the same `training`; for data pipelines.

    Args:
        layers: the layers.
        name: of the layer.
    """

    _holds_layers = True

    def __init__(self, layers: list, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._pipeline_layers = list(layers)

    @property
    def layers(self) -> list:
        return self._pipeline_layers

    def call(self, inputs: Any, training: Any = True, mask: Any = None) -> Any:
        for layer in self._pipeline_layers:
            spec = call_spec(type(layer).call)
            more: dict[str, Any] = {"mask": mask} if spec.accepts_mask and mask is not None else {}
            if spec.accepts_training and training is not None:
                more["training"] = training
            inputs = layer(inputs, **more)
            mask = nest.map_structure(mask_of, inputs)
        return inputs

    def get_config(self) -> dict:
        return {"layers": serialize_keras_object(self._pipeline_layers), "name": self.name}

    @classmethod
    def from_config(cls, config: dict) -> Any:
        return cls(**config | {"layers": [deserialize_keras_object(one) for one in config["layers"]]})
