"""Writers of neural networks: convolutions, pools, normalizations and attention."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.ops.normalization import is_bias_first
from dovetail.ops.windows import is_channels_first, spatial
from dovetail.saved_model.writing.arrays import expand_dims, getitem, mean, shape_of, transpose
from dovetail.saved_model.writing.table import WRITERS, writes, z
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape


@writes("bias_add")
def _bias_add(w: Any, value: Any, bias: Any, data_format: Any = None) -> Any:
    layout = "NCHW" if is_bias_first(data_format) else "NHWC"
    return w.op("BiasAdd", "output", [value, bias], T=w.dtype(value), data_format=layout)


@writes("batch_normalization")
def _batch_normalization(
    w: Any,
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
    variance_epsilon: float = 0.001,
) -> Any:
    dtype = w.dtype(x)
    parameters = [scale, offset, mean, variance]
    if x.shape.rank == 4 and dtype.name == "float32" and all(_is_vector(one) for one in parameters):
        kinds = dict.fromkeys(("y", "batch_mean", "batch_variance"), dtype)
        given = {"T": dtype, "U": dtype, "epsilon": float(variance_epsilon), "is_training": False}
        return w.ops("FusedBatchNormV3", kinds, [x, *parameters], **given, data_format="NHWC")[0]
    factor = w.op("Rsqrt", "y", [z(w, "AddV2", variance, variance_epsilon, dtype)], T=dtype)
    if scale is not None:
        factor = z(w, "Mul", factor, scale, dtype)
    found = z(w, "Mul", z(w, "Sub", x, mean, dtype), factor, dtype)
    return found if offset is None else z(w, "AddV2", found, offset, dtype)


def _is_vector(value: Any) -> bool:
    return value is not None and value.shape.rank == 1


def _windows(w: Any, x: Any, data_format: Any, padding: Any) -> dict:
    if x.shape.rank != 4 or is_channels_first(data_format):
        raise w.not_written(f"windows over {x.shape} in the format {data_format}")
    if padding not in ("SAME", "VALID"):
        raise w.not_written(f"the padding {padding!r}")
    return {"T": w.dtype(x), "padding": padding, "data_format": "NHWC"}


def _around(sizes: Any, rank: int, label: str) -> list[int]:
    """Returns sizes of windows as TensorFlow's nodes have them: with those of batch and channels, which are 1."""
    return [1, *spatial(sizes, rank, label), 1]


def _volumes(w: Any, kind: str, inputs: list, padding: Any, data_format: Any, **sizes: Any) -> Any:
    """Writes what works on volumes."""
    _require_plain(w, kind, padding, data_format)
    given = {name: _around(size, 3, name) for name, size in sizes.items()}
    return w.op(kind, "output", inputs, T=w.dtype(inputs[0]), padding=padding, data_format="NDHWC", **given)


def _as_images(w: Any, kind: str, inputs: list, padding: Any, data_format: Any, **sizes: Any) -> Any:
    """Writes what works on sequences: as images of height 1."""
    _require_plain(w, kind, padding, data_format)
    dtype = w.dtype(inputs[0])
    high = [expand_dims(w, one, place) for one, place in zip(inputs, (1, 0), strict=False)]
    given = {name: [1, *_around(size, 1, name)] for name, size in sizes.items()}
    found = w.op(kind, "output", high, T=dtype, padding=padding, data_format="NHWC", **given)
    return w.op("Squeeze", "output", [found], T=dtype, squeeze_dims=[1])


def _require_plain(w: Any, kind: str, padding: Any, data_format: Any) -> None:
    if padding not in ("SAME", "VALID") or is_channels_first(data_format):
        raise w.not_written(f"{kind} with the padding {padding!r} in the format {data_format}")


@writes("conv_transpose")
def _conv_transpose(
    w: Any,
    input: Any,
    filters: Any,
    output_shape: Any = None,
    strides: Any = 1,
    padding: Any = "SAME",
    data_format: Any = None,
    dilations: Any = None,
    output_padding: Any = None,
) -> Any:
    further = _windows(w, input, data_format, padding)
    sizes = list(w.output_shape)[1:]
    if None in sizes:
        raise w.not_written("a transposed convolution of images of unknown sizes")
    rows = getitem(w, shape_of(w, input), spec=(("i", 0),))
    shape = w.op("Pack", "output", [rows, *map(w.whole, sizes)], N=4, T=as_dtype("int32"), axis=0)
    given = {"strides": _around(strides, 2, "strides"), "dilations": _around(dilations, 2, "dilations")}
    return w.op("Conv2DBackpropInput", "output", [shape, filters, input], **further, **given)


@writes("layer_norm")
def _layer_norm(
    w: Any,
    x: Any,
    *parameters: Any,
    axis: Any = -1,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
    rms: bool = False,
) -> Any:
    rank, dtype = x.shape.rank, w.dtype(x)
    axes = sorted(one % rank for one in ([axis] if isinstance(axis, int) else axis))
    if axes != list(range(rank - len(axes), rank)):
        raise w.not_written(f"layer normalization over the axes {axes}, which are not the last ones")
    found = x if rms else z(w, "Sub", x, mean(w, x, axes, dtype), dtype)
    variance = mean(w, w.op("Square", "y", [found], T=dtype), axes, dtype)
    factor = w.op("Rsqrt", "y", [z(w, "AddV2", variance, epsilon, dtype)], T=dtype)
    found, rest = z(w, "Mul", found, factor, dtype), list(parameters)
    if scale:
        found = z(w, "Mul", found, rest.pop(0), dtype)
    return z(w, "AddV2", found, rest.pop(0), dtype) if center else found


@writes("attention")
def _attention(
    w: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    soft_cap: float | None = None,
) -> Any:
    if is_causal or soft_cap is not None or query.shape[2] != key.shape[2]:
        raise w.not_written("attention that is causal, capped, or of groups of heads")
    dtype = w.dtype(query)
    factor = 1 / math.sqrt(query.shape[3]) if scale is None else scale
    heads = [transpose(w, one, order) for one, order in ((query, (0, 2, 1, 3)), (key, (0, 2, 3, 1)))]
    scores = w.op("BatchMatMulV2", "output", [z(w, "Mul", heads[0], factor, dtype), heads[1]], T=dtype)
    if bias is not None:
        scores = z(w, "AddV2", scores, bias, dtype)
    if mask is not None:
        scores = w.op("SelectV2", "output", [mask, scores, w.ref(-1e30, dtype)], T=dtype)
    weights = w.op("Softmax", "softmax", [scores], T=dtype)
    rows = transpose(w, value, (0, 2, 1, 3))
    return transpose(w, w.op("BatchMatMulV2", "output", [weights, rows], T=dtype), (0, 2, 1, 3))


@writes("convolution")
def _convolution(
    w: Any,
    input: Any,
    filters: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
) -> Any:
    if input.shape.rank == 3:
        return _as_images(
            w, "Conv2D", [input, filters], padding, data_format, strides=strides, dilations=dilations
        )
    if input.shape.rank > filters.shape.rank:
        return _over_batches(w, input, filters, strides, padding, data_format, dilations)
    if input.shape.rank == 5:
        return _volumes(
            w, "Conv3D", [input, filters], padding, data_format, strides=strides, dilations=dilations
        )
    further = _windows(w, input, data_format, padding)
    sizes = {"strides": _around(strides, 2, "strides"), "dilations": _around(dilations, 2, "dilations")}
    return w.op("Conv2D", "output", [input, filters], **further, **sizes)


def _over_batches(w: Any, input: Any, filters: Any, *how: Any) -> Any:
    """Writes a convolution of a batch with several axes: as one of a batch with one."""
    extra = input.shape.rank - filters.shape.rank
    dtype, rest = w.dtype(input), input.shape[extra + 1 :]

    def reshaped(x: Any, sizes: Any) -> Any:
        return w.op("Reshape", "output", [x, sizes], T=dtype, Tshape=as_dtype("int32"))

    flat = reshaped(input, w.sizes([-1, *rest]))._replace(shape=TensorShape([None, *rest]))
    found = _convolution(w, flat, filters, *how)
    batch = getitem(w, shape_of(w, input), spec=(("s", None, extra + 1, None),))
    sizes = w.sizes(w.output_shape[extra + 1 :])
    whole = w.op(
        "ConcatV2", "output", [batch, sizes, w.whole(0)], N=2, T=as_dtype("int32"), Tidx=as_dtype("int32")
    )
    return reshaped(found, whole)


@writes("depthwise_conv")
def _depthwise(
    w: Any,
    input: Any,
    filter: Any,
    strides: Any = 1,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = 1,
) -> Any:
    further = _windows(w, input, data_format, padding)
    if set(spatial(dilations, 2, "dilations")) != {1}:
        raise w.not_written("a depthwise convolution with dilations")
    sizes = {"strides": _around(strides, 2, "strides"), "dilations": [1, 1, 1, 1]}
    return w.op("DepthwiseConv2dNative", "output", [input, filter], **further, **sizes)


def _pool(kind: str) -> Callable:
    def write(
        w: Any,
        input: Any,
        ksize: Any = 2,
        strides: Any = 2,
        padding: Any = "VALID",
        data_format: Any = None,
        dilations: Any = None,
    ) -> Any:
        if set(np.ravel(1 if dilations is None else dilations).tolist()) != {1}:
            raise w.not_written(f"{kind} with the dilations {dilations!r}")
        if input.shape.rank == 3:
            return _as_images(w, kind, [input], padding, data_format, ksize=ksize, strides=strides)
        if input.shape.rank == 5:
            return _volumes(w, f"{kind}3D", [input], padding, data_format, ksize=ksize, strides=strides)
        further = _windows(w, input, data_format, padding)
        sizes = {"ksize": _around(ksize, 2, "ksize"), "strides": _around(strides, 2, "strides")}
        return w.op(kind, "output", [input], **further, **sizes)

    return write


WRITERS["max_pool"] = _pool("MaxPool")
WRITERS["avg_pool"] = _pool("AvgPool")


@writes("batch_norm")
def _batch_norm(
    w: Any,
    x: Any,
    *parameters: Any,
    axis: Any = None,
    epsilon: float = 1e-3,
    scale: bool = False,
    center: bool = False,
) -> list:
    """Writes a batch normalization by the statistics of the batch, and these: in float32, as they are computed."""
    dtype, rank = w.dtype(x), x.shape.rank
    axes = sorted(one % rank for one in ([axis] if isinstance(axis, int) else axis))
    kept = [x.shape[i] if i not in axes else 1 for i in range(rank)]
    wide = as_dtype("float32") if dtype.name in ("float16", "bfloat16") else dtype
    given = x if wide == dtype else w.op("Cast", "y", [x], SrcT=dtype, DstT=wide)
    means = mean(w, given, axes, wide)
    centered = z(w, "Sub", given, means, wide)
    variances = mean(w, w.op("Square", "y", [centered], T=wide), axes, wide)
    factor = w.op("Rsqrt", "y", [z(w, "AddV2", variances, epsilon, wide)], T=wide)
    found, rest = z(w, "Mul", centered, factor, wide), list(parameters)
    for kind, is_there in (("Mul", scale), ("AddV2", center)):
        if is_there:
            found = z(w, kind, found, _along(w, rest.pop(0), kept, wide), wide)
    if wide != dtype:
        found = w.op("Cast", "y", [found], SrcT=wide, DstT=dtype)
    flat = [w.op("Squeeze", "output", [one], T=wide, squeeze_dims=axes) for one in (means, variances)]
    return [found, *flat]


def _along(w: Any, parameter: Any, sizes: list, dtype: Any) -> Any:
    """Returns a parameter of the kept axes, as one that broadcasts with the tensor."""
    known = w.ref(parameter)
    if known.dtype != dtype:
        known = w.op("Cast", "y", [known], SrcT=known.dtype, DstT=dtype)
    return w.op("Reshape", "output", [known, w.sizes(sizes)], T=dtype, Tshape=as_dtype("int32"))
