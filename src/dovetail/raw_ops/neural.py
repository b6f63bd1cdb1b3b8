"""Rows of neural networks: convolutions, pools, normalizations, activations, losses."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.raw_ops.row import enter, public, raw
from dovetail.raw_ops.static import known

enter(
    """
    Relu(features) = nn.relu
    Relu6(features) = nn.relu6
    Elu(features) = nn.elu
    Selu(features) = nn.selu
    Softplus(features) = math.softplus
    Softsign(features) = nn.softsign
    LeakyRelu(features; alpha=0.2) = nn.leaky_relu
    Softmax(logits) = nn.softmax
    LogSoftmax(logits) = nn.log_softmax
    BiasAdd(value, bias; data_format='NHWC') = nn.bias_add
    BiasAddV1(value, bias) = nn.bias_add
    L2Loss(t) = nn.l2_loss
    LRN(input; depth_radius=5, bias=1, alpha=1, beta=0.5) = nn.local_response_normalization
    AvgPool(value; ksize, strides, padding, data_format='NHWC') = nn.avg_pool
    AvgPool3D(input; ksize, strides, padding, data_format='NDHWC') = nn.avg_pool
    MaxPool3D(input; ksize, strides, padding, data_format='NDHWC') = nn.max_pool
    Conv3D(input, filter; strides, padding, data_format='NDHWC', dilations=(1, 1, 1, 1, 1)) = nn.conv3d
    SpaceToDepth(input; block_size, data_format='NHWC') = nn.space_to_depth
    DepthToSpace(input; block_size, data_format='NHWC') = nn.depth_to_space
    SpaceToBatchND(input, block_shape, paddings) = space_to_batch_nd
    BatchToSpaceND(input, block_shape, crops) = batch_to_space
    """
)


def _padding(padding: str, explicit: Any) -> Any:
    """Returns "SAME" or "VALID", or pairs where the node states them."""
    if padding != "EXPLICIT":
        return padding
    sizes = list(explicit)
    return [sizes[i : i + 2] for i in range(0, len(sizes), 2)]


@raw("Conv2D")
def conv_2d(
    input: Any,
    filter: Any,
    *,
    strides: Any,
    padding: str,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
) -> Any:
    return public("nn.conv2d")(
        input, filter, list(strides), _padding(padding, explicit_paddings), data_format, list(dilations)
    )


@raw("DepthwiseConv2dNative")
def depthwise_conv_2d(
    input: Any,
    filter: Any,
    *,
    strides: Any,
    padding: str,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
) -> Any:
    spatial = list(dilations)[2:] if data_format == "NCHW" else list(dilations)[1:3]
    return public("nn.depthwise_conv2d")(
        input,
        filter,
        list(strides),
        _padding(padding, explicit_paddings),
        data_format=data_format,
        dilations=spatial,
    )


@raw("Conv2DBackpropInput")
def conv_2d_transpose(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    *,
    strides: Any,
    padding: str,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
) -> Any:
    return public("nn.conv2d_transpose")(
        out_backprop,
        filter,
        known(input_sizes).tolist(),
        list(strides),
        _padding(padding, explicit_paddings),
        data_format,
        list(dilations),
    )


@raw("Conv3DBackpropInputV2")
def conv_3d_transpose(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    *,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
) -> Any:
    return public("nn.conv3d_transpose")(
        out_backprop,
        filter,
        known(input_sizes).tolist(),
        list(strides),
        padding,
        data_format,
        list(dilations),
    )


@raw("MaxPool")
def max_pool(
    input: Any,
    *,
    ksize: Any,
    strides: Any,
    padding: str,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
) -> Any:
    return public("nn.max_pool")(
        input, list(ksize), list(strides), _padding(padding, explicit_paddings), data_format
    )


@raw(
    "FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3",
    "y batch_mean batch_variance reserve_space_1 reserve_space_2 reserve_space_3",
)
def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any,
    variance: Any,
    *,
    epsilon: float = 0.0001,
    exponential_avg_factor: float = 1.0,
    data_format: str = "NHWC",
    is_training: bool = True,
) -> tuple:
    """Batch normalization; in training the outputs are the running statistics, with the unbiased variance."""
    rank = len(data_format)  # which says it where the tensor does not
    channels = 1 if data_format.startswith("NC") else rank - 1
    axes = [axis for axis in range(rank) if axis != channels]
    used_mean, used_variance = mean, variance
    if is_training:
        used_mean, used_variance = public("nn.moments")(public("cast")(x, scale.dtype), axes)
        count = public("cast")(public("size")(x) // public("size")(scale), scale.dtype)
        mean = _moved(mean, used_mean, exponential_avg_factor)
        unbiased = used_variance * count / public("maximum")(count - 1, 1)
        variance = _moved(variance, unbiased, exponential_avg_factor)
    along = [1] * rank
    along[channels] = -1
    parts = [public("reshape")(part, along) for part in (used_mean, used_variance, offset, scale)]
    y = public("nn.batch_normalization")(public("cast")(x, scale.dtype), *parts, epsilon)
    return public("cast")(y, x.dtype), mean, variance, used_mean, used_variance, used_variance


def _moved(before: Any, now: Any, factor: float) -> Any:
    """Returns the running value; a factor of 1 takes the new value, and there may be no old one."""
    return now if factor == 1.0 else before * (1 - factor) + now * factor


@raw("SparseSoftmaxCrossEntropyWithLogits", "loss backprop")
def sparse_softmax_cross_entropy(features: Any, labels: Any) -> tuple:
    loss = public("nn.sparse_softmax_cross_entropy_with_logits")(labels, features)
    hot = public("one_hot")(labels, features.shape[-1], dtype=features.dtype)
    return loss, public("nn.softmax")(features) - hot


@raw("SoftmaxCrossEntropyWithLogits", "loss backprop")
def softmax_cross_entropy(features: Any, labels: Any) -> tuple:
    loss = public("nn.softmax_cross_entropy_with_logits")(labels, features)
    return loss, public("nn.softmax")(features) - labels


@raw("MaxPoolV2")
def max_pool_2(input: Any, ksize: Any, strides: Any, *, padding: str, data_format: str = "NHWC") -> Any:
    return public("nn.max_pool")(input, known(ksize).tolist(), known(strides).tolist(), padding, data_format)


@raw("InTopK")
def in_top_k(predictions: Any, targets: Any, *, k: int) -> Any:
    return public("math.in_top_k")(targets, predictions, k)


@raw("InTopKV2")
def in_top_k_2(predictions: Any, targets: Any, k: Any) -> Any:
    return public("math.in_top_k")(targets, predictions, int(known(k)))


_DECODED = "decoded_indices decoded_values decoded_shape log_probability"


@raw("CTCGreedyDecoder", _DECODED)
def ctc_greedy(
    inputs: Any, sequence_length: Any, *, merge_repeated: bool = False, blank_index: int = -1
) -> tuple:
    (found,), scores = public("nn.ctc_greedy_decoder")(inputs, sequence_length, merge_repeated, blank_index)
    return found.indices, found.values, found.dense_shape, scores


@raw("CTCBeamSearchDecoder", _DECODED)
def ctc_beams(
    inputs: Any, sequence_length: Any, *, beam_width: int, top_paths: int, merge_repeated: bool = True
) -> tuple:
    if merge_repeated:
        raise UnimplementedError(
            f"tf.raw_ops.CTCBeamSearchDecoder: only merge_repeated=False is there{at_user_location()}"
        )
    found, scores = public("nn.ctc_beam_search_decoder")(inputs, sequence_length, beam_width, top_paths)
    parts = ("indices", "values", "dense_shape")
    return *([getattr(path, part) for path in found] for part in parts), scores
