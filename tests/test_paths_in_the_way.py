"""Writing where a file or a directory is in the way: a clear error that programs catch as before; nothing is lost."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1


class Adding(tf.Module):
    def __init__(self):
        self.v = tf.Variable(1.0)

    @tf.function(input_signature=[tf.TensorSpec([], "float32")])
    def __call__(self, x):
        return x + self.v


def model():
    made = tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def fitted(callback):
    model().fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0, callbacks=[callback])


def in_session(save):
    with tf.Graph().as_default(), v1.Session() as session:
        v = v1.get_variable("v", initializer=1.0)
        session.run(v.initializer)
        save(session, v)


def checkpoint():
    return tf.train.Checkpoint(v=tf.Variable(1.0))


DIRECTORIES = {
    "saved_model.save": lambda path: tf.saved_model.save(Adding(), path),
    "export": lambda path: model().export(path),
    "CheckpointManager": lambda path: tf.train.CheckpointManager(checkpoint(), path, max_to_keep=1).save(),
    "create_file_writer": lambda path: tf.summary.create_file_writer(path).flush(),
    "Dataset.save": lambda path: tf.data.Dataset.range(2).save(path),
    "simple_save": lambda path: in_session(
        lambda session, v: v1.saved_model.simple_save(session, path, {"v": v.read_value()}, {"w": v + 1.0})
    ),
    "FileWriter": lambda path: in_session(lambda session, v: v1.summary.FileWriter(path)),
    "BackupAndRestore": lambda path: fitted(tf.keras.callbacks.BackupAndRestore(path)),
    "TensorBoard": lambda path: fitted(tf.keras.callbacks.TensorBoard(path)),
}
FILES = {
    "save": (".keras", lambda path: model().save(path)),
    "save in h5": (".h5", lambda path: model().save(path)),
    "save_weights": (".weights.h5", lambda path: model().save_weights(path)),
    "ModelCheckpoint": (".keras", lambda path: fitted(tf.keras.callbacks.ModelCheckpoint(path))),
    "StableHLO": ("", lambda path: model().export(path, format="stablehlo")),
    "Checkpoint.write": ("", lambda path: checkpoint().write(path)),
    "Saver": ("", lambda path: in_session(lambda session, v: v1.train.Saver().save(session, path))),
}
CAUGHT = (tf.errors.FailedPreconditionError, OSError)


@pytest.mark.parametrize("name", DIRECTORIES)
def test_a_file_where_a_directory_must_be(tmp_path, name):
    path = tmp_path / "file"
    path.write_text("mine")
    for target in (path, path / "below"):
        for kind in CAUGHT:
            with pytest.raises(kind, match="cannot write to the directory .*file.* is a file"):
                DIRECTORIES[name](str(target))
    assert os.listdir(tmp_path) == ["file"] and path.read_text() == "mine"


@pytest.mark.parametrize("name", FILES)
def test_a_file_around_a_file(tmp_path, name):
    path, (ending, write) = tmp_path / "file", FILES[name]
    path.write_text("mine")
    for kind in CAUGHT:
        with pytest.raises(kind, match="cannot write to the directory .*file.* is a file"):
            write(str(path / f"below{ending}"))
    assert os.listdir(tmp_path) == ["file"] and path.read_text() == "mine"


@pytest.mark.parametrize("name", [name for name, (ending, _) in FILES.items() if ending])
def test_a_directory_where_a_file_must_be(tmp_path, name):
    ending, write = FILES[name]
    path = tmp_path / f"folder{ending}"
    path.mkdir()
    for kind in CAUGHT:
        with pytest.raises(kind, match="cannot write the file .*folder.*: it is a directory"):
            write(str(path))
    assert os.listdir(tmp_path) == [path.name] and os.listdir(path) == []
