"""What a compiled model trains is what was trainable when it was compiled; other settings stay live."""

import contextlib
import copy
import threading

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

X, Y = np.ones((4, 1), np.float32), np.zeros((4, 1), np.float32)


def sequential(*layers):
    return keras.Sequential([*layers, keras.layers.Dense(1, kernel_initializer="ones")])


def built():
    return sequential(keras.layers.Input((1,)))


class Own(keras.Model):
    """A model with a step of its own."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="ones")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x) - y) ** 2)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return {"loss": loss}


# How a model comes to be; each begins with a kernel of 1.
MODELS = {"built": built, "built by its first step": sequential, "with its own step": Own}
# How it is trained.
TRAINING = {
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "fit": lambda model: model.fit(X, Y, verbose=0),
    "another batch size": lambda model: model.train_on_batch(X[:3], Y[:3]),
    "fit with callbacks": lambda model: model.fit(X, Y, verbose=0, callbacks=[Watching()]),
}
# How it is frozen.
FREEZING = {
    "model": lambda model, flag: setattr(model, "trainable", flag),
    "layer": lambda model, flag: setattr(model.layers[-1], "trainable", flag),
}


class Watching(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


def trains(model, train):
    before = kernel(model)
    train(model)
    return kernel(model) != before


def kernel(model):
    return float(model.get_weights()[0][0, 0]) if model.weights else 1.0


@pytest.mark.parametrize("eagerly", [False, True], ids=["compiled", "eager"])
@pytest.mark.parametrize("freeze", FREEZING.values(), ids=FREEZING)
@pytest.mark.parametrize("train", TRAINING.values(), ids=TRAINING)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_freezing_after_compile_waits_for_the_next_compile(make, train, freeze, eagerly):
    model = make()
    model.compile("sgd", "mse", run_eagerly=eagerly)
    freeze(model, False)
    assert trains(model, train) and trains(model, train)
    assert not model.trainable_weights and not any(v.trainable for v in model.weights)
    freeze(model, True)
    assert trains(model, train)
    freeze(model, False)
    assert trains(model, train)
    model.compile("sgd", "mse", run_eagerly=eagerly)
    before = kernel(model)
    with contextlib.nullcontext() if make is Own else pytest.warns(UserWarning, match="no trainable weights"):
        train(model)
    assert kernel(model) == before


@pytest.mark.parametrize("make", [built, sequential])
def test_thawing_after_compile_waits_for_the_next_compile(make):
    model = make()
    model.trainable = False
    model.compile("sgd", "mse")
    model.trainable = True
    with pytest.warns(UserWarning, match="no trainable weights"):
        assert not trains(model, TRAINING["train_on_batch"])
    assert len(model.trainable_weights) == 2 and all(v.trainable for v in model.weights)
    model.compile("sgd", "mse")
    assert trains(model, TRAINING["train_on_batch"])


def test_two_models_that_share_layers_train_what_each_was_compiled_with():
    generator, judge = built(), built()
    judge.compile(keras.optimizers.SGD(0.1), "mse")
    judge.trainable = False
    z = keras.Input((1,))
    joint = keras.Model(z, judge(generator(z)))
    joint.compile(keras.optimizers.SGD(0.1), "mse")
    for _ in range(2):
        before = kernel(generator)
        assert trains(judge, TRAINING["train_on_batch"]) and kernel(generator) == before
        before = kernel(judge)
        joint.train_on_batch(X, Y)
        assert kernel(judge) == before and kernel(generator) != 1.0


def test_batch_normalization_goes_by_the_flag_of_compile():
    model = sequential(keras.layers.Input((1,)), keras.layers.BatchNormalization())
    model.compile("sgd", "mse")
    model.trainable = False
    model.train_on_batch(X, Y)
    moved = np.array(model.layers[0].moving_mean)
    assert moved != 0.0
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.train_on_batch(X, Y)
    assert model.layers[0].moving_mean.numpy() == moved


def test_copies_train_what_their_original_was_compiled_with():
    for make in (built, Own):
        model = make()
        model(X)
        model.compile("sgd", "mse")
        model.trainable = False
        twin = copy.deepcopy(model)
        before = kernel(model)
        assert trains(twin, TRAINING["train_on_batch"])
        assert kernel(model) == before and not twin.trainable_weights


def test_the_flags_of_compile_show_in_the_thread_of_the_step_only():
    seen, inside, asked = [], threading.Event(), threading.Event()

    class Slow(Own):
        def train_step(self, data):
            inside.set()
            asked.wait(30)
            seen.append(self.trainable)
            return super().train_step(data)

    model = Slow()
    model(X)
    model.compile("sgd", run_eagerly=True)
    model.trainable = False
    thread = threading.Thread(target=model.train_on_batch, args=(X, Y))
    thread.start()
    assert inside.wait(30)
    live = model.trainable, model.dense.kernel.trainable, len(model.trainable_weights)
    asked.set()
    thread.join(60)
    assert seen == [True] and live == (False, False, 0)


def test_what_belongs_to_the_optimizer_stays_live():
    model = built()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    assert trains(model, TRAINING["train_on_batch"])
    model.optimizer.learning_rate = 0.0
    assert not trains(model, TRAINING["train_on_batch"])


def test_loss_and_metrics_stay_as_compiled():
    model = built()
    model.compile("sgd", "mse", metrics=["mae"])
    before = model.evaluate(X, Y, verbose=0)
    model.loss = "mae"
    assert model.evaluate(X, Y, verbose=0) == before


def test_a_model_that_is_not_compiled_goes_by_its_flags():
    model = Own()
    model(X)
    model.optimizer = keras.optimizers.SGD(0.1)
    assert trains(model, TRAINING["train_on_batch"])
    model.trainable = False
    assert not trains(model, TRAINING["train_on_batch"])
