"""Floating-point operations of what is measured, counted from the shapes: a multiplication and an addition are two.

Only products of matrices and convolutions count, which is what a processor's peak is about; activations, norms, losses
and optimizers are time without work here. A training step does each product three times: forward, for the gradient of
the kernel, and for the gradient of the input, which a first layer does without.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from benchmarks import data

TRANSFORMER_LAYERS, TRANSFORMER_INNER = 4, 512


def product(rows: int, inner: int, columns: int) -> float:
    """Count (rows, inner) times (inner, columns)."""
    return 2.0 * rows * inner * columns


def convolution(positions: int, kernel: Sequence[int], depthwise: bool = False) -> float:
    """Count a convolution by a kernel (*window, channels, filters) at so many positions of the output."""
    return 2.0 * positions * (math.prod(kernel[:-1]) if depthwise else math.prod(kernel))


def trained(first: float, others: float) -> float:
    """Count a training step from the forward operations of the first layer and of the others."""
    return 2 * first + 3 * others


MLP_LAYERS = (product(1, 784, 128), product(1, 128, data.NUM_CLASSES))
CNN_LAYERS = (
    convolution(26 * 26, (3, 3, 1, 32)),
    convolution(11 * 11, (3, 3, 32, 64)) + product(1, 1600, data.NUM_CLASSES),
)


def transformer(
    layers: int = TRANSFORMER_LAYERS, width: int = data.WIDTH, vocabulary: int = data.VOCABULARY
) -> float:
    """Count the forward pass of one sequence of 128 tokens; the inner width is four times the width."""
    steps = data.NUM_STEPS
    dense = 4 * product(steps, width, width) + 2 * product(steps, width, 4 * width)
    attention = 2 * product(steps, width, steps)  # the scores of all heads, and the mixed values
    return layers * (dense + attention) + product(steps, width, vocabulary)


def lstm(steps: int = 64, features: int = 32, units: int = 128) -> float:
    """Count the forward pass of one sequence through the LSTM and the logits."""
    return product(steps, features + units, 4 * units) + product(1, units, data.NUM_CLASSES)


def resnet50(size: int) -> float:
    """Count the forward pass of one image (size, size, 3) through ResNet-50; the logits are ten."""
    return sum(convolution(side * side, kernel) for side, kernel in resnet50_kernels(size)) + product(
        1, 2048, data.NUM_CLASSES
    )


def resnet50_kernels(size: int) -> Iterator[tuple[int, tuple[int, int, int, int]]]:
    """Give the side of the output and the kernel of each convolution.

    Source: He et al. 2015, Deep Residual Learning for Image Recognition; the stride lies in a block's first
    convolution, as in Keras.
    """
    yield -(-size // 2), (7, 7, 3, 64)
    side, channels = -(-size // 4), 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            if block == 0 and width > 64:
                side = -(-side // 2)
            if block == 0:
                yield side, (1, 1, channels, 4 * width)
            yield side, (1, 1, channels, width)
            yield side, (3, 3, width, width)
            yield side, (1, 1, width, 4 * width)
            channels = 4 * width
