"""`keras.applications`: networks for images, without weights or with those of a file.

A module is loaded when it, or one of its networks, is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import suggest

# Module -> the networks that stand here too.
_MODULES = {
    "convnext": [f"ConvNeXt{kind}" for kind in ("Base", "Large", "Small", "Tiny", "XLarge")],
    "densenet": ["DenseNet121", "DenseNet169", "DenseNet201"],
    "efficientnet": [f"EfficientNetB{number}" for number in range(8)],
    "efficientnet_v2": [f"EfficientNetV2{kind}" for kind in ("B0", "B1", "B2", "B3", "L", "M", "S")],
    "imagenet_utils": [],
    "inception_resnet_v2": ["InceptionResNetV2"],
    "inception_v3": ["InceptionV3"],
    "mobilenet": ["MobileNet"],
    "mobilenet_v2": ["MobileNetV2"],
    "mobilenet_v3": ["MobileNetV3Large", "MobileNetV3Small"],
    "nasnet": ["NASNetLarge", "NASNetMobile"],
    "regnet": [
        f"RegNet{kind}{size}"
        for kind in "XY"
        for size in ("002", "004", "006", "008", "016", "032", "040", "064", "080", "120", "160", "320")
    ],
    "resnet": ["ResNet50", "ResNet101", "ResNet152"],
    "resnet50": [],
    "resnet_rs": [f"ResNetRS{depth}" for depth in (50, 101, 152, 200, 270, 350, 420)],
    "resnet_v2": ["ResNet50V2", "ResNet101V2", "ResNet152V2"],
    "vgg16": ["VGG16"],
    "vgg19": ["VGG19"],
    "xception": ["Xception"],
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted({*_MODULES, *_HOMES})  # noqa: PLE0605 - a list


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"dovetail.keras.applications.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"dovetail.keras.applications.{name}")
    raise AttributeError(f"module 'keras.applications' has no attribute {name!r}.{suggest(name, __all__)}")


def __dir__() -> list[str]:
    return list(__all__)
