"""Models of TensorFlow 1: loops and branches of its graphs, variables of both kinds, tables."""

import numpy as np
import pytest

import dovetail as tf

reference = pytest.importorskip("tensorflow")
V1 = reference.compat.v1
X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def mlp():
    x = V1.placeholder("float32", [None, 3], "x")
    kernel = V1.get_variable(
        "w", [3, 2], initializer=V1.ones_initializer()
    )  # some of the outputs are positive
    bias = V1.get_variable("b", [2], trainable=False)
    return {"x": x}, {"y": reference.nn.relu(x @ kernel + bias)}


def loops():
    x, kernel = V1.placeholder("float32", [None, 3], "x"), V1.get_variable("w", [3, 3])

    def inner(i, y):
        grown = V1.while_loop(lambda j, z: j < i + 1, lambda j, z: (j + 1, z * 1.5 + x @ kernel), [0, y])
        return i + 1, grown[1]

    count, y = V1.while_loop(lambda i, y: i < 3, inner, [0, x])
    return {"x": x}, {"y": y, "count": count}


def branches():
    x, kernel = V1.placeholder("float32", [None, 3], "x"), V1.get_variable("w", [3, 3])
    training = V1.placeholder_with_default(False, [], "training")
    is_above = reference.reduce_sum(x) > 0
    y = V1.cond(is_above, lambda: x @ kernel, lambda: x - 1.0)
    inner = lambda: V1.cond(reference.reduce_sum(y) > 0, lambda: y * 2.0, lambda: y * 3.0)
    z = V1.cond(training, lambda: y * 0.0, inner)
    number = V1.cond(is_above, lambda: reference.constant(1), lambda: reference.constant(2))
    return {"x": x}, {"y": y, "z": z, "number": number}


def branches_in_a_loop():
    x = V1.placeholder("float32", [None, 3], "x")

    def step(i, y):
        return i + 1, V1.cond(reference.equal(i % 2, 0), lambda: y * 2.0, lambda: y - x)

    return {"x": x}, {"y": V1.while_loop(lambda i, y: i < 4, step, [0, x])[1]}


def arrays():
    x, kernel = V1.placeholder("float32", [None, 3], "x"), V1.get_variable("w", [3, 3])
    rows = reference.TensorArray("float32", 2).unstack(reference.stack([x, x * 2.0]))
    out = reference.TensorArray("float32", 2)

    def step(i, state, out):
        return i + 1, reference.tanh(state @ kernel + rows.read(i)), out.write(i, state)

    _, state, out = V1.while_loop(lambda i, *_: i < 2, step, [0, reference.zeros_like(x), out])
    return {"x": x}, {"state": state, "steps": out.stack()}


def table():
    x = V1.placeholder("float32", [None, 3], "x")
    pairs = reference.lookup.KeyValueTensorInitializer([1, 2], reference.constant([10, 20]))
    numbers = reference.lookup.StaticHashTable(pairs, -1)
    return {"x": x}, {"y": numbers.lookup(reference.cast(reference.round(x), "int32"))}


def written(build, folder, inputs, resource):
    """Saves a graph, and returns what it gives."""
    graph, was_on = reference.Graph(), V1.control_flow_v2_enabled()
    V1.disable_control_flow_v2()
    try:
        with graph.as_default(), V1.Session() as session:
            V1.get_variable_scope().set_use_resource(resource)
            given, outputs = build()
            session.run([V1.global_variables_initializer(), V1.tables_initializer()])
            V1.saved_model.simple_save(
                session, folder, given, outputs, legacy_init_op=V1.tables_initializer()
            )
            return session.run(outputs, {given[key]: value for key, value in inputs.items()})
    finally:
        if was_on:
            V1.enable_control_flow_v2()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("build", [mlp, loops, branches, branches_in_a_loop, arrays, table])
def test_models_of_version_1_give_what_they_gave(build, sign, tmp_path):
    folder, resource = str(tmp_path / "saved"), sign > 0
    want = written(build, folder, {"x": X * sign}, resource)
    model = tf.saved_model.load(folder)
    found = model.signatures["serving_default"](x=tf.constant(X * sign))
    assert sorted(found) == sorted(want)
    for key, value in want.items():
        np.testing.assert_allclose(found[key].numpy(), value, rtol=1e-4, atol=1e-5)
    if build is mlp:
        assert [one.trainable for one in model.variables] == [True, False]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model.signatures["serving_default"](x=tf.constant(X))["y"])
        assert np.abs(tape.gradient(loss, model.variables[0]).numpy()).max() > 0


def test_a_branch_that_nothing_parts_is_told(tmp_path):
    folder = str(tmp_path / "saved")
    written(branches, folder, {"x": X}, True)
    file = tmp_path / "saved" / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(b"\x12\x06Switch", b"\x12\x06Swotch"))
    with pytest.raises(NotImplementedError, match="no condition"):
        tf.saved_model.load(folder)
