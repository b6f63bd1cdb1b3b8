"""The benchmarks' functions in plain JAX, as one writes them by hand with `jax.jit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import data

State = tuple[Any, Any, Any, Any]
RATE, DECAY_1, DECAY_2, EPSILON = 1e-3, 0.9, 0.999, 1e-7


def mlp_state(seed: int = 0) -> State:
    """Return parameters of the 784-128-10 perceptron, zero moments and a step count of zero."""
    rng = np.random.default_rng(seed)
    params = [
        (_glorot(rng, 784, 128), jnp.zeros(128)),
        (_glorot(rng, 128, data.NUM_CLASSES), jnp.zeros(data.NUM_CLASSES)),
    ]
    means, squares = (jax.tree.map(jnp.zeros_like, params) for _ in range(2))
    return params, means, squares, jnp.zeros((), jnp.float32)


def _glorot(rng: np.random.Generator, rows: int, columns: int) -> jax.Array:
    limit = (6 / (rows + columns)) ** 0.5
    return jnp.asarray(rng.uniform(-limit, limit, (rows, columns)), jnp.float32)


def mlp_loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean cross-entropy of the perceptron's logits."""
    (kernel_1, bias_1), (kernel_2, bias_2) = params
    logits = jax.nn.relu(x @ kernel_1 + bias_1) @ kernel_2 + bias_2
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1))


def adam_step(state: State, x: jax.Array, y: jax.Array) -> tuple[State, jax.Array]:
    """Take one step of Adam (Kingma and Ba 2015) on a batch; returns the new state and the loss."""
    params, means, squares, count = state
    loss, grads = jax.value_and_grad(mlp_loss)(params, x, y)
    count = count + 1
    means = jax.tree.map(lambda m, g: DECAY_1 * m + (1 - DECAY_1) * g, means, grads)
    squares = jax.tree.map(lambda s, g: DECAY_2 * s + (1 - DECAY_2) * g * g, squares, grads)
    rate = RATE * jnp.sqrt(1 - DECAY_2**count) / (1 - DECAY_1**count)
    params = jax.tree.map(lambda p, m, s: p - rate * m / (jnp.sqrt(s) + EPSILON), params, means, squares)
    return (params, means, squares, count), loss


jitted_step = jax.jit(adam_step, donate_argnums=0)


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
