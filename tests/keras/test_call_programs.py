"""Calls of larger models become those of one program, once they have taken a while: what they give stays the same."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.engine import uses_xla
from dovetail.keras import layers
from dovetail.keras.models import call_programs
from dovetail.keras.models.call_programs import TimedCalls

pytestmark = [
    pytest.mark.code_of_users,
    pytest.mark.skipif(not uses_xla(), reason="programs run on XLA"),
]

RNG = np.random.default_rng(3)
MANY = 6  # more calls than are needed before a program runs
IMAGES = RNG.normal(size=(8, 32, 32, 3)).astype("float32")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(call_programs, "_SECONDS_A_NODE", 0.0)


def images():
    inputs = keras.Input((32, 32, 3))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3)(inputs))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


def words():
    inputs = keras.Input((64,), dtype="int32")
    x = layers.Embedding(100, 64)(inputs)
    return keras.Model(inputs, layers.LayerNormalization()(x))


def programs_of(model):
    return [f for f in model._plans._found.values() if isinstance(f, TimedCalls) and f._function is not None]


def called(model, x, **options):
    return [tf.nest.map_structure(np.array, model(x, **options)) for _ in range(MANY)]


def ordinary(model, x, **options):
    return tf.nest.map_structure(np.array, layers.Layer.__call__(model, x, **options))


def check(model, x, **options):
    expected = ordinary(model, x, **options)
    for found in called(model, x, **options):
        tf.nest.assert_same_structure(expected, found)
        for a, b in zip(tf.nest.flatten(expected), tf.nest.flatten(found)):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert programs_of(model)


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
@pytest.mark.parametrize("options", [{}, {"training": False}])
def test_a_program_gives_what_the_ordinary_call_gives(convert, options):
    check(images(), convert(IMAGES), **options)


def test_several_inputs_and_outputs_keep_their_structure():
    a, b = keras.Input((32, 32, 3)), keras.Input((32, 32, 3))
    model = keras.Model([a, b], {"sum": layers.Add()([a, b]), "conv": layers.Conv2D(2, 3)(a)})
    check(model, [IMAGES, 2 * IMAGES])


def test_recurrent_layers_become_programs_too():
    inputs = keras.Input((64, 32))
    model = keras.Model(inputs, layers.LSTM(64)(inputs))
    check(model, RNG.normal(size=(32, 64, 32)).astype("float32"))


def test_float64_is_cast_as_in_the_ordinary_call():
    check(images(), IMAGES.astype("float64"))


def test_programs_see_new_weights_new_attributes_and_changed_arrays():
    model, x = images(), IMAGES.copy()
    check(model, x)
    model.set_weights([2 * w for w in model.get_weights()])
    check(model, x)
    model.layers[-1].activation = keras.activations.linear
    check(model, x)
    x *= 3
    check(model, x)


def shortcuts(dtype=None):
    inputs = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", dtype=dtype)(inputs)
    for size, stride in ((1, 2), (3, 4), (3, 1)):  # products, few pixels, fewer places than channels
        y = layers.Conv2D(16, size, strides=stride, padding="same", dtype=dtype)(x)
        y = layers.BatchNormalization(dtype=dtype)(y)
        if stride == 1:
            y = layers.add([x, y])
        x = layers.Activation("relu")(y)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def _trained(model, tmp_path):
    model.compile("sgd", "mse")
    model.train_on_batch(IMAGES, RNG.normal(size=(8, 16)).astype("float32"))


def _loaded(model, tmp_path):
    path = str(tmp_path / "one.weights.h5")
    other = shortcuts()
    _trained(other, tmp_path)
    other.save_weights(path)
    model.load_weights(path)


CHANGES = {
    "set_weights": lambda model, _: model.set_weights([w * w + 0.5 for w in model.get_weights()]),
    "assigned": lambda model, _: [v.assign(v + 0.25) for v in model.non_trainable_variables],
    "trained": _trained,
    "loaded": _loaded,
    "frozen": lambda model, _: setattr(model, "trainable", False),
    "thawed": lambda model, _: setattr(model, "trainable", True),
}


def test_what_follows_convolutions_is_what_variables_hold_at_the_call(tmp_path):
    model = shortcuts()
    check(model, IMAGES)
    before = model.predict(IMAGES, verbose=0)
    for name, change in CHANGES.items():
        change(model, tmp_path)
        check(model, IMAGES)
        found, expected = model.predict(IMAGES, verbose=0), ordinary(model, IMAGES)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        assert name in ("frozen", "thawed") or np.abs(found - before).max() > 1e-3
        before = found
    # `predict` keeps its program until the model is compiled again, as in Keras.
    model.layers[3].epsilon = 0.5
    check(model, IMAGES)


def test_normalized_convolutions_in_mixed_precision():
    model = shortcuts("mixed_float16")
    expected, found = ordinary(model, IMAGES), called(model, IMAGES)[-1]
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.02)


def test_outputs_keep_their_logits_and_gradients_flow_under_a_tape():
    model = images()
    check(model, IMAGES)
    y = tf.zeros((8,), tf.int32)
    loss = keras.losses.SparseCategoricalCrossentropy()
    before = float(loss(y, layers.Layer.__call__(model, IMAGES)))
    assert float(loss(y, model(IMAGES))) == pytest.approx(before, rel=1e-4)
    with tf.GradientTape() as tape:
        value = loss(y, model(IMAGES))
    assert all(g is not None for g in tape.gradient(value, model.trainable_variables))


def test_an_index_out_of_range_is_still_named():
    model = words()
    ids = RNG.integers(20, 50, (8, 64)).astype("int32")
    check(model, ids)
    check(model, np.minimum(ids + 40, 99))  # larger ones than were seen: the ordinary call first
    ids[3, 5] = 100
    for _ in range(2):
        with pytest.raises(tf.errors.InvalidArgumentError, match="100 is not in"):
            model(ids)


def test_training_is_never_a_program():
    model = images()
    check(model, IMAGES)
    a, b = (np.array(model(IMAGES, training=True)) for _ in range(2))
    assert np.abs(a - b).max() > 1e-4


def test_the_state_of_a_stateful_layer_moves_once_a_call():
    x = RNG.normal(size=(16, 64, 32)).astype("float32")
    inputs = keras.Input(batch_shape=x.shape)
    model = keras.Model(inputs, layers.GRU(64, stateful=True)(inputs))
    expected = [ordinary(model, x) for _ in range(MANY)]
    model.layers[-1].reset_states()
    for one, other in zip(expected, called(model, x)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_outputs_with_masks_stay_with_the_ordinary_call():
    inputs = keras.Input((64, 32))
    model = keras.Model(inputs, layers.Masking()(inputs))
    x = RNG.normal(size=(64, 64, 32)).astype("float32")
    called(model, x)
    assert not programs_of(model) and model(x)._keras_mask is not None
