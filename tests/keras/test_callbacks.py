"""Callbacks: the decisions of Keras' on tables of fabricated logs, and inside `fit`."""

import csv
import http.server
import json
import os
import threading
import urllib.parse

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.pairs import close, mlp, peer, regression

X, Y = regression()
HELD = regression(30, seed=1)


# ---- on fabricated logs


def tiny(k):
    model = k.Sequential([k.Input((1,)), k.layers.Dense(1, use_bias=False)])
    model.compile(k.optimizers.SGD(1.0), "mse")
    return model


def weight(model):
    return float(model.get_weights()[0][0, 0])


def run(k, make, rows, until_stop=True):
    """Drives a callback through epochs with these logs; returns what could be seen of it in each."""
    model, callback, seen = tiny(k), make(k), []
    callback.set_params({"epochs": len(rows), "steps": 1, "verbose": 0})
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    for epoch, logs in enumerate(rows):
        logs = dict(logs)
        callback.on_epoch_begin(epoch)
        model.set_weights([np.full((1, 1), float(epoch))])
        callback.on_epoch_end(epoch, logs)
        rate = float(np.asarray(model.optimizer.learning_rate))
        seen.append((epoch, round(rate, 9), bool(model.stop_training), weight(model)))
        seen[-1] += (sorted((name, f"{value:.6f}") for name, value in logs.items()),)
        if model.stop_training and until_stop:
            break
    callback.on_train_end()
    return seen, weight(model), round(float(np.asarray(model.optimizer.learning_rate)), 9)


def always(callback):
    """Returns a maker of this very callback."""
    return lambda k: callback


def of(name, *values):
    return [{name: value} for value in values]


FALLING = of("val_loss", 1.0, 0.8, 0.7, 0.71, 0.72, 0.69, 0.7, 0.7, 0.7, 0.7)
WORSE = of("val_loss", 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)
RISING = of("val_accuracy", 0.1, 0.5, 0.45, 0.6, 0.59, 0.58, 0.57)
NOISY = of("val_loss", 1.0, 0.9995, 0.999, 0.9985, 0.5, 0.4995, 0.499, 0.4985, 0.498, 0.4975, 0.497)
NAN = of("val_loss", 1.0, float("nan"), 0.5, 0.6, 0.7, 0.8)


def stopping(**options):
    return lambda k: k.callbacks.EarlyStopping(**options)


def plateau(**options):
    return lambda k: k.callbacks.ReduceLROnPlateau(**options)


CASES = {
    "stop": (stopping(), FALLING),
    "stop_patience": (stopping(patience=2), FALLING),
    "stop_patience_restore": (stopping(patience=2, restore_best_weights=True), FALLING),
    "stop_never_restore": (stopping(patience=20, restore_best_weights=True), FALLING),
    "stop_worse": (stopping(patience=1, restore_best_weights=True), WORSE),
    "stop_at_once": (stopping(patience=0), WORSE),
    "stop_rising": (
        stopping(monitor="val_accuracy", mode="max", patience=1, restore_best_weights=True),
        RISING,
    ),
    "stop_min_delta": (stopping(min_delta=0.01, patience=3, restore_best_weights=True), NOISY),
    "stop_negative_delta": (stopping(min_delta=-0.01, patience=3), NOISY),
    "stop_baseline": (stopping(baseline=0.6, patience=3, restore_best_weights=True), FALLING),
    "stop_baseline_met": (stopping(baseline=0.75, patience=2), FALLING),
    "stop_baseline_max": (stopping(monitor="val_accuracy", mode="max", baseline=0.55, patience=3), RISING),
    "stop_start": (stopping(start_from_epoch=3, patience=1, restore_best_weights=True), WORSE),
    "stop_start_falling": (stopping(start_from_epoch=4, patience=2), FALLING),
    "stop_nan": (stopping(patience=2, restore_best_weights=True), NAN),
    "plateau": (plateau(patience=2), FALLING),
    "plateau_factor": (plateau(factor=0.5, patience=1), WORSE),
    "plateau_min_lr": (plateau(factor=0.5, patience=1, min_lr=0.2), WORSE),
    "plateau_cooldown": (plateau(factor=0.5, patience=1, cooldown=2), WORSE),
    "plateau_delta": (plateau(factor=0.5, patience=2, min_delta=0.01), NOISY),
    "plateau_max": (plateau(monitor="val_accuracy", mode="max", factor=0.5, patience=1), RISING),
    "plateau_zero_patience": (plateau(factor=0.5, patience=0), FALLING),
    "schedule": (lambda k: k.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)), FALLING),
    "schedule_rate": (lambda k: k.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5), FALLING),
}


@pytest.mark.parametrize("case", CASES)
def test_decisions_are_those_of_keras(case):
    make, rows = CASES[case]
    for until_stop in (True, False):
        assert run(keras, make, rows, until_stop) == run(peer(), make, rows, until_stop)


MESSAGES = {
    "stop": (stopping(patience=1, restore_best_weights=True, verbose=1), FALLING),
    "plateau": (plateau(factor=0.5, patience=1, verbose=1), WORSE),
    "schedule": (lambda k: k.callbacks.LearningRateScheduler(lambda epoch: 0.5, verbose=1), FALLING[:2]),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages_are_those_of_keras(case, capsys):
    make, rows = MESSAGES[case]
    texts = []
    for k in (peer(), keras):
        run(k, make, rows)
        texts.append([line for line in capsys.readouterr().out.splitlines() if line])
    assert texts[0] == texts[1] != []


@pytest.mark.parametrize(
    "name", ["val_accuracy", "acc", "auc", "val_f1_score", "mae", "my_accuracy", "fn", "val_precision"]
)
def test_auto_finds_the_direction(name):
    better = keras.callbacks.EarlyStopping(name, patience=1)
    rising = run(keras, always(better), of(name, 0.1, 0.2, 0.3, 0.4))
    assert rising[0][-1][2] == (name in ("mae", "fn"))


def test_a_metric_that_is_not_there_is_named():
    for make in (stopping(monitor="val_los"), plateau(monitor="val_los")):
        with pytest.warns(UserWarning, match="val_los.*val_loss"):
            run(keras, make, FALLING[:1])


def test_callbacks_are_used_again():
    for make, rows in (CASES["stop_patience_restore"], CASES["plateau_cooldown"]):
        callback = make(keras)
        assert run(keras, always(callback), rows) == run(keras, always(callback), rows)


# ---- ModelCheckpoint


def checkpoints(k, folder, rows, **options):
    """Returns the files that a checkpoint callback writes, with the weight in each."""
    options = {"filepath": str(folder / "{epoch:02d}.weights.h5"), "save_weights_only": True} | options
    run(k, lambda k: k.callbacks.ModelCheckpoint(**options), rows, until_stop=False)
    found = {}
    for name in sorted(os.listdir(folder)):
        model = tiny(k)
        model.load_weights(str(folder / name))
        found[name] = weight(model)
    return found


SAVING = {
    "each": ({}, FALLING),
    "best": ({"save_best_only": True}, FALLING),
    "best_max": ({"save_best_only": True, "monitor": "val_accuracy", "mode": "max"}, RISING),
    "threshold": ({"save_best_only": True, "initial_value_threshold": 0.75}, FALLING),
    "values": ({"filepath": "{epoch}-{val_loss:.2f}.weights.h5"}, FALLING),
}


@pytest.mark.parametrize("case", SAVING)
def test_checkpoints_are_those_of_keras(case, tmp_path):
    options, rows = SAVING[case]
    folders = tmp_path / "theirs", tmp_path / "ours"
    results = []
    for k, folder in zip((peer(), keras), folders):
        folder.mkdir()
        given = dict(options)
        if "filepath" in given:
            given["filepath"] = str(folder / given["filepath"])
        results.append(checkpoints(k, folder, rows, **given))
    assert results[0] == results[1] != {}


def test_checkpoints_find_the_direction_and_say_what_they_do(tmp_path, capsys):
    found = checkpoints(keras, tmp_path, RISING, save_best_only=True, monitor="val_accuracy", verbose=1)
    assert list(found.values()) == [0.0, 1.0, 3.0]
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[1].startswith("Epoch 2: val_accuracy improved from 0.10000 to 0.50000, saving model to ")
    assert lines[2] == "Epoch 3: val_accuracy did not improve from 0.50000"


def test_checkpoints_every_few_batches(tmp_path):
    model = mlp(keras)
    model.compile("sgd", "mse")
    path = str(tmp_path / "{epoch}-{batch}.weights.h5")
    saving = keras.callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=3)
    model.fit(X, Y, batch_size=14, epochs=2, verbose=0, callbacks=[saving])
    assert sorted(os.listdir(tmp_path)) == ["1-3.weights.h5", "2-1.weights.h5", "2-4.weights.h5"]


def test_checkpoints_make_their_folder_and_reload(tmp_path):
    model = mlp(keras)
    model.compile("adam", "mse")
    path = tmp_path / "a" / "b" / "best.weights.h5"
    saving = keras.callbacks.ModelCheckpoint(
        path, monitor="loss", save_best_only=True, save_weights_only=True
    )
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[saving])
    other = mlp(keras)
    other.load_weights(path)
    close(other.get_weights(), model.get_weights())


def test_what_checkpoints_refuse(tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint
    with pytest.raises(ValueError, match=".keras"):
        checkpoint(tmp_path / "model.ckpt")
    with pytest.raises(ValueError, match="weights.h5"):
        checkpoint(tmp_path / "model.npz", save_weights_only=True)
    with pytest.raises(ValueError, match="save_freq"):
        checkpoint(tmp_path / "x.weights.h5", save_weights_only=True, save_freq="batch")
    with pytest.raises(KeyError, match="val_los"):
        run(
            keras,
            lambda k: checkpoint(tmp_path / "{val_los}.weights.h5", save_weights_only=True),
            FALLING[:1],
        )


# ---- inside fit


def test_early_stopping_restores_the_best_weights():
    model = mlp(keras)
    model.compile(keras.optimizers.SGD(0.05), "mse")
    best = []

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            best.append((logs["val_loss"], self.model.get_weights()))
            if epoch == 2:
                self.model.optimizer.learning_rate = 5.0

    stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    history = model.fit(X, Y, epochs=20, validation_data=HELD, verbose=0, callbacks=[Note(), stop])
    assert len(history.epoch) < 20
    close(model.get_weights(), min(best, key=lambda pair: pair[0])[1])


def test_learning_rates_are_in_the_history():
    model = mlp(keras)
    model.compile("sgd", "mse")
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[schedule]).history
    close(history["learning_rate"], [0.1, 0.05, 0.1 / 3])


def test_terminate_on_nan_stops_at_the_very_batch(capsys):
    model, batches = mlp(keras), []
    model.compile("sgd", "mse")
    y = Y.copy()
    y[20] = np.nan
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    model.fit(
        X,
        y,
        batch_size=8,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[keras.callbacks.TerminateOnNaN(), note],
    )
    assert batches == [0, 1, 2]
    assert "Batch 2: Invalid loss, terminating training" in capsys.readouterr().out


HOOKS = [
    f"on_{kind}_{point}"
    for kind in ("train", "test", "predict")
    for point in ("begin", "end", "batch_begin", "batch_end")
] + ["on_epoch_begin", "on_epoch_end"]


def calls_of(k, wrap):
    """Returns every call of a hook during fit, evaluate and predict, with the names in its logs."""
    calls = []

    def hook(name):
        def called(*args):
            logs = args[-1] or {}
            calls.append((name, *args[:-1], sorted(logs)))

        return called

    model = mlp(k)
    model.compile("sgd", "mse", metrics=["mae"])
    callbacks = [wrap(k, {name: hook(name) for name in HOOKS})]
    model.fit(X, Y, epochs=2, batch_size=32, verbose=0, validation_data=HELD, callbacks=callbacks)
    model.evaluate(X, Y, verbose=0, callbacks=callbacks)
    model.predict(X, verbose=0, callbacks=callbacks)
    return calls


def as_class(k, hooks):
    def method(function):
        return lambda self, *args, logs=None: function(*args, logs)

    def single(function):
        return lambda self, logs=None: function(logs)

    def indexed(function):
        return lambda self, index, logs=None: function(index, logs)

    body = {n: (indexed if "batch" in n or "epoch" in n else single)(f) for n, f in hooks.items()}
    return type("Everything", (k.callbacks.Callback,), body)()


def test_hooks_are_called_when_keras_calls_them():
    assert calls_of(keras, as_class) == calls_of(peer(), as_class)


def test_lambda_callbacks_hear_what_classes_hear():
    def as_lambdas(k, hooks):
        return k.callbacks.LambdaCallback(**hooks)

    assert calls_of(keras, as_lambdas) == calls_of(keras, as_class)
    with pytest.raises(TypeError, match="on_epoch_stop"):
        keras.callbacks.LambdaCallback(on_epoch_stop=print)


def test_hooks_of_keras_2_and_duck_typed_callbacks():
    class Old(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.seen = []

        def on_batch_end(self, batch, logs=None):
            self.seen.append((batch, sorted(logs)))

    model, old = mlp(keras), Old()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=[old])
    assert old.seen == [(0, ["loss"]), (1, ["loss"]), (2, ["loss"])]
    assert old.params["steps"] == 3
    assert old.model is model


def test_callbacks_see_the_logs_that_others_have_added():
    class Adding(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["twice"] = 2 * logs["loss"]

    model = mlp(keras)
    model.compile("sgd", "mse")
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[Adding()]).history
    close(history["twice"], [2 * loss for loss in history["loss"]])


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    texts = []
    for k in (peer(), keras):
        for append in (False, True):
            logger = k.callbacks.CSVLogger(str(path), append=append, separator=";")
            run(k, always(logger), [{"loss": 1.5, "mae": 0.25}, {"loss": 1.0, "mae": 0.5}])
        texts.append(path.read_text())
    assert texts[0] == texts[1]
    rows = list(csv.reader(texts[1].splitlines(), delimiter=";"))
    assert rows[0] == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [row[0] for row in rows] == ["epoch", "0", "1", "0", "1"]


def test_histories():
    model = mlp(keras)
    model.compile("sgd", "mse")
    own = keras.callbacks.History()
    returned = model.fit(X, Y, epochs=2, verbose=0, callbacks=[own])
    assert model.history is returned
    assert own.history == returned.history
    assert returned.epoch == [0, 1]
    assert returned.params["epochs"] == 2
    assert returned.model is model


def test_hooks_without_logs_get_an_empty_dict():
    heard = {}

    class Ears(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            for name in (name for name in dir(self) if name.startswith("on_") and name.endswith("_begin")):
                setattr(
                    self, name, lambda *args, name=name: heard.setdefault(name, args[-1].get("x", "none"))
                )

        def on_train_batch_end(self, batch, logs):
            logs["own"] = 1

    model = mlp(keras)
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0, callbacks=[Ears()])
    model.evaluate(X, Y, verbose=0, callbacks=[Ears()])
    model.predict(X, verbose=0, callbacks=[Ears()])
    wanted = ("train", "epoch", "train_batch", "test", "test_batch", "predict", "predict_batch")
    assert {f"on_{name}_begin" for name in wanted} <= set(heard)
    loop = keras.callbacks.CallbackList([Ears()], model=model)
    loop.on_train_batch_end(0)


def test_a_callback_list_drives_a_loop_of_ones_own():
    model, seen = mlp(keras), []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["loss"])))
    callbacks = keras.callbacks.CallbackList([note], add_history=True, model=model, epochs=2)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        callbacks.on_epoch_end(epoch, {"loss": float(epoch)})
    callbacks.on_train_end()
    assert seen == [(0, 0.0), (1, 1.0)]
    assert model.history.history == {"loss": [0.0, 1.0]}


def test_metrics_of_more_than_one_number():
    class Net(keras.Model):
        def call(self, inputs):
            return inputs

        def train_step(self, data):
            return {
                "loss": tf.constant(1.0),
                "each": tf.constant([1.0, 2.0]),
                "more": {"inner": tf.constant(3.0)},
            }

    model = Net()
    model.compile("sgd", "mse")
    history = model.fit(X, Y, verbose=0).history
    assert history["inner"] == [3.0]
    np.testing.assert_array_equal(history["each"][0], [1.0, 2.0])


# ---- RemoteMonitor


class Inbox(http.server.BaseHTTPRequestHandler):
    """Keeps what is sent; refuses what goes to "/no/"."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.letters.append((self.path, self.headers["Content-Type"], self.headers["X-Who"], body))
        self.send_response(404 if self.path == "/no/" else 200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def inbox():
    with http.server.HTTPServer(("127.0.0.1", 0), Inbox) as server:
        server.letters = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", server.letters
        server.shutdown()
        thread.join()


def test_remote_monitors_send_the_logs(inbox):
    root, letters = inbox
    logs = {"loss": np.float32(0.5), "each": np.array([1.0, 2.0])}
    keras.callbacks.RemoteMonitor(root).on_epoch_end(0, logs)
    as_json = keras.callbacks.RemoteMonitor(
        root, path="/x/", headers={"X-Who": "me"}, send_as_json=True, field="unused"
    )
    as_json.on_epoch_end(0, logs)
    keras.callbacks.RemoteMonitor(root, field="news").on_epoch_end(0, logs)
    expected = {"epoch": 0, "loss": 0.5, "each": [1.0, 2.0]}
    forms = [urllib.parse.parse_qs(letters[i][-1]) for i in (0, 2)]
    assert [json.loads(form[name][0]) for form, name in zip(forms, ("data", "news"))] == [expected, expected]
    assert letters[0][:3] == ("/publish/epoch/end/", "application/x-www-form-urlencoded", None)
    assert letters[1][:3] == ("/x/", "application/json", "me") and json.loads(letters[1][3]) == expected


def test_remote_monitors_go_on_without_a_server(inbox):
    root, _ = inbox
    for monitor in (
        keras.callbacks.RemoteMonitor("http://127.0.0.1:1"),
        keras.callbacks.RemoteMonitor(root, path="/no/"),
    ):
        with pytest.warns(UserWarning, match="RemoteMonitor: could not send the logs to http"):
            run(keras, always(monitor), [{"loss": 1.0}])
