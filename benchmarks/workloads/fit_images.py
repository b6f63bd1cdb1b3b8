"""Training throughput of `fit` on pictures, samples per second: residual blocks, ResNet-50, MobileNetV2 and a U-Net.

ResNet-50 and MobileNetV2 are each Keras' own `keras.applications`, without weights, on pictures of 64x64. See `fit.py`
for what is the same everywhere.
"""

from __future__ import annotations

from functools import partial

from benchmarks import data, flops, keras_images
from benchmarks.bars import best
from benchmarks.workloads.fit import Task, channels_first, workload

SIZE = 64

BLOCKS = Task(
    64,
    1,
    32,
    partial(data.pictures, size=32),
    lambda fw: keras_images.resnet_blocks(fw.keras),
    "ResNetBlocks",
    channels_first,
)
RESNET = Task(
    48,
    1,
    16,
    partial(data.pictures, size=SIZE),
    lambda fw: keras_images.application(fw.keras, "ResNet50", SIZE),
    "ResNet50",
    channels_first,
    flops=3 * flops.resnet50(SIZE),
)
MOBILENET = Task(
    96,
    1,
    32,
    partial(data.pictures, size=SIZE),
    lambda fw: keras_images.application(fw.keras, "MobileNetV2", SIZE),
    "MobileNetV2",
    channels_first,
)
UNET = Task(
    64,
    1,
    16,
    partial(data.masks, size=SIZE),
    lambda fw: keras_images.unet(fw.keras, SIZE),
    "UNet",
    channels_first,
)

WORKLOADS = (
    workload(
        "fit_resnet_blocks",
        "fit of two residual blocks of 64 channels on 32x32x3, batch 32",
        BLOCKS,
        best(1.2),
    ),
    workload("fit_resnet50", "fit of ResNet-50 on 64x64x3, batch 16", RESNET, best(1.1)),
    workload("fit_mobilenet", "fit of MobileNetV2 on 64x64x3, batch 32", MOBILENET, best(1.3)),
    workload(
        "fit_unet",
        "fit of a U-Net with transposed convolutions, 16 to 64 channels on 64x64x3, batch 16",
        UNET,
        best(1.2),
    ),
)
