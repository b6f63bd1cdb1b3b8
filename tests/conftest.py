"""What every test starts from: JAX on the CPU, quiet peers, fixed seeds, and a bounded hypothesis profile."""

import gc
import os
import random
import signal
import sys
from pathlib import Path

# The suite starts hundreds of processes: they share the bytecode of our modules instead of compiling it each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# These are read when the libraries load, so they are set before anything imports one.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # TensorFlow, the reference, stays on the CPU too
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the reference sums in its documented order
# Compiled programs are kept for the next run and the processes that tests start, away from the user's own.
os.environ.setdefault(
    "DOVETAIL_CACHE_DIR", str(Path(__file__).resolve().parent.parent / "build" / "test-cache")
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores: a thread pool in each one would only make them wait for each other.
    for variable in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ):
        os.environ.setdefault(variable, "1")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As shells have it for jobs in the background; tests send Ctrl-C to themselves and to what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis
import numpy as np
import pytest

from tests.support import codegen

SEED = 1234

hypothesis.settings.register_profile("dovetail", max_examples=30, deadline=None, print_blob=True)
hypothesis.settings.load_profile("dovetail")


@pytest.fixture(autouse=True)
def fixed_seeds():
    """Give every test the same random state, whatever ran before it in the process."""
    random.seed(SEED)
    np.random.seed(SEED)
    dovetail_random = sys.modules.get("dovetail.random")
    if dovetail_random is not None:
        dovetail_random.set_seed(SEED)


@pytest.fixture(autouse=True)
def quick_code(request):
    """Let XLA make code quickly, but for tests that are about the code that users get."""
    codegen.choose(quick=request.node.get_closest_marker("code_of_users") is None)


_COUNTERS = ("call_id",)  # of a thread: they only go on
_PLAIN = (int, bool, str, list, dict, tuple, float)


def _in_force() -> list:
    """Return the settings of this process and what is going on in this thread: `(object, its attributes)` each."""
    module = sys.modules.get("dovetail.base.settings")
    return [] if module is None else [*module.snapshot(), (module.settings, dict(vars(module.settings)))]


@pytest.fixture(autouse=True)
def nothing_left_open():
    """Fail a test that leaves a tape, a scope, a policy or a setting to the tests after it, and take that back."""
    before = {id(each): (each, attributes) for each, attributes in _in_force()}
    yield
    left = []
    for each, attributes in _in_force():
        was = before[id(each)][1] if id(each) in before else {}
        for name, value in attributes.items():
            old = was[name] if name in was else getattr(type(each)(), name)
            same = value is old or (type(value) in _PLAIN and value == old)
            if not same and name not in _COUNTERS:
                left.append(f"{name}: {value!r:.200} instead of {old!r:.200}")
                setattr(each, name, old)
    assert not left, f"the test left behind {'; '.join(left)}"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage while tests are collected, and never again in what that has made: all of it stays.

    Collecting takes two thirds of the time, and a `gc.collect()` or `clear_session()` looks only at what tests made.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()
