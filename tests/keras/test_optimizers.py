"""Optimizers: five steps beside Keras, equal engines, arguments, state, errors, and rules that users write."""

import copy
import gc
import os
import pathlib
import pickle
import subprocess
import sys
import weakref

import numpy as np
import pytest

import dovetail
from dovetail import GradientTape, Variable, cast, function
from dovetail.base.settings import settings
from dovetail.keras import optimizers
from dovetail.keras.optimizers import experimental, legacy, schedules
from dovetail.tensor import Tensor
from tests.keras.optimizer_cases import SHAPES, close, gradients, make, train, values, variables

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

SOURCE = pathlib.Path(__file__).parents[2] / "src"
# Class name, arguments.  Every class has a row; further rows are for arguments that change the rule.
CASES = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"learning_rate": 0.01}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5, "centered": True, "epsilon": 1e-3}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4, "amsgrad": True}),
    ("AdamW", {"learning_rate": 0.01}),
    ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.2, "amsgrad": True}),
    ("Adamax", {"learning_rate": 0.01}),
    ("Nadam", {"learning_rate": 0.01}),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.2}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Ftrl", {"learning_rate": 0.1}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "learning_rate_power": -0.7,
            "l1_regularization_strength": 0.01,
            "l2_regularization_strength": 0.02,
            "l2_shrinkage_regularization_strength": 0.03,
            "beta": 0.5,
        },
    ),
    ("Lion", {"learning_rate": 0.01}),
    ("Lamb", {"learning_rate": 0.01}),
    ("Adafactor", {"learning_rate": 0.01}),
    ("Muon", {"learning_rate": 0.01}),
    (
        "Muon",
        {"learning_rate": 0.01, "rms_rate": None, "nesterov": False, "adam_lr_ratio": 0.5, "ns_steps": 3},
    ),
    ("Muon", {"learning_rate": 0.01, "exclude_layers": ["kernel"], "weight_decay": None}),
    ("ScheduleFreeAdamW", {}),
    ("ScheduleFreeAdamW", {"warmup_steps": 3, "weight_decay": 0.1, "beta_1": 0.8}),
    ("SGD", {"learning_rate": 0.1, "clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "clipvalue": 0.3}),
    ("Adam", {"learning_rate": 0.1, "global_clipnorm": 0.5}),
    ("SGD", {"learning_rate": 0.1, "weight_decay": 0.1, "momentum": 0.9}),
    ("Adam", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7}),
    ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7, "ema_overwrite_frequency": 2}),
    ("Adam", {"learning_rate": 0.1, "gradient_accumulation_steps": 2}),
    ("Nadam", {"learning_rate": 0.1, "gradient_accumulation_steps": 2, "use_ema": True}),
    ("SGD", {"learning_rate": 0.1, "loss_scale_factor": 8.0}),
]
IDS = [f"{kind}-{'-'.join(arguments)}" for kind, arguments in CASES]


@pytest.fixture
def engine(request):
    before = settings.engine
    settings.engine = request.param
    yield request.param
    settings.engine = before


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


# ---- values


def test_every_optimizer_has_a_case():
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer", "OptimizerMap"}
    kinds = {name for name in optimizers.__all__ if name[0].isupper()} - wrappers
    assert kinds == {kind for kind, _ in CASES}


# On TensorFlow, Keras reads `momentum.value` after it has changed it; its own formula is what it computes on JAX.
BESIDE_KERAS = [case for case in CASES if case[0] != "ScheduleFreeAdamW"]


@pytest.mark.parametrize(("kind", "arguments"), BESIDE_KERAS)
def test_five_steps_are_those_of_keras(keras, kind, arguments):
    reference = getattr(keras.optimizers, kind)(**arguments)
    theirs = [keras.Variable(value, name=name) for value, name in zip(values(), SHAPES)]
    ours, optimizer = variables(), make(kind, arguments)
    for step in gradients():
        reference.apply_gradients(zip([keras.ops.convert_to_tensor(g) for g in step], theirs))
        optimizer.apply_gradients(zip([Tensor(g) for g in step], ours))
        close([v.numpy() for v in ours], [v.numpy() for v in theirs])
    assert int(np.asarray(optimizer.iterations)) == int(np.asarray(reference.iterations))
    assert len(optimizer.variables) == len(reference.variables)
    for own, their in zip(optimizer.variables, reference.variables):
        np.testing.assert_allclose(own.numpy(), their.numpy(), rtol=2e-5, atol=1e-6, err_msg=own.path)
    theirs_config = reference.get_config() | {"name": optimizer.name}
    assert optimizer.get_config() == theirs_config


@pytest.mark.parametrize(("beta_1", "warmup"), [(0.9, 0), (0.7, 3)])
def test_five_steps_without_a_schedule(beta_1, warmup):
    rate, own = 0.01, variables()
    train(optimizers.ScheduleFreeAdamW(rate, beta_1=beta_1, warmup_steps=warmup), own)
    mean, fast, squares = values(), values(), [0.0 * value for value in values()]
    for step, grads in enumerate(gradients(), 1):
        grown = rate * (min(step / warmup, 1) if warmup else 1)
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, grads)]
        size = [np.sqrt(s / (1 - 0.999**step)) + 1e-8 for s in squares]
        fast = [z - grown * g / d for z, g, d in zip(fast, grads, size)]
        mean = [x + (z - x) / step for x, z in zip(mean, fast)]
    close([v.numpy() for v in own], [beta_1 * x + (1 - beta_1) * z for x, z in zip(mean, fast)], 1e-4)


def chosen_by_path(k):
    return k.optimizers.OptimizerMap(
        k.optimizers.SGD(0.1, momentum=0.9),
        {"kernel": k.optimizers.Adam(0.01), "f.*": k.optimizers.Lion(0.02)},
    )


def chosen_by_function(k):
    first, second = k.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5), k.optimizers.Adagrad(0.1)
    return lambda variable: first if len(variable.shape) > 1 else second


@pytest.mark.parametrize("scale", [None, 8.0])
@pytest.mark.parametrize("chosen", [chosen_by_path, chosen_by_function])
def test_several_optimizers_do_what_they_do_in_keras(keras, chosen, scale):
    reference = keras.optimizers.MultiOptimizer(chosen(keras), loss_scale_factor=scale)
    optimizer = optimizers.MultiOptimizer(chosen(dovetail.keras), loss_scale_factor=scale)
    theirs, ours = [keras.Variable(value, name=name) for value, name in zip(values(), SHAPES)], variables()
    for step in gradients():
        reference.apply_gradients(zip([keras.ops.convert_to_tensor(g) for g in step], theirs))
        optimizer.apply_gradients(zip([Tensor(g) for g in step], ours))
    reference.finalize_variable_values(theirs) if chosen is chosen_by_function else None
    optimizer.finalize_variable_values(ours) if chosen is chosen_by_function else None
    close([v.numpy() for v in ours], [v.numpy() for v in theirs])
    assert int(optimizer.iterations) == int(np.asarray(reference.iterations)) == 5
    close([v.numpy() for v in optimizer.variables], [v.numpy() for v in reference.variables])
    close(
        [float(optimizer.scale_loss(Tensor(np.asarray(2, np.float32))))], [float(reference.scale_loss(2.0))]
    )
    with pytest.raises(AttributeError, match="no learning rate"):
        optimizer.learning_rate = 0.1


def test_several_optimizers_train_a_model_and_come_back_from_a_config():
    keras = dovetail.keras
    made = optimizers.MultiOptimizer(chosen_by_path(keras), name="several")
    again = optimizers.deserialize(optimizers.serialize(made))
    assert again.get_config() == made.get_config() and [type(o).__name__ for o in again.optimizers] == [
        "Adam",
        "Lion",
        "SGD",
    ]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(again, "mse")
    x = values()[1][None].repeat(8, 0)
    losses = model.fit(x, x[:, :1], batch_size=4, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0] and int(again.iterations) == 6


def test_wrong_optimizers_of_a_map_are_named():
    with pytest.raises(ValueError, match="none that wraps others"):
        optimizers.OptimizerMap(optimizers.SGD(), {"a": optimizers.LossScaleOptimizer(optimizers.SGD())})
    found = optimizers.OptimizerMap(optimizers.SGD(), {"a.*": optimizers.Adam(), ".*b": optimizers.Adam()})
    with pytest.raises(ValueError, match="several keys match the variable 'ab'"):
        found["ab"]
    with pytest.raises(TypeError, match="OptimizerMap or a function"):
        optimizers.MultiOptimizer(3)
    with pytest.raises(ValueError, match="regular expressions"):
        optimizers.Muon(exclude_layers=["("])


@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=IDS)
def test_compiled_and_traced_and_host_steps_agree(kind, arguments):
    results, before = {}, settings.engine
    for name in ("host", "xla"):
        settings.engine = name
        try:
            optimizer, own = make(kind, arguments), variables()
            results[name] = train(optimizer, own) + optimizer.get_weights()
        finally:
            settings.engine = before
    own, optimizer = variables(), make(kind, arguments)
    optimizer.build(own)

    @function
    def step(*arrays):
        optimizer.apply_gradients(zip(arrays, own))

    for arrays in gradients():
        step(*[Tensor(a) for a in arrays])
    results["traced"] = [np.asarray(v) for v in own] + optimizer.get_weights()
    close(results["host"], results["xla"], 1e-4)
    close(results["traced"], results["xla"], 1e-5)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("RMSprop", {}),
        ("RMSprop", {"momentum": 0.5, "centered": True}),
        ("Nadam", {"learning_rate": 0.01}),
        ("Adam", {"decay": 0.1}),
        ("SGD", {"momentum": 0.9, "nesterov": True, "clipnorm": 0.5}),
    ],
)
def test_optimizers_from_before_are_those_of_tf_keras(kind, arguments):
    theirs, tf = pytest.importorskip("tf_keras"), pytest.importorskip("tensorflow")
    reference = getattr(theirs.optimizers.legacy, kind)(**arguments)
    optimizer = getattr(legacy, kind)(**arguments)
    held, own = [tf.Variable(value) for value in values()], variables()
    for step in gradients():
        reference.apply_gradients(zip(map(tf.constant, step), held))
        optimizer.apply_gradients(zip(map(Tensor, step), own))
    close([v.numpy() for v in own], [v.numpy() for v in held])
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer) and again.get_config() == optimizer.get_config()


def test_a_traced_step_creates_its_state_and_traces_once():
    traces, own = [], variables()
    optimizer = optimizers.Adam(0.1)

    @function
    def step(*arrays):
        traces.append(1)
        optimizer.apply_gradients(zip(arrays, own))
        return optimizer.iterations + 0

    for number, arrays in enumerate(gradients(), 1):
        assert int(step(*[Tensor(a) for a in arrays])) == number
    assert len(traces) <= 2
    expected = variables()
    close([np.asarray(v) for v in own], train(optimizers.Adam(0.1), expected), 1e-4)


@pytest.mark.parametrize("engine", ["host", "xla"], indirect=True)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_variables_keep_their_dtype(engine, dtype):
    for kind in ("SGD", "Adam", "Nadam", "Lamb", "Adafactor"):
        own = [Variable(cast(Tensor(v), dtype)) for v in values()]
        optimizer = make(kind, {"learning_rate": 0.1, "use_ema": True, "clipnorm": 1.0})
        optimizer.apply_gradients(zip([Tensor(g) for g in gradients()[0]], own))
        assert {v.dtype.name for v in own} == {dtype}
        assert all(v.dtype.name == dtype for v in optimizer.variables[2:])


@pytest.mark.parametrize("engine", ["auto"], indirect=True)
def test_large_variables_take_one_compiled_call(engine):
    own = [Variable(np.zeros((100, 100), np.float32))]
    optimizer = optimizers.Adam(0.1)
    for _ in range(3):
        optimizer.apply_gradients([(Tensor(np.ones((100, 100), np.float32)), own[0])])
    (plan,) = optimizer._plans.found.values()
    assert plan.compiled._cache_size() <= 2  # the first call has NumPy arrays
    assert np.asarray(own[0])[0, 0] == pytest.approx(-0.3, rel=1e-4)


def test_a_variable_that_is_listed_twice_is_updated_twice():
    weight = Variable(1.0)
    optimizers.SGD(0.1).apply_gradients([(Tensor(np.float32(1)), weight), (Tensor(np.float32(2)), weight)])
    assert float(weight) == pytest.approx(0.7)


def test_constraints_hold_after_the_update():
    weight = Variable([1.0, 2.0], constraint=lambda w: w * 0.0)
    optimizers.SGD(0.1).apply_gradients([(Tensor(np.ones(2, np.float32)), weight)])
    assert weight.numpy().tolist() == [0, 0]


def test_finalize_overwrites_with_the_averages(keras):
    arguments = {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.5}
    own, theirs = variables(), [keras.Variable(v) for v in values()]
    optimizer, reference = make("SGD", arguments), keras.optimizers.SGD(**arguments)
    train(optimizer, own)
    for step in gradients():
        reference.apply_gradients(zip(step, theirs))
    optimizer.finalize_variable_values(own)
    reference.finalize_variable_values(theirs)
    close([v.numpy() for v in own], [v.numpy() for v in theirs])


# ---- the learning rate


def test_the_learning_rate_is_a_variable():
    weight, optimizer = Variable(1.0), optimizers.SGD(0.1)
    one = Tensor(np.float32(1))
    optimizer.apply_gradients([(one, weight)])
    assert float(weight) == pytest.approx(0.9)
    optimizer.learning_rate = 0.2
    optimizer.apply_gradients([(one, weight)])
    assert float(weight) == pytest.approx(0.7)
    optimizer.lr.assign(0.5)
    optimizer.apply_gradients([(one, weight)])
    assert float(weight) == pytest.approx(0.2)
    assert float(optimizer.learning_rate) == 0.5 and optimizer.lr.dtype == "float32"


def test_setting_the_learning_rate_does_not_compile_again():
    weight = Variable(np.zeros(5000, np.float32))
    optimizer = optimizers.SGD(0.1)
    gradient = Tensor(np.ones(5000, np.float32))
    optimizer.apply_gradients([(gradient, weight)])
    (plan,) = optimizer._plans.found.values()
    compiled = plan.compiled
    optimizer.learning_rate = 1.0
    optimizer.apply_gradients([(gradient, weight)])
    assert plan.compiled is compiled and weight.numpy()[0] == pytest.approx(-1.1)
    optimizer.momentum = 0.5  # a constant of the compiled step
    optimizer.apply_gradients([(gradient, weight)])
    optimizer.apply_gradients([(gradient, weight)])
    assert weight.numpy()[0] == pytest.approx(-3.6)


class Halving(schedules.LearningRateSchedule):
    def __init__(self, initial):
        self.initial = initial

    def __call__(self, step):
        return self.initial * 0.5 ** cast(step, "float32")

    def get_config(self):
        return {"initial": self.initial}


@pytest.mark.parametrize("engine", ["host", "xla"], indirect=True)
@pytest.mark.parametrize(
    "rate",
    [
        Halving(0.4),
        schedules.ExponentialDecay(0.4, 1, 0.5),
        lambda: Tensor(np.float32(0.3)),
        lambda step: 0.4 * 0.5 ** cast(step, "float32"),
    ],
)
def test_schedules_and_functions(engine, rate):
    expected = 1 - (
        0.6 if rate.__class__.__name__ == "function" and not rate.__code__.co_argcount else 0.4 + 0.2
    )
    weight, optimizer = Variable(1.0), optimizers.SGD(rate)
    for _ in range(2):
        optimizer.apply_gradients([(Tensor(np.float32(1)), weight)])
    assert float(weight) == pytest.approx(expected)

    if engine == "xla":
        traced, optimizer = Variable(1.0), optimizers.SGD(rate)

        @function
        def step(gradient):
            optimizer.apply_gradients([(gradient, traced)])

        step(Tensor(np.float32(1)))
        step(Tensor(np.float32(1)))
        assert float(traced) == pytest.approx(expected)


def test_a_schedule_shows_its_present_value_and_can_be_called():
    optimizer = optimizers.SGD(schedules.ExponentialDecay(0.4, 1, 0.5))
    assert float(optimizer.learning_rate) == pytest.approx(0.4)
    optimizer.iterations.assign(2)
    assert float(optimizer.lr) == pytest.approx(0.1)
    assert float(optimizer.lr(3)) == pytest.approx(0.05)
    assert len(optimizer.variables) == 1
    with pytest.raises(TypeError, match="ExponentialDecay"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = schedules.ExponentialDecay(1.0, 1, 0.5)
    assert float(optimizer.lr) == pytest.approx(0.25)


def test_changing_a_schedule_counts():
    schedule = schedules.ExponentialDecay(1.0, 10, 1.0)
    weight, optimizer = Variable(np.zeros(5000, np.float32)), optimizers.SGD(schedule)
    gradient = Tensor(np.ones(5000, np.float32))
    optimizer.apply_gradients([(gradient, weight)])
    schedule.initial_learning_rate = 2.0
    optimizer.apply_gradients([(gradient, weight)])
    assert weight.numpy()[0] == pytest.approx(-3)


@pytest.mark.parametrize("engine", ["host", "xla"], indirect=True)
def test_the_spellings_of_keras_2(engine):
    tf_keras_rates = [0.5 / (1 + 0.1 * step) for step in range(3)]
    weight = Variable(0.0)
    optimizer = optimizers.SGD(lr=0.5, decay=0.1, jit_compile=True)
    for _ in range(3):
        optimizer.apply_gradients([(Tensor(np.float32(1)), weight)])
    assert float(weight) == pytest.approx(-sum(tf_keras_rates), rel=1e-5)
    assert optimizer.get_config()["decay"] == 0.1 and float(optimizer.decay) == pytest.approx(0.1)
    assert float(optimizer._decayed_lr("float32")) == pytest.approx(0.5 / 1.3)
    assert optimizers.Adam(epsilon=None).epsilon == settings.epsilon


def test_names_of_other_times():
    assert legacy.Adam is optimizers.Adam and experimental.AdamW is optimizers.AdamW
    assert type(optimizers.get("adam")) is optimizers.Adam
    assert type(optimizers.get("RMSprop")) is type(optimizers.get("rmsprop"))
    assert optimizers.get(None) is None
    assert optimizers.get(optimizers.SGD).name.startswith("sgd")
    own = optimizers.SGD()
    assert optimizers.get(own) is own
    config = {"class_name": "adam", "config": {"learning_rate": 0.5, "decay": 0.0, "name": "Adam"}}
    assert float(optimizers.get(config).learning_rate) == 0.5


# ---- state


def test_variables_are_a_list_that_can_be_called():
    own, optimizer = variables(), optimizers.Adam(name="adam")
    optimizer.build(own)
    assert optimizer.variables() == optimizer.variables == optimizer.weights
    assert [v.path for v in optimizer.variables[:4]] == [
        "adam/iteration",
        "adam/learning_rate",
        "adam/kernel_momentum",
        "adam/kernel_velocity",
    ]
    assert optimizer.iterations.dtype == "int64" and optimizer.learning_rate is optimizer.variables[1]


def test_weights_move_to_another_optimizer():
    own, other = variables(), variables()
    first, second = optimizers.Adam(0.1), optimizers.Adam(0.1)
    train(first, own, gradients()[:3])
    with pytest.raises(ValueError, match="build"):
        second.set_weights(first.get_weights())
    second.build(other)
    second.set_weights(first.get_weights())
    for source, target in zip(own, other):
        target.assign(source)
    close(train(first, own, gradients()[3:]), train(second, other, gradients()[3:]))
    store = {}
    first.save_own_variables(store)
    third = optimizers.Adam(0.1)
    with pytest.warns(UserWarning, match="not been built"):
        third.load_own_variables(store)
    third.build(own)
    third.load_own_variables(store)
    close(third.get_weights(), first.get_weights())
    with pytest.raises(ValueError, match="expected 10 arrays"):
        second.set_weights(first.get_weights()[:3])
    with pytest.raises(ValueError, match="kernel_momentum has shape"):
        second.set_weights([np.zeros(())] * 10)


@pytest.mark.parametrize(("kind", "arguments"), CASES, ids=IDS)
def test_a_config_makes_the_same_optimizer(kind, arguments):
    optimizer = make(kind, arguments)
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert type(again) is type(optimizer) and again.get_config() == optimizer.get_config()
    close(train(again, variables()), train(optimizer, variables()))


def test_configs_of_schedules_and_of_keras(keras):
    optimizer = optimizers.Adam(schedules.CosineDecay(0.1, 100, warmup_target=0.2, warmup_steps=10))
    config = optimizers.serialize(optimizer)
    theirs = keras.optimizers.deserialize(copy.deepcopy(config))
    assert keras.optimizers.serialize(theirs) == config
    assert float(optimizers.deserialize(config).learning_rate) == pytest.approx(float(theirs.learning_rate))


def test_optimizers_are_pickled_with_their_state():
    own, optimizer = variables(), optimizers.Adam(0.1)
    train(optimizer, own, gradients()[:2])
    again, own_again = pickle.loads(pickle.dumps((optimizer, own)))
    close(train(again, own_again, gradients()[2:]), train(optimizer, own, gradients()[2:]))


def test_new_variables_get_state_later():
    first, second = Variable(np.ones(3, np.float32), name="a"), Variable(np.ones(2, np.float32), name="b")
    optimizer = optimizers.Adam(0.1)
    optimizer.apply_gradients([(Tensor(np.ones(3, np.float32)), first)])
    optimizer.apply_gradients([(Tensor(np.ones(2, np.float32)), second)])
    assert len(optimizer.variables) == 6 and int(optimizer.iterations) == 2


def test_stateless_apply():
    own, optimizer = variables(), optimizers.Adam(0.1)
    optimizer.build(own)
    before = optimizer.get_weights()
    step = [Tensor(g) for g in gradients()[0]]
    new, state = optimizer.stateless_apply(
        [v.value for v in optimizer.variables], step, [v.value for v in own]
    )
    close([v.numpy() for v in own], values())
    close(optimizer.get_weights(), before)
    optimizer.apply(step, own)
    close([v.numpy() for v in new], [v.numpy() for v in own])
    close([v.numpy() for v in state], optimizer.get_weights())


def test_weight_decay_leaves_out_what_it_is_told_to():
    own = variables()
    zeros = [np.zeros(shape, np.float32) for shape in SHAPES.values()]
    optimizer = optimizers.SGD(0.5, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[own[3]], var_names=["bias"])
    close(train(optimizer, own, [zeros]), [v * f for v, f in zip(values(), (0.75, 1, 0.75, 1))])


# ---- losses


def test_minimize():
    weight, optimizer = Variable(2.0), optimizers.SGD(0.1, loss_scale_factor=4.0)
    assert int(optimizer.minimize(lambda: weight * weight, [weight])) == 1
    assert float(weight) == pytest.approx(1.6)
    optimizer.minimize(lambda: weight * weight, lambda: [weight], grad_loss=Tensor(np.float32(2)))
    assert float(weight) == pytest.approx(0.96)
    with GradientTape() as tape:
        loss = weight * 3.0
    optimizer.minimize(loss, [weight], tape=tape)
    assert float(weight) == pytest.approx(0.66)
    with pytest.raises(ValueError, match="tape"):
        optimizer.minimize(loss, [weight])
    ((gradient, variable),) = optimizer.compute_gradients(lambda: weight * 3.0, [weight])
    assert variable is weight and float(gradient) == 3


def test_a_step_leaves_no_trace_on_an_outer_tape():
    weight = Variable(2.0)
    with GradientTape(persistent=True) as tape:
        loss = weight * weight
        with tape.stop_recording():
            gradient = tape.gradient(loss, weight)
        optimizers.Adam(0.1).apply_gradients([(gradient, weight)])
        after = weight * 3.0
    assert float(tape.gradient(after, weight)) == 3


# ---- errors


def test_no_gradient_at_all_names_variables_and_causes():
    steps = Variable(1, name="steps")
    frozen = Variable(1.0, trainable=False, name="frozen")
    with pytest.raises(
        ValueError, match=r"steps.*int32 has no gradients.*frozen.*trainable=False.*NumPy"
    ) as caught:
        optimizers.SGD().apply_gradients([(None, steps), (None, frozen)])
    assert "test_optimizers.py" in str(caught.value)


def test_some_missing_gradients_warn_once():
    used, unused = Variable(1.0, name="used"), Variable(2.0, name="unused")
    optimizer = optimizers.Adam(0.1, use_ema=True)
    pairs = [(Tensor(np.float32(1)), used), (None, unused)]
    with pytest.warns(UserWarning, match="variables unused"):
        optimizer.apply_gradients(pairs)
    optimizer.apply_gradients(pairs)
    assert float(unused) == 2 and float(used) < 1
    optimizer.finalize_variable_values([used, unused])
    assert float(unused) == 2


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: optimizers.get("adm"), ValueError, "Did you mean 'Adam'"),
        (lambda: optimizers.get(3), ValueError, "expected an optimizer"),
        (lambda: optimizers.Adam(beta_3=1), TypeError, "beta_3"),
        (lambda: optimizers.Adam(clip_norm=1), TypeError, "Did you mean 'clipnorm'"),
        (lambda: optimizers.SGD(momentum=2), ValueError, "momentum"),
        (lambda: optimizers.SGD(None), ValueError, "learning_rate"),
        (lambda: optimizers.SGD(clipnorm=-1), ValueError, "clipnorm"),
        (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), ValueError, "only one of"),
        (lambda: optimizers.SGD(use_ema=True, ema_momentum=2), ValueError, "ema_momentum"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), ValueError, "gradient_accumulation_steps"),
        (lambda: optimizers.SGD().apply([Tensor(np.float32(1))]), ValueError, "build"),
        (lambda: optimizers.SGD().apply([], [Variable(1.0)]) or one(), ValueError, "2 gradients for 1"),
        (lambda: optimizers.SGD().apply_gradients([Variable(1.0)]), ValueError, "pairs"),
        (
            lambda: optimizers.SGD().apply_gradients([(Variable(1.0), Tensor(np.float32(1)))]),
            TypeError,
            "swapped",
        ),
        (
            lambda: optimizers.SGD().apply_gradients(
                [(Tensor(np.ones(3, np.float32)), Variable([1.0, 2.0]))]
            ),
            ValueError,
            r"shape \(2,\), its gradient \(3,\)",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def one():
    gradient = Tensor(np.float32(1))
    return optimizers.SGD().apply([gradient, gradient], [Variable(1.0)])


def test_training_on_the_host_engine_never_imports_jax():
    program = """
import sys
import numpy as np
from dovetail import Variable
from dovetail.keras import mixed_precision, optimizers
from dovetail.tensor import Tensor
from tests.keras.optimizer_cases import SHAPES, STEPS, close, gradients, make, train, values, variables
for optimizer in (optimizers.Adam(optimizers.schedules.CosineDecay(0.1, 10)), optimizers.SGD(0.1, momentum=0.9)):
    for size in (3, 10000):
        weight = Variable(np.ones(size, np.float32))
        wrapped = mixed_precision.LossScaleOptimizer(type(optimizer).from_config(optimizer.get_config()))
        for each in (type(optimizer).from_config(optimizer.get_config()), wrapped):
            each.apply_gradients([(Tensor(np.ones(size, np.float32)), weight)])
        assert float(weight.numpy()[0]) < 1
assert "jax" not in sys.modules
"""
    environment = {**os.environ, "DOVETAIL_ENGINE": "host", "PYTHONPATH": str(SOURCE)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)


def test_plans_live_no_longer_than_their_optimizer():
    optimizer = optimizers.SGD(0.1)
    own = [Variable(np.ones((128, 64), np.float32))]
    optimizer.apply_gradients([(Tensor(np.ones((128, 64), np.float32)), own[0])])
    (found,) = optimizer._plans.found.values()
    iterations = weakref.ref(found.state[0])
    del optimizer, found
    gc.collect()
    assert iterations() is None


def test_parts_agree_after_a_rename_and_a_copy():
    optimizer = optimizers.Adam(0.1, name="first")
    own = variables()
    train(optimizer, own)
    optimizer.name = "second"
    copied = copy.deepcopy(optimizer)
    assert copied._rate._state is copied._state and copied._momentums is copied._state.slots["momentum"]
    assert copied.add_variable((), name="more").path == "second/more"
    assert [v.path for v in copied.variables[:2]] == ["first/iteration", "first/learning_rate"]
