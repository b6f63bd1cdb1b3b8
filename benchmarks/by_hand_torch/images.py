"""Models of images in plain PyTorch: residual blocks, ResNet-50, MobileNetV2 and a U-Net."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from benchmarks import data, sizes


def conv(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Build a convolution without bias that keeps the size, or divides it by its stride, below a batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = conv(channels, channels, 3), conv(channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, channel, height, width) to the same shape."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class ResNetBlocks(nn.Sequential):
    """A stem, two basic blocks of 64 channels, and logits of the mean over the picture."""

    def __init__(self) -> None:
        channels = sizes.BLOCK_CHANNELS
        blocks = [BasicBlock(channels) for _ in range(sizes.NUM_BLOCKS)]
        super().__init__(conv(3, channels, 3), nn.ReLU(), *blocks, *head(channels))


def head(channels: int) -> list[nn.Module]:
    """Return the layers from maps to logits."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, data.NUM_CLASSES)]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the first has the stride, as in Keras."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.first, self.second = conv(inputs, width, 1, stride), conv(width, width, 3)
        self.third = conv(width, outputs, 1)
        self.shortcut = conv(inputs, outputs, 1, stride) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height / stride, width / stride)."""
        inner = functional.relu(self.second(functional.relu(self.first(x))))
        return functional.relu(self.third(inner) + self.shortcut(x))


class ResNet50(nn.Sequential):
    """ResNet-50 with ten classes.

    Source: He et al. 2016, Deep Residual Learning for Image Recognition.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = [conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        inputs = 64
        for stage, (width, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            for block in range(count):
                layers.append(Bottleneck(inputs, width, 2 if stage and not block else 1))
                inputs = 4 * width
        super().__init__(*layers, *head(inputs))


class InvertedResidual(nn.Module):
    """A wide depthwise convolution between two 1x1 convolutions, with a shortcut where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        widen = [conv(inputs, inner, 1), nn.ReLU6()] if expansion > 1 else []
        depthwise = [conv(inner, inner, 3, stride, groups=inner), nn.ReLU6()]
        self.layers = nn.Sequential(*widen, *depthwise, conv(inner, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height / stride, width / stride)."""
        return x + self.layers(x) if self.adds else self.layers(x)


# expansion, outputs, blocks, stride of the first
MOBILE_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class MobileNetV2(nn.Sequential):
    """MobileNetV2 with ten classes.

    Source: Sandler et al. 2018, MobileNetV2: Inverted Residuals and Linear Bottlenecks.
    """

    def __init__(self) -> None:
        layers: list[nn.Module] = [conv(3, 32, 3, 2), nn.ReLU6()]
        inputs = 32
        for expansion, outputs, count, stride in MOBILE_STAGES:
            for block in range(count):
                layers.append(InvertedResidual(inputs, outputs, 1 if block else stride, expansion))
                inputs = outputs
        super().__init__(*layers, conv(inputs, 1280, 1), nn.ReLU6(), *head(1280))


def twice(inputs: int, outputs: int) -> nn.Sequential:
    """Build two convolutions with batch norm and ReLU."""
    return nn.Sequential(conv(inputs, outputs, 3), nn.ReLU(), conv(outputs, outputs, 3), nn.ReLU())


class UNet(nn.Module):
    """A U-Net that goes up by transposed convolutions; logits are (batch, class, height, width).

    Source: Ronneberger et al. 2015, U-Net: Convolutional Networks for Biomedical Image Segmentation.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = sizes.UNET_CHANNELS
        above = list(zip(channels[:-1], channels[1:]))
        self.down = nn.ModuleList(
            [twice(inputs, outputs) for inputs, outputs in zip((3, *channels), channels)]
        )
        self.wider = nn.ModuleList([nn.ConvTranspose2d(low, high, 2, 2) for high, low in above])
        self.up = nn.ModuleList([twice(2 * high, high) for high, _ in above])
        self.logits = nn.Conv2d(channels[0], sizes.NUM_MASK_CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, 3, height, width) to logits of each pixel."""
        kept = []
        for level, layers in enumerate(self.down):
            x = layers(functional.max_pool2d(x, 2) if level else x)
            kept.append(x)
        for level in reversed(range(len(self.up))):
            x = self.up[level](torch.cat([self.wider[level](x), kept[level]], 1))
        return self.logits(x)
