"""`tf.profiler.experimental`: traces land where they were asked for."""

import pytest

import dovetail as tf

profiler = tf.profiler.experimental


def work():
    return tf.function(lambda x: tf.matmul(x, x))(tf.ones((64, 64)))


def traces(folder):
    return sorted(folder.rglob("*.xplane.pb"))


def test_start_and_stop_write_a_trace(tmp_path):
    profiler.start(str(tmp_path))
    for step in range(2):
        with profiler.Trace("train", step_num=step, _r=1):
            work()
    profiler.stop()
    assert len(traces(tmp_path)) == 1
    assert b"train" in traces(tmp_path)[0].read_bytes()


def test_profile_as_a_context(tmp_path):
    with profiler.Profile(tmp_path, options=profiler.ProfilerOptions(host_tracer_level=3)):
        work()
    assert len(traces(tmp_path)) == 1


def test_nothing_is_kept_without_saving(tmp_path):
    profiler.start(str(tmp_path), options={"python_tracer_level": 1})
    work()
    profiler.stop(save=False)
    assert traces(tmp_path) == []


def test_one_at_a_time(tmp_path):
    with pytest.raises(tf.errors.UnavailableError, match="No profiler is running"):
        profiler.stop()
    with profiler.Profile(str(tmp_path)), pytest.raises(tf.errors.AlreadyExistsError):
        profiler.start(str(tmp_path))


def test_a_delay_is_refused(tmp_path):
    with pytest.raises(NotImplementedError, match="delay_ms"):
        profiler.start(str(tmp_path), options={"delay_ms": 5})


def test_a_trace_outside_of_a_profile_costs_nothing():
    with profiler.Trace("idle") as trace:
        trace.set_metadata(answer=42)
