"""`OrbaxCheckpoint` beside a stand-in for Orbax: what it saves, and when; and its error where Orbax is missing."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from dovetail import keras

X = np.ones((8, 3), "float32")


class Manager:
    def __init__(self, directory, options):
        self.directory, self.options, self.saved, self.waited = directory, options, [], False
        Manager.last = self

    def save(self, step, args):
        self.saved.append((step, args))

    def wait_until_finished(self):
        self.waited = True


@pytest.fixture
def orbax(monkeypatch):
    made = ModuleType("orbax.checkpoint")
    made.CheckpointManager, made.CheckpointManagerOptions = Manager, lambda **options: options
    made.args = SimpleNamespace(StandardSave=lambda tree: tree)
    monkeypatch.setitem(sys.modules, "orbax", ModuleType("orbax"))
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", made)


def trained(tmp_path, **arguments):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="only")])
    model.compile("adam", "mse")
    callback = keras.callbacks.OrbaxCheckpoint(tmp_path, monitor="loss", **arguments)
    model.fit(X, X[:, :1], batch_size=2, epochs=2, verbose=0, callbacks=[callback])
    return model


def test_the_state_is_saved_after_epochs(orbax, tmp_path):
    model = trained(tmp_path, max_to_keep=3, save_on_background=False)
    manager = Manager.last
    assert manager.options == {"max_to_keep": 3, "enable_async_checkpointing": False} and manager.waited
    assert [step for step, _ in manager.saved] == [4, 8]
    tree = manager.saved[-1][1]
    (kernel,) = [value for path, value in tree["trainable_variables"].items() if path.endswith("only/kernel")]
    np.testing.assert_array_equal(kernel, model.get_weights()[0])
    assert len(tree["optimizer_variables"]) == len(model.optimizer.variables) and "metrics_variables" in tree


def test_the_weights_are_saved_after_batches(orbax, tmp_path):
    trained(tmp_path, save_freq=3, save_weights_only=True)
    assert [step for step, _ in Manager.last.saved] == [3, 6]
    assert set(Manager.last.saved[0][1]) == {"trainable_variables", "non_trainable_variables"}


def test_the_best_alone_is_saved(orbax, tmp_path):
    trained(tmp_path, save_best_only=True, initial_value_threshold=-1.0, mode="min")
    assert Manager.last.saved == []


def test_without_orbax_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match="pip install orbax-checkpoint"):
        keras.callbacks.OrbaxCheckpoint(tmp_path)
