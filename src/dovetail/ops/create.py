"""Ops that make tensors: zeros, ones, fill, range, linspace, eye, one_hot, constant, ..."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings, state
from dovetail.engine import dtypes, loaded_xla
from dovetail.ops import dispatch, rules
from dovetail.ops.arithmetic import cast
from dovetail.ops.attrs import DTypeLike, Number, Shape, is_symbolic
from dovetail.ops.core import Bound, Op, execute
from dovetail.ops.families import op
from dovetail.ops.indexing import where
from dovetail.ops.reduction import reduce_sum
from dovetail.ops.shapes import as_tensor, broadcast_to, reshape
from dovetail.ops.views import export, graph_for_names
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor as convert
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike, has_value

_BAKED_LIMIT = 1024


def _made(op: Op, attributes: dict) -> Any:
    """Makes a tensor from attributes only.

    Under a trace small results stay values, so that they may be shapes and axes; large ones become part of the
    program as an instruction, not as a constant.
    """
    for value in attributes.values():
        if is_symbolic(value):
            return op.call((), attributes)
    bound = op.bind(attributes)
    engine = loaded_xla()
    if engine is not None and engine.in_trace():
        size = rules.product(_shape_of(op, bound))
        return Tensor(bound.inline() if size > _BAKED_LIMIT else bound.host())
    return execute(bound, ())


def _shape_of(op: Op, bound: Bound) -> tuple:
    rule: Any = op.shape
    return rule(**bound.attributes)


def _known(shape: tuple) -> tuple:
    return tuple(None if size == -1 else size for size in shape)


def _dtype_rule(*kinds: Any, dtype: Any, **_: Any) -> Any:
    return dtype if dtype is not None else kinds[0]


def _floatx(dtype: Any) -> Any:
    return settings.floatx if dtype is None else dtype


@op("", shape=lambda shape, dtype: _known(shape), dtype=_dtype_rule, differentiable=False)
def zeros_(xp: Any, *, shape: Shape, dtype: DTypeLike) -> Any:
    """Returns zeros (False, empty strings) of a shape and dtype."""
    return np.full(shape, b"", object) if dtypes.is_host_only(dtype) else xp.zeros(shape, dtype)


@op("", shape=lambda shape, dtype: _known(shape), dtype=_dtype_rule, differentiable=False)
def ones_(xp: Any, *, shape: Shape, dtype: DTypeLike) -> Any:
    """Returns ones (True) of a shape and dtype."""
    return xp.ones(shape, _of_numbers(dtype))


@export("zeros")
def zeros(shape: Any, dtype: Any = "float32", name: str | None = None, layout: Any = None) -> Any:
    """Returns a tensor of zeros.

    Args:
        shape: sizes; symbolic ones are allowed.
        dtype: element type; `tf.string` gives empty strings.
    """
    _refuse_layout("tf.zeros", layout)
    return _made(zeros_, {"shape": shape, "dtype": dt.numpy_dtype(dtype)})


@export("ones")
def ones(shape: Any, dtype: Any = "float32", name: str | None = None, layout: Any = None) -> Any:
    """Returns a tensor of ones."""
    _refuse_layout("tf.ones", layout)
    return _made(ones_, {"shape": shape, "dtype": dt.numpy_dtype(dtype)})


def _refuse_layout(function: str, layout: Any) -> None:
    if layout is not None:
        raise ValueError(f"{function}: layout (DTensor) is not supported; leave it out{at_user_location()}")


@export("ops.numpy.zeros ops.numpy.empty K.zeros")
def zeros_floatx(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Returns a tensor of zeros, in Keras' default float type unless `dtype` says otherwise."""
    return zeros(shape, _floatx(dtype))


@export("ops.numpy.ones K.ones")
def ones_floatx(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Returns a tensor of ones, in Keras' default float type unless `dtype` says otherwise."""
    return ones(shape, _floatx(dtype))


_LIKE = {"shape": lambda shape, dtype: shape, "dtype": _dtype_rule, "differentiable": False}


@op("zeros_like(input,dtype) ops.numpy.zeros_like(x) ops.numpy.empty_like(x) K.zeros_like(x)", **_LIKE)
def zeros_like(xp: Any, input: Any, *, dtype: DTypeLike = None) -> Any:
    """Returns zeros of the shape of `input`, and of its dtype unless `dtype` is given."""
    dtype = dtype or input.dtype
    return np.full(input.shape, b"", object) if dtypes.is_host_only(dtype) else xp.zeros(input.shape, dtype)


@op("ones_like(input,dtype) ops.numpy.ones_like(x) K.ones_like(x)", **_LIKE)
def ones_like(xp: Any, input: Any, *, dtype: DTypeLike = None) -> Any:
    """Returns ones of the shape of `input`, and of its dtype unless `dtype` is given."""
    return xp.ones(input.shape, _of_numbers(dtype or input.dtype))


def _of_numbers(dtype: np.dtype) -> np.dtype:
    if dtypes.is_host_only(dtype):
        raise TypeError("strings have no ones; use tf.fill")
    return dtype


@op("", shape=lambda value, dims: _known(dims))
def fill_(xp: Any, value: Any, *, dims: Shape) -> Any:
    """Returns a tensor of shape `dims` that holds the scalar `value` everywhere."""
    if value.ndim:
        raise ValueError(f"expected a scalar value, received shape {value.shape}")
    return xp.full(dims, value, value.dtype)


fill_.gradient(lambda g, y, value, dims: reduce_sum(g))


@export("fill")
def fill(dims: Any, value: Any, name: str | None = None, layout: Any = None) -> Any:
    """Returns a tensor of shape `dims` that holds the scalar `value` everywhere.

    Example:
        >>> tf.fill([2], 9).numpy().tolist()
        [9, 9]
    """
    _refuse_layout("tf.fill", layout)
    if type(value) in (int, float) and state.scope is None and not is_symbolic(dims):
        return execute(fill_.bind({"dims": dims}), (convert(value),))
    return fill_(value, dims=dims)


@export("ops.numpy.full")
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Returns a tensor of `shape` with `fill_value`, which broadcasts, everywhere."""
    value = convert(fill_value)
    value = cast(value, dtype=dt.numpy_dtype(_floatx(dtype)))
    return broadcast_to(value, shape=shape)


@export("ops.numpy.full_like")
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Returns a tensor of the shape of `x` with `fill_value` everywhere."""
    x = as_tensor(x)
    return full_like_(x, fill_value, dtype=x.dtype if dtype is None else dtype)


@op("", same_dtype=0, shape=lambda x, value, dtype: x, dtype=lambda *kinds, dtype: dtype)
def full_like_(xp: Any, x: Any, value: Any, *, dtype: DTypeLike) -> Any:
    """Returns a tensor of the shape of `x` with `value` everywhere."""
    return xp.broadcast_to(xp.cast(value, dtype), x.shape)


# ---- ranges ---------------------------------------------------------------------------------------------------------


def _count(start: Any, limit: Any, delta: Any) -> int:
    if not delta:
        return 0
    if any(isinstance(one, float) for one in (start, limit, delta)):
        return max(0, math.ceil((limit - start) / delta))
    return max(0, -((start - limit) // delta))  # goes for sizes that are names, too


def _range_shape(start: Any, limit: Any, delta: Any, dtype: Any) -> tuple:
    """In symbolic calls NaN stands for a number that is not known."""
    unknown = any(number != number for number in (start, limit, delta))
    return (None if unknown else _count(start, limit, delta),)


@op("", shape=_range_shape, dtype=_dtype_rule, differentiable=False)
def range_(xp: Any, *, start: Number, limit: Number, delta: Number, dtype: DTypeLike) -> Any:
    """Returns `start, start + delta, ...` up to but without `limit`."""
    if not delta:
        raise ValueError("delta must not be 0")
    distance: Any = (limit - start) * delta
    if distance < 0:
        raise ValueError(f"from {start} to {limit} there is no way in steps of {delta}")
    count = _count(start, limit, delta)
    if xp.name == "host" and dtype in (_INT32, _INT64) and type(start) is type(delta) is type(limit) is int:
        return xp.arange(start, start + count * delta, delta, dtype)
    wide = np.int64 if dtype.kind in "iu" else np.float64
    return (xp.arange(count, dtype=wide) * np.array(delta, wide) + np.array(start, wide)).astype(dtype)


_INT32, _INT64 = np.dtype(np.int32), np.dtype(np.int64)
_RANGE_ORDER = ("int32", "int64", "float16", "bfloat16", "float32", "float64")


def _range_dtype(values: list[Any]) -> np.dtype:
    """Returns the widest dtype of the arguments of a range: tensors keep theirs, ints are int32, floats float32."""
    if all(type(value) is int for value in values):
        return _INT32 if all(-(1 << 31) <= value < 1 << 31 for value in values) else _INT64
    names = []
    for value in values:
        names.append(as_tensor(value).dtype.name)
    known = [name for name in names if name in _RANGE_ORDER]
    return dt.numpy_dtype(max(known, key=_RANGE_ORDER.index) if known else names[0])


@export("range")
def range_of(
    start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: str | None = "range"
) -> Any:
    """Returns the numbers from `start` up to but without `limit`, in steps of `delta`.

    With one argument the range begins at 0 and the argument is the limit.

    Args:
        start, limit, delta: numbers or scalar tensors; symbolic ones give a range of unknown length.
        dtype: element type; by default the widest among the arguments.

    Example:
        >>> tf.range(3, 9, 2).numpy().tolist()
        [3, 5, 7]
    """
    if limit is None:
        start, limit = 0, start
        values = [limit] if delta == 1 else [limit, delta]
    else:
        values = [start, limit, delta]
    kind = _range_dtype(values) if dtype is None else dt.numpy_dtype(dtype)
    return _made(range_, {"start": start, "limit": limit, "delta": delta, "dtype": kind})


@export("ops.numpy.arange")
def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Any:
    """Returns the numbers from `start` up to but without `stop`, in steps of `step` (1)."""
    return range_of(start, stop, 1 if step is None else step, dtype)


@export("K.arange")
def arange_backend(start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    """Returns the numbers from `start` up to but without `stop`, int32 unless `dtype` says otherwise."""
    if stop is None and isinstance(start, int | float) and start < 0:
        start = 0
    return cast(range_of(start, stop, step), dtype=dt.numpy_dtype(dtype))


def _spaced_shape(start: tuple, stop: tuple, num: int, axis: int, endpoint: bool) -> tuple:
    inner = rules.broadcast(start, stop)
    axis = rules.normalized_axis(axis, len(inner) + 1)
    return (*inner[:axis], None if num == -1 else num, *inner[axis:])


@op("", shape=_spaced_shape)
def linspace_(xp: Any, start: Any, stop: Any, *, num: int, axis: int = 0, endpoint: bool = True) -> Any:
    """Returns `num` numbers at equal distances from `start` to `stop`, along a new axis."""
    if num < 0:
        raise ValueError(f"num must not be negative, received {num}")
    return xp.linspace(start, stop, num, endpoint=endpoint, axis=axis).astype(start.dtype)


@export("linspace")
def linspace(start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0) -> Any:
    """Returns `num` numbers at equal distances from `start` to `stop`, both included.

    Args:
        start, stop: floating-point scalars or tensors; they broadcast.
        num: how many.
        axis: where their axis goes.
    """
    start = as_tensor(start)
    if not start.dtype.is_floating:
        start, stop = cast(start, dtype="float64"), cast(as_tensor(stop), dtype="float64")
    return linspace_(start, stop, num=num, axis=axis)


@export("ops.numpy.linspace")
def linspace_numpy(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """Returns `num` numbers at equal distances, and their distance with `retstep`."""
    start, stop = as_tensor(start), as_tensor(stop)
    kind = next((x.dtype for x in (start, stop) if x.dtype.is_floating), settings.floatx)
    start, stop = cast(start, dtype=kind), cast(stop, dtype=kind)
    out = linspace_(start, stop, num=num, axis=axis, endpoint=endpoint)
    out = out if dtype is None else cast(out, dtype=dtype)
    return (out, (stop - start) * (1.0 / (num - 1 if endpoint else num))) if retstep else out


# ---- matrices and one-hot vectors -----------------------------------------------------------------------------------


def _eye_shape(rows: int, columns: int | None, batch_shape: tuple, k: int, dtype: Any) -> tuple:
    return _known((*batch_shape, rows, rows if columns is None else columns))


@op("", shape=_eye_shape, dtype=_dtype_rule, differentiable=False)
def eye_(
    xp: Any, *, rows: int, columns: int | None = None, batch_shape: Shape = (), k: int = 0, dtype: DTypeLike
) -> Any:
    """Returns identity matrices."""
    one = xp.eye(rows, columns, k=k, dtype=dtype)
    return xp.broadcast_to(one, (*batch_shape, *one.shape)) if batch_shape else one


@export("eye linalg.eye")
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = "float32",
    name: str | None = None,
) -> Any:
    """Returns an identity matrix, or a batch of them.

    Args:
        num_rows, num_columns: size; square when `num_columns` is None.
        batch_shape: sizes in front.
        dtype: element type.
    """
    sizes = {
        "rows": num_rows,
        "columns": num_columns,
        "batch_shape": () if batch_shape is None else batch_shape,
    }
    return _made(eye_, sizes | {"dtype": dt.numpy_dtype(dtype)})


@export("ops.numpy.eye")
def eye_numpy(N: Any, M: Any = None, k: int = 0, dtype: Any = None) -> Any:
    """Returns a matrix with ones on diagonal `k`."""
    return _made(eye_, {"rows": N, "columns": M, "k": k, "dtype": dt.numpy_dtype(_floatx(dtype))})


@export("ops.numpy.identity")
def identity_numpy(n: Any, dtype: Any = None) -> Any:
    """Returns an identity matrix."""
    return eye(n, dtype=_floatx(dtype))


@export("K.eye")
def eye_backend(size: Any, dtype: Any = None, name: str | None = None) -> Any:
    """Returns an identity matrix."""
    return eye(size, dtype=_floatx(dtype))


def _one_hot_shape(shape: tuple, depth: int, axis: int, **_: Any) -> tuple:
    axis = rules.normalized_axis(axis, len(shape) + 1)
    return (*shape[:axis], None if depth == -1 else depth, *shape[axis:])


@op("", shape=_one_hot_shape, dtype=_dtype_rule, differentiable=False)
def one_hot_(
    xp: Any, indices: Any, *, depth: int, on: Number = 1, off: Number = 0, axis: int = -1, dtype: DTypeLike
) -> Any:
    """Returns `on` where a position along the new axis equals the index, `off` elsewhere."""
    if indices.dtype.kind not in "iu":
        raise TypeError(f"indices must be integers, received {indices.dtype}")
    if depth < 0:
        raise ValueError(f"depth must not be negative, received {depth}")
    axis = rules.normalized_axis(axis, indices.ndim + 1)
    if xp.name == "host" and on == 1 and off == 0 and axis == indices.ndim:
        return _hot(indices, depth, dtype)
    places = xp.arange(depth, dtype=indices.dtype).reshape((depth,) + (1,) * (indices.ndim - axis))
    hit = xp.expand_dims(indices, axis) == places
    if on == 1 and off == 0:
        return hit.astype(dtype)
    return xp.where(hit, xp.cast(np.asarray(on), dtype), xp.cast(np.asarray(off), dtype))


def _hot(indices: np.ndarray, depth: int, dtype: np.dtype) -> np.ndarray:
    """One-hot vectors along the last axis: zeros, and ones where the indices, those in range, say."""
    hot = np.zeros((*indices.shape, depth), dtype)
    flat: Any = indices.reshape(-1).astype(np.int64)
    places = flat + np.arange(flat.size) * depth
    if flat.size and not 0 <= flat.min() <= flat.max() < depth:
        places = places[(flat >= 0) & (flat < depth)]
    hot.reshape(-1)[places] = True
    return hot


@export("one_hot")
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Any:
    """Returns vectors of length `depth` with `on_value` at the index and `off_value` elsewhere.

    Args:
        indices: integer tensor; an index outside of [0, depth) gives `off_value` everywhere.
        depth: length of the vectors.
        on_value, off_value: 1 and 0 by default.
        axis: where the new axis goes, the end by default.
        dtype: that of the values given, float32 by default.
    """
    given = [value for value in (on_value, off_value) if value is not None]
    kind = dtype if dtype is not None else convert(given[0]).dtype if given else "float32"
    if kind == "string":
        return _one_hot_strings(indices, depth, on_value, off_value, axis)
    on, off = 1 if on_value is None else on_value, 0 if off_value is None else off_value
    return one_hot_(
        indices, depth=depth, on=on, off=off, axis=-1 if axis is None else axis, dtype=dt.numpy_dtype(kind)
    )


def _one_hot_strings(indices: Any, depth: Any, on: Any, off: Any, axis: int | None) -> Any:
    if on is None or off is None:
        raise TypeError(
            f"tf.one_hot: strings have no 1 and 0: pass on_value and off_value{at_user_location()}"
        )
    return where(one_hot(indices, depth, True, False, axis), convert(on), convert(off))


@export("K.one_hot")
def one_hot_backend(indices: Any, num_classes: Any) -> Any:
    """Returns vectors of length `num_classes` with 1 at the index."""
    return one_hot(indices, num_classes)


# ---- constants ------------------------------------------------------------------------------------------------------


@export("constant")
def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = "Const") -> Any:
    """Returns a tensor of a value: a number, nested lists, strings, a NumPy array.

    Args:
        value: the value.
        dtype: element type; by default int32 for ints, float32 for floats, an array's own.
        shape: reshapes the value, or repeats a single number.
        name: of the operation, in a graph that is written by hand.
    """
    tensor = _constant(value, dtype, shape)
    graph = graph_for_names()
    if graph is None or not graph.by_hand or not has_value(tensor):
        return tensor
    return graph.named(name or "Const", graph.constant, tensor)


def _constant(value: Any, dtype: Any, shape: Any) -> Any:
    if isinstance(value, TensorLike) and dtype is not None and as_tensor(value).dtype != dtype:
        value = cast(value, dtype=dt.numpy_dtype(dtype))
    tensor = convert(value, dtype)
    if shape is None:
        return tensor
    shape = tuple(int(size) for size in shape)
    sizes = tuple(tensor.shape)
    if rules.product(sizes) == 1 and rules.product(shape) != 1:
        return fill(shape, reshape(tensor, shape=()))
    if rules.product(sizes) != rules.product(shape):
        raise TypeError(
            f"tf.constant: the value has {rules.product(sizes)} elements, shape {shape} has {rules.product(shape)}"
            f"{at_user_location()}"
        )
    return tensor if sizes == shape else reshape(tensor, shape=shape)


@export("K.constant")
def constant_backend(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """Returns a tensor of a value, in Keras' default float type unless `dtype` says otherwise."""
    return constant(value, _floatx(dtype), shape)


@export("convert_to_tensor", told=False)
def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None) -> Any:
    """Returns `value` as a tensor.

    Args:
        value: number, string, nested list, NumPy array, tensor, variable.
        dtype: required dtype; a tensor of another dtype is an error.
        dtype_hint: preferred dtype, used when the value converts to it.
    """
    if _conversion.rows:
        given = {"dtype": dtype, "dtype_hint": dtype_hint, "name": name}
        given = {key: argument for key, argument in given.items() if argument is not None}
        target = dispatch.find_target(_conversion, (value,), given)
        if target is not None:
            return target()
    found = convert(value, dtype, dtype_hint)
    return dense_of(found) if type(found) is SymbolicTensor and _may_be_rows(found) else found


@op("", shape=lambda shape: shape)
def dense_of(xp: Any, x: Any) -> Any:
    """Returns the tensor itself; `tf.IndexedSlices`, which ops make dense, as a dense tensor."""
    return x


dense_of.gradient(lambda g, y, x: g)
# What leaves gradients by rows as they are.
_KEEP_ROWS = frozenset({"cast", "clip_by_value", "identity", "stop_gradient", "scalar_mul"})


def _may_be_rows(tensor: SymbolicTensor) -> bool:
    """True for a gradient in a graph, which may turn out to be `tf.IndexedSlices` when the graph runs."""
    node = tensor.node
    while node is not None and not getattr(node.operation, "gives_rows", False):
        name = getattr(getattr(node.operation, "op", None), "name", None)
        node = node.inputs[0].node if name in _KEEP_ROWS and node.inputs else None
    return node is not None


# What users write rows for; ops themselves convert what they are given without a look at these, as in TensorFlow.
_conversion = dispatch.enter_function(convert_to_tensor, ["tf.convert_to_tensor"])


def convert_and_cast(x: Any, dtype: Any = None) -> Any:
    """Returns `x` as a tensor as `keras.ops` does, cast to `dtype` if one is given."""
    if dtype is None:
        if isinstance(x, float) or (isinstance(x, list | tuple) and settings.floatx != "float32"):
            natural = convert(x)
            return cast(natural, dtype=settings.floatx) if natural.dtype.is_floating else natural
        return convert(x)
    return cast(convert(x), dtype=dt.numpy_dtype(dtype))


@export("ops.convert_to_numpy")
def convert_to_numpy(x: Any) -> Any:
    """Returns the value as a NumPy array."""
    return np.asarray(convert(x))


@export("K.cast_to_floatx")
def cast_to_floatx(x: Any) -> Any:
    """Casts a tensor or array to Keras' default float type; NumPy arrays stay NumPy arrays."""
    if isinstance(x, TensorLike):
        return cast(x, dtype=dt.numpy_dtype(settings.floatx))
    return np.asarray(x, dtype=dt.numpy_dtype(settings.floatx))
