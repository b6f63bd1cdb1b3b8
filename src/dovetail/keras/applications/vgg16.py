"""`keras.applications.vgg16`: convolutions of 3x3, and pooling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dovetail.keras.applications.architecture import Architecture, application
from dovetail.keras.applications.imagenet_utils import caffe as preprocess_input
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.parts import Conv2D, Dense, Flatten, MaxPooling2D
from dovetail.keras.applications.pretrained import Files

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

_FILTERS = (64, 128, 256, 512, 512)


def vgg(name: str, convolutions: tuple[int, ...]) -> Architecture:
    """Returns a VGG network with so many convolutions a block."""

    def body(x: Any, given: SimpleNamespace) -> Any:
        for block, (filters, count) in enumerate(zip(_FILTERS, convolutions, strict=True), 1):
            for number in range(1, count + 1):
                x = Conv2D(filters, 3, padding="same", activation="relu", name=f"block{block}_conv{number}")(
                    x
                )
            x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
        return x

    lower = name.lower()
    return Architecture(
        name,
        lower,
        body,
        Files(f"{lower}/{lower}_weights_tf_dim_ordering_tf_kernels{{top}}.h5"),
        "K. Simonyan, A. Zisserman, 2014, 'Very deep convolutional networks for large-scale image recognition'",
        head=_head,
    )


def _head(x: Any, given: SimpleNamespace) -> Any:
    x = Flatten(name="flatten")(x)
    x = Dense(4096, activation="relu", name="fc1")(x)
    x = Dense(4096, activation="relu", name="fc2")(x)
    return Dense(given.classes, activation=given.classifier_activation, name="predictions")(x)


VGG16 = application(vgg("VGG16", (2, 2, 3, 3, 3)), __name__)
