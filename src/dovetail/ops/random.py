"""`tf.random`: generators, and the functions that draw from them.

A generator's state is a variable of two int64: a seed and the number of draws so far.  Together they are the key of the
next draw, so a traced function that draws reads and writes the state like any other variable, and gives the numbers
that it gives eagerly.
"""

from __future__ import annotations

import secrets
import threading
from typing import Any

import numpy as np

from dovetail.base.errors import InvalidArgumentError, at_user_location
from dovetail.base.settings import settings, state
from dovetail.ops import arithmetic, draws
from dovetail.ops.attrs import is_symbolic
from dovetail.ops.core import Op, _symbolic
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable, enter_scope

_DEFAULT_SEED = 0x5DEECE66D
_STEP = np.array([0, 1], np.int64)
_ONE_DRAW = Tensor(_STEP)  # which XLA may have moved to its device
_lock = threading.Lock()


# ---- where keys come from -----------------------------------------------------------------------------------------


def as_int64(number: int) -> int:
    """Wraps any Python int to 64 signed bits."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def mixed(*numbers: int) -> int:
    """Returns 64 bits that depend on all the numbers (G. Steele, D. Lea, C. Flood, 2014, SplitMix64)."""
    result = 0
    for number in numbers:
        result = (result + (number & ((1 << 64) - 1)) + 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
        result = ((result ^ (result >> 30)) * 0xBF58476D1CE4E5B9) & ((1 << 64) - 1)
        result = ((result ^ (result >> 27)) * 0x94D049BB133111EB) & ((1 << 64) - 1)
        result ^= result >> 31
    return as_int64(result)


def new_state(seed: int) -> Variable:
    """Returns the state of a generator that begins with `seed`; it belongs to no traced function."""
    with enter_scope(None):
        return Variable(np.array([as_int64(seed), 0], np.int64), trainable=False, name="rng_state")


def take_key(rng: Variable) -> Tensor:
    """Returns the key of a generator's next draw, and moves the generator on."""
    if state.scope is not None:
        return _take(rng)
    with _lock:
        key = rng._plain()
        if state.tapes or type(key._value) is not np.ndarray:
            return _take(rng)
        rng._store(Tensor(key._value + _STEP))
        return key


def _take(rng: Variable) -> Tensor:
    key = rng._plain()
    rng._store(arithmetic.add(key, _ONE_DRAW))
    return key


class _Global:
    """The global generator and those of the op seeds, which `set_seed` starts again."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.state: Variable | None = None
        self.by_seed: dict[int, Variable] = {}

    def key(self, seed: Any) -> Tensor:
        if seed is None:
            if self.state is None:
                self.state = new_state(secrets.randbits(63))
            return take_key(self.state)
        seed = int(seed)
        found = self.by_seed.get(seed)
        if found is None:
            found = self.by_seed[seed] = new_state(self._op_seed(seed))
        return take_key(found)

    def _op_seed(self, seed: int) -> int:
        return mixed(_DEFAULT_SEED if self.seed is None else self.seed, seed)

    def set_seed(self, seed: int) -> None:
        self.seed = seed
        if self.state is None:
            self.state = new_state(seed)
        self.state.assign(np.array([as_int64(seed), 0], np.int64))
        for op_seed, rng in self.by_seed.items():
            rng.assign(np.array([self._op_seed(op_seed), 0], np.int64))


_global = _Global()


def next_key(seed: Any = None) -> Tensor:
    """Returns the key of the next draw: of the global generator, or of the one that belongs to an op seed.

    Args:
        seed: None, an int, a generator state (a variable), or an object with `next_key()` or Keras' `next()`.
    """
    if isinstance(seed, Variable):
        return take_key(seed)
    if hasattr(seed, "next_key"):
        return seed.next_key()
    if hasattr(seed, "next"):
        return stateless_key(seed.next())
    return _global.key(seed)


def is_shared(variable: Variable) -> bool:
    """True for the state of a generator that any code may draw from: the global one, and those of op seeds."""
    return variable is _global.state or any(variable is rng for rng in _global.by_seed.values())


def is_unseeded(variable: Variable) -> bool:
    """True for the state of the global generator while no seed makes it draw the same numbers again."""
    return variable is _global.state and _global.seed is None


@export("random.set_seed")
def set_seed(seed: int) -> None:
    """Starts the global generator again: the same program then draws the same numbers, compiled or eager.

    Args:
        seed: any int.
    """
    _global.set_seed(int(seed))


def generators() -> dict[str, Any]:
    """Returns the state of the global generator and of the op seeds' as plain numbers; see `set_generators`."""
    by_seed = [(seed, np.asarray(rng._plain()._value).tolist()) for seed, rng in _global.by_seed.items()]
    state = None if _global.state is None else np.asarray(_global.state._plain()._value).tolist()
    return {"seed": _global.seed, "state": state, "by_seed": by_seed}


def set_generators(found: dict[str, Any]) -> None:
    """Gives the generators the state that `generators` has returned, here or in another process."""
    _global.seed = found["seed"]
    if found["state"] is not None:
        if _global.state is None:
            _global.state = new_state(0)
        _global.state.assign(np.array(found["state"], np.int64))
    for seed, value in found["by_seed"]:
        rng = _global.by_seed.setdefault(seed, new_state(0))
        rng.assign(np.array(value, np.int64))


def stateless_key(seed: Any) -> Any:
    """Returns the key that a pair of integers (list, array or tensor) stands for."""
    key = seed if isinstance(seed, TensorLike) else convert_to_tensor(np.asarray(seed, np.int64))
    if tuple(key.shape) != (2,):
        raise InvalidArgumentError(
            f"seed must hold two integers, received shape {tuple(key.shape)}{at_user_location()}"
        )
    return key._astype(np.dtype(np.int64))


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


# ---- tf.random.stateless_* ----------------------------------------------------------------------------------------


@export("random.stateless_uniform")
def stateless_uniform(
    shape: Any,
    seed: Any,
    minval: Any = 0,
    maxval: Any = None,
    dtype: Any = "float32",
    name: str | None = None,
    alg: str = "auto_select",
) -> Any:
    """Returns uniform numbers in [minval, maxval) that depend on `seed` (two integers) and the shape alone.

    Args:
        alg: "auto_select" or "philox".
    """
    _check_algorithm(alg)
    return uniform_numbers(draws.uniform, (stateless_key(seed),), shape, minval, maxval, dtype)


def _check_algorithm(alg: Any) -> None:
    if alg not in ("auto_select", "philox", 1, 3):
        raise ValueError(f"alg: 'philox' is the one algorithm there is, received {alg!r}{at_user_location()}")


@export("random.stateless_normal")
def stateless_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    name: str | None = None,
    alg: str = "auto_select",
) -> Any:
    """Returns normally distributed numbers that depend on `seed` (two integers) and the shape alone."""
    _check_algorithm(alg)
    return normal_numbers(draws.normal, (stateless_key(seed),), shape, mean, stddev, dtype)


@export("random.stateless_truncated_normal")
def stateless_truncated_normal(
    shape: Any,
    seed: Any,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: Any = "float32",
    name: str | None = None,
    alg: str = "auto_select",
) -> Any:
    """Returns truncated normal numbers that depend on `seed` (two integers) and the shape alone."""
    _check_algorithm(alg)
    return normal_numbers(draws.truncated_normal, (stateless_key(seed),), shape, mean, stddev, dtype)


@export("random.stateless_categorical")
def stateless_categorical(
    logits: Any, num_samples: int, seed: Any, dtype: Any = "int64", name: str | None = None
) -> Any:
    """Draws classes with probabilities softmax(logits) that depend on `seed` (two integers) alone."""
    return draws.categorical(stateless_key(seed), logits, num_samples=num_samples, dtype=dtype)


@export("random.experimental.stateless_shuffle")
def stateless_shuffle(value: Any, seed: Any, alg: str = "auto_select", name: str | None = None) -> Any:
    """Permutes `value` along its first axis, as `seed` (two integers) determines."""
    _check_algorithm(alg)
    return draws.shuffle(stateless_key(seed), value)


@export("random.split random.experimental.stateless_split")
def stateless_split(seed: Any, num: int = 2, alg: str = "auto_select") -> Any:
    """Returns `num` new seeds, of shape (num, 2), that depend on `seed` alone."""
    _check_algorithm(alg)
    kind = seed.dtype if isinstance(seed, TensorLike) else dt.as_dtype("int32")
    return draws.full_integers(stateless_key(seed), shape=(num, 2), dtype=kind)


@export("random.fold_in random.experimental.stateless_fold_in")
def stateless_fold_in(seed: Any, data: Any, alg: str = "auto_select") -> Any:
    """Returns a new seed of shape (2,) that depends on `seed` and the integer `data`."""
    _check_algorithm(alg)
    kind = seed.dtype if isinstance(seed, TensorLike) else dt.as_dtype("int32")
    number = convert_to_tensor(data)._astype(np.dtype(np.int64))
    first = draws.full_integers(stateless_key(seed), shape=(2,), dtype="int64")
    return draws.full_integers(first + number, shape=(2,), dtype=kind)


@export("random.stateless_gamma")
def stateless_gamma(
    shape: Any, seed: Any, alpha: Any, beta: Any = None, dtype: Any = "float32", name: str | None = None
) -> Any:
    """Returns gamma variates of the whole shape `shape` that depend on `seed` (two integers) alone."""
    kind = dt.as_dtype(dtype)
    drawn = draws.gamma(
        stateless_key(seed), convert_to_tensor(alpha, dtype_hint=kind), shape=shape, dtype=kind
    )
    return drawn if beta is None else drawn / convert_to_tensor(beta, dtype_hint=kind)


@export("random.stateless_poisson")
def stateless_poisson(shape: Any, seed: Any, lam: Any, dtype: Any = "int32", name: str | None = None) -> Any:
    """Returns Poisson variates of the whole shape `shape` that depend on `seed` (two integers) alone."""
    lam = convert_to_tensor(lam, dtype_hint=dt.as_dtype("float32"))
    return draws.poisson(stateless_key(seed), lam, shape=shape, dtype=dtype)


# ---- dropout, and Keras' backend ----------------------------------------------------------------------------------


@export("nn.dropout")
def dropout(
    x: Any, rate: Any, noise_shape: Any = None, seed: int | None = None, name: str | None = None
) -> Any:
    """Sets each element to 0 with probability `rate`, and divides the others by `1 - rate`.

    Args:
        x: floating tensor.
        rate: probability in [0, 1).
        noise_shape: shape of the mask: 1 along axes whose elements are kept or dropped together; None: that of `x`.

    Source: N. Srivastava et al., 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """
    _check_rate(rate)
    if is_number(rate) and rate == 0:
        return convert_to_tensor(x)
    return draw_dropout(x, rate=rate, noise_shape=noise_shape, seed=seed)


def _check_rate(rate: Any) -> None:
    if is_number(rate) and not 0 <= rate < 1:
        raise ValueError(f"rate must be a number in [0, 1), received {rate}{at_user_location()}")


@export("nn.experimental.stateless_dropout")
def stateless_dropout(
    x: Any, rate: Any, seed: Any, rng_alg: Any = None, noise_shape: Any = None, name: str | None = None
) -> Any:
    """As `tf.nn.dropout`, with a mask that depends on `seed` (two integers) alone."""
    _check_rate(rate)
    if rng_alg is not None:
        _check_algorithm(rng_alg)
    return draws.dropout(stateless_key(seed), x, rate=rate, noise_shape=noise_shape)


@export("K.dropout")
def backend_dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Sets each element to 0 with probability `level`, and divides the others by `1 - level`."""
    return dropout(x, level, noise_shape, seed)


def _floatx(dtype: Any) -> Any:
    return settings.floatx if dtype is None else dtype


@export("K.random_normal")
def random_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns normally distributed numbers, in Keras' default dtype."""
    return normal(shape, mean, stddev, _floatx(dtype), seed)


@export("K.random_uniform")
def random_uniform(
    shape: Any, minval: float = 0.0, maxval: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns uniform numbers in [minval, maxval), in Keras' default dtype."""
    return uniform(shape, minval, maxval, _floatx(dtype), seed)


@export("K.truncated_normal")
def backend_truncated_normal(
    shape: Any, mean: float = 0.0, stddev: float = 1.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns normally distributed numbers at most two standard deviations from the mean."""
    return truncated_normal(shape, mean, stddev, _floatx(dtype), seed)


@export("K.random_bernoulli K.random_binomial")
def random_bernoulli(shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None) -> Any:
    """Returns 1 with probability `p`, else 0."""
    return draw_bernoulli(convert_to_tensor(float(p)), shape=shape, dtype=_floatx(dtype), seed=seed)


@export("K.random_uniform_variable")
def random_uniform_variable(
    shape: Any, low: float, high: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """Returns a variable that begins with uniform numbers in [low, high)."""
    return Variable(uniform(shape, low, high, _floatx(dtype), seed), name=name)


@export("K.random_normal_variable")
def random_normal_variable(
    shape: Any, mean: float, scale: float, dtype: Any = None, name: str | None = None, seed: int | None = None
) -> Variable:
    """Returns a variable that begins with normally distributed numbers."""
    return Variable(normal(shape, mean, scale, _floatx(dtype), seed), name=name)
