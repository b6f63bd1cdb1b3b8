"""Graphs written by hand: placeholders, sessions, what they run and what they refuse."""

import functools

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1


def test_a_session_runs_what_is_fetched():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        n = v1.placeholder(tf.int32, [])
        total = tf.reduce_sum(x * 2.0, axis=0)
        looped = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * 2.0), [0, total])[1]
        random = tf.random.uniform([])
    assert isinstance(graph, tf.Graph) and graph.get_tensor_by_name("x:0") is x
    with v1.Session(graph=graph) as session:
        data = [[1.0, 2.0], [3.0, 4.0]]
        np.testing.assert_allclose(session.run(total, {x: data}), [8.0, 12.0])
        found = session.run({"a": total, "b": (looped, n)}, feed_dict={x: np.ones((3, 2)), n: 3})
        np.testing.assert_allclose(found["b"][0], [48.0, 48.0])
        assert found["b"][1] == 3 and found["a"].tolist() == [6.0, 6.0]
        assert session.run(total, {x: np.zeros((0, 2))}).tolist() == [0.0, 0.0]
        np.testing.assert_allclose(session.run(looped, {total: [1.0, 2.0], n: 1}), [2.0, 4.0])
        assert session.run(random) != session.run(random)
        assert session.run(tf.constant(3)) == 3 and session.run(total.node, {x: data}) is None


def test_inside_the_graph_nothing_runs_at_once():
    with tf.Graph().as_default():
        assert not tf.executing_eagerly()
        a = v1.placeholder(tf.int32, [])
        out = tf.cond(a > 0, lambda: a * 2, lambda: -a)
        with v1.Session() as session:
            assert session.run(out, {a: 4}) == 8 and session.run(out, {a: -4}) == 4
    assert tf.executing_eagerly()


def test_what_is_refused():
    with pytest.raises(RuntimeError, match="tf.Graph"):
        v1.placeholder(tf.float32, [])
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [2], name="data")
        y = x + 1.0
    session = v1.Session(graph=graph)
    with pytest.raises(tf.errors.InvalidArgumentError, match="placeholder tensor 'data'"):
        session.run(y)
    with pytest.raises(ValueError, match=r"shape \(3,\), expected \(2,\)"):
        session.run(y, {x: [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="cannot fetch 'y': the graph has no operation 'y'"):
        session.run("y", {x: [1.0, 2.0]})
    with pytest.raises(TypeError, match="cannot feed 'z:0': the graph has no operation 'z'"):
        session.run(y, {"z:0": [1.0, 2.0]})
    with pytest.raises(TypeError, match="cannot fetch 3.5, expected tensors or operations, or their names"):
        session.run(3.5)
    with tf.Graph().as_default():
        foreign = v1.placeholder(tf.float32, [2])
        twice = foreign * 2.0
    for fetch, feed in ((twice, {}), (twice.node, {}), (y, {foreign: [1.0, 2.0]})):
        with pytest.raises(ValueError, match="not an element of the session's graph"):
            session.run(fetch, feed)
    session.close()
    with pytest.raises(RuntimeError, match="closed"):
        session.run(y, {x: [1.0, 2.0]})
    other = tf.keras.Input((2,))
    with pytest.raises(TypeError, match="unhashable"):
        hash(other)


def test_names_stand_for_what_is_fetched_and_fed():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [2], name="x")
        y = x + 1.0
    with v1.Session(graph=graph) as session:
        assert session.run("add:0", {"x:0": [1.0, 2.0]}).tolist() == [2.0, 3.0]
        assert session.run([y, "x"], {x: [0.0, 1.0]})[1] is None


def test_names_stay_unique_when_a_program_gives_the_numbered_one_itself():
    with tf.Graph().as_default() as graph:
        for name in ("a", "a", "a_1", "a"):
            v1.placeholder(tf.float32, [], name=name)
    assert [operation.name for operation in graph.get_operations()] == ["a", "a_1", "a_1_1", "a_2"]


def test_a_fetched_operation_runs_for_what_it_does(capsys):
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [], name="x")
        tf.print("x is", x)
    operation = graph.get_operations()[-1]
    with v1.Session(graph=graph) as session:
        assert session.run(operation, {x: 2.0}) is None
    assert capsys.readouterr().err == "x is 2\n"


def test_constants_are_operations_with_names():
    graph = tf.Graph()
    with graph.as_default():
        first = tf.constant(3.0, name="first")
        second = tf.constant(2.0, name="first")
        plain = tf.constant([1, 2])
        kept = tf.identity(first + second, name="kept")
        spread = tf.reshape(v1.placeholder(tf.float32, [None], name="fed"), tf.constant([2, -1]))
    assert [t.op.name for t in (first, second, plain)] == ["first", "first_1", "Const"]
    assert first.op.type == "Const"
    assert graph.get_tensor_by_name("kept:0") is kept
    assert graph.get_tensor_by_name("first:0") is first
    assert spread.shape.as_list() == [2, None]
    with v1.Session(graph=graph) as session:
        assert session.run(kept) == 5.0
        assert session.run(kept, {first: 10.0}) == 12.0
        assert session.run([plain, "first:0"])[0].tolist() == [1, 2]
        assert session.run(spread, {"fed:0": np.arange(4.0)}).tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert isinstance(tf.constant(1.0), tf.Tensor)
    for tensor in (first, spread, tf.constant(1.0)):
        assert isinstance(tensor, tf.Tensor) and issubclass(type(tensor), tf.Tensor)
    assert not issubclass(tf.Variable, tf.Tensor) and not issubclass(int, tf.Tensor)
    told = functools.singledispatch(lambda value: "another")
    told.register(tf.Tensor, lambda value: "a tensor")
    assert [told(value) for value in (first, tf.constant(1.0), 1.0)] == ["a tensor", "a tensor", "another"]
    assert float(tf.constant(1.0)) == 1.0
