"""`tf.random`: the functions that draw from the global generator, or from that of a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.ops import draws
from dovetail.ops.attrs import is_symbolic
from dovetail.ops.core import Op, _symbolic
from dovetail.ops.random_keys import next_key
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

# ---- draws that take their key themselves -------------------------------------------------------------------------


class Drawing(Op):
    """An op that takes a key each time it runs, and hands it to a pure op.

    On symbolic tensors the call is recorded, not the key: every run of the model draws anew.  Where a graph records,
    drawing the key is a node of its own, so that what is made of it can be computed once more.
    """

    def __init__(self, pure: Op, name: str) -> None:
        shape_of: Any = pure.shape
        dtype_of: Any = pure.dtype
        super().__init__(
            name,
            pure.body,
            same_dtype=0,
            shape=lambda *shapes, seed, **attributes: shape_of((2,), *shapes, **attributes),
            dtype=lambda *kinds, seed, **attributes: dtype_of(np.dtype(np.int64), *kinds, **attributes),
        )
        self.pure = pure
        self.tensors = self.tensors[1:]
        self.attributes = {**self.attributes, "seed": (None, None)}

    def call(self, args: tuple, attributes: dict, promote: bool = False) -> Any:
        rest = dict(attributes)
        if _recording() and args:
            key = draw_key(seed=rest.pop("seed", None))
        elif (
            any(map(is_symbolic, attributes.values()))
            or any(type(arg) is SymbolicTensor for arg in args)
            or _recording()
        ):
            return _symbolic.target(self, args, attributes, promote)
        else:
            key = next_key(rest.pop("seed", None))
        return self.pure.call((key, *args), rest, promote)


def _recording() -> bool:
    return state.scope is not None and state.scope.graph is not None


draw_key = Drawing(draws.key, "random_key")
draw_uniform = Drawing(draws.uniform, "random_uniform")
draw_integers = Drawing(draws.integers, "random_integers")
draw_full_integers = Drawing(draws.full_integers, "random_full_integers")
draw_normal = Drawing(draws.normal, "random_normal")
draw_truncated_normal = Drawing(draws.truncated_normal, "random_truncated_normal")
draw_bernoulli = Drawing(draws.bernoulli, "random_bernoulli")
draw_gamma = Drawing(draws.gamma, "random_gamma")
draw_beta = Drawing(draws.beta, "random_beta")
draw_binomial = Drawing(draws.binomial, "random_binomial")
draw_poisson = Drawing(draws.poisson, "random_poisson")
draw_categorical = Drawing(draws.categorical, "random_categorical")
draw_shuffle = Drawing(draws.shuffle, "random_shuffle")
draw_dropout = Drawing(draws.dropout, "dropout")


# ---- bounds and moments, as numbers or tensors --------------------------------------------------------------------


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def uniform_numbers(op: Op, args: tuple, shape: Any, low: Any, high: Any, dtype: Any, **more: Any) -> Any:
    """Draws uniform floats or integers with `op` in (uniform, draw_uniform) or its integer sibling."""
    kind = dt.as_dtype(dtype)
    if kind.is_integer:
        return _uniform_integers(op, args, shape, low, high, kind, **more)
    high = 1 if high is None else high
    if is_number(low) and is_number(high):
        return op(*args, shape=shape, low=float(low), high=float(high), dtype=kind, **more)
    low, high = (convert_to_tensor(bound, dtype_hint=kind)._astype(kind) for bound in (low, high))
    return op(*args, shape=shape, dtype=kind, **more) * (high - low) + low


_INTEGER_SIBLINGS = {
    id(draws.uniform): (draws.integers, draws.full_integers),
    id(draw_uniform): (draw_integers, draw_full_integers),
}


def _uniform_integers(op: Op, args: tuple, shape: Any, low: Any, high: Any, kind: Any, **more: Any) -> Any:
    bounded, full = _INTEGER_SIBLINGS[id(op)]
    if low is None and high is None:
        return full(*args, shape=shape, dtype=kind, **more)
    if high is None:
        raise ValueError(f"Must specify maxval for integer dtype {kind.name}{at_user_location()}")
    low, high = (_integer_bound(bound, kind) for bound in (low, high))
    _check_range(low, high)
    return bounded(*args, low, high, shape=shape, dtype=kind, **more)


def _integer_bound(bound: Any, kind: Any) -> Any:
    if isinstance(bound, TensorLike):
        return bound._astype(kind)
    return Tensor(np.asarray(bound).astype(kind.numpy_dtype))


def _check_range(low: Any, high: Any) -> None:
    bounds = [bound._value for bound in (low, high) if type(bound) is Tensor]
    if (
        len(bounds) == 2
        and all(type(bound) is np.ndarray for bound in bounds)
        and not (bounds[0] < bounds[1]).all()
    ):
        raise InvalidArgumentError(
            f"Need minval < maxval, got {bounds[0]} >= {bounds[1]}{at_user_location()}"
        )


def normal_numbers(op: Op, args: tuple, shape: Any, mean: Any, stddev: Any, dtype: Any, **more: Any) -> Any:
    """Draws normal numbers with `op`; tensors for mean and stddev broadcast, and gradients reach them."""
    kind = dt.as_dtype(dtype)
    if is_number(mean) and is_number(stddev):
        return op(*args, shape=shape, mean=float(mean), stddev=float(stddev), dtype=kind, **more)
    mean, stddev = (convert_to_tensor(moment, dtype_hint=kind)._astype(kind) for moment in (mean, stddev))
    return op(*args, shape=shape, dtype=kind, **more) * stddev + mean


# ---- tf.random ----------------------------------------------------------------------------------------------------


@export("random.uniform")
def uniform(
    shape: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns uniform numbers in [minval, maxval).

    Args:
        shape: of the result; may hold symbolic sizes.
        minval, maxval: bounds, numbers or tensors. `maxval` is 1 by default, and required for integers.
        dtype: a floating dtype, int32 or int64.
        seed: draws from the sequence that belongs to this number, instead of the global one.

    Differs from TensorFlow in the numbers drawn.
    """
    return uniform_numbers(draw_uniform, (), shape, minval, maxval, dtype, seed=seed)


@export("random.normal")
def normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns normally distributed numbers; `mean` and `stddev` may be tensors that broadcast."""
    return normal_numbers(draw_normal, (), shape, mean, stddev, dtype, seed=seed)


@export("random.truncated_normal")
def truncated_normal(
    shape: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns normally distributed numbers at most two standard deviations from the mean."""
    return normal_numbers(draw_truncated_normal, (), shape, mean, stddev, dtype, seed=seed)


@export("random.shuffle")
def shuffle(value: Any, seed: int | None = None, name: str | None = None) -> Any:
    """Permutes `value` along its first axis."""
    return draw_shuffle(value, seed=seed)


@export("random.categorical")
def categorical(
    logits: Any, num_samples: int, dtype: Any = None, seed: int | None = None, name: str | None = None
) -> Any:
    """Draws `num_samples` classes for each row of `logits` (batch, classes), with probabilities softmax(logits)."""
    return draw_categorical(
        logits, num_samples=num_samples, dtype="int64" if dtype is None else dtype, seed=seed
    )


def _joined(shape: Any, *parameters: Any) -> tuple:
    """Returns `shape` followed by the shape that the parameters broadcast to."""
    return (
        *np.atleast_1d(shape).astype(int).tolist(),
        *np.broadcast_shapes(*(tuple(p.shape) for p in parameters)),
    )


@export("random.gamma")
def gamma(
    shape: Any,
    alpha: Any,
    beta: Any = None,
    dtype: Any = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns gamma variates of shape `shape + alpha.shape`: shape parameter `alpha`, rate `beta` (1 by default)."""
    kind = dt.as_dtype(dtype)
    alpha = convert_to_tensor(alpha, dtype_hint=kind)
    beta = convert_to_tensor(1.0 if beta is None else beta, dtype_hint=kind)
    return draw_gamma(alpha, shape=_joined(shape, alpha, beta), dtype=kind, seed=seed) / beta


@export("random.poisson")
def poisson(
    shape: Any, lam: Any, dtype: Any = "float32", seed: int | None = None, name: str | None = None
) -> Any:
    """Returns Poisson variates of shape `shape + lam.shape`."""
    lam = convert_to_tensor(lam, dtype_hint=dt.as_dtype("float32"))
    return draw_poisson(lam, shape=_joined(shape, lam), dtype=dtype, seed=seed)
