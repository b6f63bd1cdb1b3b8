"""The acceptance tests beside the repository: as dovetail, as an unmodified program, and without JAX.

They live in ../shared/acceptance; where that folder is not, these tests skip. Each form runs in a process of
its own, because each decides what `tensorflow` and the engine are before anything is imported.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT.parent / "shared" / "acceptance" / "test_seeds.py"
SUPPORT = ROOT / "tests" / "support"

pytestmark = pytest.mark.skipif(not SEEDS.exists(), reason=f"{SEEDS} is not there")

# Left out: why.
LATER = {"test_004_distribution_strategy": "tf.distribute comes in a later release"}

# Building models, running them, and plain ops: what the host engine does without JAX.
INFERENCE = (
    "test_001_lambda_clip",
    "test_001_stateful_counter",
    "test_002_threshold_between_layers",
    "test_002_reshape_between_layers",
    "test_002_attention_as_printed_fails_at_build",
    "test_002_python_operators_indexing_and_dynamic_shape",
    "test_003_tensor_operations",
    "test_003_mean_and_variance",
    "test_003_switch",
    "test_003_gradient",
    "test_003_eager_debugging",
    "test_004_functional_with_dropout",
    "test_004_layer_without_kernel_fails_clearly",
)

# Tests that train or profile say so with one of these.
TRAINING_WORDS = (".fit(", "apply_gradients", "profiler")


def run_seeds(tmp_path, *options, launcher=("-m", "pytest"), **environment):
    """Run the acceptance tests in a new process, away from this repository's pytest settings."""
    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n")
    command = [sys.executable, *launcher, str(SEEDS), "-q", "-p", "no:cacheprovider"]
    command += [
        "-c",
        str(settings),
        "--rootdir",
        str(tmp_path),
        "--basetemp",
        str(tmp_path / "tmp"),
        *options,
    ]
    variables = os.environ | environment
    for name in [name for name in variables if name.startswith("PYTEST_")]:
        del variables[name]  # this run's worker and current test are not that run's
    return subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=540, check=False
    )


def without(names):
    """Return the pytest option that leaves out the tests of these names."""
    return ["-k", " and ".join(f"not {name}" for name in names)]


def report(done):
    return f"exit status {done.returncode}\n{done.stdout[-12000:]}\n{done.stderr[-3000:]}"


def seed_tests():
    """Return {name: source text} of the acceptance tests."""
    text = SEEDS.read_text()
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {f.name: ast.get_source_segment(text, f) for f in functions if f.name.startswith("test_")}


def test_as_dovetail(tmp_path):
    done = run_seeds(tmp_path, *without(LATER), TF="dovetail")
    assert done.returncode == 0, report(done)


def test_as_an_unmodified_program(tmp_path):
    launcher = ("-m", "dovetail", "run", "-m", "pytest")
    done = run_seeds(tmp_path, *without(LATER), launcher=launcher, TF="tensorflow")
    assert done.returncode == 0, report(done)


def test_inference_on_the_host_engine_never_imports_jax(tmp_path):
    path = os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH")]))
    chosen = ["-p", "no_jax", "-k", " or ".join(INFERENCE)]
    done = run_seeds(tmp_path, *chosen, TF="dovetail", DOVETAIL_ENGINE="host", PYTHONPATH=path)
    assert done.returncode == 0, report(done)
    assert f"{len(INFERENCE)} passed" in done.stdout, report(done)


def test_every_acceptance_test_is_placed():
    trains = {name for name, text in seed_tests().items() if any(word in text for word in TRAINING_WORDS)}
    assert trains.isdisjoint(INFERENCE)
    assert trains | set(INFERENCE) | set(LATER) == set(seed_tests()), (
        "place the new tests in INFERENCE, or mark them"
    )
