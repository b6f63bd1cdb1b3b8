"""`keras.layers`: the building blocks of models."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location as _at_user_location
from dovetail.keras.kinds import exchange
from dovetail.keras.layers import (
    activation,
    attention,
    convolution,
    core,
    experimental,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    reshaping,
)
from dovetail.keras.layers.activation import *
from dovetail.keras.layers.attention import *
from dovetail.keras.layers.convolution import *
from dovetail.keras.layers.core import *
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.merging import *
from dovetail.keras.layers.normalization import *
from dovetail.keras.layers.pooling import *
from dovetail.keras.layers.preprocessing import *
from dovetail.keras.layers.recurrent import *
from dovetail.keras.layers.regularization import *
from dovetail.keras.layers.reshaping import *
from dovetail.keras.registration import own
from dovetail.tensor.symbolic import SymbolicTensor as KerasTensor
from dovetail.tensor.variable import Variable

_ROOMS = (
    activation,
    attention,
    convolution,
    core,
    merging,
    normalization,
    pooling,
    preprocessing,
    recurrent,
    regularization,
    reshaping,
)
_LAYERS = {
    name: value
    for name, value in globals().items()
    if isinstance(value, type) and issubclass(value, Layer)  # the further names too
}
__all__ = sorted(  # noqa: PLE0605 - a list
    {
        *("InputSpec", "KerasTensor", "Variable", "deserialize", "experimental", "serialize"),
        *(name for room in _ROOMS for name in room.__all__),
        *_LAYERS,
    }
)

_NAMES = own("keras.layers", _LAYERS)
serialize, _deserialize, _ = exchange(__name__, "layer", _NAMES)


def deserialize(config: Any, custom_objects: dict | None = None, use_legacy_format: bool = False) -> Any:
    """Rebuilds a layer from its config; both formats are told apart by themselves."""
    found = _deserialize(config, custom_objects, use_legacy_format)
    if not isinstance(found, Layer):
        raise ValueError(
            f"keras.layers.deserialize: the config is that of {found!r:.60}, not of a layer{_at_user_location()}"
        )
    return found
