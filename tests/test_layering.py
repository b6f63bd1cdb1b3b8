"""Imports point down, JAX stands behind the engine, and importing the package costs and prints nothing."""

import re
import subprocess
import sys

import pytest

from tools import layering

MODULES = frozenset({"dovetail", "dovetail.base", "dovetail.keras", "dovetail.keras.layers", "dovetail.nn"})


def test_the_package_keeps_to_its_layers():
    faults = layering.check_tree()
    assert not faults, "\n" + "\n".join(faults)


def test_every_exception_is_still_needed():
    assert not layering.unused_rows(), "rows of tools/layering.py that nothing uses any more: drop them"


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("dovetail.ops.math", "from dovetail.keras import layers", "from above"),
        ("dovetail.ops.math", "from dovetail import keras", "from above"),
        ("dovetail.ops.math", "from ..keras.layers import Dense", "from above"),
        ("dovetail.base.nest", "import dovetail", "from above"),
        ("dovetail.base.nest", "from dovetail import nn", "from above"),
        ("dovetail.ops.math", "import jax.numpy as jnp", "only engine"),
        ("dovetail.keras.models.training", "def fit():\n    from jax import lax", "only engine"),
        ("dovetail.ops.math", "import importlib\nimportlib.import_module('jax')", "only engine"),
        ("dovetail.keras.models.training", "def fit():\n    import dovetail.base", "inside a function"),
        ("dovetail.data.dataset", "from dovetail.keras import layers", "sibling"),
    ],
)
def test_a_violation_is_caught(module, source, fault):
    assert [text for text in layering.check_source(source, module, known=MODULES) if fault in text]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("dovetail.keras.layers.core.dense", "from dovetail.base import errors\nimport numpy as np"),
        ("dovetail.keras.layers.core.dense", "from . import layer\nfrom ..models import Model"),
        (
            "dovetail.base.nest",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import dovetail.keras",
        ),
        ("dovetail.engine.xla", "import jax.numpy as jnp"),
        ("dovetail.compat.modules", "import dovetail"),
        ("dovetail", "from dovetail import keras, nn"),
        ("dovetail.cli.run", "import dovetail.compat.modules"),
    ],
)
def test_what_points_down_passes(module, source):
    assert layering.check_source(source, module, known=MODULES) == []


def test_import_is_silent_and_leaves_jax_alone():
    program = "import sys, dovetail; sys.exit('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_variables_and_their_transaction_know_what_a_variable_holds():
    """All else uses `_tensor`, `_plain`, `_array`, `_store`, `_take`, or a transaction."""
    source = layering.SOURCE
    found = [
        f"{path.relative_to(source)}:{number}"
        for path in sorted(source.rglob("*.py"))
        if path.relative_to(source).parts[0] not in ("tensor", "engine")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"(?<!self)\._held\b(?!\()", line)
    ]
    assert not found
