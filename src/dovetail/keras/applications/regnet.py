"""`keras.applications.regnet` of Keras 2: networks whose widths and depths follow a simple rule."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.keras.applications.architecture import STANDARD, Architecture, applications
from dovetail.keras.applications.blocks import Blocks, num_channels
from dovetail.keras.applications.imagenet_utils import decode_predictions
from dovetail.keras.applications.imagenet_utils import unchanged as preprocess_input
from dovetail.keras.applications.parts import Dense, GlobalAveragePooling2D, ReLU, Rescaling
from dovetail.keras.applications.pretrained import Files
from dovetail.keras.naming import get_uid


class _Kind(NamedTuple):
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    group_width: int


_KINDS = {
    "X002": _Kind((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "X004": _Kind((1, 2, 7, 12), (32, 64, 160, 384), 16),
    "X006": _Kind((1, 3, 5, 7), (48, 96, 240, 528), 24),
    "X008": _Kind((1, 3, 7, 5), (64, 128, 288, 672), 16),
    "X016": _Kind((2, 4, 10, 2), (72, 168, 408, 912), 24),
    "X032": _Kind((2, 6, 15, 2), (96, 192, 432, 1008), 48),
    "X040": _Kind((2, 5, 14, 2), (80, 240, 560, 1360), 40),
    "X064": _Kind((2, 4, 10, 1), (168, 392, 784, 1624), 56),
    "X080": _Kind((2, 5, 15, 1), (80, 240, 720, 1920), 120),
    "X120": _Kind((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "X160": _Kind((2, 6, 13, 1), (256, 512, 896, 2048), 128),
    "X320": _Kind((2, 7, 13, 1), (336, 672, 1344, 2520), 168),
    "Y002": _Kind((1, 1, 4, 7), (24, 56, 152, 368), 8),
    "Y004": _Kind((1, 3, 6, 6), (48, 104, 208, 440), 8),
    "Y006": _Kind((1, 3, 7, 4), (48, 112, 256, 608), 16),
    "Y008": _Kind((1, 3, 8, 2), (64, 128, 320, 768), 16),
    "Y016": _Kind((2, 6, 17, 2), (48, 120, 336, 888), 24),
    "Y032": _Kind((2, 5, 13, 1), (72, 216, 576, 1512), 24),
    "Y040": _Kind((2, 6, 12, 2), (128, 192, 512, 1088), 64),
    "Y064": _Kind((2, 7, 14, 2), (144, 288, 576, 1296), 72),
    "Y080": _Kind((2, 4, 10, 1), (168, 448, 896, 2016), 56),
    "Y120": _Kind((2, 5, 11, 1), (224, 448, 896, 2240), 112),
    "Y160": _Kind((2, 4, 11, 1), (224, 448, 1232, 3024), 112),
    "Y320": _Kind((2, 5, 12, 1), (232, 696, 1392, 3712), 232),
}
__all__ = [
    "RegNetX002",
    "RegNetX004",
    "RegNetX006",
    "RegNetX008",
    "RegNetX016",
    "RegNetX032",
    "RegNetX040",
    "RegNetX064",
    "RegNetX080",
    "RegNetX120",
    "RegNetX160",
    "RegNetX320",
    "RegNetY002",
    "RegNetY004",
    "RegNetY006",
    "RegNetY008",
    "RegNetY016",
    "RegNetY032",
    "RegNetY040",
    "RegNetY064",
    "RegNetY080",
    "RegNetY120",
    "RegNetY160",
    "RegNetY320",
    "decode_predictions",
    "preprocess_input",
]
_blocks = Blocks(
    norm={"momentum": 0.9, "epsilon": 1e-5}, conv={"use_bias": False, "kernel_initializer": "he_normal"}
)


def _activated(x: Any, conv: str, name: str, filters: int, size: int, **more: Any) -> Any:
    x = _blocks.norm(_blocks.conv(x, filters, size, name=conv, **more), f"{name}_bn")
    return ReLU(name=f"{name}_relu")(x)


def _excited(x: Any, squeezed: int, name: str) -> Any:
    """Returns `x` with each channel scaled by what all channels are on average (squeeze-and-excite)."""
    scale = GlobalAveragePooling2D(keepdims=True, name=f"{name}_gap")(x)
    more = {"use_bias": True}
    scale = _blocks.conv(scale, squeezed, 1, activation="relu", name=f"{name}_squeeze", **more)
    scale = _blocks.conv(scale, num_channels(x), 1, activation="sigmoid", name=f"{name}_excite", **more)
    return scale * x


def _block(x: Any, filters: int, group_width: int, strides: int, name: str, excites: bool) -> Any:
    shortcut, channels = x, num_channels(x)
    if strides != 1 or channels != filters:
        shortcut = _blocks.conv(x, filters, 1, strides, name=f"{name}_skip_1x1")
        shortcut = _blocks.norm(shortcut, f"{name}_skip_bn")
    x = _activated(x, f"{name}_conv_1x1_1", f"{name}_conv_1x1_1", filters, 1)
    grouped = {"strides": strides, "padding": "same", "groups": filters // group_width or 1}
    x = _activated(x, f"{name}_conv_3x3", f"{name}_conv_3x3", filters, 3, **grouped)
    if excites:
        x = _excited(x, int(channels * 0.25), f"{name}_squeeze_and_excite")
    x = _blocks.norm(_blocks.conv(x, filters, 1, name=f"{name}_conv_1x1_2"), f"{name}_conv_1x1_2_bn")
    return ReLU(name=f"{name}_exit_relu")(x + shortcut)


def _body(x: Any, given: SimpleNamespace, kind: str) -> Any:
    row, name = _KINDS[kind], given.name
    if given.include_preprocessing:
        x = Rescaling(1.0 / 255.0, name=f"{name}_prestem_rescaling")(x)
    x = _activated(x, f"{name}_stem_conv", f"{name}_stem", 32, 3, strides=2, padding="same")
    for stage, (depth, filters) in enumerate(zip(row.depths, row.widths, strict=True)):
        for block in range(depth):
            label = f"{name}_Stage_{stage}_{kind[0]}Block_{block}"
            x = _block(x, filters, row.group_width, 2 if block == 0 else 1, label, kind[0] == "Y")
    return x


def _check(given: SimpleNamespace) -> None:
    if given.classifier_activation not in (None, "softmax"):
        raise ValueError(
            "RegNet gives logits, as in Keras 2: classifier_activation is None or 'softmax', which changes nothing; "
            f"received {given.classifier_activation!r}. Apply it to the outputs{at_user_location()}"
        )


def _head(x: Any, given: SimpleNamespace) -> Any:
    number = get_uid("head")
    x = GlobalAveragePooling2D(name=f"{number}_head_gap")(x)
    return Dense(given.classes, name=f"{number}head_dense")(x)


def _row(kind: str) -> Architecture:
    name = f"regnet{kind.lower()}"
    rest = {key: value for key, value in STANDARD.items() if key != "include_top"}
    return Architecture(
        f"RegNet{kind}",
        name,
        partial(_body, kind=kind),
        Files(f"regnet/{name}{{top}}.h5"),
        "I. Radosavovic et al., 2020, 'Designing network design spaces'",
        head=_head,
        parameters={"model_name": name, "include_top": True, "include_preprocessing": True} | rest,
        check=_check,
        named="model_name",
    )


(
    RegNetX002,
    RegNetX004,
    RegNetX006,
    RegNetX008,
    RegNetX016,
    RegNetX032,
    RegNetX040,
    RegNetX064,
    RegNetX080,
    RegNetX120,
    RegNetX160,
    RegNetX320,
    RegNetY002,
    RegNetY004,
    RegNetY006,
    RegNetY008,
    RegNetY016,
    RegNetY032,
    RegNetY040,
    RegNetY064,
    RegNetY080,
    RegNetY120,
    RegNetY160,
    RegNetY320,
) = applications([_row(kind) for kind in _KINDS], __name__).values()
