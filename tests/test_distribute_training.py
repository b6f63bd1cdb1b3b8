"""Training on several devices gives the weights that training on one gives."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "support" / "on_devices.py"
MODELS, LAYOUTS = ("mlp", "cnn", "transformer"), ("mirrored", "data_parallel", "tensor_parallel")
# Each model and each layout once; the slower tier runs them all.
QUICK = {("mlp", "mirrored", 4), ("cnn", "data_parallel", 2), ("transformer", "tensor_parallel", 8)}


CASES = [
    pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
    for case in itertools.product(MODELS, LAYOUTS, (2, 4, 8))
]


@pytest.mark.parametrize(("model", "layout", "devices"), CASES)
def test_many_devices_train_as_one(model, layout, devices):
    command = [sys.executable, str(SCRIPT), model, layout, str(devices)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["equal"], "two runs of one layout differ"
    assert set(found["devices"]) == {devices}
    assert bool(found["divided"]) == (layout == "tensor_parallel")
    assert found["weights"] < 1e-5
    for name in ("history", "predictions", "evaluation"):
        assert found[name] < 1e-5, name
