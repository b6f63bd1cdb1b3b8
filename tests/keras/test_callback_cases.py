"""Every row of `callback_cases.py` in `fit`: the order of hooks, the logs, what happens to the model, files and texts.

The same run is made in Keras and in tf_keras, on the same data from the same weights, and compared.
"""

import inspect
import os

import numpy as np
import pytest

from dovetail import keras
from tests.keras import callback_cases
from tests.keras.callback_cases import ROWS
from tests.keras.pairs import close

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

BATCH, BATCHES = 4, 3
RNG = np.random.default_rng(5)
X = RNG.normal(size=(BATCH * BATCHES - 1, 3)).astype("float32")
Y = (X @ [[1.0], [-2.0], [0.5]] + 1).astype("float32")
callback_cases.ONE = X[:1]

# Names of the logs in tf_keras that are others in Keras.
_NAMES = {"lr": "learning_rate"}


def model_of(k, row):
    model = k.Sequential([k.layers.InputLayer((3,)), k.layers.Dense(2, activation="tanh"), k.layers.Dense(1)])
    model.set_weights(
        [0.1 * (1 + np.arange(w.size, dtype="float32").reshape(w.shape)) for w in model.get_weights()]
    )
    optimizer = k.optimizers.SGD(row.rate, **row.optimizer)
    model.compile(optimizer, "mse", metrics=["mae"], run_eagerly=k is not keras)  # theirs takes long to trace
    return model


def spy_of(k, events):
    """Returns a callback that notes each call of a hook, with what the logs hold and the weights."""

    def note(self, hook, *args):
        *index, logs = args
        logs = {
            _NAMES.get(name, name): float(value) for name, value in (logs or {}).items() if name != "outputs"
        }
        rate = float(np.asarray(self.model.optimizer.learning_rate))
        weights = [np.array(w) for w in self.model.get_weights()]
        events.append(
            (hook, *index, dict(sorted(logs.items())), rate, bool(self.model.stop_training), weights)
        )

    def single(hook):
        return lambda self, logs=None: note(self, hook, logs)

    def indexed(hook):
        return lambda self, index, logs=None: note(self, hook, index, logs)

    kinds = [f"on_{kind}_{point}" for kind in ("train", "test", "predict") for point in ("begin", "end")]
    batches = [
        f"on_{kind}_batch_{point}" for kind in ("train", "test", "predict") for point in ("begin", "end")
    ]
    body = {hook: single(hook) for hook in kinds}
    body |= {hook: indexed(hook) for hook in [*batches, "on_epoch_begin", "on_epoch_end"]}
    return type("Spy", (k.callbacks.Callback,), body)()


def made(k, row, folder):
    if callable(row.kind):
        return row.kind(k)
    arguments = {
        name: value.replace("{folder}", str(folder)) if isinstance(value, str) else value
        for name, value in row.arguments.items()
    }
    return getattr(k.callbacks, row.kind)(**arguments)


def contents(k, row, folder):
    """Returns the files of a folder: the weights in weights files, the text of others."""
    found = {}
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.endswith(".weights.h5"):
            other = model_of(k, row)
            other.load_weights(path)
            found[name] = other.get_weights()
        elif os.path.isfile(path):
            with open(path) as file:
                found[name] = [_number(cell) for line in file for cell in line.replace(";", ",").split(",")]
        else:
            found[name] = "folder"
    return found


def _number(cell):
    """Returns a cell of a table as compared: numbers lose what rounding leaves different."""
    try:
        return f"{float(cell):.4g}"
    except ValueError:
        return cell.strip()


def seen(k, row, folder, capsys):
    """Returns all that can be seen of a run, by name."""
    folder.mkdir()
    capsys.readouterr()
    model, events = model_of(k, row), []
    y = Y.copy()
    if row.data == "nan":
        y[BATCH] = np.nan
    error, history = None, None
    try:
        history = model.fit(
            X,
            y,
            batch_size=BATCH,
            epochs=row.epochs,
            shuffle=False,
            verbose=0,
            validation_data=(X[:6], Y[:6]) if row.validation else None,
            validation_batch_size=BATCH,
            callbacks=[made(k, row, folder), spy_of(k, events)],
        )
    except (RuntimeError, ValueError) as raised:
        error = raised
    return {
        "hooks": [event[:-4] for event in events],
        "logs": [event[-4] for event in events],
        "rates": [event[-3] for event in events],
        "stopping": [event[-2] for event in events],
        "weights": [event[-1] for event in events] + [model.get_weights()],
        "steps": int(np.asarray(model.optimizer.iterations)),
        "history": None if history is None else {_NAMES.get(n, n): v for n, v in history.history.items()},
        "epochs": None if history is None else history.epoch,
        "error": type(error).__name__,
        "message": str(error),
        "text": [line for line in capsys.readouterr().out.splitlines() if line],
        "files": contents(k, row, folder),
    }


@pytest.mark.parametrize("name", ROWS)
def test_a_run_is_what_it_is_in_keras(name, tmp_path, capsys):
    row = ROWS[name]
    ours = seen(keras, row, tmp_path / "ours", capsys)
    for peer in row.peers:
        pytest.importorskip("tensorflow")
        theirs = seen(pytest.importorskip(peer), row, tmp_path / peer, capsys)
        for what in theirs:
            if what in row.differs:
                continue
            if what in ("hooks", "stopping", "epochs", "error", "message", "text", "steps"):
                assert ours[what] == theirs[what], f"{what} in {peer}"
            elif theirs[what] is None:
                assert ours[what] is None, what
            elif what == "files":
                same_files(ours[what], theirs[what], peer)
            else:
                close(ours[what], theirs[what], f"{what} in {peer}", rtol=1e-4, atol=1e-5)


def same_files(ours, theirs, peer):
    assert sorted(ours) == sorted(theirs), peer
    for name, value in theirs.items():
        if isinstance(value, list) and value and not isinstance(value[0], str):
            close(ours[name], value, name, rtol=1e-4, atol=1e-5)
        else:
            assert ours[name] == value, f"{name} in {peer}"


# What users do not make, and what has tests of its own.
_ELSEWHERE = {"Callback", "CallbackList", "OrbaxCheckpoint", "RemoteMonitor", "TensorBoard", "experimental"}
_UNTRIED = {
    # tried in test_backup.py
    "BackupAndRestore": {"double_checkpoint", "save_before_preemption"},
    # functions; tried in the rows made of functions
    "LearningRateScheduler": {"schedule", "verbose"},
    "LambdaCallback": {
        *("on_epoch_begin", "on_epoch_end", "on_train_begin", "on_train_end"),
        *("on_train_batch_begin", "on_train_batch_end", "hooks"),
    },
    "ReduceLROnPlateau": {"kwargs"},
    "ProgbarLogger": {"verbose", "count_mode", "stateful_metrics"},
}


def test_every_callback_and_every_argument_has_a_row():
    for name in set(keras.callbacks.__all__) - _ELSEWHERE:
        rows = [row for row in ROWS.values() if row.kind == name]
        made_by_functions = name in ("LearningRateScheduler", "LambdaCallback")
        assert rows or made_by_functions, f"{name} has no row in callback_cases.py"
        given = {argument for row in rows for argument in row.arguments} | _UNTRIED.get(name, set())
        known = set(inspect.signature(getattr(keras.callbacks, name).__init__).parameters) - {"self"}
        assert known <= given, f"{name}: no row gives {sorted(known - given)}"
