"""What may stand in the place of a layer's kernel: a low-rank addition, fewer bits.

A layer multiplies by what is in that place, through `product` and `rows`; it does not know what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.autodiff.custom import custom_gradient
from dovetail.base.settings import state
from dovetail.keras import activations
from dovetail.keras.quantizers.functions import (
    compute_float8_amax_history,
    compute_float8_scale,
    quantize_and_dequantize,
    unpack_int4,
)
from dovetail.ops import arithmetic, math, reduction
from dovetail.ops.create import ones_like
from dovetail.ops.dense import dense
from dovetail.ops.gather import gather_
from dovetail.ops.linalg import matmul
from dovetail.ops.shapes import reshape
from dovetail.tensor import dtype as dt
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

Multiply = Callable[[Any, Any], Any]


def product(multiply: Multiply, inputs: Any, kernel: Any, training: Any = None) -> Any:
    """Returns `multiply(inputs, kernel)`, the way the kernel wants it."""
    if isinstance(kernel, Kernel):
        return kernel.product(multiply, inputs, training)
    return multiply(inputs, kernel)


def rows(table: Any, indices: Any) -> Any:
    """Returns the rows of a table that `indices` names."""
    return table.rows(indices) if isinstance(table, Kernel) else gather_(table, indices)


_FUSED = {id(None): "linear"} | {
    id(function): function.__name__ for function in (activations.linear, activations.relu, activations.tanh)
}


def in_one_op(layer: Any, inputs: Any, summed: int = 1) -> Any:
    """Returns what a dense layer computes by one op; None where that is several: in traces, and for other kernels.

    Args:
        layer: it has a `kernel` (*summed axes, *columns), a `bias` (*columns) or None, and an `activation`.
        inputs: (..., *summed axes).
        summed: number of axes that are summed over.
    """
    if type(inputs) is not Tensor or isinstance(layer.kernel, Kernel):
        return None
    scope = state.scope
    if scope is not None and (scope.graph is not None or type(inputs._value) is not np.ndarray):
        return None
    activation = _FUSED.get(id(layer.activation))
    bias = () if layer.bias is None else (layer.bias,)
    outputs = dense(inputs, layer.kernel, *bias, summed=summed, activation=activation or "linear")
    return layer.activation(outputs) if activation is None else outputs


class Kernel(TensorLike):
    """A tensor that is computed from variables whenever it is read."""

    def _tensor(self) -> Any:
        """Returns the value.  Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} must define _tensor()")

    def product(self, multiply: Multiply, inputs: Any, training: Any = None) -> Any:
        return multiply(inputs, self._tensor())

    def rows(self, indices: Any) -> Any:
        return gather_(self._tensor(), indices)

    @property
    def shape(self) -> Any:  # type: ignore[override]
        return self._tensor().shape

    @property
    def dtype(self) -> Any:  # type: ignore[override]
        return self._tensor().dtype

    def _plain(self) -> Any:  # type: ignore[override]
        return self._tensor()

    def _astype(self, dtype: Any) -> Any:  # type: ignore[override]
        return self._tensor()._astype(dtype)

    def numpy(self) -> np.ndarray:
        return self._tensor().numpy()

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        return self._tensor().__array__(*args, **kwargs)


class LowRank(Kernel):
    """`base + factor * a @ b`: what is trained is much smaller than the base (E. Hu et al., 2021, "LoRA").

    Args:
        base: a kernel, or the variable.
        a: variable (..., rank).
        b: variable (rank, outputs).
        factor: of the addition.
    """

    def __init__(self, base: Any, a: Variable, b: Variable, factor: float) -> None:
        self.base, self.a, self.b, self.factor = base, a, b, factor

    def addition(self) -> Any:
        return matmul(self.a, self.b) * self.factor

    def _tensor(self) -> Any:
        base = self.base._tensor()
        return base + arithmetic.cast(self.addition(), dtype=base.dtype)

    @property
    def shape(self) -> Any:
        return self.base.shape

    def product(self, multiply: Multiply, inputs: Any, training: Any = None) -> Any:
        if not isinstance(self.base, Kernel):
            return multiply(inputs, self._tensor())
        added = arithmetic.cast(self.addition(), dtype=inputs.dtype)
        return self.base.product(multiply, inputs, training) + multiply(inputs, added)

    def rows(self, indices: Any) -> Any:
        found = rows(self.base, indices)
        added = matmul(gather_(self.a, indices), self.b) * self.factor
        return found + arithmetic.cast(added, dtype=found.dtype)


class Int8(Kernel):
    """An 8-bit kernel: `values / scale`; the inputs of a product are rounded to 8 bits too.

    Args:
        values: int8 variable.
        scale: variable, as Keras shapes it.
        spread: `f(scale)` returns it so that it broadcasts to the kernel.
        dtype: of the result.
        quantizer: of the inputs; None: they stay floats.
        summed: axes of the inputs that a product sums over.
    """

    def __init__(
        self,
        values: Variable,
        scale: Variable,
        spread: Callable[[Any], Any],
        dtype: str,
        quantizer: Any,
        summed: tuple[int, ...],
    ) -> None:
        self.values, self.scale, self.spread = values, scale, spread
        self._dtype, self.quantizer, self.summed = dtype, quantizer, summed

    def whole(self) -> Any:
        """Returns the integers."""
        return self.values

    def _tensor(self) -> Any:
        return arithmetic.cast(self.whole(), dtype=self._dtype) / self._spread(self.scale)

    def _spread(self, scale: Any) -> Any:
        return arithmetic.cast(self.spread(scale), dtype=self._dtype)

    @property
    def dtype(self) -> Any:
        return dt.as_dtype(self._dtype)

    @property
    def shape(self) -> Any:
        return TensorShape(self.values.shape)

    def product(self, multiply: Multiply, inputs: Any, training: Any = None) -> Any:
        if self.quantizer is not None:
            whole, scale = self.quantizer(inputs, axis=self.summed)
            inputs = _passing(inputs, arithmetic.cast(whole, dtype=inputs.dtype) / scale)
        return multiply(inputs, self._tensor())

    def rows(self, indices: Any) -> Any:
        found = arithmetic.cast(gather_(self.values, indices), dtype=self._dtype)
        return found / gather_(self._spread(self.scale), indices)


class Int4(Int8):
    """A 4-bit kernel, two numbers to a byte along the last axis.

    Args:
        values, scale, spread, dtype, quantizer, summed: as for `Int8`.
        size: of the kernel's last axis.
    """

    def __init__(self, *args: Any, size: int) -> None:
        super().__init__(*args)
        self.size = size

    def whole(self) -> Any:
        return unpack_int4(self.values, self.size, axis=-1)

    @property
    def shape(self) -> Any:
        return TensorShape([*self.values.shape[:-1], self.size])

    def rows(self, indices: Any) -> Any:
        return gather_(self._tensor(), indices)


class Int4Blocks(Int4):
    """A 4-bit kernel of blocks of rows, each with a scale and a zero: `(values - zero) * scale`.

    Args:
        values: int8 variable (rows, columns / 2).
        scale, zero: variables (blocks, columns).
        blocks: variable (rows,): the block of each row.
        dtype: of the result.
        size: number of columns.
        shape: of the kernel, whose matrix this is.
    """

    def __init__(
        self,
        values: Variable,
        scale: Variable,
        zero: Variable,
        blocks: Variable,
        dtype: str,
        size: int,
        shape: tuple,
    ) -> None:
        super().__init__(values, scale, lambda x: x, dtype, None, (), size=size)
        self.zero, self.blocks, self._shape = zero, blocks, shape

    def _tensor(self) -> Any:
        block = arithmetic.cast(self.blocks, dtype="int32")
        whole, zero = (arithmetic.cast(x, dtype=self._dtype) for x in (self.whole(), self.zero))
        scale = arithmetic.cast(self.scale, dtype=self._dtype)
        return reshape((whole - gather_(zero, block)) * gather_(scale, block), shape=self._shape)

    @property
    def shape(self) -> Any:
        return TensorShape(self._shape)


class Rounded(Kernel):
    """A bias that only says what a bfloat16 can."""

    def __init__(self, base: Variable) -> None:
        self.base = base

    def _tensor(self) -> Any:
        value = self.base._tensor()
        return arithmetic.cast(arithmetic.cast(value, dtype="bfloat16"), dtype=value.dtype)


class Float8(Kernel):
    """A kernel whose products are of 8-bit floats, forward and backward; it stays what it is.

    Args:
        base: the variable.
        inputs_state, kernel_state: (scale, history of largest values) of each.

    Differs from Keras: gradients are scaled by their own largest value, not by that of the steps before.
    """

    def __init__(self, base: Variable, inputs_state: tuple, kernel_state: tuple) -> None:
        self.base, self.inputs_state, self.kernel_state = base, inputs_state, kernel_state

    def _tensor(self) -> Any:
        return self.base._tensor()

    def product(self, multiply: Multiply, inputs: Any, training: Any = None) -> Any:
        kernel = self.base._tensor()
        pairs = ((inputs, self.inputs_state), (kernel, self.kernel_state))
        inputs, kernel = (_rounded(x, one, "float8_e4m3fn", training) for x, one in pairs)
        return _with_rounded_gradient(multiply(inputs, kernel))


_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


def _rounded(x: Any, state: tuple, dtype: str, update: Any) -> Any:
    """Rounds to 8-bit floats by the scale so far; gradients pass.  `update` moves scale and history on."""
    scale, history = state
    known = scale._tensor()
    if update:
        largest = reduction.reduce_max(history)
        scale.assign(compute_float8_scale(largest, known, _LARGEST[dtype]))
        history.assign(compute_float8_amax_history(arithmetic.stop_gradient(x), history))
    return _passing(x, quantize_and_dequantize(x, known, dtype, x.dtype))


def _passing(x: Any, rounded: Any) -> Any:
    """Returns the rounded value, whose gradient goes to `x` as it is."""
    return x + arithmetic.stop_gradient(rounded - x)


@custom_gradient
def _with_rounded_gradient(outputs: Any) -> tuple:
    def grad(g: Any) -> Any:
        largest = reduction.reduce_max(math.abs_(g))
        scale = compute_float8_scale(largest, ones_like(largest), _LARGEST["float8_e5m2"])
        return quantize_and_dequantize(g, scale, "float8_e5m2", g.dtype)

    return arithmetic.identity(outputs), grad
