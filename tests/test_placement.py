"""Which engine runs eager work: one rule, whatever is open around it and whichever way a call takes."""

import contextlib

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings

LIMIT = 1000
# name -> (elements in all, call): what an op reads, in numbers near the limit.
CALLS = {
    "unary": lambda n: (n, lambda: tf.exp(_row(n))),
    "binary": lambda n: (n, lambda: _row(n // 2) + _row(n - n // 2)[: n // 2]) if n % 2 else _pair(n),
    "binary with a number": lambda n: (n, lambda: _row(n - 1) * 2.0),
    "number with a tensor": lambda n: (n, lambda: 2.0 - _row(n - 1)),
    "function": lambda n: (n, lambda: tf.maximum(_row(n - 1), tf.constant(0.5))),
    "comparison": lambda n: (n, lambda: _row(n - 1) > 0.5),
    "reduction": lambda n: (n, lambda: tf.math.reduce_variance(_row(n))),
    "reshape": lambda n: (n, lambda: tf.reshape(_row(n), [1, -1])),
    "variable": lambda n: (n, lambda: tf.Variable(_row(n - 1)) + 1.0),
}


def _row(n):
    return tf.constant(np.linspace(0, 1, n, dtype="float32"))


def _pair(n):
    return n, lambda: _row(n // 2) + _row(n // 2)


AROUND = {
    "nothing": contextlib.nullcontext,
    "an unrelated tape": tf.GradientTape,
    "a persistent tape": lambda: tf.GradientTape(persistent=True),
    "a name scope": lambda: tf.name_scope("a"),
    "the CPU": lambda: tf.device("/cpu:0"),
}


@pytest.fixture
def small_limit(monkeypatch):
    before = settings.host_limit
    settings.host_limit = LIMIT
    yield
    settings.host_limit = before


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", CALLS)
def test_one_rule(name, around, small_limit):
    for n in (LIMIT - 2, LIMIT, LIMIT + 2, 4 * LIMIT):
        elements, call = CALLS[name](n)
        with AROUND[around]():
            result = call()
        on_host = type(result._value) is np.ndarray
        assert on_host == (elements <= LIMIT), (n, elements)


@pytest.mark.parametrize("around", AROUND)
def test_views_cost_nothing(around, small_limit):
    x = _row(5 * LIMIT)
    with AROUND[around]():
        assert type(x[10:-10]._value) is np.ndarray
