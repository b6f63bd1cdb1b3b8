"""Models of images, written once for Dovetail, tf_keras and Keras 3 on every backend."""

from __future__ import annotations

from typing import Any

from benchmarks import data, sizes


def resnet_blocks(keras: Any) -> Any:
    """Build a stem and two basic residual blocks of 64 channels on (32, 32, 3) below logits."""
    layers, channels = keras.layers, sizes.BLOCK_CHANNELS
    inputs = keras.Input(shape=(32, 32, 3))
    x = _normed(layers, inputs, channels)
    for _ in range(sizes.NUM_BLOCKS):
        inner = layers.Conv2D(channels, 3, padding="same", use_bias=False)(_normed(layers, x, channels))
        x = layers.ReLU()(layers.add([x, layers.BatchNormalization()(inner)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(data.NUM_CLASSES)(x))


def _normed(layers: Any, x: Any, channels: int) -> Any:
    x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))


def application(keras: Any, name: str, size: int) -> Any:
    """Build a network of `keras.applications` with ten classes, without weights, on (size, size, 3)."""
    build = getattr(keras.applications, name)
    return build(
        input_shape=(size, size, 3), weights=None, classes=data.NUM_CLASSES, classifier_activation=None
    )


def unet(keras: Any, size: int) -> Any:
    """Build the U-Net, which goes up by transposed convolutions, on (size, size, 3); logits of each pixel."""
    layers, kept = keras.layers, []
    inputs = x = keras.Input(shape=(size, size, 3))
    for level, channels in enumerate(sizes.UNET_CHANNELS):
        x = layers.MaxPooling2D(2)(x) if level else x
        x = _normed(layers, _normed(layers, x, channels), channels)
        kept.append(x)
    for level in reversed(range(len(kept) - 1)):
        channels = sizes.UNET_CHANNELS[level]
        x = layers.Conv2DTranspose(channels, 2, strides=2)(x)
        x = layers.concatenate([x, kept[level]])
        x = _normed(layers, _normed(layers, x, channels), channels)
    return keras.Model(inputs, layers.Conv2D(sizes.NUM_MASK_CLASSES, 1)(x))
