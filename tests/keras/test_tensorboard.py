"""The TensorBoard callback: its files beside those of Keras and tf_keras, and what TensorBoard's own reader finds."""

import os
import re

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

RNG = np.random.default_rng(5)
X = RNG.normal(size=(16, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def trained(k, folder, **arguments):
    model = k.Sequential(
        [k.layers.InputLayer((3,)), k.layers.Dense(4, name="hidden"), k.layers.Dense(1, name="last")]
    )
    model.set_weights(
        [0.1 + 0.05 * np.arange(w.size, dtype="float32").reshape(w.shape) for w in model.get_weights()]
    )
    model.compile(k.optimizers.SGD(0.05), "mse", metrics=["mae"], run_eagerly=k is not keras)
    board = k.callbacks.TensorBoard(str(folder), **arguments)
    model.fit(
        X,
        Y,
        batch_size=4,
        epochs=2,
        shuffle=False,
        validation_data=(X[:8], Y[:8]),
        callbacks=[board],
        verbose=0,
    )
    return model


def found(folder):
    """Returns `{(part, tag, step): array}` of what stands in the files of a folder."""
    held = {}
    for part, _, names in sorted(os.walk(folder)):
        for name in names:
            if "tfevents" not in name:
                continue
            for event in tf.compat.v1.train.summary_iterator(os.path.join(part, name)):
                for value in event.summary.value:
                    array = tf.make_ndarray(value.tensor)
                    tag = re.sub(
                        "^sequential(_[0-9]+)?/", "", value.tag
                    )  # where Keras has the model in its weights' paths
                    held[os.path.relpath(part, folder), tag, event.step] = array
    return held


# In Keras, a frequency that does not divide the batches of an epoch leaves out what is written at its end.
ARGUMENTS = [
    {"histogram_freq": 1, "write_graph": False, "write_images": True},
    {"update_freq": 2, "write_graph": False, "histogram_freq": 2},
    {"update_freq": "batch", "write_graph": False},
]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_files_are_those_of_keras(tmp_path, arguments):
    pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")
    peer = pytest.importorskip("keras")
    trained(keras, tmp_path / "ours", **arguments)
    trained(peer, tmp_path / "theirs", **arguments)
    ours, theirs = found(tmp_path / "ours"), found(tmp_path / "theirs")
    assert sorted(ours) == sorted(theirs)
    for key, value in theirs.items():
        if value.dtype == object:
            assert ours[key][:2].tolist() == value[:2].tolist() and len(ours[key]) == len(value)
        elif value.ndim == 2:  # numbers at an edge may fall on either side
            np.testing.assert_allclose(ours[key][:, :2], value[:, :2], rtol=1e-4, atol=1e-6, err_msg=str(key))
            np.testing.assert_allclose(
                ours[key][:, 2].cumsum(), value[:, 2].cumsum(), atol=1, err_msg=str(key)
            )
        else:
            np.testing.assert_allclose(ours[key], value, rtol=2e-4, atol=1e-5, err_msg=str(key))


def test_tensorboard_shows_numbers_histograms_pictures_and_the_graph(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trained(keras, tmp_path, histogram_freq=1, write_images=True, write_steps_per_second=True)
    board = reader.EventAccumulator(str(tmp_path / "train"))
    board.Reload()
    scalars = board.PluginTagToContent("scalars")
    assert {"epoch_loss", "epoch_mae", "epoch_learning_rate", "epoch_steps_per_second"} == set(scalars)
    assert len(board.PluginTagToContent("histograms")) == 4
    assert len(board.PluginTagToContent("images")) == 3  # a bias of one number is no picture
    assert "keras" in board.PluginTagToContent("graph_keras_model")
    nodes = {node.name: (node.op, list(node.input)) for node in board.Graph().node}
    assert nodes["hidden"][0] == "Dense" and nodes["last"][1] == ["hidden"]


def test_summaries_of_a_step_go_to_the_file_of_the_batch(tmp_path):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            return self.dense(x)

        def train_step(self, data):
            logs = super().train_step(data)
            tf.summary.scalar("mine", 2.0)
            return logs

    model = Model()
    model.compile("sgd", "mse", run_eagerly=True)
    board = keras.callbacks.TensorBoard(tmp_path, update_freq=2)
    model.fit(X, Y, batch_size=4, epochs=1, verbose=0, callbacks=[board])
    assert [step for _, tag, step in found(tmp_path) if tag == "mine"] == [2, 4]


def test_profiles_and_embeddings(tmp_path):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Embedding(5, 3, name="words"), keras.layers.Flatten()]
    )
    model.compile("sgd", "mse")
    board = keras.callbacks.TensorBoard(
        tmp_path, profile_batch="2,3", embeddings_freq=1, embeddings_metadata={"words": "names.tsv"}
    )
    model.fit(np.ones((16, 2)), np.ones((16, 6)), batch_size=4, verbose=0, callbacks=[board])
    (run,) = os.listdir(tmp_path / "train" / "plugins" / "profile")
    assert any(
        name.endswith(".xplane.pb") for name in os.listdir(tmp_path / "train" / "plugins" / "profile" / run)
    )
    text = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'metadata_path: "names.tsv"' in text and "embeddings {" in text
    assert os.path.exists(tmp_path / "train" / "keras_embedding.ckpt-0.weights.h5")
    with pytest.raises(ValueError, match="no embedding layers"):
        model.fit(
            np.ones((4, 2)),
            np.ones((4, 6)),
            verbose=0,
            callbacks=[
                keras.callbacks.TensorBoard(tmp_path, embeddings_freq=1, embeddings_metadata={"a": "b"})
            ],
        )


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"update_freq": "epochs"}, "update_freq"),
        ({"update_freq": 0}, "update_freq"),
        ({"profile_batch": "a,b"}, "profile_batch"),
        ({"profile_batch": (5, 2)}, "profile_batch"),
        ({"histogram_freq": -1}, "histogram_freq"),
    ],
)
def test_wrong_arguments_are_named(arguments, what):
    with pytest.raises(ValueError, match=what):
        keras.callbacks.TensorBoard("logs", **arguments)
