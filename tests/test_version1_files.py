"""Savers, monitored sessions, layers, summaries, iterators and wrapped functions of TensorFlow 1."""

import os
import pathlib

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1

MODELS = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "models"


def built(system):
    with system.compat.v1.variable_scope("net"):
        w = system.compat.v1.get_variable("w", initializer=np.array([[1.0, 2.0]], np.float32))
        n = system.compat.v1.get_variable("n", initializer=np.int64(3), trainable=False)
    return w, n


@pytest.mark.parametrize("ours_writes", [True, False])
def test_checkpoints_go_both_ways(tmp_path, ours_writes):
    theirs = pytest.importorskip("tensorflow")
    writer, reader = (tf, theirs) if ours_writes else (theirs, tf)
    with writer.Graph().as_default(), writer.compat.v1.Session() as session:
        w, n = built(writer)
        session.run(writer.compat.v1.global_variables_initializer())
        session.run([w.assign_add([[1.0, 1.0]]), n.assign(7)])
        path = writer.compat.v1.train.Saver().save(session, str(tmp_path / "m"), global_step=4)
    assert path.endswith("m-4") and reader.train.latest_checkpoint(str(tmp_path)) == path
    with reader.Graph().as_default(), reader.compat.v1.Session() as session:
        w, n = built(reader)
        reader.compat.v1.train.Saver().restore(session, path)
        assert session.run(w).tolist() == [[2.0, 3.0]] and session.run(n) == 7
        reader.compat.v1.train.init_from_checkpoint(path, {"net/w": "net/w"})
        session.run(w.initializer)
        assert session.run(w).tolist() == [[2.0, 3.0]]


def test_what_savers_refuse(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        with pytest.raises(ValueError, match="no variables"):
            v1.train.Saver()
        v = v1.get_variable("v", initializer=[1.0])
        session.run(v.initializer)
        path = v1.train.Saver({"u": v}).save(session, str(tmp_path / "c"))
        with pytest.raises(tf.errors.NotFoundError, match="v not found"):
            v1.train.Saver().restore(session, path)
        with pytest.raises(ValueError, match="not a valid checkpoint"):
            v1.train.Saver().restore(session, str(tmp_path / "none"))
        with pytest.raises(ValueError, match="shape"):
            v1.train.Saver({"u": v1.get_variable("w", [2])}).restore(session, path)


def test_a_monitored_session_goes_on_where_it_stopped(tmp_path):
    def train(last):
        with tf.Graph().as_default():
            step = v1.train.get_or_create_global_step()
            v = v1.get_variable("v", initializer=1.0)
            train = v1.train.GradientDescentOptimizer(0.1).minimize(v * v, global_step=step)
            hooks = [v1.train.StopAtStepHook(last_step=last), v1.train.NanTensorHook(v.value())]
            with v1.train.MonitoredTrainingSession(checkpoint_dir=str(tmp_path), hooks=hooks) as session:
                first = session.run(step)
                while not session.should_stop():
                    session.run(train)
            return first

    assert (train(3), train(5)) == (0, 3)
    assert v1.train.latest_checkpoint(str(tmp_path)).endswith("model.ckpt-5")


def network(system):
    v1 = system.compat.v1
    x = v1.placeholder(system.float32, [None, 4, 4, 2])
    h = v1.layers.conv2d(
        x, 3, 2, padding="same", activation=system.nn.relu, kernel_initializer=ones(v1), name="c"
    )
    h = v1.layers.batch_normalization(v1.layers.average_pooling2d(h, 2, 2), training=True, name="bn")
    h = v1.layers.dense(v1.layers.flatten(h), 2, kernel_initializer=ones(v1), name="d")
    return x, h


def ones(v1):
    return v1.constant_initializer(0.1)


def test_layers_train_as_those_of_tensorflow(monkeypatch):
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    rng = np.random.default_rng(0)
    data = rng.normal(size=(3, 4, 4, 2)).astype("float32")
    with tf.Graph().as_default(), v1.Session() as session:
        x, out = network(tf)
        updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(updates):
            step = v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(tf.square(out - 1.0)))
        session.run(v1.global_variables_initializer())
        first = session.run(out, {x: data})
        for _ in range(30):
            session.run(step, {x: data})
        last = session.run(out, {x: data})
        assert np.mean((last - 1) ** 2) < np.mean((first - 1) ** 2)
        mean = session.run("bn/moving_mean:0")
        assert mean.shape == (3,) and np.abs(mean).max() > 0
        names = [v.name for v in v1.global_variables()]
    assert names[:2] == ["c/kernel:0", "c/bias:0"] and "d/bias:0" in names


def test_summaries_are_those_of_tensorflow(tmp_path):
    theirs = pytest.importorskip("tensorflow")
    values, found = np.array([-1.0, 0.0, 0.5, 1e3], np.float32), []
    for system in (tf, theirs):
        v1 = system.compat.v1
        with system.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(system.float32, [None])
            with v1.name_scope("part"):
                v1.summary.scalar("a b", system.reduce_sum(x))
                v1.summary.histogram("h", x)
            message = v1.Summary.FromString(session.run(v1.summary.merge_all(), {x: values}))
        histogram = message.value[1].histo
        kept = {b: c for b, c in zip(histogram.bucket_limit, histogram.bucket, strict=True) if c}
        found.append(([v.tag for v in message.value], message.value[0].simple_value, histogram.sum, kept))
    assert found[0][:3] == found[1][:3]
    np.testing.assert_allclose(sorted(found[0][3].items()), sorted(found[1][3].items()), rtol=1e-6)
    with tf.compat.v1.summary.FileWriter(str(tmp_path)) as writer:
        writer.add_summary(
            tf.compat.v1.Summary(value=[tf.compat.v1.Summary.Value(tag="t", simple_value=2)]), 5
        )
    (name,) = os.listdir(tmp_path)
    events = list(theirs.compat.v1.train.summary_iterator(str(tmp_path / name)))
    assert [(e.step, e.summary.value[0].simple_value) for e in events if e.summary.value] == [(5, 2.0)]


def test_a_session_trains_on_a_dataset():
    with tf.Graph().as_default(), v1.Session() as session:
        data = tf.data.Dataset.from_tensor_slices(np.ones((12, 2), "float32")).batch(4)
        iterator = v1.data.make_initializable_iterator(data)
        batch = iterator.get_next()
        w = v1.get_variable("w", [2, 1], initializer=v1.zeros_initializer())
        step = v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean((batch @ w - 1.0) ** 2))
        session.run(w.initializer)
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(step)
        for _ in range(2):
            session.run(iterator.initializer)
            for _ in range(3):
                session.run(step)
            with pytest.raises(tf.errors.OutOfRangeError):
                session.run(step)
        expected = np.zeros((2, 1))
        for _ in range(6):
            expected -= 0.1 * 2 * (expected.sum() - 1)
        np.testing.assert_allclose(session.run(w), expected, rtol=1e-5)


def test_a_wrapped_function_keeps_its_variables():
    def code(x):
        w = v1.get_variable("w", [], initializer=v1.constant_initializer(2.0))
        count = v1.get_variable("count", initializer=0, trainable=False)
        with tf.control_dependencies([v1.assign_add(count, 1)]):
            return tf.identity(x * w, name="out")

    f = v1.wrap_function(code, [tf.TensorSpec([None], tf.float32, name="x")])
    w, count = f.variables
    with tf.GradientTape() as tape:
        out = tf.reduce_sum(f(tf.constant([1.0, 2.0])))
    assert float(out) == 6.0 and float(tape.gradient(out, w)) == 3.0
    f([3.0])
    assert int(count.numpy()) == 2 and f.prune("x:0", "out:0")([1.0]).numpy().tolist() == [2.0]
    w.assign(5.0)
    assert f(x=[1.0]).numpy().tolist() == [5.0]
    with pytest.raises(TypeError, match="expected 1 values"):
        f()


def test_graphs_go_through_messages():
    theirs = pytest.importorskip("tensorflow")
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        with tf.name_scope("part"):
            y = tf.nn.relu(x * 2.0 - [1.0, 0.0], name="y")
        with tf.control_dependencies([y]):
            tf.identity(y, name="end")
        tf.reduce_sum(y, axis=0, name="sum")
        tf.matmul(x, x, transpose_b=True, name="square")
    made = graph.as_graph_def()
    nodes = {node.name: node for node in made.node}
    kinds = {name: nodes[name].op for name in ("part/y", "sum", "square")}
    assert kinds == {"part/y": "Relu", "sum": "Sum", "square": "MatMul"}
    again = theirs.compat.v1.GraphDef.FromString(made.SerializeToString())
    for system, message in ((tf, made), (theirs, again)):
        with system.Graph().as_default(), system.compat.v1.Session() as session:
            two = system.constant([[3.0, 4.0]])
            end, square = system.import_graph_def(
                message, input_map={"x:0": two}, return_elements=["end:0", "square:0"]
            )
            assert session.run(end).tolist() == [[5.0, 8.0]] and end.name == "import/end:0"
            assert session.run(square).tolist() == [[25.0]]
    with pytest.raises(RuntimeError, match="wrap_function"):
        tf.import_graph_def(made)


def test_graphs_of_tensorflow_are_imported():
    theirs = pytest.importorskip("tensorflow")
    with theirs.Graph().as_default() as graph:
        x = theirs.compat.v1.placeholder(theirs.float32, [None, 3], name="x")
        w = theirs.constant(np.arange(6, dtype="float32").reshape(3, 2))
        theirs.reduce_sum(theirs.nn.softmax(theirs.matmul(x, w)) ** 2.0, axis=1, name="out")
    message = v1.GraphDef.FromString(graph.as_graph_def().SerializeToString())
    data = np.array([[0.1, 0.2, 0.3]], np.float32)
    with theirs.compat.v1.Session(graph=graph) as session:
        expected = session.run("out:0", {"x:0": data})
    f = v1.wrap_function(lambda: tf.import_graph_def(message, name=""), []).prune("x:0", "out:0")
    np.testing.assert_allclose(f(data).numpy(), expected, rtol=1e-5)


def test_composites_and_configs_of_sessions():
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"GPU": 0})) as session:
        sparse = v1.sparse_placeholder(tf.float32)
        value = v1.SparseTensorValue([[0, 1]], [5.0], [2, 2])
        back, dense = session.run([sparse, tf.sparse.to_dense(sparse)], {sparse: value})
        assert isinstance(back, v1.SparseTensorValue) and back.values.tolist() == [5.0]
        assert dense.tolist() == [[0, 5], [0, 0]]
        rows = tf.IndexedSlices(v1.placeholder_with_default([[1.0]], [None, 1]), tf.constant([3]))
        assert session.run({"a": rows})["a"].indices.tolist() == [3]
        with tf.device("/cpu:0"):
            placed = tf.constant(dense)
        assert placed.op.device == "/device:CPU:0" and tf.constant(dense).op.device == ""
    config = v1.ConfigProto(log_device_placement=True)
    config.graph_options.optimizer_options.global_jit_level = v1.OptimizerOptions.OFF
    assert v1.ConfigProto.FromString(config.SerializeToString()) == config


def test_the_file_that_names_the_latest_has_a_name_of_choice(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        built(tf)
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "m"), latest_filename="newest")
    assert not (tmp_path / "checkpoint").exists()
    assert tf.train.latest_checkpoint(str(tmp_path), "newest") == path
    v1.train.update_checkpoint_state(
        str(tmp_path), path, latest_filename="other", last_preserved_timestamp=3.0
    )
    assert tf.train.get_checkpoint_state(str(tmp_path), "other").last_preserved_timestamp == 3.0


def _trained(tf, folder):
    """Trains a model of TensorFlow 1, writes it in all ways, and returns what it gives and will give."""
    v1 = tf.compat.v1
    data = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        w = v1.get_variable("net/w", initializer=np.arange(6, dtype="float32").reshape(3, 2) / 10)
        out = tf.nn.softmax(tf.matmul(x, w), name="out")
        loss = tf.reduce_mean((out - 0.3) ** 2)
        step = v1.train.get_or_create_global_step()
        train = v1.train.AdamOptimizer(0.1).minimize(loss, step)
        v1.add_to_collection("outputs", out)
        session.run(v1.global_variables_initializer())
        session.run(train, {x: data})
        v1.train.Saver().save(session, f"{folder}/model", global_step=step)
        v1.saved_model.simple_save(session, f"{folder}/saved", {"x": x}, {"out": out})
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph_def, ["out"])
        now = session.run(out, {x: data})
        session.run(train, {x: data})
        return data, frozen.SerializeToString(), now, session.run(out, {x: data})


def _read_back(tf, folder, data, frozen):
    """Returns what a model gives that is read from all files, and the session of the first."""
    v1 = tf.compat.v1
    found = []
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(f"{folder}/model-1.meta")
        saver.restore(session, f"{folder}/model-1")
        assert [v.name for v in v1.trainable_variables()] == ["net/w:0"]
        found.append(session.run(v1.get_collection("outputs")[0], {"x:0": data}))
    with tf.Graph().as_default(), v1.Session() as session:
        message = v1.saved_model.load(session, ["serve"], f"{folder}/saved")
        signature = message.signature_def["serving_default"]
        found.append(session.run(signature.outputs["out"].name, {signature.inputs["x"].name: data}))
    with tf.Graph().as_default(), v1.Session() as session:
        (out,) = tf.import_graph_def(v1.GraphDef.FromString(frozen), return_elements=["out:0"], name="f")
        found.append(session.run(out, {"f/x:0": data}))
    return found


@pytest.mark.parametrize("writes, reads", [("ours", "ours"), ("ours", "theirs"), ("theirs", "ours")])
def test_graphs_with_variables_go_through_files(writes, reads, tmp_path):
    systems = {"ours": tf, "theirs": pytest.importorskip("tensorflow")}
    data, frozen, now, _ = _trained(systems[writes], tmp_path)
    for found in _read_back(systems[reads], tmp_path, data, frozen):
        np.testing.assert_allclose(found, now, rtol=1e-5)


def test_training_goes_on_from_files(tmp_path):
    data, _, _, after = _trained(tf, tmp_path)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{tmp_path}/model-1.meta").restore(session, f"{tmp_path}/model-1")
        session.run(v1.get_collection("train_op")[0], {"x:0": data})
        np.testing.assert_allclose(session.run("out:0", {"x:0": data}), after, rtol=1e-5)
        assert session.run(v1.train.get_global_step()) == 2
    assert [file for file in os.listdir(tmp_path) if "part" in file] == []


def test_damaged_graphs_are_told(tmp_path):
    _trained(tf, tmp_path)
    file = tmp_path / "model-1.meta"
    whole = file.read_bytes()
    with tf.Graph().as_default(), pytest.raises(OSError, match="does not exist"):
        v1.train.import_meta_graph(str(tmp_path / "none.meta"))
    file.write_bytes(whole[: len(whole) // 2])
    with tf.Graph().as_default(), pytest.raises((tf.errors.DataLossError, ValueError)):
        v1.train.import_meta_graph(str(file))
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match="tags"):
        v1.saved_model.load(v1.Session(), ["train"], str(tmp_path / "saved"))


def test_the_graph_of_a_checkpoint_of_tensorflow_1():
    path = MODELS / "tf1_checkpoint" / "model.ckpt-77"
    if not MODELS.is_dir():
        pytest.skip("the files of other frameworks are not there")
    beside = np.load(MODELS / "tf1_checkpoint.npz")
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(f"{path}.meta").restore(session, str(path))
        np.testing.assert_allclose(session.run("out:0", {"x:0": beside["in_x"]}), beside["out"], rtol=1e-5)
        assert session.run(v1.get_collection("global_step")[0]) == 77
