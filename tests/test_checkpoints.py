"""`tf.train.Checkpoint` and its kin: both ways with TensorFlow, values that come later, damaged files."""

import gc
import os
import pathlib

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.train import bundle
from tests.keras.layer_rows import CASES
from tests.keras.test_whole_models import model_of

keras = tf.keras


def peer():
    """Returns TensorFlow; skips the test where it is not installed."""
    return pytest.importorskip("tensorflow")


def world(lib, k):
    """A root with variables in a module, a list, a dict, and strings."""

    class Part(lib.Module):
        def __init__(self, value):
            super().__init__()
            self.v = lib.Variable(value)
            self.many = [lib.Variable(value * 10), {"deep/er": lib.Variable(value * 100)}]

    return lib.train.Checkpoint(
        step=lib.Variable(k, dtype=lib.int64),
        part=Part(float(k)),
        table={"a.b": lib.Variable([k + 0.5, k + 1.5]), "words": lib.Variable([f"wört{k}", ""])},
        half=lib.Variable(np.full((2, 0, 3), k), dtype=lib.float16),
        flag=lib.Variable(k > 2),
    )


def values(lib, path):
    reader = lib.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name, _ in lib.train.list_variables(path) if name[0] != "_"}


@pytest.mark.parametrize("direction", ["read", "write"])
def test_checkpoints_go_both_ways(direction, tmp_path):
    source, target = (peer(), tf) if direction == "read" else (tf, peer())
    path = world(source, 4).save(str(tmp_path / "c"))
    assert (
        source.train.latest_checkpoint(str(tmp_path)) == target.train.latest_checkpoint(str(tmp_path)) == path
    )
    root = world(target, 1)
    root.restore(path).assert_consumed()
    assert int(root.step.numpy()) == 4 and float(root.part.many[1]["deep/er"].numpy()) == 400.0
    assert root.table["words"].numpy().tolist() == ["wört4".encode(), b""]
    again = str(tmp_path / "again")
    root.write(again)
    mine, theirs = values(target, again), values(source, path)
    assert set(theirs) >= set(mine) - {"save_counter/.ATTRIBUTES/VARIABLE_VALUE"}
    for name, value in values(source, path).items():
        np.testing.assert_array_equal(values(target, path)[name], value)


KERAS_2 = {case.kind: case for case in reversed(CASES) if not case.random}.values()


@pytest.mark.parametrize("case", KERAS_2, ids=lambda case: case.label)
def test_layers_have_the_names_of_keras_2(case, tmp_path):
    tensorflow, tf_keras = peer(), pytest.importorskip("tf_keras")
    if not hasattr(tf_keras.layers, case.kind):
        pytest.skip("Keras 2 has no such layer")
    try:
        theirs = model_of(tf_keras, case)
    except (TypeError, ValueError):
        pytest.skip("Keras 2 takes other arguments")
    found = []
    for lib, model, name in ((tensorflow, theirs, "theirs"), (tf, model_of(keras, case), "ours")):
        path = lib.train.Checkpoint(model=model).write(str(tmp_path / name))
        found.append(
            [
                (key, list(shape))
                for key, shape in lib.train.list_variables(path)
                if key[0] != "_" and "seed_generator" not in key
            ]
        )
    assert found[0] == found[1]


def trained(k, lib, steps):
    model = k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="tanh"), k.layers.Dense(1)])
    optimizer = k.optimizers.Adam(0.05)
    optimizer.build(model.trainable_variables)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")

    def step():
        with lib.GradientTape() as tape:
            loss = lib.reduce_mean((model(x) - 1.0) ** 2)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        )
        return float(loss)

    for _ in range(steps):
        step()
    return model, optimizer, step


@pytest.mark.parametrize("direction", ["read", "write"])
def test_training_goes_on_as_in_keras_2(direction, tmp_path):
    sides = [(pytest.importorskip("tf_keras"), peer()), (keras, tf)]
    (k, lib), (other_k, other) = sides if direction == "read" else sides[::-1]
    model, optimizer, step = trained(k, lib, 3)
    path = lib.train.Checkpoint(model=model, optimizer=optimizer).save(str(tmp_path / "c"))
    model2, optimizer2, step2 = trained(other_k, other, 1)
    status = other.train.Checkpoint(model=model2, optimizer=optimizer2).restore(path)
    status.assert_existing_objects_matched()
    for _ in range(3):
        np.testing.assert_allclose(step2(), step(), rtol=1e-4)


def test_slots_of_older_optimizers(tmp_path):
    """Before Keras 2.11 the state of an optimizer stood beside the variables that it is for."""
    tensorflow, tf_keras = peer(), pytest.importorskip("tf_keras")
    v = tensorflow.Variable([1.0, 2.0])
    old = tf_keras.optimizers.legacy.Adam(0.1)
    for _ in range(3):
        old.apply_gradients([(tensorflow.constant([0.5, -1.0]), v)])
    path = tensorflow.train.Checkpoint(v=v, optimizer=old).save(str(tmp_path / "c"))
    w, new = tf.Variable([0.0, 0.0]), keras.optimizers.legacy.Adam(0.1)
    new.build([w])
    tf.train.Checkpoint(v=w, optimizer=new).restore(path).expect_partial()
    for _ in range(2):
        old.apply_gradients([(tensorflow.constant([0.5, -1.0]), v)])
        new.apply_gradients([(tf.constant([0.5, -1.0]), w)])
    np.testing.assert_allclose(w.numpy(), v.numpy(), rtol=1e-5)


class Lazy(tf.Module):
    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(2)

    def __call__(self, x):
        if not hasattr(self, "w"):
            self.w = tf.Variable(tf.zeros([3]))
        return self.inner(x) + tf.reduce_sum(self.w)


@pytest.mark.parametrize("traced", [False, True])
def test_values_wait_for_their_objects(traced, tmp_path):
    x = tf.ones([1, 4])
    first = Lazy()
    first(x)
    first.w.assign([1.0, 2.0, 3.0])
    path = tf.train.Checkpoint(net=first, count=tf.Variable(3)).save(str(tmp_path / "c"))
    second = Lazy()
    root = tf.train.Checkpoint(net=second)
    status = root.restore(path)
    with pytest.raises(AssertionError, match="no object of the program took"):
        status.assert_consumed()
    call = tf.function(second) if traced else second
    np.testing.assert_allclose(call(x).numpy(), first(x).numpy(), rtol=1e-6)
    assert "_awaited_by" not in vars(second.inner)
    root.count = tf.Variable(0)
    assert int(root.count.numpy()) == 3
    status.assert_consumed()


def test_what_is_missing_is_told(tmp_path, caplog):
    path = tf.train.Checkpoint(a=tf.Variable(1.0), b=tf.Variable(2.0)).write(str(tmp_path / "c"))
    for tell, told in ((lambda status: None, True), (lambda status: status.expect_partial(), False)):
        caplog.clear()
        tell(tf.train.Checkpoint(a=tf.Variable(0.0)).read(path))
        gc.collect()
        assert ("expect_partial" in caplog.text) == told
    status = tf.train.Checkpoint(a=tf.Variable(0.0), c=tf.Variable(5.0)).read(path)
    with pytest.raises(AssertionError, match="no values for these objects: c"):
        status.assert_existing_objects_matched()
    with pytest.raises(ValueError, match=r"shape \(\), the variable .* has \(2,\)"):
        tf.train.Checkpoint(a=tf.Variable([0.0, 0.0])).read(path)
    with pytest.raises(tf.errors.NotFoundError, match="there is no checkpoint"):
        tf.train.Checkpoint().restore(str(tmp_path / "other"))
    with pytest.raises(ValueError, match="holds no variables"):
        tf.train.Checkpoint(a=3)
    with pytest.raises(AssertionError, match="None"):
        tf.train.Checkpoint().restore(None).assert_consumed()


@pytest.mark.parametrize("file", ["c.index", "c.data-00000-of-00001"])
def test_damaged_files(file, tmp_path):
    path = tf.train.Checkpoint(a=tf.Variable(np.arange(50.0)), s=tf.Variable(["x" * 40])).write(
        str(tmp_path / "c")
    )
    whole = (tmp_path / file).read_bytes()
    rng = np.random.default_rng(0)

    def read_all():
        reader = tf.train.load_checkpoint(path)
        return [reader.get_tensor(name) for name in reader.get_variable_to_shape_map()]

    good = read_all()
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] ^= int(rng.integers(1, 256))
        (tmp_path / file).write_bytes(
            bytes(damaged[: len(whole) - int(rng.integers(0, 2) * rng.integers(0, 60))])
        )
        try:
            found = read_all()
        except (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError):
            continue
        assert all(
            np.array_equal(a, b) for a, b in zip(found, good)
        )  # what no checksum covers, such as padding
    os.remove(tmp_path / file)
    with pytest.raises((tf.errors.DataLossError, tf.errors.NotFoundError)):
        read_all()


def test_a_checkpoint_is_whole_or_not_there(tmp_path, monkeypatch):
    root = tf.train.Checkpoint(a=tf.Variable(1.0))
    root.write(str(tmp_path / "c"))
    root.a.assign(2.0)
    monkeypatch.setattr("dovetail.train.bundle.sorted_table.dumps", lambda items: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        root.write(str(tmp_path / "c"))
    assert {"c.data-00000-of-00001", "c.index"} <= set(os.listdir(tmp_path))
    root.read(str(tmp_path / "c")).assert_consumed()
    assert float(root.a.numpy()) == 1.0
    monkeypatch.undo()
    root.a.assign(3.0)
    root.write(str(tmp_path / "c"))
    assert sorted(os.listdir(tmp_path)) == ["c.data-00000-of-00001", "c.index"]
    root.a.assign(0.0)
    root.read(str(tmp_path / "c")).assert_consumed()
    assert float(root.a.numpy()) == 3.0


@pytest.mark.parametrize("links", [True, False])
def test_data_that_the_index_names_are_not_touched(links, tmp_path, monkeypatch):
    """On file systems without hard links, too, and where the checkpoint there has two data files."""
    prefix = str(tmp_path / "c")
    if not links:
        monkeypatch.setattr(os, "link", lambda *paths: os.stat("no links"))  # which is an OSError
    for value in (1.0, 2.0, 3.0, 4.0):
        bundle.write(prefix, {"a": np.full(3, value, "float32")})
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(bundle, "_write_index", lambda *given: 1 / 0)
            bundle.write(prefix, {"a": np.zeros(3, "float32")})
        assert bundle.Bundle(prefix).read("a").tolist() == [value] * 3
        assert peer().train.load_checkpoint(prefix).get_tensor("a").tolist() == [value] * 3
    bundle.write(prefix, {"a": np.ones(1, "float32")})
    assert len(os.listdir(tmp_path)) == 2


def test_managers_keep_and_preserve(tmp_path):
    v = tf.Variable(0.0)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(v=v), str(tmp_path), max_to_keep=2, keep_checkpoint_every_n_hours=1e-9
    )
    for _ in range(4):
        manager.save()
    assert [os.path.basename(path) for path in manager.checkpoints] == ["ckpt-3", "ckpt-4"]
    assert (tmp_path / "ckpt-2.index").exists()  # kept for good
    moved = tmp_path.parent / f"{tmp_path.name}_moved"
    os.rename(tmp_path, moved)
    assert tf.train.latest_checkpoint(str(moved)) == str(moved / "ckpt-4")
    with pytest.raises(ValueError, match="max_to_keep"):
        tf.train.CheckpointManager(tf.train.Checkpoint(v=v), str(moved), max_to_keep=0)
    with pytest.raises(ValueError, match="step_counter"):
        tf.train.CheckpointManager(tf.train.Checkpoint(v=v), str(moved), None, checkpoint_interval=2)


class Counted(tf.train.experimental.PythonState):
    text = "begin"

    def serialize(self):
        return self.text

    def deserialize(self, string_value):
        self.text = string_value.decode()


def test_python_values(tmp_path):
    state = Counted()
    state.text = "später"
    path = tf.train.Checkpoint(state=state).write(str(tmp_path / "c"))
    other = Counted()
    tf.train.Checkpoint(state=other).read(path).assert_consumed()
    assert other.text == "später"


def tables(lib):
    """A table of numbers by words, and one of vectors by numbers."""
    hashed = lib.lookup.experimental.MutableHashTable(lib.string, lib.int64, -1)
    dense = lib.lookup.experimental.DenseHashTable(lib.int64, lib.float32, [0.0, 0.0], -1, -2)
    return {"hashed": hashed, "dense": dense}


def fill(lib, tables):
    tables["hashed"].insert(lib.constant(["a", "ü"]), lib.constant([3, 4], lib.int64))
    tables["dense"].insert(lib.constant([5, 7], lib.int64), lib.constant([[0.5, 1.5], [2.0, 3.0]]))


@pytest.mark.parametrize("source", ["ours", "theirs"])
def test_tables_are_kept(source, tmp_path):
    lib = tf if source == "ours" else peer()
    held = tables(lib)
    fill(lib, held)
    path = lib.train.Checkpoint(**held).write(str(tmp_path / "c"))
    other = tables(tf)
    other["hashed"].insert(["gone"], tf.constant([1], tf.int64))
    status = tf.train.Checkpoint(**other).read(path)
    status.assert_existing_objects_matched()
    assert other["hashed"].lookup(["a", "gone", "ü"]).numpy().tolist() == [3, -1, 4]
    assert other["dense"].lookup(tf.constant([7, 1], tf.int64)).numpy().tolist() == [[2.0, 3.0], [0.0, 0.0]]
    assert [int(table.size()) for table in other.values()] == [2, 2]
    assert ("hashed/.ATTRIBUTES/table-keys", [2]) in tf.train.list_variables(path)


def test_tensorflow_reads_tables(tmp_path):
    ours, theirs = tables(tf), tables(peer())
    fill(tf, ours)
    path = tf.train.Checkpoint(hashed=ours["hashed"]).write(str(tmp_path / "c"))
    peer().train.Checkpoint(hashed=theirs["hashed"]).read(path).assert_consumed()
    assert theirs["hashed"].lookup(peer().constant(["ü", "b"])).numpy().tolist() == [4, -1]


def test_generators_go_on_where_they_were(tmp_path):
    generator = tf.random.Generator.from_seed(3)
    generator.normal([2])
    path = tf.train.Checkpoint(generator=generator).write(str(tmp_path / "c"))
    expected = generator.normal([2]).numpy()
    other = tf.random.Generator.from_seed(8)
    tf.train.Checkpoint(generator=other).read(path).assert_consumed()
    assert other.normal([2]).numpy().tolist() == expected.tolist()
    module = tf.Module()
    module.generator = other
    assert not module.variables  # as in TensorFlow


def test_weights_of_keras_2_without_an_ending(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.save_weights(str(tmp_path / "w"))
    assert sorted(p.name for p in pathlib.Path(tmp_path).iterdir()) == [
        "checkpoint",
        "w.data-00000-of-00001",
        "w.index",
    ]
    other = keras.Sequential([keras.layers.Dense(2)])
    other.load_weights(str(tmp_path / "w"))  # before it is built
    x = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(other(x).numpy(), model(x).numpy())


def test_an_adapted_vocabulary_counts_as_a_weight_in_keras_2(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "keras", 2)
    found = []
    for lib, module in ((peer(), pytest.importorskip("tf_keras")), (tf, keras)):
        words = module.layers.TextVectorization()
        words.adapt(["a b"])
        model = module.Sequential([words, module.layers.Embedding(9, 2)])
        asked = lib.constant([["b a"]])
        model(asked)
        path = str(tmp_path / "c")
        root = lib.train.Checkpoint(model=model)
        root.read(path).expect_partial() if found else root.write(path)
        found.append(model(asked).numpy().tolist())
    assert found[0] == found[1]
