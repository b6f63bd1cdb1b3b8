"""Rows for recurrent networks over sequences, against step-by-step NumPy."""

import numpy as np

from dovetail import keras
from tests.ops.case import Case, normal

assert keras.layers.LSTM  # the ops are loaded with the layers
_MASK = np.array([[True, False], [True, True], [False, True], [True, False]])
T, B, N = 4, 2, 3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def loop(step, z, states, mask):
    """The outputs of all steps and the last states of `states = step(z, states)`."""
    outputs = []
    for time, row in enumerate(z):
        seen = np.ones(len(row), bool) if mask is None else mask[time]
        new = step(row, states)
        states = [np.where(seen[:, None], a, b) for a, b in zip(new, states, strict=True)]
        outputs.append(states[0])
    return (np.stack(outputs), *states)


def zeros_for(z, state):
    return np.zeros((B, N), z.dtype) if state is None else state


def lstm(z, kernel, h=None, c=None, dropped=None, mask=None, **_):
    def step(row, states):
        h, c = states
        i, f, g, o = np.split(row + (h if dropped is None else h * dropped) @ kernel, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return loop(step, z, [zeros_for(z, h), zeros_for(z, c)], mask)


def gru(z, kernel, bias=None, h=None, dropped=None, mask=None, reset_after=True, **_):
    bias = np.zeros(3 * N, z.dtype) if bias is None else bias

    def step(row, states):
        (h,) = states
        given = h if dropped is None else h * dropped
        inner = given @ kernel + bias
        u, r = sigmoid(row[:, :N] + inner[:, :N]), sigmoid(row[:, N : 2 * N] + inner[:, N : 2 * N])
        further = r * inner[:, 2 * N :] if reset_after else (r * given) @ kernel[:, 2 * N :]
        return [u * h + (1 - u) * np.tanh(row[:, 2 * N :] + further)]

    return loop(step, z, [zeros_for(z, h)], mask)


def simple_rnn(z, kernel, h=None, dropped=None, mask=None, activation="tanh", **_):
    act = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}[activation]

    def step(row, states):
        (h,) = states
        return [act(row + (h if dropped is None else h * dropped) @ kernel)]

    return loop(step, z, [zeros_for(z, h)], mask)


LSTM = normal((T, B, 4 * N), (N, 4 * N), (B, N), (B, N))
GRU = normal((T, B, 3 * N), (N, 3 * N), (3 * N,), (B, N))
SIMPLE = normal((T, B, N), (N, N), (B, N))
NEAR = {"rtol": 1e-4, "atol": 1e-5}

CASES = [
    Case("lstm", normal((T, B, 4 * N), (N, 4 * N)), oracle=lstm, grad=(0, 1), **NEAR),
    Case("lstm", LSTM, oracle=lstm, grad=(0, 1, 2, 3), id="states", **NEAR),
    Case("lstm", lambda rng: (*LSTM(rng), None, _MASK), oracle=lstm, grad=(0, 1, 2, 3), id="mask", **NEAR),
    Case("gru", GRU, oracle=gru, grad=(0, 1, 2, 3), **NEAR),
    Case("gru", lambda rng: (*GRU(rng), None, _MASK), oracle=gru, grad=(0, 1, 2, 3), id="mask", **NEAR),
    Case(
        "gru",
        lambda rng: (*normal((T, B, 3 * N), (N, 3 * N))(rng), None, *normal((B, N))(rng)),
        {"reset_after": False},
        oracle=gru,
        grad=(0, 1, 3),
        id="before",
        **NEAR,
    ),
    Case("simple_rnn", SIMPLE, oracle=simple_rnn, grad=(0, 1, 2), **NEAR),
    Case("simple_rnn", SIMPLE, {"activation": "relu"}, oracle=simple_rnn, id="relu", **NEAR),
    Case(
        "simple_rnn",
        lambda rng: (*SIMPLE(rng), None, _MASK),
        oracle=simple_rnn,
        grad=(0, 1, 2),
        id="mask",
        **NEAR,
    ),
]
