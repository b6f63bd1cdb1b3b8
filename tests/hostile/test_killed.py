"""Processes that are killed at random moments: runs go on bit for bit, and no file is ever torn."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

MOMENTS = [pytest.param(3, id="few"), pytest.param(50, id="many", marks=pytest.mark.slow)]


def started(*args):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.killed", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout.readline() == "begins\n", process.stderr.read()
    return process


def ended(process, seconds):
    """Kills a process after a while; returns whether it had ended before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    _, told = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), told
    return process.returncode == 0


@pytest.mark.parametrize("times", MOMENTS)
@pytest.mark.parametrize("data", ["arrays", pytest.param("dataset", marks=pytest.mark.slow)])
def test_runs_that_are_killed_end_as_whole_ones(data, times, tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    began = time.monotonic()
    assert ended(started("train", whole, data), 300)
    longest = (time.monotonic() - began) / 2
    rng, kills = random.Random(7), 0
    while kills < times:
        if ended(started("train", tmp_path, data), rng.uniform(0.0, longest / times * 2)):
            break
        kills += 1
    if not (tmp_path / "end.npz").exists():
        assert ended(started("train", tmp_path, data), 300)
    assert kills
    with np.load(whole / "end.npz") as expected, np.load(tmp_path / "end.npz") as found:
        assert expected.files == found.files
        for name in expected.files:
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize(
    "times", [pytest.param(2, id="few"), pytest.param(50, id="many", marks=pytest.mark.slow)]
)
def test_no_file_is_ever_torn(times, tmp_path):
    rng = random.Random(3)
    for _ in range(times):
        ended(started("save", tmp_path), rng.uniform(0.0, 1.0))
        model = keras.models.load_model(tmp_path / "m.keras")
        found = [model.get_weights(), keras.models.load_model(tmp_path / "m.h5").get_weights()]
        model.load_weights(tmp_path / "m.weights.h5")
        found.append(model.get_weights())
        for prefix in (str(tmp_path / "c"), tf.train.latest_checkpoint(str(tmp_path / "managed"))):
            module = tf.Module()
            module.v = tf.Variable(np.zeros(5000, "float32"))
            tf.train.Checkpoint(v=module.v).restore(prefix).expect_partial()
            found.append([module.v.numpy()])
        found.append([tf.saved_model.load(str(tmp_path / "saved")).v.numpy()])
        for arrays in found:
            numbers = {float(number) for array in arrays for number in np.unique(array)}
            assert len(numbers) == 1 and numbers != {0.0}
