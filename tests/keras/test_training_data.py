"""What `fit` takes besides arrays: datasets, generators, `Sequence`s, endless sources; and lists, tables, tensors."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.pairs import close, labels, mlp, pair, peer, regression

X, Y = regression()
WEIGHT = np.linspace(0.2, 2.0, 70).astype("float32")
HELD = regression(30, seed=1)
RUN = {"epochs": 3, "verbose": 0}


def slices(*arrays, size=16):
    """Batches of the arrays, as a list of tuples."""
    return [tuple(a[i : i + size] for a in arrays) for i in range(0, len(arrays[0]), size)]


def generator(*arrays, size=16, endless=True):
    while True:
        yield from slices(*arrays, size=size)
        if not endless:
            return


class Batches:
    """A `keras.utils.Sequence` without its base class: length and index are enough."""

    def __init__(self, *arrays, size=16):
        self.batches = slices(*arrays, size=size)
        self.ended = 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]

    def on_epoch_end(self):
        self.ended += 1


def dataset(*arrays, size=16):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(size)


@pytest.fixture(scope="module")
def reference():
    """Initial weights, the history of Keras on arrays, and its weights at the end."""
    theirs = mlp(peer())
    start = theirs.get_weights()
    theirs.compile("adam", "mse", metrics=["mae"])
    history = theirs.fit(X, Y, batch_size=16, shuffle=False, validation_data=HELD, **RUN).history
    return start, history, theirs.get_weights()


SOURCES = {
    "dataset": (lambda: dataset(X, Y), {}),
    "prefetched": (lambda: dataset(X, Y).prefetch(2).cache(), {}),
    "generator": (lambda: generator(X, Y), {"steps_per_epoch": 5}),
    "lists": (lambda: ([x, y] for x, y in generator(X, Y)), {"steps_per_epoch": 5}),
    "sequence": (lambda: Batches(X, Y), {}),
    "endless": (lambda: dataset(X, Y).repeat(), {"steps_per_epoch": 5}),
    "more_steps": (lambda: dataset(X, Y), {"steps_per_epoch": 5}),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
def test_every_source_of_batches_trains_like_keras_on_arrays(source, run_eagerly, reference):
    make, options = SOURCES[source]
    start, numbers, end = reference
    model = mlp(keras)
    model.set_weights(start)
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=run_eagerly)
    history = model.fit(
        make(), shuffle=False, validation_data=dataset(*HELD, size=32), **options, **RUN
    ).history
    close(history, numbers, source)
    close(model.get_weights(), end, "weights")


def test_a_py_dataset_trains_like_keras(reference):
    start, numbers, _ = reference

    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 5

        def __getitem__(self, index):
            return slices(X, Y)[index]

    model = mlp(keras)
    model.set_weights(start)
    model.compile("adam", "mse", metrics=["mae"])
    close(model.fit(Rows(), validation_data=HELD, shuffle=False, **RUN).history, numbers)


def test_a_sequence_hears_of_the_end_of_each_epoch():
    model, data = mlp(keras), Batches(X, Y)
    model.compile("sgd", "mse")
    model.fit(data, **RUN)
    assert data.ended == 3


def test_weights_and_classes_in_batches():
    x, y = labels()
    ours, theirs = pair(lambda k: mlp(k, 3, "softmax"))
    results = []
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
        first = model.fit(generator(x, y, WEIGHT), steps_per_epoch=5, **RUN).history
        weights = {0: 0.5, 1: 2.0, 2: 1.0}
        second = model.fit(x, y, batch_size=16, shuffle=False, class_weight=weights, **RUN).history
        results.append((first, second))
    close(*results)


@pytest.mark.parametrize("source", [dataset, Batches, lambda *a: generator(*a)])
def test_class_weights_apply_to_every_source(source):
    x, y = labels()
    start, histories = mlp(keras, 3, "softmax").get_weights(), []
    for data in ((x, y), source(x, y)):
        model = mlp(keras, 3, "softmax")
        model.set_weights(start)
        model.compile("sgd", "sparse_categorical_crossentropy")
        given = {"x": data[0], "y": data[1], "batch_size": 16} if isinstance(data, tuple) else {"x": data}
        given |= {"steps_per_epoch": 5, "shuffle": False, "class_weight": {0: 0.5, 1: 2.0, 2: 1.0}}
        histories.append(model.fit(**given, **RUN).history)
    close(*histories)


class Spy(keras.Model):
    """Notes the first number of each batch."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.compile("sgd", "mse", run_eagerly=True)

    def call(self, inputs):
        return inputs

    def train_step(self, data):
        self.seen.append(int(data[0][0, 0]))
        return {"loss": tf.constant(0.0)}


COUNT = np.arange(10, dtype="float32").reshape(10, 1)
FOREVER = {"steps_per_epoch": 3, "epochs": 2, "verbose": 0, "shuffle": False}


@pytest.mark.parametrize(
    "given",
    [
        lambda: {"x": dataset(COUNT, COUNT, size=2).repeat()},
        lambda: {"x": generator(COUNT, COUNT, size=2)},
    ],
)
def test_epochs_continue_where_the_one_before_stopped(given):
    model = Spy()
    model.fit(**given(), **FOREVER)
    assert model.seen == [0, 2, 4, 6, 8, 0]


@pytest.mark.parametrize(
    "given",
    [
        lambda: {"x": dataset(COUNT, COUNT, size=2)},
        lambda: {"x": Batches(COUNT, COUNT, size=2)},
        lambda: {"x": COUNT, "y": COUNT, "batch_size": 2},
    ],
)
def test_data_that_is_too_short_cuts_the_epoch_with_a_warning(given):
    model = Spy()
    with pytest.warns(UserWarning, match="ran out after 2 of 3"):
        history = model.fit(**given(), **FOREVER | {"epochs": 3})
    assert model.seen == [0, 2, 4, 6, 8, 0, 2, 4]
    assert history.epoch == [0, 1, 2]


def test_a_generator_that_ends_ends_training():
    model = Spy()
    with pytest.warns(UserWarning, match="nothing for epoch 2"):
        history = model.fit(generator(COUNT, COUNT, size=2, endless=False), epochs=4, verbose=0)
    assert model.seen == [0, 2, 4, 6, 8]
    assert history.epoch == [0]
    with pytest.raises(ValueError, match="empty"):
        model.fit(generator(COUNT[:0], COUNT[:0], endless=False), verbose=0)


def test_sequences_are_shuffled_by_batches():
    model = Spy()
    model.fit(Batches(COUNT, COUNT, size=2), epochs=3, verbose=0)
    epochs = [tuple(model.seen[i : i + 5]) for i in (0, 5, 10)]
    assert len(set(epochs)) > 1
    assert all(sorted(epoch) == [0, 2, 4, 6, 8] for epoch in epochs)


def test_validation_starts_over_in_each_epoch():
    model = mlp(keras)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    for held in (dataset(*HELD, size=8), HELD):
        given = {"validation_data": held, "validation_steps": 2, "validation_batch_size": 8}
        values = model.fit(X, Y, epochs=3, verbose=0, **given).history["val_loss"]
        close(values, [model.evaluate(HELD[0][:16], HELD[1][:16], verbose=0)] * 3)


def test_evaluate_and_predict_on_sources():
    ours, theirs = pair(mlp)
    for model in (ours, theirs):
        model.compile("sgd", "mse", metrics=["mae"])
    expected = theirs.evaluate(X, Y, batch_size=16, verbose=0)
    predicted = theirs.predict(X, verbose=0)
    for source in (dataset(X, Y), Batches(X, Y), generator(X, Y, endless=False)):
        close(ours.evaluate(source, verbose=0), expected)
    close(ours.evaluate(generator(X, Y), steps=5, verbose=0), expected)
    close(ours.predict(dataset(X), verbose=0), predicted)
    close(ours.predict(dataset(X, Y), verbose=0), predicted)
    close(ours.predict(tf.data.Dataset.from_tensor_slices(X).batch(16), verbose=0), predicted)
    close(ours.predict(generator(X), steps=5, verbose=0), predicted)
    close(ours.predict(Batches(X, Y), verbose=0), predicted)


def test_structures_in_datasets():
    a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
    both = keras.layers.Concatenate()([a, b])
    model = keras.Model(
        {"a": a, "b": b}, {"p": keras.layers.Dense(1)(both), "q": keras.layers.Dense(2)(both)}
    )
    model.compile("sgd", {"p": "mse", "q": "mae"}, metrics={"p": ["mae"]})
    inputs, targets = {"a": X, "b": X[:, :2]}, {"p": Y, "q": X[:, 2:]}
    start, histories = model.get_weights(), []
    data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(16)
    for given in ({"x": inputs, "y": targets, "batch_size": 16, "shuffle": False}, {"x": data}):
        model.set_weights(start)
        histories.append(model.fit(**given, **RUN).history)
    close(*histories)
    close(model.predict(data, verbose=0), model.predict(inputs, verbose=0))


def test_arrays_of_other_libraries():
    jax, sparse = pytest.importorskip("jax"), pytest.importorskip("scipy.sparse")
    model = mlp(keras)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    expected = pytest.approx(model.evaluate(X, Y, verbose=0))
    assert model.evaluate(jax.numpy.asarray(X), jax.numpy.asarray(Y), verbose=0) == expected
    assert model.evaluate(sparse.csr_matrix(X), Y, verbose=0) == expected
    torch = pytest.importorskip("torch")
    assert model.evaluate(torch.tensor(X), torch.tensor(Y), verbose=0) == expected
    rows = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    assert model.evaluate(torch.utils.data.DataLoader(rows, batch_size=32), verbose=0) == expected


def test_lists_tensors_and_tables_as_arrays():
    model = mlp(keras)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    expected = model.evaluate(X, Y, verbose=0)
    assert model.evaluate(X.tolist(), Y.tolist(), verbose=0) == pytest.approx(expected)
    assert model.evaluate(tf.constant(X), tf.constant(Y), verbose=0) == pytest.approx(expected)
    assert model.evaluate(X.astype("float16"), Y, verbose=0) == pytest.approx(expected, rel=1e-2)
    assert model.predict(X[:2].tolist(), verbose=0).shape == (2, 1)
    pandas = pytest.importorskip("pandas", reason="tables come from pandas")
    assert model.evaluate(pandas.DataFrame(X), pandas.DataFrame(Y), verbose=0) == pytest.approx(expected)


def test_integer_inputs_of_embeddings_stay_integers():
    model = keras.Sequential([keras.layers.Embedding(1 << 25, 1), keras.layers.Flatten()])
    ids = np.array([[(1 << 24) + 1], [1]])
    model(ids)
    table = model.layers[0].embeddings
    table.assign(tf.cast(tf.range(1 << 25)[:, None] % 2, "float32"))
    np.testing.assert_array_equal(model.predict(ids, verbose=0), [[1.0], [1.0]])


def test_what_sources_refuse():
    model = mlp(keras)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="y must be None"):
        model.fit(dataset(X, Y), Y, verbose=0)
    with pytest.raises(ValueError, match="validation_split"):
        model.fit(dataset(X, Y), validation_split=0.2, verbose=0)
    with pytest.raises(ValueError, match="tuple of 4"):
        model.fit([(X, Y, WEIGHT, WEIGHT)].__iter__(), verbose=0)
    with pytest.raises(TypeError, match="arrays.*received a function"):
        model.fit(lambda: None, verbose=0)
    with pytest.raises(ValueError, match=r"batch\(\) the dataset"):
        model.fit(tf.data.Dataset.from_tensor_slices((X, Y)), verbose=0)
    with pytest.raises(ValueError, match="pass the data"):
        model.fit(verbose=0)
    with pytest.raises(ValueError, match="sample_weight"):
        model.fit(dataset(X, Y), sample_weight=WEIGHT, verbose=0)
    with pytest.warns(UserWarning, match="batch_size"):
        model.fit(dataset(X, Y), batch_size=16, verbose=0)
    with pytest.raises(ValueError, match="y must be None"):
        model.evaluate(dataset(X, Y), Y, verbose=0)
    with pytest.raises(ValueError, match="different lengths|samples"):
        model.fit([[1.0, 2.0], [3.0]], Y[:2], verbose=0)
