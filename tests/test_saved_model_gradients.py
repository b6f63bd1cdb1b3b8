"""Functions with gradient tapes, and whole steps of training, in SavedModels: TensorFlow goes on as we do."""

import numpy as np
import pytest

import dovetail as tf

L = tf.keras.layers
X = np.array([[0.1, 0.2], [-0.3, 0.4], [0.5, 0.6]], "float32")
OPEN, KNOWN = tf.TensorSpec([None, 2]), tf.TensorSpec([3, 2])


def of_variables(m, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.tanh(x @ m.v + m.b) ** 2)
    return tape.gradient(loss, {"v": m.v, "b": m.b})


def of_inputs(m, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.sin(x) * x
    return tape.gradient(y, x, output_gradients=x)


def twice(m, x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x**3
        slope = tape.gradient(y, x)
    return slope, outer.gradient(slope, x)


def several(m, x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = x * x
        z = y * y
        with tape.stop_recording():
            hidden = tf.exp(x)
    return tape.gradient(y, x), tape.gradient(z, x) + hidden


def of_rows(m, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(m.v, tf.cast(x[:, 0] > 0, "int32")) ** 2)
    return tf.convert_to_tensor(tape.gradient(loss, m.v))


def of_one_only(m, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(x @ m.v)
    first, second = tape.gradient(loss, [m.v, m.b])
    assert second is None
    return first


def steps(m, x):
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ m.v + m.b) ** 2)
        for variable, slope in zip([m.v, m.b], tape.gradient(loss, [m.v, m.b]), strict=True):
            variable.assign_sub(0.1 * slope)
    return loss


def of_a_loop(m, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for _ in tf.range(3):
            y = y * tf.sin(x)
    return tape.gradient(y, x)


def jacobians(m, x):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.tanh(x @ m.v)
    return tape.batch_jacobian(y, x), tape.jacobian(y, m.v)


def of_drawn_numbers(m, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        drawn = tf.random.normal([3, 2])
        y = tf.nn.dropout(x * drawn, 0.5)
    return tape.gradient(y, x) - tf.where(y != 0, 2 * drawn, 0.0)


def module(function, spec):
    m = tf.Module()
    m.v, m.b = tf.Variable([[1.0, 2.0], [3.0, 4.0]]), tf.Variable([0.5, -0.5])
    m.f = tf.function(lambda x: function(m, x), input_signature=[spec])
    return m


def arrays(structure):
    return [np.asarray(one) for one in tf.nest.flatten(structure)]


@pytest.mark.parametrize(
    ("function", "spec"),
    [
        *((one, OPEN) for one in (of_variables, of_inputs, twice, several, of_rows, of_one_only)),
        *((one, KNOWN) for one in (steps, of_a_loop, jacobians, of_drawn_numbers)),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_gradients_are_written(function, spec, tmp_path):
    reference = pytest.importorskip("tensorflow")
    m = module(function, spec)
    tf.saved_model.save(m, str(tmp_path))
    found = []
    for framework in (reference, tf):
        loaded = framework.saved_model.load(str(tmp_path))
        found.append([*arrays(loaded.f(framework.constant(X))), np.asarray(loaded.v), np.asarray(loaded.b)])
    want = [*arrays(m.f(tf.constant(X))), np.asarray(m.v), np.asarray(m.b)]
    for one in found:
        for ours, theirs in zip(want, one, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "layers",
    [
        [L.Dense(8, "relu"), L.BatchNormalization(momentum=0.5), L.Dense(3)],
        [L.Reshape((2, 2, 1)), L.Conv2D(3, 2, padding="same"), L.Flatten(), L.Dense(3)],
    ],
    ids=["normalized", "convolution"],
)
def test_tensorflow_trains_a_model_as_we_do(layers, tmp_path):
    reference = pytest.importorskip("tensorflow")
    m = tf.Module()
    m.model = tf.keras.Sequential([tf.keras.Input((4,)), *layers])
    m.optimizer = tf.keras.optimizers.Adam(0.05)
    m.optimizer.build(m.model.trainable_variables)
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def train(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, m.model(x, training=True))
        slopes = tape.gradient(loss, m.model.trainable_variables)
        m.optimizer.apply_gradients(zip(slopes, m.model.trainable_variables, strict=True))
        return {"loss": loss}

    m.train = tf.function(train, input_signature=[tf.TensorSpec([None, 4]), tf.TensorSpec([None], "int32")])
    m.predict = tf.function(lambda x: m.model(x, training=False), input_signature=[tf.TensorSpec([None, 4])])
    tf.saved_model.save(m, str(tmp_path))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)).astype("float32"), rng.integers(0, 3, 16).astype("int32")

    def trained(framework, model):
        given = framework.constant(x), framework.constant(y)
        losses = [float(np.asarray(model.train(*given)["loss"])) for _ in range(5)]
        return losses, np.asarray(model.predict(given[0]))

    want = trained(tf, m)
    assert want[0][-1] < want[0][0]
    for framework in (reference, tf):
        found = trained(framework, framework.saved_model.load(str(tmp_path)))
        np.testing.assert_allclose(found[0], want[0], rtol=1e-4)
        np.testing.assert_allclose(found[1], want[1], rtol=1e-3, atol=1e-4)


def branching(m, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.nn.dropout(x, 0.5), lambda: x)
    return tape.gradient(y, x)


def assigned_first(m, x):
    m.v.assign(m.b[:, None] * x[:2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(m.v * m.b)
    return tape.gradient(loss, m.v)


@pytest.mark.parametrize(
    ("function", "spec", "words"),
    [
        (of_a_loop, OPEN, "sizes that are not known"),
        (branching, KNOWN, "loop or branch that assigns variables or draws"),
        (assigned_first, KNOWN, "is assigned before it is read"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_what_is_not_written_says_so(function, spec, words, tmp_path):
    with pytest.raises(NotImplementedError, match=f"gradient of tf.GradientTape .*{words}"):
        tf.saved_model.save(module(function, spec), str(tmp_path))
