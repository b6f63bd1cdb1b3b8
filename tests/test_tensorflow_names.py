"""The public names, methods and arguments of TensorFlow's namespaces: there, or absent for a reason."""

import subprocess
import sys
from pathlib import Path

import pytest

import dovetail
from tools import names, tensorflow_names

tf = pytest.importorskip("tensorflow")
ROOT = Path(__file__).resolve().parent.parent


def test_every_absence_has_a_reason_and_the_page_is_up_to_date():
    """In a process of its own: what other tests have loaded changes what TensorFlow shows."""
    command = [sys.executable, "-m", "tools.tensorflow_names", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_arguments_are_compared_one_by_one():
    def theirs(x, axis=None, kind=tf.float32, *, keepdims=False, name=None): ...

    def ours(x, kind="float32", axis=0, *, name=None, keepdims=False): ...

    def fewer(x, name=None): ...

    assert names.different_arguments(theirs, theirs) == []
    assert names.different_arguments(theirs, ours) == ["axis at 1", "kind at 2", "axis=None by default"]
    assert names.different_arguments(theirs, fewer) == ["axis", "kind", "keepdims"]


def test_methods_and_operators_of_classes_are_found():
    found = tensorflow_names.methods(tf.RaggedTensor)
    assert {"bounding_shape", "values", "__add__", "__getitem__", "__rsub__"} <= set(found)
    assert not any(name.startswith("_") and not name.startswith("__") for name in found)


def test_a_namespace_leaves_inner_ones_out_unless_they_count():
    assert not any("." in path for path in tensorflow_names.public_paths(tf.data))
    assert "experimental.DenseHashTable" in tensorflow_names.public_paths(tf.lookup, ("experimental",))


def test_operations_count_that_stand_behind_functions_we_have():
    found = tensorflow_names.raw_paths(tf, dovetail)
    assert {"MatMul", "ConcatV2", "ResizeArea", "SparseToDense", "CTCLoss"} <= set(found)
    assert not {"Copy", "RecvTPUEmbeddingActivations", "Lu", "BoostedTreesPredict"} & set(found)


def test_arguments_of_operations_that_only_tell_how_to_run_them_do_not_count():
    def theirs(a, b, T=tf.float32, transpose_a=False, grad_a=False, name=None): ...

    def ours(b, a, transpose_a=True, **hints): ...

    def fewer(a, **hints): ...

    assert tensorflow_names.raw_arguments(theirs, ours) == ["transpose_a=False by default"]
    assert tensorflow_names.raw_arguments(theirs, fewer) == ["b", "transpose_a"]
