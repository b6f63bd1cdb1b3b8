"""Dropout: `tf.nn.dropout` and its siblings."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops import draws
from dovetail.ops.random import draw_dropout, is_number
from dovetail.ops.random_keys import stateless_key
from dovetail.ops.random_stateless import check_algorithm
from dovetail.ops.views import export
from dovetail.tensor.convert import convert_to_tensor


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
        check_algorithm(rng_alg)
    return draws.dropout(stateless_key(seed), x, rate=rate, noise_shape=noise_shape)


@export("K.dropout")
def backend_dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Any:
    """Sets each element to 0 with probability `level`, and divides the others by `1 - level`."""
    return dropout(x, level, noise_shape, seed)
