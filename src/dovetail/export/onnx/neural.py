"""Writers of neural networks: convolutions, pools and resized images.  ONNX has the channels first."""

from __future__ import annotations

from typing import Any

from dovetail.export.onnx.composites import along_axis
from dovetail.export.onnx.graph import INT64
from dovetail.export.onnx.table import writes
from dovetail.graph.walking import Written
from dovetail.ops.conv import as_convolution, known_sizes
from dovetail.ops.image_resize import nearest_places, weights_between
from dovetail.ops.normalization import is_bias_first
from dovetail.ops.windows import explicit_padding, is_channels_first, spatial
from dovetail.tensor.dtype import as_dtype

_ANY_SIZE = 64  # stands for sizes that are not known, where the padding does not depend on them
_DILATED_MEANS = 19  # from this version on, average pools have dilations


def _to_first(w: Any, x: Any, rank: int, is_first: bool) -> Written:
    return w.ref(x) if is_first else w.transposed(x, [0, rank + 1, *range(1, rank + 1)])


def _from_first(w: Any, x: Written, rank: int, is_first: bool) -> Written:
    return x if is_first else w.transposed(x, [0, *range(2, rank + 2), 1])


class _Windows:
    """Windows over the spatial axes of a tensor.

    Attributes:
        given: their attributes in ONNX.
    """

    def __init__(
        self, w: Any, x: Any, window: tuple, strides: Any, padding: Any, data_format: Any, dilations: Any
    ) -> None:
        self.rank, self.is_first = len(window), is_channels_first(data_format)
        if x.shape.rank != self.rank + 2:
            raise w.not_written(f"has windows of {self.rank} axes over {x.shape}")
        sizes = tuple(x.shape)[2:] if self.is_first else tuple(x.shape)[1:-1]
        moves = spatial(strides, self.rank, "strides", self.is_first)
        steps = spatial(dilations, self.rank, "dilations", self.is_first)
        self.given: dict[str, Any] = {"strides": list(moves), "dilations": list(steps)}
        is_same = isinstance(padding, str) and padding.upper() == "SAME"
        if is_same and None in sizes and set(moves) != {1}:
            self.given["auto_pad"] = "SAME_UPPER"
            return
        known = tuple(_ANY_SIZE if size is None else size for size in sizes)
        pairs = explicit_padding(padding, known, window, moves, steps, self.is_first)
        self.given["pads"] = [int(pair[i]) for i in (0, 1) for pair in pairs]

    def run(self, w: Any, kind: str, x: Any, *further: Any, **attributes: Any) -> Written:
        """Writes the operator on the tensor."""
        found = w.op(kind, [_to_first(w, x, self.rank, self.is_first), *further], **self.given, **attributes)
        return _from_first(w, found, self.rank, self.is_first)


@writes("bias_add")
def _bias_add(w: Any, value: Any, bias: Any, data_format: Any = None) -> Written:
    if is_bias_first(data_format):
        bias = w.reshaped(bias, [-1, *[1] * (value.shape.rank - 2)])
    return w.z("Add", value, bias)


@writes("convolution")
def _convolution(
    w: Any,
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Written:
    rank, shape = filters.shape.rank - 2, tuple(filters.shape)
    extra = input.shape.rank - rank - 2
    if extra:
        return _over_batches(w, input, filters, strides, padding, data_format, dilations)
    windows = _Windows(w, input, shape[:-2], strides, padding, data_format, dilations)
    channels = input.shape[1] if windows.is_first else input.shape[-1]
    kernel = w.transposed(filters, [rank + 1, rank, *range(rank)])
    return windows.run(w, "Conv", input, kernel, group=channels // shape[-2], kernel_shape=list(shape[:-2]))


def _over_batches(w: Any, input: Any, filters: Any, *how: Any) -> Written:
    """Writes a convolution of a batch with several axes: as one of a batch with one."""
    extra = input.shape.rank - filters.shape.rank
    rest = tuple(input.shape)[extra + 1 :]
    flat = w.reshaped(input, [-1, *rest])._replace(shape=type(input.shape)([None, *rest]))
    found = _convolution(w, flat, filters, *how)
    sizes = w.op("Shape", [input], dtype=INT64)
    lead = w.op("Slice", [sizes, w.ints([0]), w.ints([extra + 1])])
    after = w.op("Slice", [w.op("Shape", [found], dtype=INT64), w.ints([1]), w.ints([filters.shape.rank])])
    return w.reshaped(found, w.op("Concat", [lead, after], axis=0))


@writes("depthwise_conv")
def _depthwise(
    w: Any,
    input: Any,
    filter: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Written:
    *window, channels, multiplier = filter.shape
    rank = len(window)
    windows = _Windows(w, input, tuple(window), strides, padding, data_format, dilations)
    merged = w.reshaped(filter, [*window, 1, channels * multiplier])
    kernel = w.transposed(merged, [rank + 1, rank, *range(rank)])
    return windows.run(w, "Conv", input, kernel, group=channels, kernel_shape=window)


@writes("conv_transpose")
def _conv_transpose(
    w: Any,
    input: Any,
    filters: Any,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: Any = None,
    dilations: Any = None,
    output_padding: Any = None,
) -> Written:
    rank, is_first = filters.shape.rank - 2, is_channels_first(data_format)
    if output_shape is not None:
        raise w.not_written("states its output_shape")
    shape = [input.shape[0], *(_ANY_SIZE if size is None else size for size in tuple(input.shape)[1:])]
    how = {
        "output_shape": None,
        "strides": strides,
        "padding": padding,
        "data_format": data_format,
        "dilations": dilations,
        "output_padding": output_padding,
    }
    plain = as_convolution(tuple(shape), tuple(filters.shape), how)
    sizes = known_sizes(tuple(shape), tuple(filters.shape), how)
    small, window = shape[2:] if is_first else shape[1:-1], tuple(filters.shape)[:-2]
    more = [
        size - ((n - 1) * s + (k - 1) * d + 1 - sum(pair))
        for size, n, k, s, d, pair in zip(
            sizes, small, window, plain["strides"], plain["dilations"], plain["padding"], strict=True
        )
    ]
    found = w.op(
        "ConvTranspose",
        [_to_first(w, input, rank, is_first), w.transposed(filters, [rank + 1, rank, *range(rank)])],
        strides=list(plain["strides"]),
        dilations=list(plain["dilations"]),
        pads=[int(pair[i]) for i in (0, 1) for pair in plain["padding"]],
        output_padding=more,
        kernel_shape=list(window),
    )
    return _from_first(w, found, rank, is_first)


@writes("max_pool")
def _max_pool(
    w: Any,
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Written:
    window = spatial(ksize, input.shape.rank - 2, "ksize", is_channels_first(data_format))
    windows = _Windows(w, input, window, strides, padding, data_format, dilations)
    return windows.run(w, "MaxPool", input, kernel_shape=list(window))


@writes("avg_pool")
def _avg_pool(
    w: Any,
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any = "VALID",
    data_format: Any = None,
    dilations: Any = None,
) -> Written:
    window = spatial(ksize, input.shape.rank - 2, "ksize", is_channels_first(data_format))
    windows = _Windows(w, input, window, strides, padding, data_format, dilations)
    if w.opset < _DILATED_MEANS and set(windows.given.pop("dilations")) != {1}:
        raise w.not_written("has dilations")
    return windows.run(w, "AveragePool", input, kernel_shape=list(window), count_include_pad=0)


# ---- images


@writes("resize")
def _resize(
    w: Any,
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    grid: str = "centers",
) -> Written:
    if grid != "centers":
        raise w.not_written(f"has the grid {grid!r}")
    new = tuple(w.output_shape)[-3:-1]
    found = _resized(w, images, new, method, antialias)
    return found if method == "nearest" else w.cast(found, "float32")


@writes("resize_keras")
def _resize_keras(
    w: Any,
    images: Any,
    size: Any,
    method: str,
    antialias: bool,
    keep: str,
    fill: float,
    channels_first: bool,
) -> Written:
    if keep or (w.dtype(images).is_integer and method != "nearest"):
        raise w.not_written("keeps proportions, or is of integers")
    return w.cast(_resized(w, images, tuple(size), method, antialias, channels_first), w.dtype(images))


@writes("scale_images")
def _scale_images(w: Any, x: Any, factors: Any, channels_first: bool, method: str) -> Written:
    shape = tuple(x.shape)
    old = shape[-2:] if channels_first else shape[-3:-1]
    new = tuple(None if size is None else size * by for size, by in zip(old, factors, strict=True))
    if None in new:
        raise w.not_written("is of images of unknown sizes")
    return w.cast(_resized(w, x, new, method, False, channels_first), w.dtype(x))


def _resized(
    w: Any, images: Any, new: tuple, method: str, antialias: bool, is_first: bool = False
) -> Written:
    """Writes it along each of the two axes: by picking entries, or as a product with the matrix of weights."""
    rank = images.shape.rank
    axes = (rank - 2, rank - 1) if is_first else (rank - 3, rank - 2)
    old = [images.shape[axis] for axis in axes]
    if None in (*old, *new):
        raise w.not_written("is of images of unknown sizes")
    if method == "bilinear" and not antialias and rank == 4:
        return _bilinear(w, images, new, is_first)
    found = w.ref(images) if method == "nearest" else w.cast(images, "float32")
    for axis, before, after in zip(axes, old, new, strict=True):
        if method == "nearest":
            found = w.op("Gather", [found, w.ints(nearest_places(before, after))], axis=axis)
        elif before != after or antialias:
            matrix = w.constant(weights_between(before, after, method, antialias), "float32")
            found = along_axis(w, found, matrix, axis, rank)
    return found


def _bilinear(w: Any, images: Any, new: tuple, is_first: bool) -> Written:
    x = _to_first(w, w.cast(images, as_dtype("float32")), 2, is_first)
    kept = w.op("Shape", [x], dtype=INT64, start=0, end=2)
    sizes = w.op(
        "Concat", [kept, w.ints(new)], dtype=INT64, axis=0
    )  # scales would be rounded, and sizes with them
    found = w.op(
        "Resize",
        [x, None, None, sizes],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        nearest_mode="floor",
    )
    return _from_first(w, found, 2, is_first)
