"""Frames and series of pandas where arrays are taken."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.pairs import close

pandas = pytest.importorskip("pandas")

X = np.arange(24, dtype="float32").reshape(8, 3) / 10
Y = X.sum(1)
FRAME = pandas.DataFrame(X, columns=list("abc"), index=range(100, 108))
SERIES = pandas.Series(Y, index=range(50, 58))


def model_of():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


WAYS = {
    "frames": (FRAME, SERIES, {}),
    "column of targets": (FRAME, SERIES.to_frame(), {}),
    "float64": (FRAME.astype("float64"), SERIES.astype("float64"), {}),
    "weights": (FRAME, SERIES, {"sample_weight": pandas.Series(np.linspace(0, 1, 8))}),
    "split": (FRAME, SERIES, {"validation_split": 0.25}),
    "validation": (FRAME, SERIES, {"validation_data": (FRAME[:4], SERIES[:4])}),
    "shuffled": (FRAME, SERIES, {"shuffle": True}),
}


@pytest.mark.parametrize("way", WAYS)
def test_frames_train_as_arrays_do(way):
    x, y, options = WAYS[way]

    def plain(value):
        return (
            tuple(map(plain, value))
            if isinstance(value, tuple)
            else getattr(value, "to_numpy", lambda: value)()
        )

    histories = []
    for form in (lambda value: value, plain):
        keras.utils.set_random_seed(1)
        given = {"shuffle": False, **{name: form(value) for name, value in options.items()}}
        histories.append(model_of().fit(form(x), form(y), batch_size=3, epochs=2, verbose=0, **given).history)
    close(histories[0], histories[1])


def test_evaluating_and_predicting():
    model = model_of()
    assert model.evaluate(FRAME, SERIES, verbose=0) == model.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(model.predict(FRAME, verbose=0), model.predict(X, verbose=0))
    assert model.train_on_batch(FRAME, SERIES) == model_of().train_on_batch(X, Y)


def test_frames_as_tensors():
    for make in (tf.constant, tf.convert_to_tensor):
        np.testing.assert_array_equal(make(FRAME), X)
        np.testing.assert_array_equal(make(SERIES), Y)
    assert tf.constant(pandas.Series(["a", "b"])).numpy().tolist() == [b"a", b"b"]
    assert tf.constant(pandas.Series([True, False])).dtype == tf.bool
    mixed = FRAME.assign(n=np.arange(8))
    assert tf.constant(mixed).dtype == tf.float64
    np.testing.assert_array_equal(tf.constant(mixed, tf.float32)[:, 3], np.arange(8))


def test_datasets_of_frames():
    rows = list(tf.data.Dataset.from_tensor_slices((FRAME, SERIES)).batch(8))
    np.testing.assert_array_equal(rows[0][0], X)
    np.testing.assert_array_equal(rows[0][1], Y)
    named = next(iter(tf.data.Dataset.from_tensor_slices((dict(FRAME), SERIES)).batch(8)))
    assert sorted(named[0]) == ["a", "b", "c"]
    np.testing.assert_array_equal(named[0]["b"], X[:, 1])


def test_frames_of_objects_are_refused():
    with pytest.raises((TypeError, ValueError), match="strings|objects"):
        model_of().fit(FRAME.assign(c=["x"] * 8), SERIES, verbose=0)
