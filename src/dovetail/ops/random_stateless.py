"""`tf.random.stateless_*`: draws that depend on a seed of two integers alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.ops import draws
from dovetail.ops.random import normal_numbers, uniform_numbers
from dovetail.ops.random_keys import stateless_key
from dovetail.ops.views import export
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike


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
    check_algorithm(alg)
    return uniform_numbers(draws.uniform, (stateless_key(seed),), shape, minval, maxval, dtype)


def check_algorithm(alg: Any) -> None:
    """Raises ValueError for an algorithm that there is not."""
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
    check_algorithm(alg)
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
    check_algorithm(alg)
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
    check_algorithm(alg)
    return draws.shuffle(stateless_key(seed), value)


@export("random.split random.experimental.stateless_split")
def stateless_split(seed: Any, num: int = 2, alg: str = "auto_select") -> Any:
    """Returns `num` new seeds, of shape (num, 2), that depend on `seed` alone."""
    check_algorithm(alg)
    kind = seed.dtype if isinstance(seed, TensorLike) else dt.as_dtype("int32")
    return draws.full_integers(stateless_key(seed), shape=(num, 2), dtype=kind)


@export("random.fold_in random.experimental.stateless_fold_in")
def stateless_fold_in(seed: Any, data: Any, alg: str = "auto_select") -> Any:
    """Returns a new seed of shape (2,) that depends on `seed` and the integer `data`."""
    check_algorithm(alg)
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
