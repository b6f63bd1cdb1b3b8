"""What `import dovetail` leaves for later, and that it is there when somebody asks."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from dovetail.ops import table
from dovetail.ops.views import NAMESPACES

PROBE = """
import json, sys
import dovetail
from dovetail.ops.views import NAMESPACES
before = {name: sorted(names) for name, names in NAMESPACES.items()}
loaded = sorted(name for name in sys.modules if name.startswith("dovetail."))
print(json.dumps([before, loaded, sorted(m for m in ("jax", "numpy.random", "email") if m in sys.modules)]))
"""


@pytest.fixture(scope="module")
def fresh() -> tuple[dict, list, list]:
    """Returns what a process that has only imported Dovetail holds: published names, modules, others' modules."""
    found = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def test_late_families_are_not_imported(fresh: tuple) -> None:
    """Ragged, sparse and string ops and the conversion of user code wait for their first use."""
    _, modules, others = fresh
    late = [f"dovetail.ops.{family}" for family in table.LATE]
    converting = ["dovetail.function.autograph.operators", "dovetail.function.autograph.convert"]
    assert not {*late, *converting} & set(modules)
    assert not others, f"import dovetail imports {others}"


def test_stated_names_are_what_late_families_publish(fresh: tuple) -> None:
    """The table of late names holds each name that a late family publishes, and no other."""
    before = fresh[0]
    table.load_all()
    published = {name: set(names) - set(before.get(name, ())) for name, names in NAMESPACES.items()}
    for namespace, names in published.items():
        stated = [family.get(namespace, "") for family in table.LATE.values()]
        if "*" in stated:
            continue
        assert names == table.late_names(namespace), namespace


@pytest.mark.parametrize(
    "name",
    [
        "RaggedTensor",
        "SparseTensorSpec",
        "as_string",
        "nn.embedding_lookup_sparse",
        "experimental.DynamicRaggedShape",
        "strings.split",
        "ragged.cross",
    ],
)
def test_late_names_are_found_and_listed(name: str) -> None:
    """A late name can be reached in a fresh process, and `dir` lists it before."""
    path, _, last = f"dovetail.{name}".rpartition(".")
    code = f"import importlib; m = importlib.import_module({path!r}); assert {last!r} in dir(m); m.{last}"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert hasattr(importlib.import_module(path), last)


def test_unknown_names_are_refused() -> None:
    """Modules that look up late names still say what they do not have."""
    for path in ("dovetail.nn", "dovetail.experimental"):
        with pytest.raises(AttributeError, match=r"no attribute 'embedding_lookup_dense'"):
            _ = importlib.import_module(path).embedding_lookup_dense


def test_training_on_arrays_waits_for_no_files_datasets_or_servers() -> None:
    code = (
        "import sys, dovetail.keras.layers, dovetail.keras.models\n"
        "print([m for m in ('h5py', 'urllib.request', 'dovetail.data', 'jax') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
