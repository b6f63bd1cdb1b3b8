"""Programs in the forms in which people ask about TensorFlow and Keras together, run unmodified.

They say `import tensorflow as tf` and know nothing of Dovetail; `python -m dovetail run` runs each in a process of its
own.  Two of them are wrong on purpose: they must fail early, and say why and where.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parent / "programs"

# Program: what it prints, lines that must be there in this order.
PRINTED = {
    "ops_in_layers": [
        "pooled (2, 6, 6, 1) output (None, 4)",
        "fit ['accuracy', 'loss'] True",
        "loss from ops True",
        "own loop True",
    ],
    "ops_in_models": ["clipped 1.0 (1, 1)", "projected (5, 3) 3 (1, 1)", "counted 3"],
    "ops_between_layers": [
        " Total params: 210 (840.00 B)",
        "rows sum to 1 True",
        " Total params: 217,226 (848.54 KB)",
        "reshaped (None, 21632) (2, 10)",
        " Total params: 1,290 (5.04 KB)",
        "attended (2, 30, 10)",
    ],
    "backend_functions": [
        "Sum: 36.0",
        "Product: 40320.0",
        "Reshaped: [1. 2. 3. 4.]",
        "Mean: 2.5 Variance: 1.25",
        "Chosen: 25.0",
        "Gradient: 6.0",
        "Scaling learns: True (None, 10)",
        "Compiled loop learns: True",
        "Mixed precision: float16 True",
    ],
    "keras_in_tensorflow": ["sequential 101770 True", "functional 59850 True", "custom 50826 True"],
}

# Program: what it prints before it fails, and what its error says.
FAILING = {
    "attention_with_wrong_shapes": (
        "building",
        [
            "InvalidArgumentError: matmul",
            "30 (last axis of (None, 50, 30)) and 50 (next-to-last axis of (None, 50, 128))",
            "attention_with_wrong_shapes.py:12)",
        ],
    ),
    "layer_without_kernel": (
        "compiled",
        [
            "AttributeError: 'Projection' object has no attribute 'kernel'",
            "layer_without_kernel.py",
            "tf.matmul(inputs, self.kernel)",
        ],
    ),
}


def run(name, folder):
    """Run a program unmodified, away from this repository's folder."""
    variables = os.environ | {"PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "dovetail", "run", str(PROGRAMS / f"{name}.py")]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)


def test_every_program_is_run():
    assert {path.stem for path in PROGRAMS.glob("*.py")} == {*PRINTED, *FAILING}


@pytest.mark.parametrize("name", PRINTED)
def test_programs_run_unmodified(name, tmp_path):
    done = run(name, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = iter(done.stdout.splitlines())
    for line in PRINTED[name]:
        assert line in printed, f"{line!r} is missing, or out of order, in:\n{done.stdout}"
    if name == "ops_in_models":
        assert done.stderr.splitlines() == [f"calls so far: {i}" for i in (1, 2, 3)]
    else:
        assert done.stderr == ""


@pytest.mark.parametrize("name", FAILING)
def test_wrong_programs_fail_early_and_clearly(name, tmp_path):
    before, messages = FAILING[name]
    done = run(name, tmp_path)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [before]
    for message in messages:
        assert message in done.stderr
    files = [line for line in done.stderr.splitlines() if line.strip().startswith("File ")]
    assert all(f"{name}.py" in line for line in files), "frames of the framework are shown"
    assert "disable_traceback_filtering() shows them" in done.stderr
    assert "JAX" not in done.stderr
