"""TensorFlow 1's optimizers: the hooks that programs override, rows of tables, slots and names, beside TensorFlow."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1
from tests.support import version1_optimizers as programs
from tests.support.parity import outcome, reference

T = v1.train
RULES = {
    "Adadelta": {"learning_rate": 1.0},
    "Adagrad": {"learning_rate": 0.1},
    "Adam": {"learning_rate": 0.1},
    "Ftrl": {"learning_rate": 0.1, "l1_regularization_strength": 0.01},
    "GradientDescent": {"learning_rate": 0.1},
    "Momentum": {"learning_rate": 0.1, "momentum": 0.9, "use_nesterov": True},
    "ProximalAdagrad": {"learning_rate": 0.1, "l1_regularization_strength": 0.01},
    "ProximalGradientDescent": {"learning_rate": 0.1, "l2_regularization_strength": 0.1},
    "RMSProp": {"learning_rate": 0.01, "centered": True, "momentum": 0.5},
}
# TensorFlow's ops take variables of its own kind nowhere but at the top of a graph.
KINDS = [
    (name, kind)
    for name in programs.MAKERS
    for kind in (True, False)
    if (name, kind) != ("accumulating", False)
]


@pytest.mark.parametrize(("name", "use_resource"), KINDS)
def test_optimizers_of_programs_go_the_way_of_tensorflow(name, use_resource):
    expected, *facts = programs.path(reference(), name, use_resource)
    found, *ours = programs.path(tf, name, use_resource)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)
    assert ours == facts


def of_tables(tf, name):
    """Returns what a table becomes, some of whose rows are looked up, twice some of them, and each name."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session, v1.variable_scope("net"):
        table = v1.get_variable(
            "table", initializer=np.arange(10, dtype=np.float64).reshape(5, 2) / 4.0 - 1.0
        )
        places = v1.placeholder("int32", [3])
        loss = tf.reduce_sum(tf.gather(table, places) ** 2 * np.array([[1.0], [2.0], [3.0]]))
        optimizer = getattr(v1.train, f"{name}Optimizer")(**RULES[name], name="a/b")
        steps = [
            optimizer.minimize(loss),
            optimizer.minimize(loss, v1.train.get_or_create_global_step(), name="named"),
        ]
        session.run(v1.global_variables_initializer())
        found = []
        for at in ([0, 1, 1], [4, 0, 0], [2, 2, 2], [0, 1, 4]):
            for step in steps:
                session.run(step, {places: at})
            found.append(session.run(table))
        names = [[v.name for v in v1.global_variables()], [v.name for v in optimizer.variables()]]
        names += [[op.name for op in steps], [op.name for op in v1.get_collection("train_op")]]
        return np.array(found), [*names, optimizer.get_slot_names()]


@pytest.mark.parametrize("name", RULES)
def test_rows_of_tables_and_names(name):
    expected, names = of_tables(reference(), name)
    found, ours = of_tables(tf, name)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert ours == names


@pytest.mark.parametrize("name", RULES)
def test_each_rule_of_tensorflow_is_called_by_the_hooks(name):
    rule, called = getattr(T, f"{name}Optimizer"), []

    def noting(hook):
        def call(self, *args):
            called.append(hook)
            return getattr(rule, hook)(self, *args)

        return call

    hooks = ("_create_slots", "_prepare", "_finish")
    dense = ("_apply_dense", "_resource_apply_dense")
    rows = ("_apply_sparse_duplicate_indices", "_resource_apply_sparse_duplicate_indices")
    mine = type("Mine", (rule,), {hook: noting(hook) for hook in (*hooks, *dense, *rows)})
    for kind in (0, 1):
        called.clear()
        with tf.Graph().as_default(), v1.variable_scope("", use_resource=bool(kind)):
            w = v1.get_variable("w", initializer=np.ones((2, 2), np.float32))
            optimizer = mine(**RULES[name])
            optimizer.minimize(tf.reduce_sum(w))
            optimizer.minimize(tf.reduce_sum(tf.gather(w, [0])))
        assert called == [*hooks[:2], dense[kind], hooks[2], *hooks[:2], rows[kind], hooks[2]]


def test_which_hook_comes_first():
    def descending(*hooks):
        def hook(name):
            def apply(self, grad, var, *indices):
                called.append(name)
                return var.assign_sub(tf.zeros_like(var))

            return apply

        return type("Descending", (T.Optimizer,), {name: hook(name) for name in hooks})(False, "mine")

    called = []
    for use_resource, hooks, expected in (
        (True, ("_apply_dense", "_resource_apply_dense"), "_resource_apply_dense"),
        (False, ("_apply_dense", "_resource_apply_dense"), "_apply_dense"),
        (True, ("_apply_dense",), "_apply_dense"),
        (False, ("_resource_apply_dense",), "_resource_apply_dense"),
        (None, ("_apply_dense", "_resource_apply_dense"), "_resource_apply_dense"),
    ):
        with tf.Graph().as_default():
            made = v1.Variable([1.0, 2.0], use_resource=use_resource)
            descending(*hooks).minimize(tf.reduce_sum(made))
            table = v1.get_variable("table", [3, 2], use_resource=use_resource)
            descending(*hooks).minimize(tf.reduce_sum(tf.gather(table, [0])), var_list=[table])
        assert called == [expected] * 2, (use_resource, hooks)
        called.clear()
    v1.disable_resource_variables()
    try:
        assert not v1.resource_variables_enabled()
        with tf.Graph().as_default():
            both = descending("_apply_dense", "_resource_apply_dense")
            both.minimize(v1.get_variable("v", initializer=1.0))
            both.minimize(v1.get_variable("r", initializer=1.0, use_resource=True))
            both.minimize(tf.Variable(1.0))
        assert called == ["_apply_dense", *["_resource_apply_dense"] * 2]
    finally:
        v1.enable_resource_variables()
    with tf.Graph().as_default(), pytest.raises(NotImplementedError, match="define _resource_apply_dense"):
        T.Optimizer(False, "nothing").minimize(v1.get_variable("v", initializer=1.0))


def test_one_optimizer_in_two_graphs_and_outside():
    optimizer, found = T.AdamOptimizer(0.1), []
    for _ in range(2):
        with tf.Graph().as_default(), v1.Session() as session:
            v = v1.get_variable("v", initializer=1.0)
            step = optimizer.minimize(v * v)
            session.run(v1.global_variables_initializer())
            session.run(step)
            found.append(session.run([v, *optimizer._get_beta_accumulators()]))
            assert [one.name for one in optimizer.variables()] == [
                "beta1_power:0",
                "beta2_power:0",
                "v/Adam:0",
                "v/Adam_1:0",
            ]
    w = tf.Variable(1.0)
    optimizer.minimize(lambda: w * w, var_list=lambda: [w])
    found.append([w, *optimizer._get_beta_accumulators()])
    np.testing.assert_allclose(np.array(found, np.float32), [[0.9, 0.81, 0.998001]] * 3, rtol=1e-6)
    assert len(optimizer.variables()) == 4


def test_new_variables_have_new_slots():
    optimizer = T.MomentumOptimizer(0.1, 0.9)
    for size in range(2, 30):  # ids of variables that are no more are given again
        v = tf.Variable(np.ones(size, np.float32))
        optimizer.apply_gradients([(tf.ones([size]), v)])
        np.testing.assert_allclose(v.numpy(), 0.9)
        del v
    assert not [v for v in v1.global_variables() if "Momentum" in v.name]


def test_compiled_functions_step_with_them():
    optimizer, v = T.AdamOptimizer(0.1), tf.Variable([1.0, 2.0])

    @tf.function
    def step():
        optimizer.minimize(lambda: tf.reduce_sum(v * v), var_list=[v])

    for _ in range(3):
        step()
    np.testing.assert_allclose(v.numpy(), [0.7015870, 1.7006831], rtol=1e-4)
    np.testing.assert_allclose(optimizer._get_beta_accumulators()[0], 0.9**4, rtol=1e-6)


def refusals(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        v, whole = v1.get_variable("v", initializer=1.0), v1.get_variable("i", initializer=1)
        turning = v1.get_variable("c", initializer=1j)
        descent = v1.train.GradientDescentOptimizer(0.1)
        cases = [
            lambda tf: descent.minimize(v * v, gate_gradients=7),
            lambda tf: descent.minimize(whole * whole, var_list=[whole]),
            lambda tf: descent.minimize(tf.abs(turning), var_list=[turning]),
            lambda tf: descent.minimize(whole * whole + 1, var_list=[v]),
            lambda tf: descent.apply_gradients([]),
            lambda tf: descent.apply_gradients([(None, v)]),
            lambda tf: v1.train.Optimizer(False, ""),
            lambda tf: v1.train.AdagradOptimizer(0.1, initial_accumulator_value=0.0),
            lambda tf: v1.train.FtrlOptimizer(0.1, learning_rate_power=0.5),
            lambda tf: v1.train.FtrlOptimizer(0.1, l2_regularization_strength=-1.0),
            lambda tf: descent.get_slot(v, "nothing"),
            lambda tf: descent.get_slot_names(),
        ]
        return [outcome(tf, case) for case in cases]


def test_refusals():
    for found, expected in zip(refusals(tf), refusals(reference()), strict=True):
        assert found[0] == expected[0]
        assert isinstance(found[1], type(expected[1])) if found[0] == "error" else found[1] == expected[1]


def test_groups_have_the_names_that_programs_give_them():
    with tf.Graph().as_default() as graph:
        with tf.name_scope("a") as scope:
            assert (
                tf.group(tf.constant(1), name="both").name == "a/both" and tf.no_op("rest").name == "a/rest"
            )
            assert tf.group(name=scope).name == "a"
        assert graph.get_operation_by_name("a/both").type == "NoOp"


def test_loops_and_branches_are_left_for_the_graph_of_the_program():
    seen = []

    def branch():
        with tf.init_scope():
            seen.append((v1.get_default_graph() is graph, tf.executing_eagerly()))
        return tf.constant(1)

    with tf.Graph().as_default() as graph:
        branch()
        tf.cond(v1.placeholder("bool", []), branch, branch)
    assert seen == [(True, False)] * 3
    tf.function(branch)()
    assert seen[-1] == (False, True)


@pytest.mark.parametrize("name", RULES)
def test_variables_from_outside_of_the_graph_are_refused(name):
    outside = tf.Variable([1.0, 2.0], name="outside")
    with tf.Graph().as_default():
        inside = v1.get_variable("inside", [2])
        optimizer = getattr(T, f"{name}Optimizer")(**RULES[name])
        calls = (
            lambda: optimizer.minimize(tf.reduce_sum(outside * inside), var_list=[inside, outside]),
            lambda: optimizer.apply_gradients([(tf.constant([1.0, 1.0]), outside)]),
        )
        for call in calls:
            with pytest.raises(ValueError, match=rf"{name}Optimizer: .*'outside:0'.*outside of the graph"):
                call()
    with tf.Graph().as_default(), pytest.raises(ValueError, match=r"'inside:0'.*outside of the graph"):
        optimizer.apply_gradients([(tf.constant([1.0, 1.0]), inside)])
