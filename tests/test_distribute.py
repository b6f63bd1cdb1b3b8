"""`tf.distribute` and `keras.distribution`: on one device here, on four in a process of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.support import replicas


@pytest.fixture(scope="module")
def on_four_devices():
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.replicas"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", replicas.CASES)
def test_on_four_devices(name, on_four_devices):
    expected, found = replicas.CASES[name][1], on_four_devices[name]
    if isinstance(expected, str):
        kind, _, part = expected.partition(": ")
        assert found.startswith(kind + ":") and part in found, found
    else:
        assert found == expected


# ---- one device


STRATEGIES = {
    "default": tf.distribute.get_strategy,
    "one_device": lambda: tf.distribute.OneDeviceStrategy("/cpu:0"),
    "mirrored": lambda: tf.distribute.MirroredStrategy(["CPU:0"]),
    "central": lambda: tf.distribute.experimental.CentralStorageStrategy(["CPU:0"], "CPU:0"),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_one_replica_works_like_several(name):
    strategy = STRATEGIES[name]()
    with strategy.scope():
        total = tf.Variable(1.0, aggregation=tf.VariableAggregation.SUM)
        mean = keras.metrics.Mean()

    def step(x):
        context = tf.distribute.get_replica_context()
        total.assign_add(context.all_reduce("SUM", tf.reduce_sum(x)))
        mean.update_state(x)
        return context.merge_call(lambda _, value: value * 2.0, args=(context.all_gather(x, axis=0),))

    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices([1.0, 2.0]).batch(2))
    for batch in data:
        found = strategy.run(step, args=(batch,))
        found = tf.function(lambda batch: strategy.run(step, args=(batch,)))(batch)
    assert strategy.num_replicas_in_sync == 1
    assert strategy.experimental_local_results(found)[0].numpy().tolist() == [2.0, 4.0]
    assert strategy.gather(found, axis=0).numpy().tolist() == [2.0, 4.0]
    assert float(strategy.reduce("MEAN", found, axis=0)) == 3.0
    assert float(total) == 7.0 and float(mean.result()) == 1.5


def test_without_a_strategy_variables_and_metrics_are_plain():
    assert type(tf.Variable(1.0)) is tf.Variable
    assert "result" not in vars(keras.metrics.Mean())
    assert not tf.distribute.has_strategy() and not tf.distribute.in_cross_replica_context()
    assert tf.distribute.get_replica_context().num_replicas_in_sync == 1


ELSEWHERE = {
    "MultiWorkerMirroredStrategy": NotImplementedError,
    "ParameterServerStrategy": NotImplementedError,
    "TPUStrategy": NotImplementedError,
    "experimental.PreemptionCheckpointHandler": NotImplementedError,
    "cluster_resolver.TPUClusterResolver": ValueError,  # which programs expect where there is no TPU
}


@pytest.mark.parametrize(("path", "error"), ELSEWHERE.items())
def test_what_needs_several_processes_says_what_to_use(path, error):
    target = tf.distribute
    for name in path.split("."):
        target = getattr(target, name)
    with pytest.raises(error, match=r"MirroredStrategy\(\).*test_distribute.py"):
        target()


BAD_DEVICES = [
    (["CPU:9"], "there is no device 'CPU:9'"),
    (["bogus"], "bogus"),
    (["CPU:0", "CPU:0"], "named twice"),
]


@pytest.mark.parametrize(("devices", "message"), BAD_DEVICES)
def test_devices_must_be_there(devices, message):
    with pytest.raises(ValueError, match=message):
        tf.distribute.MirroredStrategy(devices)


def test_a_strategy_is_chosen_for_all_code():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    tf.distribute.experimental_set_strategy(strategy)
    try:
        assert tf.distribute.get_strategy() is strategy
        with strategy.scope(), pytest.raises(RuntimeError, match="Mixing different"):
            STRATEGIES["one_device"]().run(lambda: 1)
    finally:
        tf.distribute.experimental_set_strategy(None)
    assert not tf.distribute.has_strategy()


@pytest.mark.parametrize("value", ["bogus", 17])
def test_aggregations_have_names(value):
    with pytest.raises(ValueError, match="VariableAggregation: expected one of NONE, SUM"):
        tf.Variable(1.0, aggregation=value)


def test_layout_maps_look_for_expressions():
    mesh = keras.distribution.DeviceMesh((1, 1), ["batch", "model"], ["cpu:0"])
    layouts = keras.distribution.LayoutMap(mesh)
    layouts["dense.*kernel"] = (None, "model")
    assert layouts["dense_1/kernel"].axes == (None, "model") and layouts["dense/bias"] is None
    layouts["kernel"] = ("model", None)
    with pytest.raises(ValueError, match="fits several keys"):
        layouts["dense/kernel"]
    with pytest.raises(ValueError, match="no axis bogus"):
        layouts["other"] = ("bogus",)


def test_a_distribution_changes_no_numbers():
    found = []
    for distribution in (None, keras.distribution.DataParallel(devices=["cpu:0"])):
        keras.distribution.set_distribution(distribution)
        try:
            model = replicas.classifier()
            model.compile("sgd", "sparse_categorical_crossentropy")
            model.fit(replicas.X, replicas.Y, batch_size=8, shuffle=False, verbose=0)
            found.append(model.get_weights())
        finally:
            keras.distribution.set_distribution(None)
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
