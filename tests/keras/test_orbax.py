"""`OrbaxCheckpoint` and the folders that it writes, which Keras 3 reads, and we those of Keras 3."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dovetail import cli, keras
from dovetail.keras.saving import archive, orbax_files

pytest.importorskip("orbax.checkpoint")
# What Orbax warns about its own use of asyncio and devices is its own.
pytestmark = pytest.mark.filterwarnings("ignore:::orbax", "ignore::DeprecationWarning", "ignore::UserWarning")

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X[:, :2]


def network(name="net"):
    layers = [keras.layers.Dense(2, name="only"), keras.layers.BatchNormalization(name="bn")]
    model = keras.Sequential([keras.Input((3,)), *layers], name=name)
    model.compile("adam", "mse", metrics=["mae"])
    return model


def trained(folder, epochs=2, **arguments):
    model = network()
    callback = keras.callbacks.OrbaxCheckpoint(folder, monitor="loss", **arguments)
    model.fit(X, Y, batch_size=2, epochs=epochs, verbose=0, callbacks=[callback])
    return model


def steps(folder):
    return sorted(int(name) for name in os.listdir(folder) if name.isdigit())


def same(model, other, optimizer=True):
    for one, two in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    if optimizer:
        for one, two in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


@pytest.mark.parametrize("background", [True, False])
def test_training_goes_on_where_it_was(background, tmp_path):
    model = trained(tmp_path / "run", max_to_keep=1, save_on_background=background)
    assert steps(tmp_path / "run") == [1]
    loaded = keras.models.load_model(tmp_path / "run")
    same(model, loaded)
    for one in (model, loaded):
        one.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    same(model, loaded)
    assert keras.models.load_model(tmp_path / "run", compile=False).optimizer is None


def test_weights_go_into_models_of_other_names(tmp_path):
    model = trained(tmp_path / "run", max_to_keep=None)
    other = network("other")
    other.load_weights(tmp_path / "run" / "1")
    same(model, other)
    plain = network("plain")
    plain.optimizer = None
    plain.load_weights(tmp_path / "run")
    same(model, plain, optimizer=False)
    wrong = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, name="only")], name="net")
    before = wrong.get_weights()
    with pytest.raises(ValueError, match="does not fit 'net': .*bn/"):
        wrong.load_weights(tmp_path / "run")
    for one, two in zip(before, wrong.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match="by_name"):
        network().load_weights(tmp_path / "run", by_name=True)


def test_steps_of_batches_and_of_later_training(tmp_path):
    model = trained(tmp_path / "run", save_freq=3, save_weights_only=True, max_to_keep=None)
    assert steps(tmp_path / "run") == [3, 6]
    with pytest.raises(ValueError, match="save_weights_only"):
        keras.models.load_model(tmp_path / "run")
    callback = keras.callbacks.OrbaxCheckpoint(tmp_path / "run", monitor="loss", max_to_keep=2, verbose=1)
    for _ in range(2):  # epochs begin at 0 again, and the callback is used twice
        model.fit(X, Y, batch_size=2, epochs=1, verbose=0, callbacks=[callback])
    assert steps(tmp_path / "run") == [7, 8]
    same(model, keras.models.load_model(tmp_path / "run"))


def test_the_best_alone_is_saved(tmp_path):
    trained(tmp_path / "run", save_best_only=True, initial_value_threshold=-1.0, mode="min")
    assert steps(tmp_path / "run") == []


def test_assets_come_along(tmp_path):
    words = keras.layers.IntegerLookup(vocabulary=[5, 7], name="words")
    model = keras.Sequential([keras.Input((1,), dtype="int64"), words, keras.layers.Embedding(3, 2)])
    model.compile("sgd", "mse")
    callback = keras.callbacks.OrbaxCheckpoint(tmp_path / "run", monitor="loss")
    x = np.array([[5], [7]])
    model.fit(x, np.ones((2, 1, 2)), verbose=0, callbacks=[callback])
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "run")(x), model(x))


THEIRS = """
import os, sys, numpy as np, keras
assert not any(name.startswith("dovetail") for name in sys.modules)
x = np.load("x.npy")
loaded = keras.models.load_model(os.path.abspath("ours"))
np.save("ours.npy", loaded.predict(x, verbose=0))
assert int(loaded.optimizer.iterations) == 8
layers = [keras.layers.Dense(2, name="only"), keras.layers.Dropout(0.1), keras.layers.BatchNormalization(name="bn")]
model = keras.Sequential([keras.Input((3,)), *layers])
model.compile("adam", "mse", metrics=["mae"])
saving = keras.callbacks.OrbaxCheckpoint(os.path.abspath("theirs"), monitor="loss")
model.fit(x, x[:, :2], epochs=2, verbose=0, callbacks=[saving])
np.save("theirs.npy", model.predict(x, verbose=0))
"""


@pytest.mark.slow
def test_keras_reads_ours_and_we_read_theirs(tmp_path):
    """The model is functional: weights of a `Sequential` that Keras 3.15 loads have other paths, and get no values."""
    pytest.importorskip("keras")
    np.save(tmp_path / "x.npy", X)
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.BatchNormalization(name="bn")(keras.layers.Dense(2, name="only")(x)))
    model.compile("adam", "mse", metrics=["mae"])
    callback = keras.callbacks.OrbaxCheckpoint(tmp_path / "ours", monitor="loss")
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[callback])
    (tmp_path / "program.py").write_text(THEIRS)
    environment = os.environ | {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(
        np.load(tmp_path / "ours.npy"), model.predict(X, verbose=0), rtol=1e-4, atol=1e-5
    )
    loaded = keras.models.load_model(tmp_path / "theirs")
    np.testing.assert_allclose(
        np.load(tmp_path / "theirs.npy"), loaded.predict(X, verbose=0), rtol=1e-4, atol=1e-5
    )
    assert int(loaded.optimizer.iterations) == 2


def test_files_stay_in_their_folders(tmp_path, monkeypatch):
    """Names in a checkpoint become no paths outside of the folder that a layer gets."""
    words = keras.layers.IntegerLookup(vocabulary=[5, 7], name="words")
    model = keras.Sequential([keras.Input((1,), dtype="int64"), words])
    folder = next(place for owner, place in archive.with_assets(model, "load_assets") if owner is words)
    tree = {"..": {"x": np.ones(1, np.uint8)}, "a/../../x": np.ones(1, np.uint8), "/x": np.ones(1, np.uint8)}
    for part in reversed(folder.split("/")[1:]):
        tree = {part: tree}
    seen = []
    monkeypatch.setattr(type(words), "load_assets", lambda self, path: seen.append(os.listdir(path)))
    orbax_files._read_assets(model, tree)
    assert seen == [] and not list(tmp_path.iterdir())
    model.compile("sgd", "mse")
    orbax_files._read_assets(model, {"..": tree, "x": 1.0})
    assert seen == []


def test_show_and_convert(tmp_path, capsys):
    model = trained(tmp_path / "run", max_to_keep=None)
    assert cli.main(["show", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("checkpoints of Orbax") and "steps 0, 1" in out and "Dense 'only'" in out
    assert (
        "trainable_variables/net/only/kernel" in out and "(3, 2) float32" in out and "verdict    safe" in out
    )
    assert cli.main(["convert", str(tmp_path / "run"), str(tmp_path / "m.keras")]) == 0
    same(model, keras.models.load_model(tmp_path / "m.keras"))


def test_damaged_checkpoints(tmp_path):
    trained(tmp_path / "run", epochs=1)
    for file in Path(tmp_path / "run" / "0" / "pytree").rglob("_METADATA"):
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ValueError, match="is damaged"):
        network().load_weights(tmp_path / "run")
    with pytest.raises(ValueError, match="is damaged"):
        keras.models.load_model(tmp_path / "run")


def test_without_orbax_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(ImportError, match="pip install orbax-checkpoint"):
        keras.callbacks.OrbaxCheckpoint(tmp_path)
    (tmp_path / "0" / "pytree").mkdir(parents=True)
    with pytest.raises(ImportError, match="load_weights needs the package orbax"):
        network().load_weights(tmp_path)
