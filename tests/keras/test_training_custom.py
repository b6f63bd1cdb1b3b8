"""Own training steps in the manner of Keras 2 and 3, added losses, and what may change while a model trains."""

import copy
import os
import signal
import threading

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from tests.keras.pairs import close, mlp, pair, peer, regression, same_weights

X, Y = regression()
HELD = regression(30, seed=1)
WEIGHT = np.linspace(0.2, 2.0, 70).astype("float32")
RUN = {"epochs": 2, "batch_size": 32, "shuffle": False, "verbose": 0}


@pytest.fixture(params=["compiled", "eager", "host"])
def mode(request):
    before = settings.engine
    settings.engine = "host" if request.param == "host" else before
    yield request.param
    settings.engine = before


def functional(k, kind, **options):
    """A model of class `kind` made of two dense layers."""
    x = k.Input((4,))
    return kind(x, k.layers.Dense(1, **options)(k.layers.Dense(8, activation="tanh")(x)))


@pytest.fixture(scope="module")
def reference():
    """Initial weights of Keras' model, its history of plain training, and its weights at the end."""
    theirs = functional(peer(), peer().Model)
    start = theirs.get_weights()
    theirs.compile("adam", "mse", metrics=["mae"])
    history = theirs.fit(X, Y, sample_weight=WEIGHT, validation_data=HELD, **RUN).history
    return start, history, theirs.get_weights()


# ---- train_step and test_step


class Keras2(keras.Model):
    """Steps as Keras 2's guide writes them."""

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, sample_weight, regularization_losses=self.losses)
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self.compiled_metrics.update_state(y, y_pred, sample_weight=sample_weight)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        self.compiled_loss(y, y_pred, regularization_losses=self.losses)
        self.compiled_metrics.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


class Keras2Minimize(Keras2):
    """The same with `minimize`."""

    def train_step(self, data):
        x, y, sample_weight = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, sample_weight)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        self.compiled_metrics.update_state(y, y_pred, sample_weight)
        return {m.name: m.result() for m in self.metrics}


class Keras3(keras.Model):
    """Steps as Keras 3's guide writes them."""

    def train_step(self, data):
        x, y, sample_weight = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred, sample_weight=sample_weight)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(x)[0])
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        y_pred = self(x, training=False)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=tf.shape(x)[0])
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


class OwnLoss(keras.Model):
    """Only the loss is its own."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return super().compute_loss(x, y, y_pred, sample_weight)


@pytest.mark.parametrize("kind", [Keras2, Keras2Minimize, Keras3, OwnLoss])
def test_own_steps_give_the_numbers_of_plain_training(kind, mode, reference):
    start, numbers, end = reference
    model = functional(keras, kind)
    model.set_weights(start)
    model.compile("adam", "mse", metrics=["mae"], run_eagerly=mode == "eager")
    history = model.fit(X, Y, sample_weight=WEIGHT, validation_data=HELD, **RUN).history
    close(history, numbers, kind.__name__)
    close(model.get_weights(), end, "weights")


class WithTrackers(keras.Model):
    """Its own metrics, made in `__init__` and listed by the property."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = keras.layers.Dense(4), keras.layers.Dense(1)
        self.total = keras.metrics.Mean(name="total")
        self.off = keras.metrics.MeanAbsoluteError(name="off")

    def call(self, inputs):
        return self.out(self.hidden(inputs))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = keras.ops.mean(keras.losses.mean_squared_error(y, y_pred))
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights)
        )
        self.total.update_state(loss)
        self.off.update_state(y, y_pred)
        return {"total": self.total.result(), "off": self.off.result()}

    @property
    def metrics(self):
        return [self.total, self.off]


def test_own_metrics_start_over_in_each_epoch(mode):
    model = WithTrackers()
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=mode == "eager")
    history = model.fit(X, Y, epochs=3, batch_size=35, verbose=0, shuffle=False).history
    assert sorted(history) == ["off", "total"]
    y_pred = model.predict(X, verbose=0)
    close(history["off"], [np.abs(Y - y_pred).mean()] * 3)
    close(history["total"], [np.square(Y - y_pred).mean()] * 3, rtol=1e-4)


class Gan(keras.Model):
    """Two models, two optimizers, its own compile."""

    def __init__(self, discriminator, generator, latent):
        super().__init__()
        self.discriminator, self.generator, self.latent = discriminator, generator, latent
        self.d_metric, self.g_metric = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

    @property
    def metrics(self):
        return [self.d_metric, self.g_metric]

    def train_step(self, real):
        if isinstance(real, tuple):
            real = real[0]
        rows = tf.shape(real)[0]
        fake = self.generator(tf.random.normal((rows, self.latent)))
        both = tf.concat([fake, real], axis=0)
        labels = tf.concat([tf.ones((rows, 1)), tf.zeros((rows, 1))], axis=0)
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(labels, self.discriminator(both))
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(grads, self.discriminator.trainable_weights))
        with tf.GradientTape() as tape:
            verdict = self.discriminator(self.generator(tf.random.normal((rows, self.latent))))
            g_loss = self.loss_fn(tf.zeros((rows, 1)), verdict)
        grads = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights))
        self.d_metric.update_state(d_loss)
        self.g_metric.update_state(g_loss)
        return {"d_loss": self.d_metric.result(), "g_loss": self.g_metric.result()}


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_two_models_with_an_optimizer_each(run_eagerly):
    layers = keras.layers
    discriminator = keras.Sequential(
        [keras.Input((2,)), layers.Dense(8), layers.LeakyReLU(), layers.Dense(1)]
    )
    generator = keras.Sequential([keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(2)])
    model = Gan(discriminator, generator, 3)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.Adam(0.01), loss)
    model.run_eagerly = run_eagerly
    before = discriminator.get_weights(), generator.get_weights()
    history = model.fit(np.random.normal(size=(64, 2)).astype("float32"), epochs=3, verbose=0).history
    assert sorted(history) == ["d_loss", "g_loss"]
    assert all(np.isfinite(values).all() for values in history.values())
    for old, part in zip(before, (discriminator, generator)):
        assert all((o != n).any() for o, n in zip(old[:1], part.get_weights()[:1]))
    assert int(model.d_optimizer.iterations.numpy()) == int(model.g_optimizer.iterations.numpy()) == 6


def test_an_own_predict_step():
    class Doubling(keras.Model):
        def predict_step(self, data):
            x = data[0] if isinstance(data, tuple) else data
            return 2.0 * self(x, training=False)

    model = functional(keras, Doubling)
    expected = 2.0 * np.asarray(model(X))
    close(model.predict(X, verbose=0), expected)
    close(model.predict(X[:3], verbose=0), expected[:3])
    close(model.predict_on_batch(X[:3]), expected[:3])


def test_evaluate_with_an_own_test_step_needs_no_loss():
    class Rule(keras.Model):
        def test_step(self, data):
            x, y = data
            return {"off": tf.reduce_mean(tf.abs(y - self(x, training=False)))}

    model = functional(keras, Rule)
    model.compile()
    off = model.evaluate(X, Y, batch_size=70, verbose=0, return_dict=True)
    close(off, {"off": np.abs(Y - np.asarray(model(X))).mean()})


# ---- added losses


def penalized(k):
    class Penalty(k.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(
                shape=(shape[-1],), initializer="ones", regularizer=k.regularizers.L2(0.1)
            )

        def call(self, inputs):
            self.add_loss(0.01 * k.ops.mean(k.ops.square(inputs)))
            return inputs * self.w

    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.hidden = k.layers.Dense(8, activity_regularizer="l2", kernel_regularizer="l1")
            self.penalty, self.out = Penalty(), k.layers.Dense(1)

        def call(self, inputs):
            return self.out(self.penalty(self.hidden(inputs)))

    model = Net()
    model(np.zeros((1, 4), "float32"))
    return model


def test_added_losses_and_penalties_are_those_of_keras(mode):
    ours, theirs = pair(penalized)
    results = []
    for model in (ours, theirs):
        model.compile("sgd", "mse", run_eagerly=mode == "eager")
        results.append(model.fit(X, Y, validation_data=HELD, **RUN).history)
    close(*results)
    same_weights(ours, theirs)
    ours(X), theirs(X)
    close(sorted(float(v) for v in ours.losses), sorted(float(v) for v in theirs.losses))


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_model_can_train_on_added_losses_alone():
    model = penalized(keras)
    model.compile("sgd")
    losses = model.fit(X, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    plain = mlp(keras)
    plain.compile("sgd")
    with pytest.raises(ValueError, match="no loss"):
        plain.fit(X, Y, verbose=0)


# ---- what changes while training


def steps_of(model, callback, mode, steps=4):
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=mode == "eager")
    model.fit(X, Y, batch_size=16, verbose=0, shuffle=False, callbacks=[callback], steps_per_epoch=steps)
    return model.get_weights()


def test_the_next_step_sees_what_a_callback_changes(mode):
    model = mlp(keras)
    start = model.get_weights()
    zeros = [np.zeros_like(w) for w in start]

    class Reset(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.set_weights(start)

    end = steps_of(model, Reset(), mode)
    model.set_weights(start)
    model.fit(X[48:64], Y[48:64], batch_size=16, verbose=0)
    close(end, model.get_weights())

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.set_weights(zeros)
                self.model.optimizer.learning_rate = 0.0

    close(steps_of(mlp(keras), Stop(), mode), zeros)


def test_changes_between_epochs_reach_the_compiled_loop():
    model, zeros = mlp(keras), None
    zeros = [np.zeros_like(w) for w in model.get_weights()]

    class Change(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.set_weights(zeros)
                self.model.optimizer.learning_rate.assign(0.0)

    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[Change()])
    close(model.get_weights(), zeros)


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_end"])
def test_stop_training(hook, mode):
    model, seen = mlp(keras), []

    def stop(self, index, logs=None):
        seen.append(index)
        if index == 2:
            self.model.stop_training = True

    callback = type("Stopping", (keras.callbacks.Callback,), {hook: stop})()
    model.compile("sgd", "mse", run_eagerly=mode == "eager")
    history = model.fit(X, Y, batch_size=8, epochs=5, verbose=0, callbacks=[callback])
    assert seen == [0, 1, 2]
    assert len(history.epoch) == (1 if hook == "on_train_batch_end" else 3)
    assert len(model.fit(X, Y, epochs=2, verbose=0).epoch) == 2


def test_freezing_between_fits_counts_once_compiled_again(mode):
    model = mlp(keras)
    model.compile("sgd", "mse", run_eagerly=mode == "eager")
    model.fit(X, Y, verbose=0)
    frozen, free = model.layers
    frozen.trainable = False
    before = frozen.get_weights(), free.get_weights()
    model.fit(X, Y, verbose=0)
    assert (frozen.get_weights()[0] != before[0][0]).any()
    model.compile("sgd", "mse", run_eagerly=mode == "eager")
    before = frozen.get_weights(), free.get_weights()
    model.fit(X, Y, verbose=0)
    close(frozen.get_weights(), before[0])
    assert (free.get_weights()[0] != before[1][0]).any()


def test_frozen_normalization_keeps_its_statistics():
    def build(k):
        return k.Sequential([k.Input((4,)), k.layers.BatchNormalization(), k.layers.Dense(1)])

    ours, theirs = pair(build)
    results = []
    for model in (ours, theirs):
        model.compile("sgd", "mse")
        first = model.fit(X, Y, **RUN).history
        model.layers[0].trainable = False
        model.compile("sgd", "mse")
        results.append((first, model.fit(X, Y, **RUN).history, model.evaluate(X, Y, verbose=0)))
    close(*results)
    same_weights(ours, theirs)


def test_compiling_again_starts_the_optimizer_over():
    model = mlp(keras)
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    weights = model.get_weights()
    model.compile(keras.optimizers.SGD(0.01), "mae")
    close(model.get_weights(), weights)
    assert sorted(model.fit(X, Y, verbose=0).history) == ["loss"]
    assert int(model.optimizer.iterations.numpy()) == 3


# ---- interruptions


def test_an_exception_in_a_callback_keeps_the_finished_steps(mode):
    model = mlp(keras)
    start = model.get_weights()

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=mode == "eager")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=16, verbose=0, shuffle=False, callbacks=[Break()])
    interrupted = model.get_weights()
    assert int(model.optimizer.iterations.numpy()) == 2
    model.set_weights(start)
    model.fit(X[:32], Y[:32], batch_size=16, verbose=0, shuffle=False)
    close(interrupted, model.get_weights())


@pytest.mark.parametrize("per_batch", [False, True])
def test_ctrl_c_keeps_the_weights_of_the_last_finished_step(per_batch):
    model = mlp(keras)
    model.compile(keras.optimizers.SGD(1e-6), "mse")
    x, y = regression(20_000)
    callbacks = (
        [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if per_batch else []
    )
    model.fit(x[:640], y[:640], verbose=0, callbacks=callbacks)
    before = signal.getsignal(signal.SIGINT)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=10_000, verbose=0, callbacks=callbacks)
    timer.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert int(model.optimizer.iterations.numpy()) > 20
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert len(model.fit(x[:640], y[:640], verbose=0).epoch) == 1


def test_training_works_in_threads():
    results = []

    def work():
        model = mlp(keras)
        model.compile("sgd", "mse")
        results.append(model.fit(X, Y, epochs=2, verbose=0).epoch)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[0, 1], [0, 1]]


class Unbuilt(keras.Model):
    """Counts the traces of its steps."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = keras.layers.Dense(3), keras.layers.Dense(1)
        self.traces = 0

    def call(self, inputs):
        return self.out(self.hidden(inputs))

    def train_step(self, data):
        self.traces += 1
        return super().train_step(data)


@pytest.mark.parametrize(("samples", "traces"), [(64, 1), (70, 2)])
def test_a_model_that_training_builds_is_traced_once(samples, traces):
    model = Unbuilt()
    model.compile("adam", "mse")
    for _ in range(2):
        model.fit(X[:samples], Y[:samples], batch_size=16, epochs=3, verbose=0)
    model.train_on_batch(X[:16], Y[:16])
    assert model.traces == traces


def test_copies_train_on_their_own():
    model = mlp(keras)
    model.compile("adam", "mse")
    model.fit(X, Y, **RUN)
    model.predict(X[:3], verbose=0)
    before = model.get_weights()
    other = copy.deepcopy(model)
    close(other.fit(X, Y, **RUN).history, copy.deepcopy(model).fit(X, Y, **RUN).history)
    close(model.get_weights(), before, rtol=0, atol=0)
    other.set_weights([np.zeros_like(w) for w in before])
    assert not other.predict(X[:3], verbose=0).any()
    close(model.fit(X, Y, **RUN).history["loss"][0], copy.deepcopy(model).evaluate(X, Y, verbose=0), rtol=0.2)


def test_losses_and_metrics_may_branch_on_tensors():
    def loss(y, p):
        if tf.reduce_mean(p) > 0:
            return tf.reduce_mean((y - p) ** 2, -1)
        return tf.reduce_mean(tf.abs(y - p), -1)

    def sign(y, p):
        if tf.reduce_mean(p) > 0:
            return tf.ones_like(y)
        return -tf.ones_like(y)

    class Own(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return loss(y_true, y_pred)

    x, y = np.array([[2.0]], "float32"), np.array([[1.0]], "float32")
    for one in (loss, Own()):
        model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        model.compile(keras.optimizers.SGD(0.0), one, metrics=[sign])
        for factor, expected in ((1.0, [1.0, 1.0]), (-2.0, [5.0, -1.0])):
            assert model.evaluate(x * factor, y, verbose=0) == pytest.approx(expected)
            assert model.fit(x * factor, y, verbose=0).history["loss"] == pytest.approx(expected[:1])


# ---- the loss of steps of ones own


def counted(how):
    class Net(keras.Sequential):
        def train_step(self, data):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred, weight)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            if how == "by itself":
                self.metrics[0].update_state(loss, sample_weight=len(x))
            return self.compute_metrics(x, y, y_pred, weight)

    return Net


@pytest.mark.parametrize("how", ["not at all", "by itself"])
def test_the_loss_of_compute_loss_is_counted_once(mode, how):
    histories = []
    for kind in (keras.Sequential, counted(how)):
        keras.utils.set_random_seed(2)
        model = kind([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"], run_eagerly=mode == "eager")
        histories.append(model.fit(X, Y, batch_size=16, epochs=2, shuffle=False, verbose=0).history)
    close(histories[1], histories[0])


def test_metrics_of_tf_keras(monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)
    model = mlp(keras)
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
    model.fit(X, Y, verbose=0)
    assert [metric.name for metric in model.metrics] == ["loss", "mae", "weighted_mae"] == model.metrics_names
    assert sorted(model.evaluate(X, Y, verbose=0, return_dict=True)) == ["loss", "mae", "weighted_mae"]


@pytest.mark.parametrize("compiled", [False, True])
def test_stateless_calls_give_losses_and_pass_gradients(compiled):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.5)),
        ]
    )
    before = model.get_weights()
    values = [tf.constant(2 * w) for w in (v.numpy() for v in model.trainable_variables)]
    others = [v.value for v in model.non_trainable_variables]

    def run(values, others):
        with tf.GradientTape() as tape:
            tape.watch(values)
            y, new, losses = model.stateless_call(values, others, X, training=True, return_losses=True)
            total = tf.reduce_mean(tf.square(y - Y)) + losses[0]
        return losses[0], new, tape.gradient(total, values)

    loss, new, gradients = (tf.function(run) if compiled else run)(values, others)
    close(loss, 0.5 * np.sum(np.square(values[2])))
    close(new[0], 0.01 * X.mean(0))
    assert all(g is not None and np.any(np.asarray(g)) for g in gradients[1:])
    close(model.get_weights(), before)
