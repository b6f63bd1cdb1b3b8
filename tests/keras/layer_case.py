"""The table of layers: how each one is made, what it is called on, and what is checked about it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LayerCase:
    """One layer and its inputs.

    Attributes:
        kind: name of the class, here and in Keras.
        kwargs: its arguments.
        shape: shape of the input, or a list of shapes.
        dtype: of the input.
        high: integers are drawn from [0, high).
        bad: a shape that must be refused, or None where every shape is fine.
        unknown: an input shape with unknown sizes beside the batch.
        mask: shape of a boolean mask that the layer is called with.
        random: draws in training, so that only inference has a reference.
        inner: class and arguments of the layer that this one wraps.
        tf_keras: the reference is Keras 2, since Keras 3 has no such layer.
        weights: the names of the weights, in order.
        gradients: compare gradients.
        scale: of the random inputs.
    """

    kind: str
    kwargs: dict = field(default_factory=dict)
    shape: Any = (2, 3)
    dtype: str = "float32"
    high: int = 5
    bad: Any = None
    unknown: Any = None
    mask: Any = None
    random: bool = False
    inner: Any = None
    tf_keras: bool = False
    weights: tuple = ()
    gradients: bool = True
    scale: float = 1.0

    @property
    def label(self) -> str:
        # Functions by name: addresses differ between processes, and the runner compares what they collect.
        given = "-".join(f"{name}={getattr(value, '__name__', value)}" for name, value in self.kwargs.items())
        return f"{self.kind}[{given}]{self.shape}".replace(" ", "")

    def inputs(self) -> Any:
        """Returns the inputs as arrays, the same ones each time."""
        rng = np.random.default_rng(11)

        def draw(shape: tuple) -> np.ndarray:
            if self.dtype.startswith("int"):
                return rng.integers(0, self.high, shape).astype(self.dtype)
            return (rng.normal(size=shape) * self.scale).astype(self.dtype)

        return [draw(shape) for shape in self.shape] if isinstance(self.shape, list) else draw(self.shape)

    def mask_value(self) -> Any:
        return None if self.mask is None else np.random.default_rng(3).random(self.mask) > 0.4

    def make(self, layers: Any, **more: Any) -> Any:
        """Makes the layer with the classes of `layers` (Dovetail's or Keras')."""
        kwargs = {**self.kwargs, **more}
        if self.inner is not None:
            kind, inner = self.inner
            return getattr(layers, self.kind)(getattr(layers, kind)(**inner), **kwargs)
        return getattr(layers, self.kind)(**kwargs)


def half_plus_one(x: Any) -> Any:
    return x / 2.0 + 1.0


C = LayerCase
KB = ("kernel", "bias")
GB = ("gamma", "beta")
BN = (*GB, "moving_mean", "moving_variance")
SEPARABLE = ("depthwise_kernel", "pointwise_kernel", "bias")
PAIR = [(2, 3, 4), (2, 3, 4)]
FIRST = {"data_format": "channels_first"}

CASES = [
    C("Dense", {"units": 4}, (3, 5), bad=(3,), weights=KB),
    C(
        "Dense",
        {"units": 4, "activation": "relu", "use_bias": False},
        (2, 3, 5),
        unknown=(None, None, 5),
        weights=("kernel",),
    ),
    C("Dense", {"units": 3, "activation": "softmax", "kernel_regularizer": "l2"}, (2, 2, 3, 5), weights=KB),
    C("Conv1D", {"filters": 4, "kernel_size": 3}, (2, 8, 3), bad=(2, 8), unknown=(None, None, 3), weights=KB),
    C(
        "Conv1D",
        {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
        (2, 8, 3),
        unknown=(None, None, 3),
        weights=KB,
    ),
    C(
        "Conv1D",
        {"filters": 4, "kernel_size": 2, "strides": 3, "padding": "same", "groups": 2},
        (2, 8, 6),
        weights=KB,
    ),
    C(
        "Conv2D",
        {"filters": 4, "kernel_size": 3, "activation": "relu"},
        (2, 7, 6, 3),
        bad=(2, 7, 6),
        unknown=(None, None, 6, 3),
        weights=KB,
    ),
    C(
        "Conv2D",
        {"filters": 4, "kernel_size": (3, 2), "strides": 2, "padding": "same"},
        (2, 7, 6, 3),
        unknown=(None, None, None, 3),
        weights=KB,
    ),
    C(
        "Conv2D",
        {"filters": 4, "kernel_size": 2, "dilation_rate": 2, "use_bias": False},
        (2, 7, 6, 3),
        weights=("kernel",),
    ),
    C("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2, "padding": "same"}, (2, 5, 6, 4), weights=KB),
    C(
        "Conv3D",
        {"filters": 2, "kernel_size": 2, "padding": "same", "strides": 2},
        (2, 5, 4, 6, 3),
        bad=(2, 5, 4, 3),
        weights=KB,
    ),
    C("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, (2, 7, 3), weights=KB),
    C(
        "DepthwiseConv2D",
        {"kernel_size": 3, "strides": 2, "padding": "same"},
        (2, 7, 6, 3),
        bad=(2, 7, 6),
        weights=KB,
    ),
    C(
        "DepthwiseConv2D",
        {"kernel_size": 2, "depth_multiplier": 2, "dilation_rate": 2},
        (2, 7, 6, 3),
        unknown=(None, None, 6, 3),
        weights=KB,
    ),
    C("SeparableConv1D", {"filters": 4, "kernel_size": 3}, (2, 7, 3), weights=SEPARABLE),
    C(
        "SeparableConv2D",
        {"filters": 4, "kernel_size": 3, "depth_multiplier": 2, "activation": "tanh"},
        (2, 7, 6, 3),
        bad=(2, 7, 6),
        weights=SEPARABLE,
    ),
    C("Conv1DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2}, (2, 5, 3), weights=KB),
    C(
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"},
        (2, 5, 4, 3),
        bad=(2, 5, 4),
        unknown=(None, None, 4, 3),
        weights=KB,
    ),
    C(
        "Conv2DTranspose",
        {"filters": 4, "kernel_size": 4, "strides": 3, "output_padding": 1},
        (2, 3, 4, 3),
        weights=KB,
    ),
    C("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, (2, 3, 2, 4, 3), weights=KB),
    C("MaxPooling1D", {}, (2, 7, 3), bad=(2, 7), unknown=(None, None, 3)),
    C("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 7, 3)),
    C("MaxPooling2D", {}, (2, 6, 7, 3), bad=(2, 6, 7), unknown=(None, None, 7, 3)),
    C("MaxPooling2D", {"pool_size": (3, 2), "strides": 1, "padding": "same"}, (2, 6, 7, 3)),
    C("MaxPooling3D", {}, (2, 4, 5, 6, 2), bad=(2, 4, 5, 6)),
    C("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 7, 3), bad=(2, 7)),
    C("AveragePooling2D", {"pool_size": 2}, (2, 6, 7, 3), bad=(2, 6, 7), unknown=(None, None, 7, 3)),
    C("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (2, 6, 7, 3)),
    C("AveragePooling3D", {"pool_size": 2}, (2, 4, 5, 6, 2), bad=(2, 4, 5, 6)),
    C("GlobalMaxPooling1D", {}, (2, 7, 3), bad=(2, 7), unknown=(None, None, 3)),
    C("GlobalMaxPooling1D", {**FIRST, "keepdims": True}, (2, 7, 3)),
    C("GlobalMaxPooling2D", {}, (2, 6, 7, 3), bad=(2, 7), unknown=(None, None, None, 3)),
    C("GlobalMaxPooling3D", {"keepdims": True}, (2, 4, 5, 6, 2), bad=(2, 7)),
    C("GlobalAveragePooling1D", {}, (2, 7, 3), bad=(2, 7), unknown=(None, None, 3)),
    C("GlobalAveragePooling1D", {}, (2, 7, 3), mask=(2, 7)),
    C("GlobalAveragePooling1D", {**FIRST, "keepdims": True}, (2, 3, 7), mask=(2, 7)),
    C("GlobalAveragePooling2D", {}, (2, 6, 7, 3), bad=(2, 7), unknown=(None, None, None, 3)),
    C("GlobalAveragePooling2D", {**FIRST, "keepdims": True}, (2, 3, 6, 7)),
    C("GlobalAveragePooling3D", {}, (2, 4, 5, 6, 2), bad=(2, 7)),
    C("Flatten", {}, (2, 3, 4), unknown=(None, None, 4)),
    C("Flatten", FIRST, (2, 3, 4, 5)),
    C("Flatten", {}, (3,)),
    C("Reshape", {"target_shape": (4, 3)}, (2, 3, 4), bad=(2, 5)),
    C("Reshape", {"target_shape": (-1, 2)}, (2, 3, 4), bad=(2, 5), unknown=(None, None, 4)),
    C("Permute", {"dims": (2, 1, 3)}, (2, 3, 4, 5), bad=(2, 3), unknown=(None, None, 4, 5)),
    C("RepeatVector", {"n": 3}, (2, 4), bad=(2, 3, 4)),
    C("ZeroPadding1D", {"padding": (1, 2)}, (2, 4, 3), bad=(2, 4), unknown=(None, None, 3)),
    C("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, (2, 4, 5, 3), bad=(2, 4), unknown=(None, None, 5, 3)),
    C("ZeroPadding2D", {"padding": (2, 1), **FIRST}, (2, 3, 4, 5)),
    C("ZeroPadding3D", {}, (2, 3, 4, 5, 2), bad=(2, 4)),
    C("Cropping1D", {"cropping": (1, 2)}, (2, 6, 3), bad=(2, 6), unknown=(None, None, 3)),
    C(
        "Cropping2D",
        {"cropping": ((1, 0), (2, 1))},
        (2, 4, 6, 3),
        bad=(2, 1, 6, 3),
        unknown=(None, None, 6, 3),
    ),
    C("Cropping3D", {}, (2, 4, 5, 6, 2), bad=(2, 4)),
    C("UpSampling1D", {"size": 3}, (2, 4, 3), bad=(2, 4), unknown=(None, None, 3)),
    C("UpSampling2D", {"size": (2, 3)}, (2, 4, 5, 3), bad=(2, 4), unknown=(None, None, None, 3)),
    C("UpSampling2D", {"interpolation": "bilinear"}, (2, 4, 5, 3), unknown=(None, None, 5, 3)),
    C("UpSampling2D", FIRST, (2, 3, 4, 5)),
    C("UpSampling3D", {}, (2, 2, 3, 4, 2), bad=(2, 4)),
    C("Dropout", {"rate": 0.5}, (2, 3), random=True),
    C("Dropout", {"rate": 0.0}, (2, 3)),
    C("SpatialDropout1D", {"rate": 0.5, "seed": 3}, (2, 3, 4), bad=(2, 3), random=True),
    C("SpatialDropout2D", {"rate": 0.5}, (2, 3, 4, 5), bad=(2, 3), random=True),
    C("SpatialDropout3D", {"rate": 0.5}, (2, 3, 4, 5, 2), bad=(2, 3), random=True),
    C("GaussianNoise", {"stddev": 0.5}, (2, 3), random=True),
    C("GaussianDropout", {"rate": 0.5, "seed": 1}, (2, 3), random=True),
    C("AlphaDropout", {"rate": 0.5}, (2, 3), random=True),
    C("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, (2, 3)),
    C("Activation", {"activation": "tanh"}, (2, 3)),
    C("ReLU", {}, (2, 3)),
    C("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2}, (4, 5)),
    C("LeakyReLU", {"negative_slope": 0.2}, (4, 5)),
    C("PReLU", {"alpha_initializer": "uniform"}, (2, 3, 4), bad=(2, 3, 5, 4), weights=("alpha",)),
    C(
        "PReLU",
        {"shared_axes": [1], "alpha_initializer": "uniform"},
        (2, 3, 4),
        unknown=(None, None, 4),
        weights=("alpha",),
    ),
    C("ELU", {"alpha": 0.7}, (4, 5)),
    C("ThresholdedReLU", {"theta": 0.3}, (4, 5), tf_keras=True),
    C("Softmax", {}, (2, 3, 4), unknown=(None, None, 4)),
    C("Softmax", {"axis": [1, 2]}, (2, 3, 4)),
    C("Softmax", {"axis": 1}, (2, 3, 4), mask=(2, 3, 4)),
    C("BatchNormalization", {}, (6, 3), bad=(6, 3, 4), weights=BN),
    C(
        "BatchNormalization",
        {"momentum": 0.7, "epsilon": 0.01, "scale": False},
        (3, 4, 5, 3),
        unknown=(None, None, 5, 3),
        weights=BN[1:],
    ),
    C("BatchNormalization", {"axis": 1, "center": False}, (3, 4, 5), weights=("gamma", *BN[2:])),
    C("BatchNormalization", {"momentum": 0.5}, (3, 4, 5), mask=(3, 4), weights=BN),
    C("LayerNormalization", {}, (2, 3, 4), bad=(2, 3, 4, 5), unknown=(None, None, 4), weights=GB),
    C("LayerNormalization", {"axis": [1, 2], "epsilon": 0.01}, (2, 3, 4), weights=GB),
    C("LayerNormalization", {"axis": 1, "center": False}, (2, 3, 4), weights=("gamma",)),
    C("LayerNormalization", {"scale": False}, (2, 3, 4), weights=("beta",)),
    C("RMSNormalization", {}, (2, 3, 4), unknown=(None, None, 4), weights=("scale",)),
    C("GroupNormalization", {"groups": 2}, (2, 3, 4), bad=(2, 3, 5), unknown=(None, None, 4), weights=GB),
    C("GroupNormalization", {"groups": -1, "axis": 1}, (2, 3, 4, 5), weights=GB),
    C("UnitNormalization", {}, (2, 3, 4), unknown=(None, None, 4)),
    C(
        "Embedding",
        {"input_dim": 5, "output_dim": 3},
        (2, 4),
        "int32",
        unknown=(None, None),
        weights=("embeddings",),
    ),
    C(
        "Embedding",
        {"input_dim": 5, "output_dim": 3, "mask_zero": True},
        (2, 3, 2),
        "int64",
        weights=("embeddings",),
    ),
    C("Masking", {"mask_value": 1.0}, (2, 3, 4), unknown=(None, None, 4)),
    C("Lambda", {"function": half_plus_one}, (2, 3)),
    C("Add", {}, [*PAIR, (2, 3, 4)], bad=[(2, 3), (2, 4)]),
    C("Add", {}, [(2, 4), (2, 3, 4)]),
    C("Subtract", {}, PAIR, bad=[(2, 3), (2, 4)]),
    C("Multiply", {}, [(2, 1, 4), (2, 3, 4)], bad=[(2, 3), (2, 4)]),
    C("Average", {}, [*PAIR, (2, 3, 4)], bad=[(2, 3), (2, 4)]),
    C("Maximum", {}, PAIR, bad=[(2, 3), (2, 4)]),
    C("Minimum", {}, PAIR, bad=[(2, 3), (2, 4)]),
    C("Concatenate", {}, [(2, 3, 4), (2, 3, 5)], bad=[(2, 3, 4), (2, 4, 4)]),
    C("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 1, 4), (2, 2, 4)], bad=[(2, 3, 4), (2, 3)]),
    C("Dot", {"axes": 1}, [(2, 3), (2, 3)], bad=[(2, 3), (2, 4)]),
    C("Dot", {"axes": (2, 1), "normalize": True}, [(2, 3, 4), (2, 4, 5)], bad=[(2, 3, 4), (2, 3, 4)]),
    C("Dot", {"axes": -1}, [(2, 3, 4), (2, 5, 4)]),
    C("Rescaling", {"scale": 0.5, "offset": 1.0}, (2, 3)),
    C("Rescaling", {"scale": [0.5, 1.0, 2.0], "offset": [1.0, 0.0, 3.0]}, (2, 4, 3)),
    C("Rescaling", {"scale": 1 / 255}, (2, 3), "int32", high=255, gradients=False),
    C("Identity", {}, (2, 3)),
    C(
        "TimeDistributed",
        {},
        (2, 3, 4),
        bad=(2, 3),
        inner=("Dense", {"units": 5}),
        unknown=(None, None, 4),
        weights=KB,
    ),
    C("TimeDistributed", {}, (2, 3, 6, 5, 2), inner=("Conv2D", {"filters": 3, "kernel_size": 3}), weights=KB),
    C("Conv1D", {"filters": 4, "kernel_size": 3, **FIRST}, (2, 3, 8), weights=KB),
    C("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", **FIRST}, (2, 3, 8), weights=KB),
    C("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2, **FIRST}, (2, 3, 7, 6), weights=KB),
    C("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", **FIRST}, (2, 3, 5, 6), weights=KB),
    C("SeparableConv2D", {"filters": 4, "kernel_size": 3, **FIRST}, (2, 3, 7, 6), weights=SEPARABLE),
    C("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, **FIRST}, (2, 3, 5, 4), weights=KB),
    C("MaxPooling2D", {"strides": 1, **FIRST}, (2, 3, 5, 6)),
    C("AveragePooling1D", {"pool_size": 2, **FIRST}, (2, 3, 8)),
    C("UpSampling2D", {"interpolation": "bilinear", "size": (3, 2), **FIRST}, (2, 3, 4, 5)),
    C("Cropping2D", {"cropping": 1, **FIRST}, (2, 3, 4, 5)),
]
