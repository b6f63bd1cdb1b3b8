"""TensorFlow 1 on graphs written by hand: variables, scopes, optimizers, losses, metrics, beside TensorFlow itself."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1

T = v1.train
OPTIMIZERS = {
    "Adadelta": {"learning_rate": 1.0},
    "Adagrad": {"learning_rate": 0.1},
    "Adam": {"learning_rate": 0.1},
    "Ftrl": {"learning_rate": 0.1, "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02},
    "GradientDescent": {"learning_rate": 0.1},
    "Momentum": {"learning_rate": 0.1, "momentum": 0.9, "use_nesterov": True},
    "ProximalAdagrad": {"learning_rate": 0.1, "l1_regularization_strength": 0.01},
    "ProximalGradientDescent": {"learning_rate": 0.1, "l2_regularization_strength": 0.1},
    "RMSProp": {"learning_rate": 0.01, "centered": True, "momentum": 0.5},
}


def trained(tf, name, arguments):
    """Returns the path of a variable under an optimizer, and the names of all variables."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        w = v1.get_variable("w", initializer=np.array([1.0, -2.0, 0.5], np.float32))
        loss = tf.reduce_sum((w - 0.25) ** 2) + w[0] * w[1]
        step = getattr(v1.train, name + "Optimizer")(**arguments).minimize(loss)
        session.run(v1.global_variables_initializer())
        path = []
        for _ in range(4):
            session.run(step)
            path.append(session.run(w))
        return np.array(path), sorted(v.name for v in v1.global_variables())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_go_the_way_of_tensorflow(name):
    theirs = pytest.importorskip("tensorflow")
    path, names = trained(tf, name, OPTIMIZERS[name])
    expected, names_there = trained(theirs, name, OPTIMIZERS[name])
    np.testing.assert_allclose(path, expected, rtol=2e-5, atol=1e-6)
    assert names == names_there


def schedules(tf, step):
    train = tf.compat.v1.train
    return [
        train.exponential_decay(0.1, step, 4, 0.9),
        train.natural_exp_decay(0.1, step, 4, 0.9, staircase=True),
        train.inverse_time_decay(0.1, step, 4, 0.9),
        train.polynomial_decay(0.1, step, 4, 0.01, power=2.0),
        train.polynomial_decay(0.1, step, 4, 0.01, cycle=True),
        train.cosine_decay(0.1, step, 10, alpha=0.1),
        train.cosine_decay_restarts(0.1, step, 3, t_mul=2.0, m_mul=0.9),
        train.cosine_decay_restarts(0.1, step, 3, t_mul=1.0),
        train.piecewise_constant(step, [2, 5], [1.0, 0.5, 0.1]),
    ]


def test_schedules_give_the_rates_of_tensorflow():
    theirs = pytest.importorskip("tensorflow")
    found = []
    for system in (tf, theirs):
        with system.Graph().as_default(), system.compat.v1.Session() as session:
            step = system.compat.v1.placeholder(system.int64, [])
            rates = schedules(system, step)
            found.append([session.run(rates, {step: at}) for at in (0, 1, 3, 7)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def losses_and_metrics(tf):
    v1 = tf.compat.v1
    y, p = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([[0.8, 0.3], [0.6, 0.9]], np.float32)
    weights = np.array([[1.0], [0.0]], np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        losses = [
            v1.losses.log_loss(y, p, weights),
            v1.losses.cosine_distance(y, p, axis=1),
            v1.losses.hinge_loss(y, p, reduction=v1.losses.Reduction.SUM_OVER_BATCH_SIZE),
            v1.losses.mean_pairwise_squared_error(y, p),
            v1.losses.sigmoid_cross_entropy(y, p, label_smoothing=0.1),
            v1.losses.huber_loss(y, p, delta=0.3, reduction=v1.losses.Reduction.MEAN),
            v1.losses.get_total_loss(),
        ]
        pairs = [
            v1.metrics.mean_iou(tf.constant(y), tf.constant(p > 0.5), 2),
            v1.metrics.mean_absolute_error(y, p),
            v1.metrics.recall(y, p > 0.5, weights),
            v1.metrics.auc(y, p, num_thresholds=20, curve="PR"),
            v1.metrics.precision_at_thresholds(y, p, [0.2, 0.7]),
            v1.metrics.mean_tensor(p),
            v1.metrics.percentage_below(p, 0.7),
            v1.metrics.false_negatives(y, p > 0.85),
        ]
        session.run(v1.local_variables_initializer())
        session.run([update for _, update in pairs])
        session.run([update for _, update in pairs])
        return session.run(losses), session.run([value for value, _ in pairs])


def test_losses_and_metrics_give_the_values_of_tensorflow():
    theirs = pytest.importorskip("tensorflow")
    ours, expected = losses_and_metrics(tf), losses_and_metrics(theirs)
    for found, wanted in zip(ours, expected, strict=True):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_each_session_has_its_own_values():
    with tf.Graph().as_default():
        v = v1.get_variable("v", initializer=1.0)
        more = v.assign_add(1.0)
        one, other = v1.Session(), v1.Session()
        one.run(v.initializer)
        assert [float(one.run(more)) for _ in range(5)] == [2.0, 3.0, 4.0, 5.0, 6.0]
        with pytest.raises(tf.errors.FailedPreconditionError, match="initializer"):
            other.run(more)
        other.run(v1.global_variables_initializer())
        assert (one.run(v), other.run(more), one.run(v), other.run(v)) == (6.0, 2.0, 6.0, 2.0)
        v.load(9.0, one)
        assert v.eval(one) == 9.0 and v.eval(other) == 2.0
        assert other.run(v1.report_uninitialized_variables()).tolist() == []


def test_variables_of_scopes():
    with tf.Graph().as_default():
        with v1.variable_scope("a", initializer=v1.ones_initializer()):
            with v1.variable_scope("b"):
                w = v1.get_variable("w", [2])
            with pytest.raises(NotImplementedError, match="parts"):
                v1.get_variable("parts", [4], partitioner=lambda **_: [2])
        assert w.name == "a/b/w:0" and w.op.type == "VarHandleOp"
        calls = []

        def getter(get, name, *args, **kwargs):
            calls.append(name)
            return get(name, *args, **kwargs)

        with v1.variable_scope("a", reuse=True, custom_getter=getter):
            assert v1.get_variable("b/w", [2]) is w and calls == ["a/b/w"]
        with pytest.raises(ValueError, match="fully defined"):
            v1.get_variable("open", [None, 2])
        with v1.Session() as session:
            session.run(w.initializer)
            assert session.run("a/b/w:0").tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="another"), tf.Graph().as_default():
        tf.constant([1.0, 2.0]) + w.initial_value


def test_a_moving_average_follows():
    with tf.Graph().as_default(), v1.Session() as session:
        v = v1.Variable(10.0, name="v")
        average = T.ExponentialMovingAverage(0.5)
        keep = average.apply([v])
        session.run(v1.global_variables_initializer())
        session.run(v.assign(20.0))
        session.run(keep)
        assert session.run(average.average(v)) == 15.0
        assert average.average_name(v) == "v/ExponentialMovingAverage"
        assert average.variables_to_restore([v]) == {"v/ExponentialMovingAverage": v} | {
            name: variable
            for name, variable in average.variables_to_restore([v]).items()
            if name != "v/ExponentialMovingAverage"
        }


@pytest.mark.parametrize("name", ["disable_tensor_equality"])
def test_switches_without_effect_say_so(name):
    with pytest.warns(UserWarning, match=name):
        getattr(v1, name)()


def test_errors_of_datasets_say_where_with_iterators_of_graphs_loaded():
    assert callable(v1.data.make_one_shot_iterator)  # loading it gives datasets their methods
    with pytest.raises(TypeError, match=r"Dataset.batch.*integer.*'a'.*test_version1.py"):
        tf.data.Dataset.range(3).batch("a")
