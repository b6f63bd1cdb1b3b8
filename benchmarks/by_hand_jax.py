"""The benchmarks' functions in plain JAX, as one writes them by hand with `jax.jit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import data, sizes

State = tuple[Any, Any, Any, Any]
Loss = Callable[[Any, jax.Array, jax.Array, jax.Array], jax.Array]  # parameters, steps taken, inputs, labels
RATE, DECAY_1, DECAY_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


def mlp_state(seed: int = 0) -> State:
    """Return parameters of the 784-128-10 perceptron, zero moments and a step count of zero."""
    return state_of(dense_params((784, 128, data.NUM_CLASSES), np.random.default_rng(seed)))


def dense_params(widths: Sequence[int], rng: np.random.Generator) -> Any:
    """Return a kernel and a bias for each dense layer between two widths."""
    return [(_glorot(rng, rows, columns), jnp.zeros(columns)) for rows, columns in pairwise(widths)]


def state_of(params: Any) -> State:
    """Return parameters with zero moments and a step count of zero."""
    means, squares = (jax.tree.map(jnp.zeros_like, params) for _ in range(2))
    return params, means, squares, jnp.zeros((), jnp.float32)


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> jax.Array:
    limit = (6 / (rows + columns)) ** 0.5
    return jnp.asarray(rng.uniform(-limit, limit, (rows, columns)), jnp.float32)


def dense_layers(params: Any, x: jax.Array) -> jax.Array:
    """Return the last layer's outputs; ReLU between the layers."""
    for kernel, bias in params[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = params[-1]
    return x @ kernel + bias


def mlp_loss(params: Any, _count: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of the perceptron's logits."""
    log_shares = jax.nn.log_softmax(dense_layers(params, x))
    return -jnp.mean(jnp.take_along_axis(log_shares, y[:, None], axis=1))


def tabular_loss(params: Any, _count: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of one logit a row."""
    return _binary(dense_layers(params, x)[:, 0], y)


def vae_loss(params: Any, count: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the reconstruction's cross-entropy a pixel, and the divergence of the code; noise by the step's number."""
    encoder, decoder = params
    mean, log_variance = jnp.split(dense_layers(encoder, x), 2, axis=1)
    noise = jax.random.normal(jax.random.fold_in(jax.random.key(0), count.astype(jnp.int32)), mean.shape)
    logits = dense_layers(decoder, mean + jnp.exp(0.5 * log_variance) * noise)
    terms = jnp.square(mean) + jnp.exp(log_variance) - log_variance - 1
    return _binary(logits, y) + 0.5 * jnp.mean(jnp.sum(terms, axis=1)) / 784


def _binary(logits: jax.Array, y: jax.Array) -> jax.Array:
    return jnp.mean(jax.nn.softplus(logits) - y * logits)


def _mlp() -> tuple[Loss, State]:
    return mlp_loss, mlp_state()


def _tabular() -> tuple[Loss, State]:
    widths = (sizes.NUM_COLUMNS, *sizes.TABULAR_WIDTHS, 1)
    return tabular_loss, state_of(dense_params(widths, np.random.default_rng(0)))


def _vae() -> tuple[Loss, State]:
    rng, inner, latent = np.random.default_rng(0), sizes.VAE_INNER, sizes.VAE_LATENT
    encoder, decoder = dense_params((784, inner, 2 * latent), rng), dense_params((latent, inner, 784), rng)
    return vae_loss, state_of((encoder, decoder))


MODELS: dict[str, Callable[[], tuple[Loss, State]]] = {"mlp": _mlp, "tabular": _tabular, "vae": _vae}


def adam_step(loss_fn: Loss, state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
    """Take one step of Adam (Kingma and Ba 2015) on a batch; returns the new state and the loss."""
    params, means, squares, count = state
    loss, grads = jax.value_and_grad(loss_fn)(params, count, x, y)
    count = count + 1
    means = jax.tree.map(lambda m, g: DECAY_1 * m + (1 - DECAY_1) * g, means, grads)
    squares = jax.tree.map(lambda s, g: DECAY_2 * s + (1 - DECAY_2) * g * g, squares, grads)
    rate = RATE * jnp.sqrt(1 - DECAY_2**count) / (1 - DECAY_1**count)
    params = jax.tree.map(lambda p, m, s: p - rate * m / (jnp.sqrt(s) + EPSILON), params, means, squares)
    return (params, means, squares, count), loss


def stepper(loss_fn: Loss) -> Callable[..., tuple[State, jax.Array]]:
    """Return the jitted step, which takes the state over."""
    return jax.jit(partial(adam_step, loss_fn), donate_argnums=0)


jitted_step = stepper(mlp_loss)


def fitter(name: str, x: np.ndarray, y: np.ndarray, batch_size: int) -> Callable[[int], float]:
    """Return a function that trains one of MODELS for some epochs, shuffled, and returns the last one's mean loss."""
    loss_fn, state = MODELS[name]()
    step, rng = stepper(loss_fn), np.random.default_rng(0)

    def fit(epochs: int) -> float:
        nonlocal state
        mean = 0.0
        for _ in range(epochs):
            order, losses = rng.permutation(len(x)), []
            for begin in range(0, len(x), batch_size):
                rows = order[begin : begin + batch_size]
                state, loss = step(state, x[rows], y[rows])
                losses.append(loss)
            mean = float(np.mean(losses))
        return mean

    return fit


def composite(name: str) -> Callable[[Any], Any]:
    """Return the jitted function for `layer_norm`, `softmax` or `gelu`; one compiled call each."""
    if name == "layer_norm":
        scale, shift = jnp.ones(data.WIDTH), jnp.zeros(data.WIDTH)
        jitted = jax.jit(_layer_norm)
        return lambda x: jitted(x, scale, shift)
    fn = {"softmax": jax.nn.softmax, "gelu": lambda x: jax.nn.gelu(x, approximate=False)}[name]
    return jax.jit(fn)


def _layer_norm(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    mean = jnp.mean(x, axis=-1, keepdims=True)
    variance = jnp.mean(jnp.square(x - mean), axis=-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift
