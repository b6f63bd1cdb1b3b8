"""The layers that the architectures are made of, by name for type checkers too."""

from dovetail.keras.layers.activation.activation import Activation, ReLU
from dovetail.keras.layers.convolution.conv import Conv2D
from dovetail.keras.layers.convolution.depthwise import DepthwiseConv2D, SeparableConv2D
from dovetail.keras.layers.core.dense import Dense
from dovetail.keras.layers.core.input_layer import Input
from dovetail.keras.layers.merging.merging import Add, Concatenate, Multiply
from dovetail.keras.layers.normalization.batch_normalization import BatchNormalization
from dovetail.keras.layers.normalization.normalization import LayerNormalization
from dovetail.keras.layers.pooling.global_pooling import GlobalAveragePooling2D, GlobalMaxPooling2D
from dovetail.keras.layers.pooling.pooling import AveragePooling2D, MaxPooling2D
from dovetail.keras.layers.preprocessing.normalization import Normalization
from dovetail.keras.layers.preprocessing.rescaling import Rescaling
from dovetail.keras.layers.regularization.dropout import Dropout
from dovetail.keras.layers.reshaping.padding import Cropping2D, ZeroPadding2D
from dovetail.keras.layers.reshaping.shaping import Flatten, Reshape

__all__ = [
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Input",
    "LayerNormalization",
    "MaxPooling2D",
    "Multiply",
    "Normalization",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "ZeroPadding2D",
]
