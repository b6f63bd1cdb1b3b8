"""Repeated calls of small models: a plan gives the bits of the ordinary call, and gives way when anything changes."""

import copy

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers
from dovetail.keras.models.plans import CallPlan
from tests.keras.layer_rows import CASES
from tests.ops.case import engine

pytestmark = pytest.mark.code_of_users  # plans give the bits of the ordinary call

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 6)).astype("float32")
MANY = 5  # more calls than a plan needs before it is made


def plans_of(model):
    return [found for found in model._plans._found.values() if isinstance(found, CallPlan)]


def called(model, x, times=MANY, **options):
    """Calls the model several times, and returns the results as arrays."""
    return [tf.nest.map_structure(np.array, model(x, **options)) for _ in range(times)]


def check_planned(model, x, **options):
    """Checks that a plan is made, and that it gives what the first call gave, to the bit."""
    first, *others = called(model, x, **options)
    assert plans_of(model)
    for other in others:
        tf.nest.assert_same_structure(first, other)
        for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(other)):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
    return first


def mlp(**options):
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, activation="relu"), layers.Dense(2, **options)], name="mlp"
    )


STOCK = [
    case
    for case in CASES
    if case.inner is None and case.mask is None and case.kind not in ("Lambda", "Masking")
]


# What gives no plan when it is all of a model, and why.
NO_PLAN = {
    **dict.fromkeys(
        (
            *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
            *("GaussianNoise", "GaussianDropout", "AlphaDropout", "Identity"),
        ),
        "it runs no op at all when it does not train",
    ),
    "ActivityRegularization": "each call adds a loss",
}


def has_no_plan(case):
    return case.kind in NO_PLAN or (
        case.kind in ("Embedding", "ReversibleEmbedding") and case.kwargs.get("mask_zero")
    )  # it makes a mask


@pytest.mark.parametrize("case", STOCK, ids=lambda case: case.label)
def test_every_layer_gives_the_same_bits_with_a_plan(case):
    data = case.inputs()
    several = isinstance(data, list)
    inputs = [keras.Input(batch_shape=a.shape, dtype=str(a.dtype)) for a in (data if several else [data])]
    model = keras.Model(
        inputs if several else inputs[0], case.call(case.make(layers), inputs if several else inputs[0])
    )
    first, *others = called(model, data)
    assert bool(plans_of(model)) is not has_no_plan(case)
    for other in others:
        for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(other)):
            np.testing.assert_array_equal(a, b)


def test_common_layers_have_plans():
    image = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same")(image)
    y = layers.BatchNormalization()(y)
    y = layers.MaxPooling2D()(layers.Activation("gelu")(y))
    y = layers.Dropout(0.5)(layers.Flatten()(y))
    y = layers.LayerNormalization()(layers.Dense(7)(y))
    words = keras.Input((4,), dtype="int32")
    z = layers.GlobalAveragePooling1D()(layers.Embedding(11, 7)(words))
    joint = layers.Concatenate()([y, z]) * 2.0 + tf.reduce_mean(z, axis=1, keepdims=True)
    model = keras.Model([image, words], {"joint": joint, "z": tf.nn.softmax(z)})
    batch = [RNG.normal(size=(2, 8, 8, 3)).astype("float32"), RNG.integers(0, 11, (2, 4)).astype("int32")]
    check_planned(model, batch)
    check_planned(model, [tf.constant(a) for a in batch], training=False)


def test_each_shape_and_dtype_has_its_plan():
    model = mlp()
    for x in (X, X[:1], X.astype("float64"), np.ones((3, 6), int)):
        check_planned(model, x)
    assert len(plans_of(model)) == 4


def test_a_nested_model_and_one_inside_a_subclass():
    inner = mlp()
    outer = keras.Sequential([keras.Input((6,)), inner, layers.Softmax()])
    check_planned(outer, X)

    class Agent(keras.Model):
        def __init__(self):
            super().__init__()
            self.body = mlp()

        def call(self, x):
            return self.body(x) + 1.0

    agent = Agent()
    first, *others = called(agent, X)
    assert plans_of(agent.body)
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_other_dtypes(policy):
    check_planned(keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="tanh", dtype=policy)]), X)


def test_new_values_of_the_weights_are_seen():
    model = mlp()
    called(model, X)
    for change in (
        lambda: model.layers[0].kernel.assign(np.ones((6, 5), "float32")),
        lambda: model.set_weights([w * 2 for w in model.get_weights()]),
        lambda: model.fit(X, np.ones((3, 2), "float32"), verbose=0),
    ):
        if model.optimizer is None:
            model.compile("sgd", "mse")
        before = np.array(model(X))
        change()
        k1, b1, k2, b2 = model.get_weights()
        assert not np.array_equal(model(X), before)
        np.testing.assert_allclose(model(X), np.maximum(X @ k1 + b1, 0) @ k2 + b2, rtol=1e-5, atol=1e-6)


def test_changed_attributes_are_seen():
    model = keras.Sequential([keras.Input((6,)), layers.LayerNormalization(), layers.Dense(2)])
    first = check_planned(model, X)
    model.layers[0].epsilon = 10.0
    changed = check_planned(model, X)
    assert not np.allclose(first, changed)
    model.layers[1].activation = tf.nn.relu
    np.testing.assert_array_equal(check_planned(model, X), np.maximum(changed, 0))
    model.layers[1].call = lambda inputs, training=None: inputs * 3.0
    assert called(model, X)[-1].shape == (3, 6)
    del model.layers[1].call
    model.add(layers.Dense(4))
    assert check_planned(model, X).shape == (3, 4)


def test_what_a_plan_cannot_repeat_runs_in_full():
    calls = []

    class Own(layers.Dense):
        def call(self, inputs, training=None):
            calls.append(1)
            return super().call(inputs, training)

    def noted(x):
        calls.append(1)
        return x

    for layer in (Own(2), layers.Lambda(noted), layers.Dense(2, activation=noted), layers.Activation(noted)):
        model = keras.Sequential([keras.Input((6,)), layer])
        calls.clear()
        called(model, X)
        assert len(calls) == MANY
        assert not plans_of(model)


def test_random_numbers_and_moving_averages_are_not_frozen():
    x = keras.Input((6,))
    noisy = keras.Model(x, layers.Dropout(0.5)(x, training=True))
    assert len({a.tobytes() for a in called(noisy, X)}) > 1
    drawn = keras.Model(x, x + tf.random.normal((6,)) * tf.random.normal(tf.shape(x)))
    assert len({a.tobytes() for a in called(drawn, X)}) > 1
    normed = keras.Sequential([keras.Input((6,)), layers.BatchNormalization()])
    called(normed, X)
    means = [np.array(normed.layers[0].moving_mean) for _ in range(3) if normed(X, training=True) is not None]
    assert not np.array_equal(means[0], means[2])


def test_values_that_size_tensors_are_not_frozen():
    x = keras.Input((6,))
    model = keras.Model(x, tf.reshape(x, tf.stack([tf.cast(tf.reduce_max(x), tf.int32), -1])))
    called(model, np.full((3, 6), 2.0, "float32"))
    assert model(np.full((3, 6), 3.0, "float32")).shape == (3, 6)
    assert model(np.full((3, 6), 9.0, "float32")).shape == (9, 2)


def test_the_caller_may_change_its_array():
    model = keras.Sequential([keras.Input((6,)), layers.Reshape((2, 3))])
    x = X.copy()
    results = [model(x) for _ in range(MANY)]
    x[:] = 0
    for result in results:
        np.testing.assert_array_equal(np.reshape(result, (3, 6)), X)


def test_a_tape_a_function_and_symbolic_calls_do_not_take_the_plan():
    model = mlp()
    expected = check_planned(model, X)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(X))
    assert all(g is not None for g in tape.gradient(loss, model.trainable_variables))
    np.testing.assert_allclose(tf.function(model)(X), expected, rtol=1e-5, atol=1e-6)
    assert model(keras.Input((6,))).shape == (None, 2)


@pytest.mark.parametrize("activation, loss", [("softmax", "sparse_categorical"), ("sigmoid", "binary")])
def test_logits_stay_with_what_was_made_of_them(activation, loss):
    model = mlp(activation=activation)
    loss_fn = getattr(keras.losses, loss + "_crossentropy")
    y = np.array([0, 1, 1]) if activation == "softmax" else np.array([[0, 1], [1, 1], [0, 0]])
    first, *others = (np.array(loss_fn(y, model(X * 100))) for _ in range(MANY))
    assert plans_of(model)
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_losses_of_an_active_regularizer_are_not_lost():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2, activity_regularizer="l2")])
    for _ in range(MANY):
        model(X)
        assert len(model.losses) == 1
    assert not plans_of(model)


def test_bad_input_is_explained_on_every_call():
    words = keras.Sequential([keras.Input((4,), dtype="int32"), layers.Embedding(3, 2)])
    check_planned(words, np.zeros((1, 4), "int32"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="3") as planned:
        words(np.full((1, 4), 7, "int32"))
    fresh = keras.Sequential([keras.Input((4,), dtype="int32"), layers.Embedding(3, 2)])
    with pytest.raises(tf.errors.InvalidArgumentError) as ordinary:
        fresh(np.full((1, 4), 7, "int32"))
    assert str(planned.value).split("plans.py:")[0] == str(ordinary.value).split("plans.py:")[0]
    model = mlp()
    check_planned(model, X)
    with pytest.raises(ValueError, match="expected shape"):
        model(np.zeros((3, 7), "float32"))


def test_the_engine_may_change():
    model = mlp()
    expected = check_planned(model, X)
    with engine("xla"):
        assert type(model(X)._value) is not np.ndarray
    np.testing.assert_array_equal(model(X), expected)


def test_copies_have_plans_of_their_own():
    model = mlp()
    expected = check_planned(model, X)
    twin = copy.deepcopy(model)
    np.testing.assert_array_equal(check_planned(twin, X), expected)
    twin.layers[0].kernel.assign(twin.layers[0].kernel * 0)
    np.testing.assert_array_equal(model(X), expected)
    assert not np.array_equal(twin(X), expected)


# ---- predict


def short_plans_of(model):
    return [found for found in model._plans._short.values() if found is not None]


def num_programs(model):
    return len(model._executors["predict"]._programs._programs)


def test_predict_of_a_small_batch_takes_a_plan_from_the_first_time_on():
    model = mlp(activation="softmax")
    results = [model.predict(X, verbose=0) for _ in range(MANY)]
    assert len(short_plans_of(model)) == 1 and num_programs(model) == 0
    heard = keras.callbacks.LambdaCallback(
        on_predict_batch_end=lambda batch, logs: results.append(logs["outputs"])
    )
    results += [model.predict(X, callbacks=[heard], verbose=0), model.predict(X, batch_size=3)]
    results += [
        model.predict_on_batch(X),
        model.predict(tf.data.Dataset.from_tensor_slices(X).batch(3), verbose=0),
    ]
    assert len(results) == MANY + 5 and num_programs(model) == 0
    expected = np.array(model(X, training=False))
    for found in results:
        assert type(found) is np.ndarray and found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


def test_several_outputs_and_other_dtypes_are_predicted_by_plans():
    x = keras.Input((6,))
    hidden = layers.Dense(4)(layers.BatchNormalization()(x))
    model = keras.Model(x, {"a": hidden, "b": [layers.Softmax()(hidden), x * 2]})
    for data in (X, X[:1], X.astype("float64"), (X * 9).astype("int32")):
        found, expected = model.predict(data, verbose=0), model(data.astype("float32"), training=False)
        tf.nest.assert_same_structure(found, expected)
        for a, b in zip(tf.nest.flatten(found), tf.nest.flatten(expected)):
            np.testing.assert_array_equal(a, b)
    assert len(short_plans_of(model)) == 3 and num_programs(model) == 0  # float64 is what float32 is


def test_weights_and_attributes_that_change_are_seen_by_predict():
    model = mlp()
    model.compile("sgd", "mse")
    model.predict(X, verbose=0)
    for change in (
        lambda: model.set_weights([w * 2 for w in model.get_weights()]),
        lambda: model.fit(X, np.ones((3, 2), "float32"), verbose=0),
        lambda: setattr(model.layers[1], "activation", tf.tanh),
    ):
        before = model.predict(X, verbose=0)
        change()
        k1, b1, k2, b2 = model.get_weights()
        expected = model.layers[1].activation(np.maximum(X @ k1 + b1, 0) @ k2 + b2)
        found = model.predict(X, verbose=0)
        assert not np.array_equal(found, before)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert num_programs(model) == 0


def test_what_predict_gives_is_the_callers():
    model = keras.Sequential([keras.Input((6,)), layers.Reshape((2, 3))])
    for options in ({"verbose": 0}, {"verbose": 0, "callbacks": [keras.callbacks.Callback()]}):
        x = X.copy()
        found = model.predict(x, **options)
        found += 1
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(model.predict(x, **options).reshape(3, 6), X)
    assert len(short_plans_of(model)) == 1


class OwnStep(keras.Model):
    def predict_step(self, data):
        return super().predict_step(data) + 1.0


def long_model():
    return keras.Sequential([keras.Input((6,)), *(layers.Dense(6, activation="tanh") for _ in range(30))])


def own_step():
    inputs = keras.Input((6,))
    return OwnStep(inputs, layers.Dense(2)(inputs))


# What a program predicts: a model, and its input.
BY_PROGRAM = {
    "two inputs": lambda: (keras.Model([a := keras.Input((6,)), b := keras.Input((6,))], a + b), [X, X]),
    "a step of the user's": lambda: (own_step(), X),
    "a function of the user's": lambda: (mlp(activation=lambda x: x * 2.0), X),
    "many steps": lambda: (long_model(), X),
    "many rows": lambda: (mlp(), np.tile(X, (2000, 1))),
    "several batches": lambda: (mlp(), np.tile(X, (11, 1))),
    "many weights": lambda: (keras.Sequential([keras.Input((6,)), layers.Dense(40_000)]), np.tile(X, (2, 1))),
}


@pytest.mark.parametrize("kind", BY_PROGRAM)
def test_what_is_predicted_by_a_program(kind):
    model, data = BY_PROGRAM[kind]()
    found = model.predict(data, verbose=0)
    assert num_programs(model) > 0 and not short_plans_of(model)
    expected = np.array(model(data, training=False)) + (1.0 if isinstance(model, OwnStep) else 0.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_predict_under_a_tape_and_on_the_other_engine():
    model = mlp()
    expected = model.predict(X, verbose=0)
    with tf.GradientTape():
        np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
    assert num_programs(model) > 0
    with engine("xla"):
        np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)


def test_predict_explains_bad_input():
    model = mlp()
    for _ in range(2):
        with pytest.raises(ValueError, match="expected shape"):
            model.predict(np.zeros((3, 7), "float32"), verbose=0)
        model.predict(X, verbose=0)
    assert len(short_plans_of(model)) == 1


def test_predict_forgets_the_plans_of_shapes_long_gone():
    model = mlp()
    for rows in range(1, 80):
        model.predict(np.zeros((rows, 6), "float32"), batch_size=80, verbose=0)
    assert 0 < len(model._plans._short) <= 32
