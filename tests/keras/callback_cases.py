"""A row for each callback and way of using it: what `test_callback_cases.py` runs here, in Keras and in tf_keras.

A row: the class's name, or a function `f(keras) -> callback`; its arguments, where "{folder}" in texts is a folder of
the row's own; how `fit` is called; what is compared. A new callback gets rows here, with all of its arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

BOTH, KERAS = ("keras", "tf_keras"), ("keras",)


@dataclasses.dataclass
class Row:
    """One callback in one run of `fit`.

    Attributes:
        kind: the class's name, or a function `f(keras) -> callback`.
        arguments: of the class.
        epochs, rate: of the run.
        optimizer: further arguments of the optimizer, SGD.
        data: what happens to the data: "plain", or "nan" (a target of the second batch is NaN).
        validation: whether there is validation data.
        peers: where the class is.
        differs: what is not compared, see `test_callback_cases.seen`; it differs on purpose, or between the two Keras.
    """

    kind: str | Callable
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    epochs: int = 4
    rate: float = 0.05
    optimizer: dict[str, Any] = dataclasses.field(default_factory=dict)
    data: str = "plain"
    validation: bool = True
    peers: tuple[str, ...] = BOTH
    differs: frozenset[str] = frozenset()


# ---- callbacks of users


def at(hook: str, index: int | None, act: Callable) -> Callable:
    """Returns what makes a callback that calls `act(model)` in a hook, for hooks with an index at that one."""

    def make(k: Any) -> Any:
        def single(self: Any, logs: Any = None) -> None:
            act(self.model)

        def indexed(self: Any, number: int, logs: Any = None) -> None:
            if number == index:
                act(self.model)

        return type("Acting", (k.callbacks.Callback,), {hook: single if index is None else indexed})()

    return make


def stop(model: Any) -> None:
    model.stop_training = True


def fail(model: Any) -> None:
    raise RuntimeError("broken off")


def slower(model: Any) -> None:
    rate = model.optimizer.learning_rate
    rate.assign(float(rate.numpy()) * 0.5)


def set_rate(model: Any) -> None:
    model.optimizer.learning_rate = 0.01


def halve_weights(model: Any) -> None:
    model.set_weights([w * 0.5 for w in model.get_weights()])


def predict(model: Any) -> None:
    halve = float(abs(model.predict(ONE, verbose=0)).sum()) > 1e6
    assert not halve


def evaluate(model: Any) -> None:
    model.evaluate(ONE, ONE[:, :1], verbose=0)


def step_aside(model: Any) -> None:
    model.train_on_batch(ONE, ONE[:, :1])


ONE: Any = None  # set by the test: a batch of one row

PLACES = [
    ("on_train_begin", None),
    ("on_epoch_begin", 0),
    ("on_epoch_begin", 1),
    ("on_train_batch_begin", 0),
    ("on_train_batch_begin", 1),
    ("on_batch_end", 0),
    ("on_train_batch_end", 1),
    ("on_test_begin", None),
    ("on_test_batch_begin", 0),
    ("on_test_batch_end", 0),
    ("on_test_end", None),
    ("on_epoch_end", 0),
    ("on_epoch_end", 1),
    ("on_train_end", None),
]


def every_nth(n: int) -> Callable:
    """Returns what makes a callback that halves the learning rate every `n` batches, over all epochs."""

    def make(k: Any) -> Any:
        class Nth(k.callbacks.Callback):
            def __init__(self) -> None:
                super().__init__()
                self.count = 0

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                self.count += 1
                if self.count % n == 0:
                    slower(self.model)

        return Nth()

    return make


def adds_to_the_logs(k: Any) -> Any:
    class Adds(k.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["twice"] = 2 * logs["loss"]

    return Adds()


# Texts differ between Keras and tf_keras; `test_callbacks.py` compares ours with those of Keras.
_FIXED = frozenset({"text"})

ROWS: dict[str, Row] = {
    # EarlyStopping
    "stop": Row("EarlyStopping", {"monitor": "loss", "min_delta": 100.0}, differs=_FIXED),
    "stop_patience": Row(
        "EarlyStopping", {"monitor": "val_loss", "min_delta": 100.0, "patience": 2}, differs=_FIXED
    ),
    "stop_restore": Row(
        "EarlyStopping",
        {"monitor": "mae", "mode": "max", "patience": 1, "restore_best_weights": True, "verbose": 1},
        differs=_FIXED,
    ),
    "stop_baseline": Row(
        "EarlyStopping", {"monitor": "loss", "baseline": 1e-9, "patience": 2}, differs=_FIXED
    ),
    "stop_start": Row(
        "EarlyStopping",
        {"monitor": "loss", "mode": "max", "start_from_epoch": 2, "patience": 1},
        epochs=6,
        differs=_FIXED,
    ),
    "stop_by_the_mean": Row("EarlyStopping", {"monitor": "mae", "mode": "min"}, differs=_FIXED),
    # ReduceLROnPlateau
    "plateau": Row(
        "ReduceLROnPlateau",
        {"monitor": "loss", "factor": 0.5, "patience": 1, "min_delta": 100.0},
        differs=_FIXED,
    ),
    "plateau_rest": Row(
        "ReduceLROnPlateau",
        {
            "monitor": "val_mae",
            "mode": "max",
            "factor": 0.1,
            "patience": 0,
            "cooldown": 1,
            "min_lr": 0.002,
            "verbose": 1,
        },
        epochs=6,
        differs=_FIXED,
    ),
    # LearningRateScheduler
    "schedule": Row(
        lambda k: k.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5, verbose=1),
        differs=_FIXED,
    ),
    "schedule_of_epochs": Row(
        lambda k: k.callbacks.LearningRateScheduler(schedule=lambda epoch: 0.1 / (epoch + 1)),
        differs=_FIXED,
    ),
    # ModelCheckpoint
    "checkpoint": Row(
        "ModelCheckpoint", {"filepath": "{folder}/w{epoch:02d}.weights.h5", "save_weights_only": True}
    ),
    "checkpoint_best": Row(
        "ModelCheckpoint",
        {
            "filepath": "{folder}/w-{epoch}-{val_loss:.3f}.weights.h5",
            "save_weights_only": True,
            "monitor": "val_mae",
            "mode": "max",
            "save_best_only": True,
            "initial_value_threshold": 0.1,
            "verbose": 1,
        },
        differs=_FIXED,
        peers=KERAS,
    ),
    "checkpoint_batches": Row(
        "ModelCheckpoint",
        {
            "filepath": "{folder}/w-{epoch}-{batch}.weights.h5",
            "save_weights_only": True,
            "save_freq": 2,
        },
        peers=KERAS,
    ),
    # CSVLogger
    "csv": Row("CSVLogger", {"filename": "{folder}/log.csv"}),
    "csv_no_validation": Row(
        "CSVLogger",
        {"filename": "{folder}/log.csv", "separator": ";", "append": True},
        validation=False,
        peers=KERAS,
    ),
    # TerminateOnNaN: the weights are those before the bad step, on purpose
    "nan": Row("TerminateOnNaN", data="nan", differs=frozenset({"weights", "history", "logs", "steps"})),
    "nan_never": Row("TerminateOnNaN"),
    "nan_raises": Row(
        "TerminateOnNaN",
        {"raise_error": True},
        data="nan",
        peers=KERAS,
        differs=frozenset({"weights", "history", "logs", "steps", "message"}),
    ),
    "base_logger": Row("BaseLogger", {"stateful_metrics": ["mae"]}, peers=()),
    # LambdaCallback, History, ProgbarLogger
    "lambdas": Row(
        lambda k: k.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: print("epoch", epoch),
            on_epoch_end=lambda epoch, logs: print("end", epoch, sorted(logs)),
            on_train_begin=lambda logs: print("begin"),
            on_train_end=lambda logs: print("all", sorted(logs)),
            on_train_batch_begin=lambda batch, logs: print("before", batch),
            on_train_batch_end=lambda batch, logs: print("after", batch, sorted(logs)),
        )
    ),
    "lambda_of_epochs": Row(
        lambda k: k.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))
    ),
    "history": Row("History"),
    "progress": Row("ProgbarLogger", differs=_FIXED),
    # BackupAndRestore: what it is for is in test_backup.py
    "backup": Row("BackupAndRestore", {"backup_dir": "{folder}/backup"}, peers=KERAS),
    "backup_kept": Row(
        "BackupAndRestore",
        {"backup_dir": "{folder}/backup", "save_freq": 2, "delete_checkpoint": False},
        differs=frozenset({"files"}),
    ),
    # SwapEMAWeights
    "averages": Row("SwapEMAWeights", optimizer={"use_ema": True, "ema_momentum": 0.5}, peers=KERAS),
    "averages_of_epochs": Row(
        "SwapEMAWeights",
        {"swap_on_epoch": True},
        optimizer={"use_ema": True, "ema_momentum": 0.5},
        peers=KERAS,
    ),
    "averages_missing": Row("SwapEMAWeights", peers=KERAS, differs=frozenset({"message"})),
    # callbacks of users
    **{f"stops_{hook}_{i}": Row(at(hook, i, stop), epochs=3) for hook, i in PLACES},
    **{f"raises_{hook}_{i}": Row(at(hook, i, fail), epochs=2, peers=KERAS) for hook, i in PLACES},
    **{
        f"slower_{hook}_{i}": Row(at(hook, i, slower), epochs=2, peers=KERAS)
        for hook, i in PLACES
        if hook.startswith("on_train") or "epoch" in hook
    },
    "sets_the_rate": Row(at("on_train_batch_begin", 1, set_rate)),
    "every_second_batch": Row(every_nth(2)),
    "every_third_batch": Row(every_nth(3)),
    "adds_to_the_logs": Row(adds_to_the_logs),
    "changes_weights_between_batches": Row(at("on_train_batch_end", 0, halve_weights)),
    "changes_weights_before_a_batch": Row(at("on_train_batch_begin", 1, halve_weights)),
    "changes_weights_in_validation": Row(at("on_test_batch_begin", 1, halve_weights)),
    "predicts_between_batches": Row(at("on_train_batch_end", 1, predict)),
    "predicts_after_an_epoch": Row(at("on_epoch_end", 1, predict)),
    "evaluates_after_an_epoch": Row(at("on_epoch_end", 1, evaluate)),
    "trains_after_an_epoch": Row(at("on_epoch_end", 0, step_aside)),
}
