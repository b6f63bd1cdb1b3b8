"""Dtype policies, loss scaling beside Keras, and the settings of `keras.config`."""

import os

import numpy as np
import pytest

from dovetail import GradientTape, Variable, cast, function
from dovetail import keras as own_keras
from dovetail.base.settings import settings
from dovetail.keras import config, dtype_policies, mixed_precision, optimizers
from dovetail.keras.mixed_precision import experimental
from dovetail.tensor import Tensor

os.environ.setdefault("KERAS_BACKEND", "tensorflow")


@pytest.fixture(autouse=True)
def restored():
    yield
    mixed_precision.set_global_policy(None)
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


@pytest.fixture
def engine(request):
    before = settings.engine
    settings.engine = request.param
    yield request.param
    settings.engine = before


ENGINES = pytest.mark.parametrize("engine", ["host", "xla"], indirect=True)


# ---- policies


@pytest.mark.parametrize(
    ("name", "compute", "variable"),
    [
        ("float32", "float32", "float32"),
        ("float64", "float64", "float64"),
        ("mixed_float16", "float16", "float32"),
        ("mixed_bfloat16", "bfloat16", "float32"),
    ],
)
def test_policies(name, compute, variable):
    policy = mixed_precision.Policy(name)
    assert (policy.name, policy.compute_dtype, policy.variable_dtype) == (name, compute, variable)
    assert mixed_precision.Policy.from_config(policy.get_config()) == policy
    assert repr(policy) == f'<DTypePolicy "{name}">' and hash(policy) == hash(mixed_precision.get(name))


def test_the_global_policy():
    assert mixed_precision.global_policy().name == "float32"
    mixed_precision.set_global_policy("mixed_float16")
    assert (
        config.dtype_policy().compute_dtype == "float16" and mixed_precision.Policy().name == "mixed_float16"
    )
    experimental.set_policy(mixed_precision.Policy("float64"))
    assert mixed_precision.get(None).name == "float64"
    mixed_precision.set_global_policy(None)
    config.set_floatx("float16")
    assert mixed_precision.dtype_policy().name == "float16"


def test_what_get_takes():
    policy = mixed_precision.Policy("mixed_float16")
    assert mixed_precision.get(policy) is policy
    assert mixed_precision.get(np.float16).name == "float16"
    assert (
        mixed_precision.get({"class_name": "DTypePolicy", "config": {"name": "bfloat16"}}).name == "bfloat16"
    )
    with pytest.raises(ValueError, match="Did you mean 'mixed_float16'"):
        mixed_precision.set_global_policy("mixed_flaot16")
    with pytest.raises(TypeError, match="must be a string"):
        mixed_precision.Policy(16)
    with pytest.raises(ValueError, match="expected a dtype"):
        mixed_precision.get(3)


def test_policies_in_configs():
    policy = dtype_policies.DTypePolicy("mixed_bfloat16")
    config_of_it = dtype_policies.serialize(policy)
    assert config_of_it["class_name"] == "DTypePolicy" and dtype_policies.deserialize(config_of_it) == policy


def test_settings():
    config.set_floatx("float64")
    config.set_epsilon(1e-3)
    config.set_image_data_format("channels_first")
    assert (config.floatx(), config.epsilon(), config.image_data_format()) == (
        "float64",
        1e-3,
        "channels_first",
    )
    assert optimizers.Adam(epsilon=None).epsilon == 1e-3
    for wrong in (lambda: config.set_floatx("int32"), lambda: config.set_image_data_format("first")):
        with pytest.raises(ValueError, match="expected"):
            wrong()
    config.disable_traceback_filtering()
    assert not config.is_traceback_filtering_enabled()
    config.enable_traceback_filtering()
    assert config.is_traceback_filtering_enabled() and config.backend() == "tensorflow"


# ---- loss scaling


def gradient(value, size=2):
    return Tensor(np.full(size, value, np.float32))


def facts(optimizer):
    return [
        float(np.asarray(v)) for v in (optimizer.dynamic_scale, optimizer.step_counter, optimizer.iterations)
    ]


@ENGINES
def test_steps_are_those_of_keras(keras, engine):
    arguments = {"initial_scale": 8.0, "dynamic_growth_steps": 2}
    ours = optimizers.LossScaleOptimizer(optimizers.Adam(0.1), **arguments)
    theirs = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1), **arguments)
    weight, their_weight = Variable([1.0, 2.0], name="w"), keras.Variable([1.0, 2.0])
    for value in (8.0, 8.0, 4.0, np.inf, 2.0, np.nan, -np.inf, np.nan, np.inf, 1.0, 1.0, 1.0):
        ours.apply_gradients([(gradient(value), weight)])
        theirs.apply_gradients([(keras.ops.full((2,), value), their_weight)])
        np.testing.assert_allclose(weight.numpy(), their_weight.numpy(), rtol=1e-5)
        assert facts(ours) == facts(theirs)
    assert float(ours.loss_scale) == 1.0  # it has been below 1
    assert [v.shape for v in ours.variables] == [v.shape for v in theirs.variables]
    assert len(ours.variables) == 8


def test_a_traced_step_skips_too():
    optimizer = mixed_precision.LossScaleOptimizer(optimizers.Adam(0.1), initial_scale=1.0)
    weight = Variable([1.0, 2.0])

    @function
    def step(g):
        optimizer.apply_gradients([(g, weight)])

    step(gradient(1.0))
    after = weight.numpy()
    slots = optimizer.get_weights()[-2:]
    step(gradient(np.nan))
    assert weight.numpy().tolist() == after.tolist() and int(optimizer.iterations) == 1
    np.testing.assert_array_equal(optimizer.get_weights()[-2:], slots)
    assert float(optimizer.loss_scale) == 0.5
    step(gradient(0.5))
    assert (weight.numpy() < after).all() and int(optimizer.dynamic_counter) == 1


@ENGINES
def test_gradients_are_divided_once_in_either_idiom(engine):
    def gradients(optimizer, scale):
        with GradientTape() as tape:
            loss = scale(weight * 3.0)
        return tape.gradient(loss, [weight])

    weight = Variable(1.0)
    optimizer = mixed_precision.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1024.0)
    found = gradients(optimizer, optimizer.scale_loss)
    assert float(found[0]) == 3072
    optimizer.apply_gradients(zip(found, [weight]))
    assert float(weight) == pytest.approx(0.7)
    found = optimizer.get_unscaled_gradients([*gradients(optimizer, optimizer.get_scaled_loss), None])
    assert float(found[0]) == 3 and found[1] is None
    optimizer.apply_gradients(zip([2.0 * found[0]], [weight]))  # what is done to them between does not matter
    assert float(weight) == pytest.approx(0.1)
    optimizer.minimize(lambda: weight * 3.0, [weight])
    assert float(weight) == pytest.approx(-0.2)
    assert float(optimizer.get_scaled_loss(lambda: weight * 0.0 + 2.0)()) == 2048


def test_float16_gradients_survive():
    weight = Variable([1.0, 1.0])
    optimizer = mixed_precision.LossScaleOptimizer(optimizers.SGD(1.0), initial_scale=2.0**15)
    tiny = 1e-7  # not far from the smallest float16; its square, and its 2**15th, are 0
    with GradientTape() as tape:
        loss = optimizer.scale_loss(cast(weight, "float16") * tiny)
    optimizer.apply_gradients(zip(tape.gradient(loss, [weight]), [weight]))
    assert loss.dtype == "float16"
    assert 1 - float(weight.numpy()[0]) == pytest.approx(tiny, rel=0.3)


@ENGINES
def test_a_fixed_scale(engine):
    weight = Variable([1.0, 2.0])
    optimizer = mixed_precision.LossScaleOptimizer(optimizers.SGD(0.1), dynamic=False, initial_scale=4.0)
    optimizer.apply_gradients([(gradient(4.0), weight)])
    optimizer.apply_gradients([(gradient(np.inf), weight)])
    assert float(optimizer.loss_scale) == 4 and np.isinf(weight.numpy()).all()
    assert optimizer.dynamic_counter is None


def test_the_positions_of_tf_keras():
    for second in (True, "dynamic"):
        optimizer = mixed_precision.LossScaleOptimizer(optimizers.SGD(), second)
        assert optimizer.dynamic and optimizer.initial_scale == 2.0**15
    assert optimizer.dynamic_growth_steps == 2000
    with pytest.raises(ValueError, match="needs initial_scale"):
        mixed_precision.LossScaleOptimizer(optimizers.SGD(), False)
    with pytest.raises(TypeError, match="inner_optimizer"):
        mixed_precision.LossScaleOptimizer(optimizer)
    with pytest.raises(ValueError, match="initial_scale must be > 0"):
        mixed_precision.LossScaleOptimizer(optimizers.SGD(), initial_scale=-1.0)


def test_what_is_the_inner_optimizers():
    inner = optimizers.SGD(0.1, momentum=0.9, use_ema=True)
    optimizer = mixed_precision.LossScaleOptimizer(inner, initial_scale=1.0)
    weight = Variable([1.0, 2.0])
    optimizer.apply_gradients([(gradient(1.0), weight)])
    optimizer.learning_rate = 1.0
    assert float(inner.learning_rate) == 1 and float(optimizer.lr) == 1
    inner.momentum = 0.0
    before = weight.numpy()
    optimizer.apply_gradients([(gradient(1.0), weight)])
    np.testing.assert_allclose(weight.numpy(), before - 1)
    other = Variable([1.0])
    optimizer.apply_gradients([(gradient(1.0, 1), other)])
    assert float(other.numpy()[0]) == 0
    optimizer.finalize_variable_values([weight])
    assert float(weight.numpy()[0]) != before[0] - 1
    again = optimizers.deserialize(optimizers.serialize(optimizer))
    assert again.get_config() == optimizer.get_config() and again.inner_optimizer.use_ema


def test_a_rule_that_a_user_wrote_is_skipped_as_well():
    class Plain(optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            variable.assign_sub(learning_rate * gradient)

    optimizer, weight = (
        mixed_precision.LossScaleOptimizer(Plain(0.1), initial_scale=2.0),
        Variable([1.0, 2.0]),
    )
    for value in (2.0, np.nan, 1.0):
        optimizer.apply_gradients([(gradient(value), weight)])
    np.testing.assert_allclose(weight.numpy(), [0.8, 1.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_bfloat16", "float32"), ("float32", "float64"), ("float16", "float32")]
)
def test_the_casts_of_layers_are_no_layers(keras, policy, dtype):
    def names(k):
        k.utils.clear_session()
        k.config.set_dtype_policy(policy)
        try:
            inputs = k.Input((4, 3), dtype=dtype)
            masked = k.layers.Masking(dtype=dtype)(inputs)
            hidden = k.layers.LSTM(2, return_sequences=True)(masked)
            hidden = k.layers.MultiHeadAttention(1, 2)(query=hidden, value=hidden)
            hidden = k.layers.Add()([hidden, k.layers.Dense(2, dtype="float32")(hidden)])
            model = k.Model(inputs, k.layers.Dense(1, dtype="float32")(hidden))
        finally:
            k.config.set_dtype_policy("float32")
        return model, [layer.name for layer in model.layers]

    ours, found = names(own_keras)
    assert found == names(keras)[1]
    data = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(dtype)
    data[:, 2:] = 0
    again = own_keras.Model.from_config(ours.get_config())
    again.set_weights(ours.get_weights())
    np.testing.assert_array_equal(again(data), ours(data))
    assert ours(data).dtype == "float32"
