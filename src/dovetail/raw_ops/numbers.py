"""Rows of random numbers.  They are drawn by our generators: seeds give the same numbers again, not TensorFlow's."""

from __future__ import annotations

from typing import Any

from dovetail.raw_ops.row import public, raw
from dovetail.raw_ops.static import known


def _stateful(name: str, target: str) -> None:
    def draw(shape: Any, *, dtype: Any, seed: int = 0, seed2: int = 0) -> Any:
        return public(target)(known(shape).tolist(), dtype=dtype, seed=seed2 or seed or None)

    raw(name)(draw)


def _stateless(name: str, target: str) -> None:
    def draw(shape: Any, seed: Any, *, dtype: Any = "float32") -> Any:
        return public(target)(known(shape).tolist(), seed, dtype=dtype)

    def draw_with_key(shape: Any, key: Any, counter: Any, alg: Any, *, dtype: Any = "float32") -> Any:
        return public(target)(known(shape).tolist(), key, dtype=dtype)

    raw(name)(draw)
    raw(f"{name}V2")(draw_with_key)


_stateful("RandomUniform", "random.uniform")
_stateful("RandomStandardNormal", "random.normal")
_stateful("TruncatedNormal", "random.truncated_normal")
_stateless("StatelessRandomUniform", "random.stateless_uniform")
_stateless("StatelessRandomNormal", "random.stateless_normal")
_stateless("StatelessTruncatedNormal", "random.stateless_truncated_normal")


@raw("StatelessRandomGetKeyCounter", "key counter")
def key_and_counter(seed: Any) -> tuple:
    """The seed goes on as the key: the counter always begins anew."""
    return seed, seed


@raw("StatelessRandomGetAlg")
def algorithm() -> Any:
    return public("constant")(1)


@raw("StatelessRandomUniformIntV2")
def stateless_whole(shape: Any, key: Any, counter: Any, alg: Any, minval: Any, maxval: Any) -> Any:
    return public("random.stateless_uniform")(known(shape).tolist(), key, minval, maxval, dtype=minval.dtype)


@raw("RandomUniformInt")
def random_whole(shape: Any, minval: Any, maxval: Any, *, seed: int = 0, seed2: int = 0) -> Any:
    return public("random.uniform")(
        known(shape).tolist(), minval, maxval, dtype=minval.dtype, seed=seed2 or seed or None
    )


@raw("Multinomial")
def multinomial(
    logits: Any, num_samples: Any, *, seed: int = 0, seed2: int = 0, output_dtype: Any = "int64"
) -> Any:
    return public("random.categorical")(
        logits, int(known(num_samples)), output_dtype, seed=seed2 or seed or None
    )


@raw("StatelessMultinomial")
def stateless_multinomial(logits: Any, num_samples: Any, seed: Any, *, output_dtype: Any = "int64") -> Any:
    return public("random.stateless_categorical")(logits, int(known(num_samples)), seed, output_dtype)


@raw("RandomGamma")
def random_gamma(shape: Any, alpha: Any, *, seed: int = 0, seed2: int = 0) -> Any:
    return public("random.gamma")(known(shape).tolist(), alpha, dtype=alpha.dtype, seed=seed2 or seed or None)


@raw("RandomPoissonV2")
def random_poisson(shape: Any, rate: Any, *, seed: int = 0, seed2: int = 0, dtype: Any = "int64") -> Any:
    return public("random.poisson")(known(shape).tolist(), rate, dtype=dtype, seed=seed2 or seed or None)


@raw("RandomShuffle")
def random_shuffle(value: Any, *, seed: int = 0, seed2: int = 0) -> Any:
    return public("random.shuffle")(value, seed2 or seed or None)


@raw("StatelessRandomGammaV3")
def stateless_gamma(shape: Any, key: Any, counter: Any, alg: Any, alpha: Any) -> Any:
    return public("random.stateless_gamma")(known(shape).tolist(), key, alpha, dtype=alpha.dtype)


@raw("StatelessRandomPoisson")
def stateless_poisson(shape: Any, seed: Any, lam: Any, *, dtype: Any) -> Any:
    return public("random.stateless_poisson")(known(shape).tolist(), seed, lam, dtype=dtype)


@raw("StatelessRandomUniformFullIntV2")
def stateless_full(shape: Any, key: Any, counter: Any, alg: Any, *, dtype: Any = "uint64") -> Any:
    return public("random.stateless_uniform")(known(shape).tolist(), key, None, None, dtype=dtype)


@raw("StatelessShuffle")
def stateless_shuffle(value: Any, key: Any, counter: Any, alg: Any) -> Any:
    return public("random.experimental.stateless_shuffle")(value, key)
