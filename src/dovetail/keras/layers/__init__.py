"""`keras.layers`: the building blocks of models."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location as _at_user_location
from dovetail.keras.kinds import exchange
from dovetail.keras.layers import (
    activation,
    convolution,
    core,
    experimental,
    merging,
    normalization,
    pooling,
    regularization,
    reshaping,
)
from dovetail.keras.layers.activation import (
    ELU,
    Activation,
    LeakyReLU,
    PReLU,
    ReLU,
    Softmax,
    ThresholdedReLU,
)
from dovetail.keras.layers.convolution import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
)
from dovetail.keras.layers.core import (
    Dense,
    Embedding,
    Identity,
    Input,
    InputLayer,
    Lambda,
    Masking,
    Rescaling,
    TFOpLambda,
    TimeDistributed,
    Wrapper,
)
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from dovetail.keras.layers.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from dovetail.keras.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from dovetail.keras.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from dovetail.keras.layers.reshaping import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from dovetail.keras.registration import own
from dovetail.tensor.symbolic import SymbolicTensor as KerasTensor
from dovetail.tensor.variable import Variable

MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
GlobalAvgPool1D, GlobalAvgPool2D = GlobalAveragePooling1D, GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose = Conv1DTranspose, Conv2DTranspose
Convolution3DTranspose = Conv3DTranspose
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D

_ROOMS = (activation, convolution, core, merging, normalization, pooling, regularization, reshaping)
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
