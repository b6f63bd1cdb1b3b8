"""Programs as users of TensorFlow 1 wrote them, beside TensorFlow itself.

Those of layers and cells run there under Keras 2 only: their values were noted from a run with TensorFlow 2.21.
"""

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1
from tests.support import version1_datasets as datasets
from tests.support import version1_programs as programs

LIVE = (
    *("control_flow", "dependencies", "embeddings", "iterators", "metrics_and_losses"),
    *("mnist_mlp", "moving_averages"),
)


def run(system, name):
    program = name if callable(name) else getattr(programs, name)
    with system.Graph().as_default():
        return program(system)


def require_same(found, expected, path):
    if isinstance(expected, dict):
        for key in expected:
            require_same(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), path
        for number, pair in enumerate(zip(found, expected, strict=True)):
            require_same(*pair, f"{path}[{number}]")
    elif isinstance(expected, str | bytes | bool):
        assert found == expected, path
    else:
        found, expected = np.asarray(found), np.asarray(expected)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype), path
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5, err_msg=path)


@pytest.mark.parametrize("name", LIVE)
def test_programs_give_what_they_give_in_tensorflow(name, capfd):
    require_same(run(tf, name), run(pytest.importorskip("tensorflow"), name), name)


@pytest.mark.parametrize("program", datasets.PROGRAMS, ids=lambda program: program.__name__)
def test_iterators_and_datasets_do_what_they_do_in_tensorflow(program):
    require_same(run(tf, program), run(pytest.importorskip("tensorflow"), program), program.__name__)


def sizes(found):
    return {key: float(np.abs(value).sum()) for key, value in found.items() if key != "names"}


@pytest.mark.slow
def test_recurrent_networks():
    found = run(tf, "char_rnn")
    losses = np.array(found["losses"])
    np.testing.assert_allclose(losses[[0, -1]], [[1.9452587, 0.1662517], [1.9015347, 0.1258684]], rtol=1e-4)
    np.testing.assert_allclose(
        [np.abs(found[key]).sum() for key in ("out", "c")], [1.342259, 1.335292], rtol=1e-4
    )
    cells = "rnn/multi_rnn_cell/cell_"
    assert found["names"][3:6] == [
        f"{cells}0/basic_lstm_cell/bias:0",
        f"{cells}0/basic_lstm_cell/kernel:0",
        f"{cells}1/gru_cell/candidate/bias:0",
    ]


def test_recurrent_networks_unrolled_and_of_both_directions():
    found = run(tf, "static_and_bidirectional")
    expected = [
        0.2087374,
        0.4095820,
        1.933928,
        0.4255293,
        4.896468,
        1.5617025,
        0.2045621,
        3.3059006,
        5.9863796,
    ]
    assert sizes(found) == pytest.approx(dict(zip("abcdefghi", expected, strict=True)), rel=1e-4)
    assert "rnn/lstm_cell/projection/kernel:0" in found["names"]
    assert "static/fw/basic_lstm_cell/kernel:0" in found["names"]


@pytest.mark.slow
def test_two_optimizers_of_two_networks():
    found = run(tf, "gan")
    expected = [
        [1.4576212, 0.6894233],
        [1.3933889, 0.6888566],
        [1.4043002, 0.6876521],
        [1.4107811, 0.6866192],
    ]
    np.testing.assert_allclose(found["losses"], expected, rtol=1e-4)
    assert found["names"][7:12] == [
        "discriminator/dense_1/bias:0",
        "beta1_power:0",
        "beta2_power:0",
        "discriminator/dense/kernel/Adam:0",
        "discriminator/dense/kernel/Adam_1:0",
    ]


def test_batch_normalization_updates():
    found = run(tf, "batch_norm")
    np.testing.assert_allclose(found["loss"], [1.1036059, 0.6819152, 0.4107805], rtol=1e-4)
    np.testing.assert_allclose(found["moving"][0], [0.0707554, 1.0358365, 0.7159917], rtol=1e-4)
    assert found["updates"] == 2


def test_gradients_that_programs_override():
    found = run(tf, "gradient_override")
    assert found["g"].tolist() == [-36.0, -72.0, 36.0] and found["n"] == ["net/d/kernel:0", "net/d/bias:0"]
    graph = tf.Graph()
    with (
        pytest.raises(LookupError, match="registered"),
        graph.gradient_override_map({"Relu": "no such name"}),
    ):
        pass


def test_sizes_are_dimensions_where_programs_ask_for_it():
    v1.disable_v2_tensorshape()
    try:
        shape = tf.TensorShape([None, 3])
        assert shape[1].value == 3 and shape[0].value is None and [d.value for d in shape] == [None, 3]
        assert tf.zeros([shape[1], 2]).shape.as_list() == [3, 2] and shape.rank == 2
    finally:
        v1.enable_v2_tensorshape()
    assert shape[0] is None and list(shape) == [None, 3]


def test_runs_in_parts_are_refused():
    with (
        tf.Graph().as_default(),
        v1.Session() as session,
        pytest.raises(NotImplementedError, match="one program"),
    ):
        session.partial_run_setup([tf.constant(1.0)], [])


def test_sessions_know_runs_again():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], name="x")
        w = v1.get_variable("w", initializer=2.0)
        y = w * x
        session.run(w.initializer)
        for size in (1, 2, 3, 2, 1):  # op by op, then by a plan for each size
            data = np.arange(size, dtype=np.float32)
            assert session.run([y, w], {x: data})[0].tolist() == (2 * data).tolist()
            assert session.run({"y": y, "again": [y]}, {"x:0": list(data)})["again"][0].shape == (size,)
        data[0] = 7.0
        session.run(w.assign(3.0))
        assert session.run(y, {x: data}).tolist() == [21.0]
        with pytest.raises(ValueError, match="shape"):
            session.run(y, {x: [[1.0]]})
        draws = tf.random.uniform([2])
        assert len({float(session.run(draws)[0]) for _ in range(6)}) == 6


def test_threads_stop_together():
    coord = v1.train.Coordinator()
    seen = []
    thread = v1.train.LooperThread.loop(coord, 0.001, seen.append, args=(1,))
    while not seen:
        pass
    coord.request_stop(ValueError("enough"))
    with pytest.raises(ValueError, match="enough"):
        coord.join([thread], stop_grace_period_secs=5)
    assert coord.should_stop() and not thread.is_alive()


def test_functions_of_datasets_with_tensors_of_the_graph_say_what_is_wrong_with_them():
    def wrong(x):
        return x * bias + undefined_name  # noqa: F821

    with tf.Graph().as_default():
        bias, data = v1.placeholder(tf.float32, []), tf.data.Dataset.from_tensor_slices([1.0, 2.0])
        with pytest.raises(NameError, match="undefined_name"):
            data.map(wrong)
        with pytest.raises(tf.errors.InvalidArgumentError, match="unsupported type"):
            data.map(lambda x: (x + bias) * object())
        plain = v1.data.make_one_shot_iterator(data.map(lambda x: tf.strings.as_string(float(len([x])))))
        with v1.Session() as session:  # what uses nothing of the graph works on elements
            assert session.run(plain.get_next()) == b"1.000000"
