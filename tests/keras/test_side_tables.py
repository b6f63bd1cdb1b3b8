"""What Keras keeps beside tensors: masks and logits, in tables of its own."""

import gc
import threading
import weakref

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers
from dovetail.keras.logits import logits_of
from dovetail.keras.masks import mask_of
from dovetail.ops import core
from dovetail.tensor.beside import SideTable

X = np.float32([[[1.0, 2.0], [0.0, 0.0]], [[3.0, -1.0], [4.0, 5.0]]])

# Raw ops on a tensor x that has a mask; `t` is the library, so that both can be asked.
RAW_OPS = {
    "times": lambda t, x: x * 2.0,
    "sum of two": lambda t, x: x + x,
    "negative": lambda t, x: -x,
    "relu": lambda t, x: t.nn.relu(x),
    "identity": lambda t, x: t.identity(x),
    "slice": lambda t, x: x[:, 1:],
    "first": lambda t, x: x[0],
    "concat": lambda t, x: t.concat([x, x], -1),
    "reduce_sum": lambda t, x: t.reduce_sum(x, 1),
    "reshape": lambda t, x: t.reshape(x, (-1, 4)),
    "transpose": lambda t, x: t.transpose(x, (0, 2, 1)),
    "matmul": lambda t, x: t.matmul(x, x, transpose_b=True),
    "cast": lambda t, x: t.cast(x, t.float64),
    "where": lambda t, x: t.where(x > 0, x, -x),
    "stack": lambda t, x: t.stack([x, x]),
    "split": lambda t, x: t.split(x, 2, -1)[0],
    "expand_dims": lambda t, x: t.expand_dims(x, 1),
    "shape": lambda t, x: t.shape(x),
    "greater": lambda t, x: x > 0,
}
# Layers, and how they are called.
LAYERS = {
    "Dense": (lambda k: k.layers.Dense(2), lambda layer, x: layer(x)),
    "Activation": (lambda k: k.layers.Activation("relu"), lambda layer, x: layer(x)),
    "Flatten": (lambda k: k.layers.Flatten(), lambda layer, x: layer(x)),
    "Dense after an op": (lambda k: k.layers.Dense(2), lambda layer, x: layer(x * 2.0)),
    "Add": (lambda k: k.layers.Add(), lambda layer, x: layer([x, x])),
}


def has_mask(tensor):
    return getattr(tensor, "_keras_mask", None) is not None


def masked_ways(tf, keras, call):
    """Returns whether the result has a mask: on symbolic tensors, in eager code, in a function."""
    found = [has_mask(call(keras.layers.Masking()(keras.Input((2, 2)))))]
    found.append(has_mask(call(keras.layers.Masking()(tf.constant(X)))))
    seen = []
    tf.function(lambda x: seen.append(has_mask(call(keras.layers.Masking()(x)))) or x)(tf.constant(X))
    return found + seen[:1]


@pytest.mark.parametrize("name", [*RAW_OPS, *LAYERS])
def test_masks_pass_as_in_tf_keras(name):
    theirs_tf, theirs_keras = pytest.importorskip("tensorflow"), pytest.importorskip("tf_keras")

    def calls(t, k):
        if name in RAW_OPS:
            return lambda x: RAW_OPS[name](t, x)
        make, call = LAYERS[name]
        layer = make(k)
        return lambda x: call(layer, x)

    ours = masked_ways(tf, keras, calls(tf, keras))
    assert ours == masked_ways(theirs_tf, theirs_keras, calls(theirs_tf, theirs_keras))


def test_users_read_set_and_take_away_masks():
    for tensor in (tf.constant([1.0, 2.0]), keras.Input((2,))):
        assert not hasattr(tensor, "_keras_mask")
        tensor._keras_mask = mask = tf.constant([True, False])
        assert tensor._keras_mask is mask and mask_of(tensor) is mask
        tensor._keras_mask = None
        assert not hasattr(tensor, "_keras_mask")


def test_the_dispatcher_knows_nothing_of_keras():
    observed = [op.name for op in core.OPS.values() if op.observer is not None]
    assert sorted(observed) == ["sigmoid", "softmax"]
    assert not any(
        "keras" in slot for kind in (type(tf.constant(1)), type(keras.Input((1,)))) for slot in kind.__slots__
    )
    assert logits_of(tf.nn.softmax(tf.constant([1.0, 2.0]))) is None, "eager ops keep nothing"


PROBABILITIES = {
    "tf.sigmoid": (lambda x: tf.sigmoid(x), "sigmoid"),
    "tf.nn.softmax": (lambda x: tf.nn.softmax(x, axis=1), 1),
    "softmax": (lambda x: tf.nn.softmax(x), -1),
    "K.sigmoid": (lambda x: keras.activations.sigmoid(x), "sigmoid"),
    "keras softmax": (lambda x: keras.activations.softmax(x), -1),
}


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("name", PROBABILITIES)
def test_logits_are_known_in_functions(name, unknown):
    """Of known sizes (a trace, watched) and of unknown ones (a recording, whose nodes tell)."""
    make, kind = PROBABILITIES[name]
    shape = [None, None] if unknown else [2, 2]
    seen = []

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
    def function(x):
        made = make(x)
        seen.append((logits_of(made)[0], logits_of(made)[1] is x))
        return made

    function(tf.constant(X[0]))
    assert seen and set(seen) == {(kind, True)}


@pytest.mark.parametrize("unknown", [False, True])
def test_saturated_outputs_have_gradients_whatever_is_known_of_sizes(unknown):
    @tf.function(input_signature=[tf.TensorSpec([None if unknown else 1, 2], tf.float32)])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = keras.losses.CategoricalCrossentropy()(tf.constant([[1.0, 0.0]]), tf.nn.softmax(x))
        return tape.gradient(loss, x)

    np.testing.assert_allclose(gradient(tf.constant([[-200.0, 200.0]])), [[-1.0, 1.0]], atol=1e-6)


@pytest.mark.parametrize(
    "make", [lambda: tf.constant([1.0]), lambda: tf.ragged.constant([[1.0]]), lambda: tf.Variable(1.0)]
)
def test_a_table_keeps_no_tensor_alive(make):
    table = SideTable()
    tensor = make()
    fact = tf.constant([True])
    watched = weakref.ref(fact)
    table.keep(tensor, fact)
    del fact
    assert table.get(tensor) is watched()
    del tensor
    assert len(table) == 0 and watched() is None


@pytest.mark.parametrize("make", [lambda: tf.constant([1.0]), lambda: keras.Input((2,))])
def test_tables_keep_their_facts_apart(make):
    tables, tensor = [SideTable() for _ in range(3)], make()
    assert all(table.get(tensor) is None for table in tables)
    for number, table in enumerate(tables):
        table.keep(tensor, number + 1)
    tables[1].keep(tensor, "new")
    tables[0].keep(tensor, None)
    assert [table.get(tensor) for table in tables] == [None, "new", 3]


def test_a_symbolic_mask_that_leads_back_to_its_tensor_goes_with_it():
    tensor = keras.Input((3,)) * 2.0
    tensor._keras_mask = tensor > 0  # whose node holds the tensor
    watched = weakref.ref(tensor)
    del tensor
    gc.collect()
    assert watched() is None


def test_calls_of_models_leave_nothing_behind():
    model = keras.Sequential([layers.Masking(), layers.Dense(3, activation="softmax")])
    tables = mask_of.__self__, logits_of.__globals__["_logits"]
    model(X)
    gc.collect()
    before = [len(table) for table in tables]
    step = tf.function(lambda x: tf.nn.softmax(model(x)))
    for rows in range(1, 4):
        model(np.ones((rows, 2, 2), np.float32))
        step(tf.ones((rows, 2, 2)))
    gc.collect()
    assert [len(table) for table in tables] == before


def test_threads_share_a_table():
    table, wrong = SideTable(), []

    def work(number):
        for index in range(2000):
            tensor = tf.constant([float(index)])
            table.keep(tensor, (number, index))
            if table.get(tensor) != (number, index):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(table) == 0
