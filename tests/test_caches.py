"""Caches are bounded, and belong to what they serve."""

import gc
import sys
import weakref

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.bounded import Bounded
from dovetail.base.settings import settings
from dovetail.function import frequency
from dovetail.function.frequency import CALLS_THAT_MAKE_A_SHAPE_FREQUENT, Frequency
from dovetail.keras.training import programs
from dovetail.ops import core
from dovetail.ops.core import OPS

functions = sys.modules["dovetail.function.function"]


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
    answers = [frequency.compiles("one", "rare") for _ in range(CALLS_THAT_MAKE_A_SHAPE_FREQUENT)]
    assert answers.index(True) == CALLS_THAT_MAKE_A_SHAPE_FREQUENT - 1
    for cache in (frequency._compiled, frequency._seen, frequency._last):
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


def _memory_of_shapes(run, warm: int, last: int) -> float:
    """Returns by how many MiB memory grows while `run(n)` compiles for the sizes from `warm` to `last`."""
    for n in range(1, warm):
        run(n)
    gc.collect()
    before = _resident_bytes()
    for n in range(warm, last):
        run(n)
    gc.collect()
    return (_resident_bytes() - before) / 2**20


@pytest.fixture
def compiled_anew(monkeypatch):
    """Lets every shape be compiled, and small caches be full soon."""
    monkeypatch.setattr(frequency.Frequency, "compiles", lambda *_: True)
    monkeypatch.setattr(frequency.Frequency, "has_met", lambda *_: False)
    monkeypatch.setattr(core, "_MOST_COMPILED", 32)
    monkeypatch.setattr(functions, "MAX_PROGRAMS", 32)
    monkeypatch.setattr(programs, "_MOST_PROGRAMS", 16)


def _op_of_shapes():
    def run(n):
        tf.roll(tf.ones([n]), 1, 0)

    before, settings.engine = settings.engine, "xla"
    yield run
    settings.engine = before


def _function_of_shapes():
    yield tf.function(lambda x: tf.reduce_sum(tf.tanh(x) * x))


def _model_of_shapes():
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    def run(n):
        x = np.ones((n, 3), "float32")
        model.fit(x, x[:, :1], batch_size=n, verbose=0)
        model.predict(x, batch_size=n, verbose=0)

    yield run


# What compiles for shapes, and how many of them: small, and the run that takes memory's measure.
OWNERS = {
    "op": (_op_of_shapes, 50, 200),
    "function": (_function_of_shapes, 40, 120),
    "model": (_model_of_shapes, 12, 36),
}


def _compiled_for(name: str) -> int:
    """Returns how many programs there are, of the kind that an owner makes."""
    kinds = {"op": "PjitFunction", "function": "Program", "model": "Program"}
    gc.collect()
    return sum(type(x).__name__ == kinds[name] for x in gc.get_objects())


@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
@pytest.mark.parametrize("name", ["function", "model"])
def test_programs_of_shapes_are_given_up(name, compiled_anew):
    made, _, _ = OWNERS[name]
    for run in made():
        before = _compiled_for(name)
        for n in range(1, 45):
            run(tf.ones([n]) if name == "function" else n)
        assert _compiled_for(name) - before <= 2 * 32


def test_what_an_op_compiled_is_given_up(compiled_anew):
    for run in _op_of_shapes():
        run(1)
        held = [weakref.ref(b._compiled) for b in OPS["roll"]._bound.values() if b._compiled is not None]
        assert held
        for n in range(2, 40):
            run(n)
        gc.collect()
        assert all(one() is None for one in held)
        assert OPS["roll"]._num_compiled <= 32


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
@pytest.mark.parametrize("name", OWNERS)
def test_compiled_shapes_leave_flat_memory(name, compiled_anew):
    made, warm, last = OWNERS[name]
    for run in made():
        step = (lambda n, run=run: run(tf.ones([n]))) if name == "function" else run
        grown = _memory_of_shapes(step, warm, last)
    print(f"{name}: {last - warm} further shapes compiled: {grown:.1f} MiB more")
    assert grown < 64


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
