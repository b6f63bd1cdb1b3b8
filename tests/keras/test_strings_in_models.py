"""Models that take strings: what reads them runs on the host, all behind is compiled, and nothing else changes."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.function.split import Split
from tests.keras.pairs import close, peer

WORDS = np.array(["red", "green", "blue", "odd", ""])


def data(n=70):
    rng = np.random.default_rng(0)
    inputs = {"word": WORDS[rng.integers(0, 5, (n, 2))], "size": rng.normal(size=(n, 3)).astype("float32")}
    return inputs, rng.normal(size=(n, 1)).astype("float32")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.look_up = keras.layers.StringLookup(vocabulary=["red", "green"])
        self.embed, self.dense = keras.layers.Embedding(4, 3), keras.layers.Dense(1)
        self.traces = 0

    def call(self, inputs, training=None):
        self.traces += 1
        rows = self.embed(self.look_up(inputs["word"]))
        return self.dense(tf.concat([tf.reduce_sum(rows, 1), inputs["size"]], -1))


class OwnStep(Subclassed):
    def train_step(self, data):
        x, y, *_ = data
        with tf.GradientTape() as tape:
            long = tf.cast(tf.strings.length(x["word"])[:, :1] > 3, tf.float32)
            loss = tf.reduce_mean(tf.square(self(x, training=True) - y) * (1 + long))
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return {"loss": loss}


def functional():
    word, size = keras.Input((2,), dtype="string", name="word"), keras.Input((3,), name="size")
    rows = keras.layers.Flatten()(keras.layers.Embedding(8, 3)(keras.layers.Hashing(8)(word)))
    outputs = keras.layers.Dense(1)(keras.layers.Concatenate()([rows, size]))
    return keras.Model({"word": word, "size": size}, outputs)


def fit(model, **options):
    return model.fit(*data(), batch_size=16, epochs=2, verbose=0, shuffle=False, **options).history


def fit_on_dataset(model):
    return model.fit(tf.data.Dataset.from_tensor_slices(data()).batch(16), epochs=2, verbose=0).history


def on_batches(model):
    x, y = data(16)
    return [model.train_on_batch(x, y), model.test_on_batch(x, y), model.predict_on_batch(x)]


def evaluate_and_predict(model):
    x, y = data()
    return [model.evaluate(x, y, batch_size=16, verbose=0), model.predict(x, batch_size=16, verbose=0)]


def watched(model):
    seen = []
    callback = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["loss"])
    )
    return [fit(model, callbacks=[callback, keras.callbacks.TerminateOnNaN()]), seen]


WAYS = {
    "arrays": fit,
    "weights": lambda model: fit(model, sample_weight=np.linspace(0, 1, 70)),
    "validation": lambda model: fit(model, validation_split=0.2),
    "dataset": fit_on_dataset,
    "batches": on_batches,
    "evaluation": evaluate_and_predict,
    "watched": watched,
}


def run(make, way, **options):
    keras.utils.set_random_seed(3)
    model = make()
    model.compile("sgd", "mse", metrics=["mae"], **options)
    results = WAYS[way](model)
    return model, results, [v.numpy() for v in model.trainable_variables]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [functional, Subclassed, OwnStep], ids=lambda make: make.__name__)
def test_the_same_as_op_by_op(make, way):
    model, results, weights = run(make, way)  # a warning is an error
    _, expected, eager_weights = run(make, way, run_eagerly=True)
    close(results, expected, rtol=1e-4, atol=1e-5)
    close(weights, eager_weights, rtol=1e-4, atol=1e-5)
    divided = [step for one in model._executors.values() for step in one._divided._found.values()]
    assert divided and all(len(step._rest._programs) for step in divided)


def test_steps_run_many_to_a_dispatch_and_are_traced_once_a_shape():
    model = Subclassed()
    model.compile("sgd", "mse")
    fit(model)
    traces = model.traces
    for _ in range(3):
        fit(model)
    assert model.traces == traces
    assert len(model._executors["train"]._programs._loops) == 1  # the loop over gathered batches


def fronts(model, monkeypatch, data):
    """Returns how often the host part runs in three epochs over data."""
    calls, front = [], Split.front
    with monkeypatch.context() as patch:
        patch.setattr(Split, "front", lambda *given: calls.append(0) or front(*given))
        model.fit(*data, epochs=3, verbose=0, shuffle=True)
    return len(calls)


def test_all_rows_of_arrays_are_read_at_once(monkeypatch):
    model = functional()
    model.compile("sgd", "mse")
    assert fronts(model, monkeypatch, data(64)) == 1
    rows = tf.data.Dataset.from_tensor_slices(data(64)).shuffle(64)
    assert fronts(model, monkeypatch, [rows.batch(16)]) == 1
    assert fronts(model, monkeypatch, [rows.batch(16).map(lambda x, y: (x, y * 2.0))]) == 12


def test_batches_of_ever_new_sizes_are_not_all_compiled():
    model = functional()
    model.compile("sgd", "mse")
    for size in range(2, 20):
        model.train_on_batch(*data(size))
    assert len(model._executors["train"]._divided._found) <= 3


@pytest.mark.parametrize(
    ("options", "times"),
    [({"output_sequence_length": 4}, 1), ({"output_mode": "multi_hot"}, 1), ({"output_mode": "int"}, 12)],
)
def test_texts_are_read_at_once_where_their_rows_do_not_depend_on_each_other(monkeypatch, options, times):
    texts = np.array(["Red, green!", "red", "blue green red odd", ""] * 16)
    results = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(0)
        vectorize = keras.layers.TextVectorization(vocabulary=["red", "green"], **options)
        text = keras.Input((1,), dtype="string")
        sums = keras.layers.Lambda(lambda x: tf.reduce_sum(tf.cast(x, tf.float32), -1, keepdims=True))(
            vectorize(text)
        )
        model = keras.Model(text, keras.layers.Dense(1)(sums))
        model.compile("sgd", "mse", run_eagerly=eagerly)
        data = (texts[:, None], np.arange(64.0)[:, None] / 64)
        results.append(model.fit(*data, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"])
        if not eagerly:
            batches = tf.data.Dataset.from_tensor_slices(data).batch(16)
            assert fronts(model, monkeypatch, [batches]) == times
    close(*results, rtol=1e-4)


def test_what_is_not_made_row_by_row_is_made_for_each_batch(monkeypatch):
    class Joined(keras.layers.Layer):
        def call(self, inputs):
            all_of_batch = tf.strings.reduce_join(inputs, axis=0, keepdims=True)
            return tf.cast(tf.strings.length(tf.strings.join([inputs, all_of_batch])), tf.float32)

    results = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(0)
        word = keras.Input((2,), dtype="string")
        model = keras.Model(word, keras.layers.Dense(1)(Joined()(word) / 10.0))
        model.compile("sgd", "mse", run_eagerly=eagerly)
        x, y = data(64)
        results.append(
            model.fit(x["word"], y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
        )
        if not eagerly:
            assert fronts(model, monkeypatch, (x["word"], y)) == 3 * 2
    close(*results, rtol=1e-4)


def test_a_vocabulary_may_change():
    look_up = keras.layers.StringLookup(vocabulary=["a", "b"])
    model = keras.Sequential([look_up, keras.layers.Rescaling(1.0)])
    function = tf.function(lambda words: look_up(words) * 2)
    words = np.array([["a"], ["b"]] * 40)
    assert model.predict(words, verbose=0)[:2].ravel().tolist() == [1, 2]
    assert function(tf.constant(["a", "b"])).numpy().tolist() == [2, 4]
    look_up.set_vocabulary(["b", "a"])
    assert model.predict(words, verbose=0)[:2].ravel().tolist() == [2, 1]
    assert function(tf.constant(["a", "b"])).numpy().tolist() == [4, 2]
    again = keras.Sequential.from_config(model.get_config())  # with the vocabulary that the layer was given
    assert again.predict(words, verbose=0)[:2].ravel().tolist() == [1, 2]


def test_the_same_training_as_keras():
    keras_3 = peer()
    x, y = data()

    def build(k):
        word = k.Input((2,), dtype="string")
        rows = k.layers.Flatten()(
            k.layers.Embedding(6, 4)(k.layers.StringLookup(vocabulary=list(WORDS[:4]))(word))
        )
        return k.Model(word, k.layers.Dense(1)(rows))

    ours, theirs = build(keras), build(keras_3)
    for own, other in zip(ours.trainable_variables, theirs.trainable_variables):
        own.assign(np.asarray(other))
    for model in (ours, theirs):
        model.compile("sgd", "mse")
    options = {"batch_size": 16, "epochs": 2, "verbose": 0, "shuffle": False}
    tensor = pytest.importorskip("tensorflow").constant(x["word"])
    close(ours.fit(x["word"], y, **options).history["loss"], theirs.fit(tensor, y, **options).history["loss"])
    close(ours.predict(x["word"], verbose=0), theirs.predict(tensor, verbose=0))


def test_repeated_calls_on_few_words():
    word = keras.Input((2,), dtype="string")
    model = keras.Model(word, keras.layers.Embedding(9, 1)(keras.layers.Hashing(9)(word)))
    words = data(3)[0]["word"]
    expected = np.asarray(model(tf.constant(words)))
    for _ in range(4):  # from the third call on by plan
        for given in (words, words.astype(object), tf.constant(words)):
            np.testing.assert_allclose(model(given), expected, rtol=1e-6)
        np.testing.assert_allclose(model.predict(words, verbose=0), expected, rtol=1e-6)


def test_ragged_words():
    class Mean(keras.Model):
        def __init__(self):
            super().__init__()
            self.look_up = keras.layers.StringLookup(vocabulary=["a", "b"])
            self.embed, self.dense = keras.layers.Embedding(4, 3), keras.layers.Dense(1)

        def call(self, inputs):
            ids = self.look_up(inputs).to_tensor(shape=[None, 3])
            return self.dense(tf.reduce_mean(self.embed(ids), 1))

    words = tf.ragged.constant([["a", "b"], ["c"], [], ["a", "zz", "b"]] * 5)
    batches = tf.data.Dataset.from_tensor_slices((words, np.arange(20.0)[:, None])).batch(5)
    results = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(0)
        model = Mean()
        model.compile("sgd", "mse", run_eagerly=eagerly)
        results.append(model.fit(batches, epochs=2, verbose=0).history["loss"])
        assert bool(model._executors["train"]._divided._found) != eagerly
    close(*results, rtol=1e-5)


def test_models_return_strings():
    class Named(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)
            self.names = tf.constant(["cat", "dog", "emu"])

        def call(self, inputs):
            scores = self.dense(inputs)
            return {"name": tf.gather(self.names, tf.argmax(scores, -1)), "scores": scores}

    model = Named()
    x = np.random.default_rng(1).normal(size=(20, 4)).astype("float32")
    found = model.predict(x, batch_size=8, verbose=0)
    assert found["name"].tolist() == [[b"cat", b"dog", b"emu"][i] for i in found["scores"].argmax(-1)]
    assert model.predict(x[:2], verbose=0)["name"].tolist() == found["name"][:2].tolist()


def test_a_part_of_a_step_may_need_the_host():
    class Masking(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs)

        def test_step(self, data):
            x, y = data
            errors = tf.square(self(x) - y)
            return {
                "kept": tf.reduce_mean(tf.boolean_mask(errors, errors > 0.5)),
                "all": tf.reduce_mean(errors),
            }

    x, y = data()
    results = []
    for eagerly in (False, True):
        keras.utils.set_random_seed(0)
        model = Masking()
        model.compile("sgd", "mse", run_eagerly=eagerly)
        results.append([model.evaluate(x["size"], y, verbose=0, return_dict=True) for _ in range(2)])
    close(*results, rtol=1e-5)


def test_strings_where_numbers_belong_are_an_error_of_the_layer():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises((TypeError, ValueError, tf.errors.UnimplementedError), match=r"string.*\.py:\d+"):
        model.fit(np.array([["a", "b"]] * 4), np.zeros((4, 1)), verbose=0)


def test_steps_that_need_values_run_op_by_op_and_say_so():
    class Peeking(Subclassed):
        def call(self, inputs, training=None):
            self.first = inputs["word"].numpy()[0, 0]
            return super().call(inputs)

    model = Peeking()
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="op by op.*numpy"):
        fit(model)
    assert model.first in WORDS.astype("S")
