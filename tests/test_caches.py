"""Caches are bounded, and belong to what they serve."""

import gc

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.bounded import Bounded
from dovetail.function.frequency import Frequency
from dovetail.ops.core import OPS


def test_a_bounded_dict_forgets_the_oldest():
    cache = Bounded(2)
    for key in "abc":
        assert cache.put(key, key.upper()) == key.upper()
    assert dict(cache) == {"b": "B", "c": "C"}
    assert cache.renew("b") == "B" and cache.renew("a") is None
    cache.put("d", "D")
    assert set(cache) == {"b", "d"}


def test_what_a_function_counts_is_bounded():
    frequency = Frequency()
    for family in range(5000):
        assert frequency.compiles(family, (family, 1))
        frequency.compiled(family)
    for key in range(5000):
        for _ in range(4):
            frequency.compiled("one")
        frequency.compiles("one", key)
    assert not frequency.compiles("one", "rare") and not frequency.compiles("one", "rare")
    assert frequency.compiles("one", "rare")
    for cache in (frequency._compiled, frequency._seen):
        assert len(cache) <= cache.limit < 5000


def test_attribute_values_leave_bounded_caches():
    op = OPS["reshape"]
    x = tf.zeros([24])
    for rows in range(1, 3000):
        tf.reshape(x, [1] * (rows % 24) + [24, *([1] * (rows // 24 % 24))])
        tf.roll(x, rows, 0)
    for op in (OPS["reshape"], OPS["roll"]):
        assert len(op._given) <= op._given.limit and len(op._bound) <= op._bound.limit


def test_what_was_forgotten_is_found_again_with_the_same_result():
    x = tf.constant([1.0, 2.0, 3.0])
    before = tf.roll(x, 1, 0).numpy()
    for shift in range(2, 2000):
        tf.roll(x, shift, 0)
    np.testing.assert_array_equal(tf.roll(x, 1, 0).numpy(), before)


def test_an_unrelated_layer_makes_nothing_stale():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    trained = model.trainable_weights
    found = model._found
    other = keras.layers.Dense(1)
    other.build((None, 2))
    other.trainable = False
    other.note = object()
    tf.Variable(1.0).trainable = False
    assert model.trainable_weights == trained or list(map(id, model.trainable_weights)) == list(
        map(id, trained)
    )
    assert model._found is found


def test_an_unrelated_layer_leaves_plans_alone():
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    x = np.ones((1, 3), "float32")
    for _ in range(4):
        model(x)
    plans = dict(model._plans._found)
    assert plans and all(type(plan).__name__ == "CallPlan" for plan in plans.values())
    keras.layers.Dense(1).extra = object()
    model(x)
    assert model._plans._found == plans


@pytest.mark.parametrize("change", ["layer", "model", "variable", "list", "inner"])
def test_a_change_of_its_own_is_seen(change):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(2)])]
            self.head = keras.layers.Dense(1)

        def call(self, x):
            return self.head(self.blocks[0](x))

    net = Net()
    net(np.ones((1, 3), "float32"))
    assert len(net.trainable_weights) == 6
    if change == "layer":
        net.head.trainable = False
    elif change == "model":
        net.trainable = False
    elif change == "variable":
        net.head.kernel.trainable = False
    elif change == "inner":
        net.blocks[0].layers[1].trainable = False
    else:
        more = keras.layers.Dense(1)
        more.build((None, 1))
        net.blocks.append(more)
    expected = {"layer": 4, "model": 0, "variable": 5, "inner": 4, "list": 8}[change]
    assert len(net.trainable_weights) == expected


@pytest.mark.slow
def test_ten_thousand_attribute_values_and_shapes_leave_flat_memory():
    def run(first: int, last: int) -> None:
        for n in range(first, last):
            x = tf.ones([n])
            tf.reduce_sum(tf.reshape(x, [n, 1]) * 2.0)
            tf.roll(x, n, 0)

    run(1, 1000)
    before = _resident_bytes()
    run(1000, 11000)
    gc.collect()
    grown = _resident_bytes() - before
    print(f"10,000 shapes and attribute values: {grown / 2**20:.1f} MiB more")
    assert grown < 64 * 2**20


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
