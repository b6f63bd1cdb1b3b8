"""`tf.train` beside checkpoints' own tests: averages, views of checkpoints, threads, clusters."""

import threading

import numpy as np
import pytest

import dovetail as tf


def libraries():
    return [tf, pytest.importorskip("tensorflow")]


@pytest.mark.parametrize("steps", [None, 3])
def test_moving_averages(steps):
    found = []
    for lib in libraries():
        v = lib.Variable([2.0, 4.0], name="v")
        average = lib.train.ExponentialMovingAverage(0.9, num_updates=steps, name="mean")
        assert average.average(v) is None and average.average_name(v) == "v/mean" and average.name == "mean"
        values = []
        for _ in range(3):
            average.apply([v])
            values.append(average.average(v).numpy())
            v.assign_add([1.0, -2.0])
        name = average.average_name(v)
        assert average.variables_to_restore([v])[name] is v and average.variables_to_restore()[name] is v
        with pytest.raises(TypeError):
            average.apply([lib.constant(1.0)])
        with pytest.raises(TypeError):
            average.apply([lib.Variable(1)])
        assert average.apply() is None
        found.append(values)
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_averages_are_kept_while_a_variable_goes():
    average = tf.train.ExponentialMovingAverage(0.5)
    for value in range(20):  # a new variable may stand where an old one stood
        v = tf.Variable(float(value))
        average.apply([v])
        assert average.average(v).numpy() == value
        del v


def tree(lib):
    root = lib.Module(name="root")
    root.a, root.b = lib.Variable(5.0), lib.Variable(4.0)
    root.leaf = lib.Module(name="leaf")
    root.leaf.c = root.a
    return root


def other(lib):
    root = lib.Module(name="root")
    root.a, root.extra = lib.Variable(1.0), lib.Variable(2.0)
    root.leaf = lib.Module(name="leaf")
    root.leaf.c = root.a
    return root


def test_views_of_checkpoints(tmp_path):
    told = []
    for number, lib in enumerate(libraries()):
        path = lib.train.Checkpoint(tree(lib)).save(str(tmp_path / str(number) / "c"))
        for reader in libraries():
            view = reader.train.CheckpointView(path)
            names = view.children(0)
            root = other(reader)
            matched, there, here = view.diff(root)
            assert view.match(root).keys() == matched.keys()
            assert (
                matched[0] is root and matched[names["a"]] is root.a and matched[names["leaf"]] is root.leaf
            )
            assert set(there) == {names["b"], names["save_counter"]}
            assert len(here) == 1 and here[0] is root.extra
            assert view.children(names["leaf"]) == {"c": names["a"]}
            told.append((sorted(names), sorted(view.descendants())))
    assert told[0] == told[1] and told[2] == told[3]
    assert told[0][0] == [name for name in told[2][0] if name != "root"]  # which TensorFlow names besides


def test_views_of_objects():
    root = tree(tf)
    view = tf.train.TrackableView(root)
    assert view.root is root and list(view.children(root)) == ["a", "b", "leaf"]
    assert [id(one) for one in view.descendants()] == [id(one) for one in (root, root.a, root.b, root.leaf)]
    with pytest.raises(ValueError, match="save_type"):
        view.children(root, "savedmodel")


def test_objects_that_stand_for_one_of_the_checkpoint(tmp_path):
    path = tf.train.Checkpoint(tree(tf)).save(str(tmp_path / "c"))
    root = other(tf)
    root.leaf.c = tf.Variable(3.0)
    with pytest.warns(UserWarning, match="stands for two objects"):
        tf.train.CheckpointView(path).match(root)
    with pytest.raises(tf.errors.NotFoundError):
        tf.train.CheckpointView(str(tmp_path / "none"))


def test_threads_stop_together():
    coordinator, seen = tf.train.Coordinator(), []

    def work(number):
        with coordinator.stop_on_exception():
            while not coordinator.should_stop():
                if number == 1:
                    raise ValueError("enough")
                seen.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    with pytest.raises(ValueError, match="enough"):
        coordinator.join(threads)
    assert coordinator.joined and not any(thread.is_alive() for thread in threads)
    assert tf.compat.v1.train.Coordinator is tf.train.Coordinator


def test_clusters_are_descriptions():
    messages = []
    for lib in libraries():
        spec = lib.train.ClusterSpec({"worker": ["a:1", "b:2"], "ps": {3: "c:3"}})
        assert sorted(spec.jobs) == ["ps", "worker"] and spec.num_tasks("worker") == 2
        assert spec.task_address("worker", 1) == "b:2" and spec.task_indices("ps") == [3]
        assert spec.as_dict() == {"worker": ["a:1", "b:2"], "ps": {3: "c:3"}}
        assert lib.train.ClusterSpec(spec.as_cluster_def()) == spec
        assert lib.train.ClusterSpec(spec) == spec
        messages.append(spec.as_cluster_def().SerializeToString(deterministic=True))
    assert messages[0] == messages[1]


def test_managers_count_from_a_step(tmp_path):
    for number, lib in enumerate(libraries()):
        step = lib.Variable(12, dtype="int64")
        manager = lib.train.CheckpointManager(
            lib.train.Checkpoint(step=step),
            str(tmp_path / str(number)),
            max_to_keep=2,
            step_counter=step,
            checkpoint_interval=5,
            last_checkpoint_step=10,
        )
        assert manager.save() is None
        step.assign(15)
        assert manager.save() is not None
