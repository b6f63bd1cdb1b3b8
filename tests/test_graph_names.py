"""What graphs own: names and types as TensorFlow has them, name scopes, order, collections."""

import re

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.compat import v1
from dovetail.graph import trace

EXPRESSIONS = """
x + x;1.0 + x;x * 2.0;2.0 - x;x / x;x // x;x % x;x ** 2.0;-x;abs(x);x < 1.0;x >= x;x @ x;~(x < 1.0)
(x < 1.0) & (x < 2.0);(x < 1.0) | (x < 2.0);x[0];tf.add(x, x);tf.add(x, y=x);tf.multiply(x, x)
tf.subtract(x, x);tf.divide(x, x);tf.pow(x, x);tf.math.floormod(x, x);tf.math.floordiv(x, x);tf.negative(x)
tf.equal(x, x);tf.matmul(x, x);tf.reduce_sum(x);tf.reduce_mean(x);tf.reduce_max(x);tf.reduce_min(x)
tf.reduce_prod(x);tf.reduce_any(x < 1.0);tf.reduce_all(x < 1.0);tf.reshape(x, [-1]);tf.transpose(x)
tf.concat([x, x], 0);tf.stack([x, x]);tf.unstack(x);tf.split(x, 2);tf.expand_dims(x, 0);tf.cast(x, tf.int32)
tf.identity(x);tf.nn.relu(x);tf.sigmoid(x);tf.tanh(x);tf.nn.softmax(x);tf.nn.log_softmax(x);tf.exp(x)
tf.math.log(x);tf.sqrt(x);tf.math.rsqrt(x);tf.square(x);tf.sin(x);tf.floor(x);tf.round(x);tf.sign(x)
tf.maximum(x, x);tf.where(x > 0.0, x, x);tf.gather(x, [0]);tf.gather_nd(x, [[0]]);tf.argmax(x);tf.argmin(x)
tf.one_hot(tf.argmax(x), 2);tf.tile(x, [1, 2]);tf.pad(x, [[1, 1], [0, 0]]);tf.cumsum(x);tf.stop_gradient(x)
tf.nn.bias_add(x, [1.0, 1.0]);tf.add_n([x, x]);tf.math.squared_difference(x, x);tf.reverse(x, [0])
tf.math.top_k(x);tf.nn.l2_loss(x);tf.math.is_nan(x);tf.math.erf(x);tf.nn.elu(x);tf.nn.leaky_relu(x)
tf.nn.softplus(x);tf.nn.relu6(x);tf.broadcast_to(x, [2, 2]);tf.math.reciprocal(x)
tf.linalg.band_part(x, 0, 0);tf.scatter_nd([[0]], x[:1], [2, 2]);tf.as_string(x);tf.bitcast(x, tf.int32)
tf.math.atan2(x, x);tf.nn.conv2d(x[None, :, :, None], tf.ones([1, 1, 1, 1]), 1, "SAME");tf.no_op()
tf.group(x);tf.print(x);tf.add(x, x, name="total");tf.reduce_sum(x, name="total")
tf.concat([x, x], 0, name="both");tf.nn.relu(x, name="act");tf.matmul(x, x, name="product")
tf.stack([x, x], name="pile");tf.split(x, 2, name="parts");tf.reshape(x, [-1], name="flat")
tf.identity(x, "same");tf.cond(x[0, 0] > 0.0, lambda: x, lambda: -x, name="choice").op.inputs[0].op
"""
CASES = [e for e in re.split(r"[;\n]", EXPRESSIONS) if e]


def _operation(framework, placeholder, expression):
    with framework.Graph().as_default() as graph:
        x = placeholder(framework.float32, [2, 2], name="x")
        found = eval(expression, {"tf": framework, "x": x})
        while isinstance(found, list | tuple):
            found = found[0]
    found = graph.get_operations()[-1] if found is None else getattr(found, "op", found)
    if not hasattr(found, "control_inputs"):
        found = found.operation
    return found.name, found.type, [waited.name for waited in found.control_inputs]


@pytest.mark.parametrize("expression", CASES)
def test_names_and_types_as_in_tensorflow(expression):
    reference = pytest.importorskip("tensorflow")
    if "tf.cond" in expression:
        pytest.skip("TensorFlow puts an Identity behind it")
    expected = _operation(reference, reference.compat.v1.placeholder, expression)
    assert _operation(tf, v1.placeholder, expression) == expected


def _program(framework, placeholder):
    """Returns the names that a program with scopes gives."""
    names = []
    with framework.Graph().as_default() as graph:
        x = placeholder(framework.float32, [2], name="x")
        again = placeholder(framework.float32, [2], name="x")
        with framework.name_scope("a") as outer:
            names += [outer, framework.add(x, x).name, (x + x).name, (x + x).op.name]
            with framework.name_scope("b"):
                names += [framework.add(x, x, name="sum").name, graph.get_name_scope()]
        with framework.name_scope("a") as second:
            names += [second, (x * x).name]
        with framework.name_scope(outer):
            names += [(x * x).name, (x * x).name]
        with graph.name_scope("A") as cased:
            names += [cased, graph.unique_name("op"), graph.unique_name("op"), graph.unique_name("op", False)]
        names += [again.name, graph.unique_name("a"), graph.unique_name("x", mark_as_used=False)]
        names += [graph.unique_name("case"), graph.unique_name("Case"), graph.unique_name("case_1")]
        parts = framework.split(x, 2, name="parts")
        names += [part.name for part in parts] + [parts[1].value_index, parts[0].op is parts[1].op]
        names += [
            x.op.name,
            x.op.type,
            x.graph is graph,
            x.op.graph is graph,
            framework.identity(x, name="x").name,
        ]
    return names


def test_scopes_as_in_tensorflow():
    reference = pytest.importorskip("tensorflow")
    assert _program(tf, v1.placeholder) == _program(reference, reference.compat.v1.placeholder)


def _traced(framework):
    @framework.function
    def function(x):
        with framework.name_scope("a"):
            y = framework.add(x, x)
            z = framework.matmul(y, y, name="mm")
        with framework.name_scope("a"):
            q = x + y
        with framework.control_dependencies([q]):
            r = framework.identity(z, name="out")
            s = framework.no_op()
            with framework.control_dependencies([s]):
                t = r * r
            with framework.control_dependencies(None):
                u = framework.sqrt(x)
            with framework.control_dependencies([q, u]):
                w = framework.exp(x)
        return t + w

    graph = function.get_concrete_function(framework.TensorSpec([3, 3], framework.float32)).graph
    return [
        (
            o.name,
            o.type,
            [i.name for i in o.inputs],
            [i.name for i in o.outputs],
            [i.name for i in o.control_inputs],
        )
        for o in graph.get_operations()
        if o.type != "Identity" or o.name == "out"
    ]


def test_a_traced_function_as_in_tensorflow():
    assert _traced(tf) == _traced(pytest.importorskip("tensorflow"))


def _collected(framework, placeholder):
    with framework.Graph().as_default() as graph:
        x = placeholder(framework.float32, [2], name="x")
        with framework.name_scope("part"):
            inner = x * x
        graph.add_to_collection("things", x)
        graph.add_to_collections(["things", "others", "others"], inner)
        graph.add_to_collections("single", 1)
        graph.get_collection("single").append(2)
        graph.get_collection_ref("single").append(3)
        graph.get_collection_ref("fresh").append(4)
        found = [graph.get_all_collection_keys(), [t.name for t in graph.get_collection("things")]]
        found += [
            [t.name for t in graph.get_collection("things", scope="part")],
            len(graph.get_collection("others")),
        ]
        found += [graph.get_collection("single"), graph.get_collection("fresh"), graph.get_collection("none")]
        graph.clear_collection("things")
        return [*found, graph.get_collection("things"), sorted(graph.collections)]


def test_collections_as_in_tensorflow():
    reference = pytest.importorskip("tensorflow")
    assert _collected(tf, v1.placeholder) == _collected(reference, reference.compat.v1.placeholder)


REFUSED = {
    "no operation": lambda g, x: g.get_operation_by_name("none"),
    "tensor for an operation": lambda g, x: g.get_operation_by_name("x:0"),
    "no tensor": lambda g, x: g.get_tensor_by_name("none:0"),
    "operation for a tensor": lambda g, x: g.get_tensor_by_name("x"),
    "no such output": lambda g, x: g.get_tensor_by_name("x:3"),
    "a number": lambda g, x: g.get_tensor_by_name(3),
    "no element": lambda g, x: g.as_graph_element(3),
    "an element that is not allowed": lambda g, x: g.as_graph_element(x, allow_tensor=False),
    "finalized": lambda g, x: (g.finalize(), x + 1.0),
    "a finalized collection": lambda g, x: (g.finalize(), g.add_to_collection("a", 1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_in_tensorflow(name):
    reference = pytest.importorskip("tensorflow")
    kinds = []
    for framework, placeholder in ((tf, v1.placeholder), (reference, reference.compat.v1.placeholder)):
        with framework.Graph().as_default() as graph:
            x = placeholder(framework.float32, [2], name="x")
            with pytest.raises(Exception) as caught:
                REFUSED[name](graph, x)
        kinds.append(caught.type)
    ours, theirs = kinds
    assert issubclass(ours, theirs)


def test_elements():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [2], name="x")
        y = x * x
    assert graph.as_graph_element("x:0") is x and graph.as_graph_element("x") is x.op
    assert graph.as_graph_element(y) is y and graph.as_graph_element(y.op) is y.op
    assert isinstance(x.op, tf.Operation) and isinstance(y.op, tf.Operation)
    assert y.consumers() == [] and x.consumers() == [y.op] and graph.version == 2
    assert repr(y.op) == "<tf.Operation 'mul' type=Mul>" and y.op.values() == (y,)
    with pytest.raises(ValueError, match="no element of this graph"):
        tf.Graph().as_graph_element(y)


def test_a_session_runs_what_is_waited_for(capsys):
    v = tf.Variable(1.0)
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [])
        tf.print("told")
        told = tf.group(graph.get_operations()[-1], x)
        v.assign(x * 10.0)
        with tf.control_dependencies([graph.get_operations()[-1]]):
            after = tf.identity(x)
        plain = x + 1.0
        first, second = tf.tuple([x * 2.0, None], control_inputs=[after])
    session = v1.Session(graph=graph)
    assert session.run(plain, {x: 2.0}) == 3.0 and v.numpy() == 1.0
    assert session.run(after, {x: 2.0}) == 2.0 and v.numpy() == 20.0
    assert session.run(first, {x: 3.0}) == 6.0 and v.numpy() == 30.0 and second is None
    assert capsys.readouterr().err == ""
    assert session.run(told, {x: 2.0}) is None and session.run(plain.name, {x: 2.0}) == 3.0
    assert capsys.readouterr().err == "told\n"


def test_operations_of_layers_stand_in_their_scopes():
    model = keras.Sequential(
        [keras.layers.Dense(2, name="first"), keras.layers.Dense(2, name="second")], name="net"
    )
    graph = trace(lambda x: model(x), (tf.TensorSpec([None, 3], tf.float32),))
    names = [node.name for node in graph.nodes]
    assert "net/first/MatMul" in names and "net/second/MatMul" in names


def test_outside_of_graphs_nothing_waits():
    called = []
    with tf.control_dependencies(lambda: called.append(1)), tf.control_dependencies([tf.constant(1.0)]):
        assert tf.no_op() is None and tf.group(tf.constant(1.0)) is None
    assert called == [1] and float(tf.tuple([tf.constant(2.0)])[0]) == 2.0
    with pytest.raises(AttributeError):
        keras.Input((2,)).graph
    np.testing.assert_allclose(tf.add(1.0, 2.0, name="eager"), 3.0)
