"""`tf.summary`: what is written, read back with TensorBoard's own reader, and beside what TensorFlow writes."""

import os

import numpy as np
import pytest

import dovetail as tf

VALUES = np.linspace(-1, 1, 41).astype("float32")
PICTURES = np.random.default_rng(0).random((4, 6, 5, 3)).astype("float32")


def events(folder):
    (name,) = os.listdir(folder)
    return list(tf.compat.v1.train.summary_iterator(os.path.join(folder, name)))


def values(folder):
    """Returns `(tag, step, array)` of each value."""
    return [(v.tag, e.step, tf.make_ndarray(v.tensor)) for e in events(folder) for v in e.summary.value]


def write_all(k, writer):
    with writer.as_default(step=9):
        k.summary.histogram("h", VALUES, buckets=8, description="spread")
        k.summary.histogram("same", np.full(5, 3.0, "float32"))
        k.summary.histogram("none", np.zeros((0,), "float32"))
        k.summary.image("im", PICTURES, max_outputs=2)
        k.summary.image("bytes", (PICTURES[..., :1] * 255).astype("uint8"))
        k.summary.text("words", [["a", "b"]])
        k.summary.scalar("s", 0.25, step=2)
        k.summary.scalar("whole", 3)
        k.summary.write("raw", np.array([[1, 2], [3, 4]]))
    writer.close()


def test_tensorflow_writes_the_same(tmp_path):
    peer = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard")
    write_all(tf, tf.summary.create_file_writer(str(tmp_path / "ours"), filename_suffix=".mine"))
    write_all(peer, peer.summary.create_file_writer(str(tmp_path / "theirs"), filename_suffix=".mine"))
    ours, theirs = events(tmp_path / "ours"), events(tmp_path / "theirs")
    assert ours[0].file_version == theirs[0].file_version
    for own, their in zip(ours[1:], theirs[1:], strict=True):
        (own_value,), (their_value,) = own.summary.value, their.summary.value
        assert own.step == their.step and own_value.tag == their_value.tag
        assert own_value.metadata == their_value.metadata
        own_array, their_array = tf.make_ndarray(own_value.tensor), tf.make_ndarray(their_value.tensor)
        assert own_array.dtype == their_array.dtype and own_array.shape == their_array.shape
        if own_value.metadata.plugin_data.plugin_name != "images":
            np.testing.assert_array_equal(own_array, their_array)
            continue
        assert own_array[:2].tolist() == their_array[:2].tolist()
        for own_file, their_file in zip(own_array[2:], their_array[2:], strict=True):
            decoded = peer.io.decode_png(own_file).numpy()
            np.testing.assert_array_equal(decoded, peer.io.decode_png(their_file).numpy())


def test_tensorboard_reads_it(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    write_all(tf, tf.summary.create_file_writer(str(tmp_path)))
    found = reader.EventAccumulator(str(tmp_path))
    found.Reload()
    assert sorted(found.Tags()["tensors"]) == sorted(
        ["h", "same", "none", "im", "bytes", "words", "s", "whole", "raw"]
    )
    assert [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in found.Tensors("s")] == [(2, 0.25)]
    assert found.PluginTagToContent("scalars").keys() == {"s", "whole"}


def test_sounds(tmp_path):
    tone = np.sin(np.arange(160) / 4).astype("float32").reshape(1, 160, 1)
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        tf.summary.audio("beep", tone, 8000, step=1)
    ((_, _, array),) = values(tmp_path)
    assert array.shape == (1, 2) and array[0, 0][:4] == b"RIFF"
    frames = np.frombuffer(array[0, 0][44:], "<i2") / 32767
    np.testing.assert_allclose(frames, tone.reshape(-1), atol=1e-4)


@pytest.mark.parametrize("compiled", [False, True])
def test_functions_write_each_time_they_run(tmp_path, compiled):
    step = tf.Variable(0, dtype=tf.int64)
    writer = tf.summary.create_file_writer(str(tmp_path))

    def train(x):
        step.assign_add(1)
        tf.summary.scalar("inside", x * 2.0, step=step)
        with tf.summary.record_if(lambda: step > 2):
            tf.summary.scalar("late", x, step=step)
        return x

    run = tf.function(train) if compiled else train
    with writer.as_default():
        for k in range(3):
            run(tf.constant(float(k)))
    assert values(tmp_path) == [("inside", 1, 0.0), ("inside", 2, 2.0), ("inside", 3, 4.0), ("late", 3, 2.0)]


def test_layers_write_while_a_model_is_trained(tmp_path):
    class Watched(tf.keras.layers.Layer):
        def call(self, x):
            tf.summary.scalar("mean", tf.reduce_mean(x), step=0)
            return x

    model = tf.keras.Sequential([tf.keras.Input((2,)), Watched(), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        model.fit(np.ones((8, 2), "float32"), np.ones((8, 1), "float32"), batch_size=4, epochs=2, verbose=0)
    assert values(tmp_path) == [("mean", 0, 1.0)] * 4


def test_steps_scopes_and_writers(tmp_path):
    assert not bool(tf.summary.scalar("nowhere", 1.0, step=0))
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default(), tf.name_scope("a"), tf.name_scope("b"):
        with tf.summary.experimental.summary_scope("c") as (tag, _):
            assert tag == "a/b/c"
        with pytest.raises(ValueError, match="no step was given"):
            tf.summary.scalar("x", 1.0)
        tf.summary.experimental.set_step(4)
        assert bool(tf.summary.scalar("x", 1.0)) and tf.summary.experimental.get_step() == 4
        with tf.summary.record_if(False):
            assert not bool(tf.summary.scalar("x", 2.0))
        tf.summary.experimental.set_step(None)
    writer.close()
    assert values(tmp_path) == [("a/b/x", 4, 1.0)]
    with pytest.raises(RuntimeError, match="already closed"), writer.as_default():
        pass


def test_wrong_data_is_named(tmp_path):
    with tf.summary.create_file_writer(str(tmp_path)).as_default(step=1):
        for call, what in (
            (lambda: tf.summary.scalar("wide", [1.0, 2.0]), "must be a scalar"),
            (lambda: tf.summary.image("flat", PICTURES[0]), "pictures, height"),
            (lambda: tf.summary.audio("flat", VALUES, 8000), "sounds, frames"),
            (lambda: tf.summary.audio("mp3", PICTURES[0], 8000, encoding="mp3"), "'wav'"),
        ):
            with pytest.raises(ValueError, match=what):
                call()
        with pytest.raises(TypeError, match="GraphDef"):
            tf.summary.graph(3)
        with pytest.raises(TypeError, match="name must be a string"):
            tf.summary.scalar(3, 1.0)


def test_graphs_of_functions_that_are_traced(tmp_path):
    peer = pytest.importorskip("tensorflow")

    @tf.function
    def exact(x):
        return tf.nn.relu(x) @ tf.ones((3, 2)) + 1.0

    @tf.function(input_signature=[tf.TensorSpec([None])])
    def wide(x):
        return tf.exp(x)

    exact(tf.ones((5, 3)))
    writer = tf.summary.create_file_writer(str(tmp_path))
    tf.summary.trace_on()
    with pytest.raises(ValueError, match="on already"):
        tf.summary.trace_on()
    exact(tf.ones((2, 3)))  # of another shape: traced again
    wide(tf.ones(4))
    with writer.as_default():
        tf.summary.trace_export("functions", step=3)
    writer.close()
    exact(tf.ones((7, 3)))
    ((tag, step, held),) = values(tmp_path)
    assert (tag, step) == ("functions", 3)
    told = peer.compat.v1.RunMetadata.FromString(held.item())
    graphs = [[node.op for node in one.pre_optimization_graph.node] for one in told.function_graphs]
    assert graphs == [["Placeholder", "Relu", "MatMul", "AddV2"], ["Placeholder", "Exp"]]
    (event,) = [e for e in events(tmp_path) if e.summary.value]
    assert event.summary.value[0].metadata.plugin_data.plugin_name == "graph_run_metadata_graph"


def test_traces_with_profiles_and_without_an_end(tmp_path):
    with pytest.raises(ValueError, match="no trace is on"):
        tf.summary.trace_export("t", step=0)
    with pytest.raises(ValueError, match="needs profiler_outdir"):
        tf.summary.trace_on(profiler=True)
    tf.summary.trace_off()
    tf.summary.trace_on(profiler=True, profiler_outdir=str(tmp_path / "off"))
    tf.summary.trace_off()
    assert not list(tmp_path.glob("off/**/*.xplane.pb"))
    tf.summary.trace_on(profiler=True, profiler_outdir=str(tmp_path / "on"))
    writer = tf.summary.create_file_writer(str(tmp_path / "events"))
    with writer.as_default():
        tf.summary.trace_export("t", step=0)
    writer.close()
    assert list(tmp_path.glob("on/**/*.xplane.pb"))
    assert [tag for tag, _, _ in values(tmp_path / "events")] == ["t"]
