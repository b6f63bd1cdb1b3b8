"""Learning rate schedules: a table of steps beside Keras, on every engine, their configs and errors."""

import copy
import os

import numpy as np
import pytest

from dovetail import Variable, function
from dovetail.engine import xla
from dovetail.keras.optimizers import schedules
from dovetail.tensor import Tensor

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

TABLE = [0, 1, 2, 3, 5, 7, 9, 10, 11, 15, 19, 20, 21, 30, 35, 50, 69, 70, 71, 99, 100, 1000]

CASES = [
    ("ExponentialDecay", (0.1, 10, 0.9), {}),
    ("ExponentialDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("PiecewiseConstantDecay", ([10, 20], [1.0, 0.5, 0.1]), {}),
    ("PiecewiseConstantDecay", ([7, 20, 50, 70], [0.1, 1.0, 0.5, 0.25, 0.0]), {}),
    ("PolynomialDecay", (0.1, 50), {}),
    ("PolynomialDecay", (0.1, 50, 0.01), {"power": 0.5}),
    ("PolynomialDecay", (0.1, 10, 0.01), {"power": 2.0, "cycle": True}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {}),
    ("InverseTimeDecay", (0.1, 10, 0.5), {"staircase": True}),
    ("CosineDecay", (0.1, 50), {}),
    ("CosineDecay", (0.1, 50), {"alpha": 0.1}),
    ("CosineDecay", (0.01, 50), {"alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 20}),
    ("CosineDecay", (0.01, 50), {"warmup_target": 0.2}),
    ("CosineDecayRestarts", (0.1, 10), {}),
    ("CosineDecayRestarts", (0.1, 10), {"t_mul": 1.0, "m_mul": 0.8, "alpha": 0.1}),
    ("CosineDecayRestarts", (0.1, 10), {"t_mul": 3.0, "m_mul": 0.5}),
]
IDS = [f"{kind}-{'-'.join(options)}" for kind, _, options in CASES]


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def make(kind, arguments, options):
    return getattr(schedules, kind)(*arguments, **options)


def test_every_schedule_has_a_case():
    kinds = {name for name in schedules.__all__ if name[0].isupper()} - {"LearningRateSchedule"}
    assert kinds == {kind for kind, _, _ in CASES}


@pytest.mark.parametrize(("kind", "arguments", "options"), CASES, ids=IDS)
def test_the_table_of_steps_is_that_of_keras(keras, kind, arguments, options):
    ours = make(kind, arguments, options)
    theirs = getattr(keras.optimizers.schedules, kind)(*arguments, **options)
    # A restart falls on a step in exact arithmetic and beside it in float32, so Keras decides it by rounding.
    steps = [step for step in TABLE if kind != "CosineDecayRestarts" or step not in (10, 30, 70)]
    expected = [float(theirs(step)) for step in steps]
    np.testing.assert_allclose([float(ours(step)) for step in steps], expected, rtol=1e-5, atol=1e-7)
    traced = xla().jit(lambda step: ours(Tensor(step))._value)
    np.testing.assert_allclose([float(traced(np.int64(s))) for s in steps], expected, rtol=1e-4, atol=1e-6)
    assert ours.get_config() == theirs.get_config()
    assert keras.optimizers.schedules.serialize(theirs) == schedules.serialize(ours)
    again = schedules.deserialize(copy.deepcopy(schedules.serialize(ours)))
    assert type(again) is type(ours) and again.get_config() == ours.get_config()


@pytest.mark.parametrize(("kind", "arguments", "options"), CASES, ids=IDS)
def test_steps_may_be_numbers_tensors_and_variables(kind, arguments, options):
    schedule = make(kind, arguments, options)
    expected = float(schedule(3))
    for step in (Tensor(np.int64(3)), Variable(3), np.int32(3), Tensor(np.float32(3)), 3.0):
        result = schedule(step)
        assert result.dtype == "float32" and result.shape == () and float(result) == pytest.approx(expected)
    assert float(function(schedule)(Tensor(np.int64(3)))) == pytest.approx(expected, rel=1e-5)


def test_a_staircase_steps_where_it_should_when_compiled():
    for length in (3, 7, 41, 47, 49, 1000, 1407):
        schedule = schedules.ExponentialDecay(1.0, length, 0.5, staircase=True)
        steps = np.arange(0, 20 * length, length)
        traced = xla().jit(lambda step, schedule=schedule: schedule(Tensor(step))._value)(steps)
        np.testing.assert_allclose(traced, 0.5 ** np.arange(20), rtol=1e-6)
        np.testing.assert_allclose(schedule(steps), 0.5 ** np.arange(20), rtol=1e-6)


def test_arguments_may_be_tensors():
    schedule = schedules.ExponentialDecay(Tensor(np.float32(0.5)), Variable(10), np.float64(0.5))
    assert float(schedule(10)) == pytest.approx(0.25)
    assert schedule.get_config()["decay_steps"] == 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.9), "ExponentialDecay: decay_steps must be > 0"),
        (lambda: schedules.CosineDecayRestarts(0.1, -1), "first_decay_steps"),
        (lambda: schedules.CosineDecay(0.1, 10, warmup_steps=-1), "warmup_steps"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "one value more"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "increase"),
        (
            lambda: schedules.deserialize({"class_name": "CosinDecay", "config": {}}),
            "Did you mean 'CosineDecay'",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_schedule_without_a_formula_or_config_says_so():
    with pytest.raises(NotImplementedError, match="__call__"):
        schedules.LearningRateSchedule()(0)
    with pytest.raises(NotImplementedError, match="get_config"):
        schedules.LearningRateSchedule().get_config()
