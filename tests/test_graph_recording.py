"""Functions recorded as graphs: program order, variables, captures, effects, on every way to run."""

import weakref

import numpy as np
import pytest

import dovetail as tf
from dovetail.graph import trace

SPEC = tf.TensorSpec([None, 3], tf.float32)
DATA = np.arange(6, dtype="float32").reshape(2, 3)


def test_program_order_of_reads_and_writes():
    v = tf.Variable(2.0)

    def function(x):
        first = x * v
        v.assign_add(1.0)
        second = x * v
        v.assign(10.0)
        return first, second, v

    graph = trace(function, (SPEC,))
    assert v.numpy() == 2.0 and graph.writes == graph.variables == [v]
    for run in (graph.run, tf.function(graph.run)):
        v.assign(2.0)
        first, second, last = run([tf.constant(DATA)])
        np.testing.assert_allclose(first, DATA * 2)
        np.testing.assert_allclose(second, DATA * 3)
        assert v.numpy() == 10.0 and float(last) == 10.0


def test_effects_happen_in_each_run(capsys):
    graph = trace(lambda x: tf.print("size", tf.shape(x)[0]), (SPEC,))
    assert capsys.readouterr().err == ""
    graph.run([tf.constant(DATA)])
    graph.run([tf.ones((5, 3))])
    assert capsys.readouterr().err == "size 2\nsize 5\n"


def test_checks_fail_when_run():
    graph = trace(lambda x: tf.debugging.assert_positive(x), (SPEC,))
    graph.run([tf.ones((1, 3))])
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph.run([-tf.ones((1, 3))])


def test_random_numbers_are_drawn_in_each_run():
    graph = trace(lambda: tf.random.normal([4]))
    assert not np.allclose(graph.run([]), graph.run([]))


def test_unknown_sizes_structure_and_python_values():
    seen = []

    def function(x, k, flag=None):
        seen.append((x.shape[0], k, flag))
        return {"rows": tf.reshape(x, [tf.shape(x)[0] * 3]), "none": None, "one": 1.0}

    graph = trace(function, (SPEC, 3), {"flag": True})
    out = graph.run([tf.constant(DATA)])
    assert seen == [(None, 3, True)] and out["none"] is None and float(out["one"]) == 1.0
    assert tuple(out["rows"].shape) == (6,)


def test_captures_of_graphs_inside_graphs():
    inner = []

    def function(x):
        inner.append(trace(lambda y: y * x, (tf.TensorSpec([]),)))
        return inner[0].run([x + 1.0])

    graph = trace(function, (tf.TensorSpec([]),))
    assert len(inner[0].captures) == 1 and not graph.captures
    assert float(graph.run([tf.constant(3.0)])) == 12.0
    assert float(inner[0].run([tf.constant(2.0)], [tf.constant(5.0)])) == 10.0


def test_gradients_of_variables_and_constants():
    v, c = tf.Variable(2.0), tf.constant(5.0)
    graph = trace(lambda x: tf.reduce_sum(x * v * c), (SPEC,))
    x = tf.constant(DATA)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as tape:
            tape.watch([x, c])
            out = graph.run([x])
        dv, dx, dc = tape.gradient(out, [v, x, c])
    assert float(dv) == 75.0 and float(dc) == 30.0
    np.testing.assert_allclose(dx, np.full((2, 3), 10.0))
    assert outer.gradient(dv, v) is None


def test_layers_are_written_out_and_train():
    model = tf.keras.Sequential([tf.keras.layers.Dense(2), tf.keras.layers.BatchNormalization()])
    graph = trace(lambda x: model(x, training=True), (SPEC,))
    assert all(not isinstance(node.operation, tf.keras.layers.Layer) for node in graph.nodes)
    before = [np.array(w) for w in model.non_trainable_variables]
    np.testing.assert_allclose(graph.run([tf.constant(DATA)]).numpy().mean(0), [0, 0], atol=1e-5)
    assert any(not np.allclose(a, b) for a, b in zip(before, model.non_trainable_variables, strict=True))


def test_names_are_unique():
    graph = trace(lambda x: tf.matmul(x, tf.transpose(x)) + tf.matmul(x, tf.transpose(x)), (SPEC,))
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names) and {"MatMul", "MatMul_1", "add"} <= set(names)


def test_exclusive_cases_are_checked_when_run():
    pairs = lambda x: [(x > 0.0, lambda: 1), (x > 5.0, lambda: 2)]
    graph = trace(lambda x: tf.case(pairs(x), default=lambda: 0, exclusive=True), (tf.TensorSpec([]),))
    for run in (graph.run, tf.function(graph.run)):
        assert int(run([tf.constant(3.0)])) == 1 and int(run([tf.constant(-3.0)])) == 0
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than one"):
            run([tf.constant(9.0)])


def test_a_replay_lets_go_of_what_no_later_step_uses():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def deep(x):
        first = x + 1.0
        for _ in range(8):
            x = tf.sin(x)
        return x + first

    graph = deep.get_concrete_function().graph
    kept = []
    alive = []

    def call(operation, args, kwargs):
        result = operation(*args, **kwargs)
        alive.append(sum(reference() is not None for reference in kept))
        kept.append(weakref.ref(result))
        return result

    graph.run([tf.constant([1.0])])
    (result,) = graph._steps.run([tf.constant([1.0])], call)
    expected = 1.0
    for _ in range(8):
        expected = np.sin(expected)
    np.testing.assert_allclose(result, [expected + 2.0], rtol=1e-5)
    assert len(kept) == 10
    assert max(alive) <= 3
