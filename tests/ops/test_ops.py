"""Runs every row of the case tables: values, dtypes, engines, traces, symbolic shapes, gradients.

A row without a reference of its own is compared with TensorFlow (Keras for keras.ops and keras.backend).  An op of the
table that no row runs fails `test_every_op_has_a_row`.
"""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import zlib
from typing import Any

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.observer import Observer
from dovetail.base.settings import state
from dovetail.engine import dtypes
from dovetail.ops import core
from dovetail.tensor.tensor import Tensor
from tests import cases_ragged
from tests.ops.case import Case, arrays, as_numpy, engine, flat, in_float64, mapped, symbolic_like
from tests.ops.known_shapes import shapes_of_reference


def _collect() -> list[Case]:
    cases: list[Case] = []
    for path in sorted(pathlib.Path(__file__).parent.glob("cases_*.py")):
        cases += importlib.import_module(f"tests.ops.{path.stem}").CASES
    seen: dict[str, int] = {}
    for case in cases:
        number = seen[str(case)] = seen.get(str(case), -1) + 1
        if number:
            case.id = f"{case.id}{number}"
    return cases


CASES = _collect()
ENGINES = ("host", "xla")


def _rows(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=str)


@pytest.fixture(scope="session")
def reference():
    """The reference's outputs, computed once a row."""
    found: dict[str, list] = {}

    def outputs(case: Case) -> list[np.ndarray]:
        if case.oracle is None:
            pytest.importorskip("tensorflow")
        if str(case) not in found:
            found[str(case)] = case.expected()
        return found[str(case)]

    return outputs


def _assert_same(outputs: list, expected: list, case: Case, what: str) -> None:
    got = case.compared(outputs)
    assert len(got) == len(expected), (
        f"{case}: {what} gives {len(got)} outputs, the reference {len(expected)}"
    )
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.shape == theirs.shape, (
            f"{case}: {what} has shape {ours.shape}, the reference {theirs.shape}"
        )
        if case.check_dtype:
            assert ours.dtype == theirs.dtype, (
                f"{case}: {what} has dtype {ours.dtype}, the reference {theirs.dtype}"
            )
        _assert_close(ours, theirs, case.rtol, case.atol, f"{case}: {what}")


def _assert_close(ours: np.ndarray, theirs: np.ndarray, rtol: float, atol: float, what: str) -> None:
    if ours.dtype == object or ours.dtype.kind in "iub":
        np.testing.assert_array_equal(ours, theirs, err_msg=what)
        return
    if dtypes.is_half(ours.dtype):
        ours, theirs, rtol, atol = (
            ours.astype(np.float32),
            theirs.astype(np.float32),
            max(rtol, 2e-2),
            max(atol, 1e-2),
        )
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, equal_nan=True, err_msg=what)


# ---- values ------------------------------------------------------------------------------------------------------


@_rows([case for case in CASES if case.host])
def test_host_engine(case: Case, reference) -> None:
    with engine("host"):
        got = case.run(case.inputs())
    _assert_same(got, reference(case), case, "the host engine")


@_rows([case for case in CASES if case.xla])
def test_xla_engine(case: Case, reference) -> None:
    with engine("xla"):
        got = case.run(case.inputs())
    _assert_same(got, reference(case), case, "the XLA engine")


@_rows([case for case in CASES if case.xla])
def test_traced(case: Case, reference) -> None:
    """The arguments are inputs of a compiled function: nothing of them is known but shape and dtype."""
    inputs = case.inputs()

    @dv.function
    def compiled(tensors: list) -> list:
        given = iter(tensors)
        return case.run(inputs, lambda _: next(given))

    with engine("xla"):
        got = compiled([dv.convert_to_tensor(a) for a in (*arrays(inputs), *arrays(case.kwargs))])
    _assert_same(got, reference(case), case, "the traced call")


# ---- symbolic calls ----------------------------------------------------------------------------------------------


SYMBOLIC = [case for case in CASES if case.symbolic is True]
# Rows of which TensorFlow or Keras knows a shape that is wrong, and why ours is right.
KNOWN_WRONGLY = {
    "linalg.diag-above": "TensorFlow's (0, 0) is the shape for an unknown size of 0",
    "linalg.diag-below": "TensorFlow's (0, 0) is the shape for an unknown size of 0",
    "signal.fftnd-axes": "TensorFlow takes the lengths for those of the last axes",
    "signal.ifftnd-axes": "TensorFlow takes the lengths for those of the last axes",
    "signal.rfftnd-axes": "TensorFlow takes the lengths for those of the last axes",
    "signal.irfftnd-axes": "TensorFlow takes the lengths for those of the last axes",
    "signal.rfftnd-last": "TensorFlow takes the lengths for those of the transform",
    "signal.irfftnd-last": "TensorFlow takes the lengths for those of the transform",
    "ops.adaptive_average_pool": "Keras keeps the height beside the new sizes",
    "ops.adaptive_average_pool-3d": "Keras keeps the depth beside the new sizes",
    "ops.adaptive_max_pool": "Keras keeps the height beside the new sizes",
    "ops.adaptive_max_pool-3d": "Keras keeps the depth beside the new sizes",
    "ops.corrcoef": "Keras gives the shape of its input for that of a square matrix",
    "ops.kron-ranks": "Keras forgets the axis that only one has",
    "ops.categorical_crossentropy-axis": "Keras takes the last axis away, whatever `axis` says",
    "ops.dot_product_attention": "Keras gives the values' size for the queries'",
    "ops.slogdet": "Keras' () leaves the axis of matrices out",
}


def test_rows_that_do_not_run_symbolically_say_why():
    unexplained = [
        str(case) for case in CASES if case.symbolic is not True and not isinstance(case.symbolic, str)
    ]
    assert not unexplained
    assert len(CASES) - len(SYMBOLIC) <= 20, "infer more, or say in the review why this op needs values"


@_rows(SYMBOLIC)
def test_symbolic(case: Case, reference) -> None:
    """Shape and dtype inferred with an unknown first size are those of the call: nothing else is unknown."""
    got = case.run(case.inputs(), symbolic_like(*arrays(case.inputs())[:1]))
    if case.compare is None:
        expected = reference(case)
    else:
        with engine("host" if case.host else "xla"):
            expected = [as_numpy(one) for one in case.run(case.inputs())]
    assert len(got) == len(expected), f"{case}: {len(got)} symbolic outputs for {len(expected)}"
    for inferred, actual in zip(got, expected, strict=True):
        assert inferred.shape.is_compatible_with(actual.shape), (
            f"{case}: inferred {inferred.shape} for {actual.shape}"
        )
        assert inferred.dtype.numpy_dtype == actual.dtype, (
            f"{case}: inferred {inferred.dtype} for {actual.dtype}"
        )


@_rows([case for case in SYMBOLIC if str(case) not in KNOWN_WRONGLY])
def test_sizes_that_the_reference_knows_are_known(case: Case) -> None:
    """Size by size: what TensorFlow or Keras infers from the same unknown sizes, we infer too."""
    pytest.importorskip("tensorflow")
    theirs = shapes_of_reference(case)
    if theirs is None:
        pytest.skip("the reference cannot infer it either, or has no such function")
    ours = case.run(case.inputs(), symbolic_like(*arrays(case.inputs())[:1]))
    assert len(ours) == len(theirs)
    for inferred, known in zip(ours, theirs, strict=True):
        if known is None:
            continue
        assert inferred.shape.rank == len(known), f"{case}: inferred {inferred.shape}, the reference {known}"
        for own, size in zip(inferred.shape, known, strict=True):
            assert size is None or own == size, f"{case}: inferred {inferred.shape}, the reference {known}"


# ---- gradients ---------------------------------------------------------------------------------------------------


class _Differentiated:
    """A row as a function of the arguments that are differentiated, summed with fixed random weights."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.args = in_float64(case.inputs())
        self.kwargs = in_float64(case.kwargs)
        self.rng = np.random.default_rng(zlib.crc32(str(case).encode()) + 1)
        self.wanted = [self.args[position] for position in case.grad]
        with engine("host" if case.host else "xla"):
            outputs = [as_numpy(one) for one in self.outputs([dv.convert_to_tensor(a) for a in self.wanted])]
        self.weights = [
            self.rng.normal(size=one.shape).astype(one.dtype) if one.dtype in dtypes.DIFFERENTIABLE else None
            for one in outputs
        ]

    def outputs(self, tensors: list) -> list:
        given = dict(zip(self.case.grad, tensors, strict=True))
        args = [
            given[i] if i in given else mapped(arg, dv.convert_to_tensor) for i, arg in enumerate(self.args)
        ]
        return flat(self.case.function(*args, **mapped(self.kwargs, dv.convert_to_tensor)))

    def loss(self, tensors: list) -> Any:
        total = None
        for out, weight in zip(self.outputs(tensors), self.weights, strict=True):
            if weight is not None:
                part = dv.reduce_sum(dv.math.real(out * weight) if weight.dtype.kind == "c" else out * weight)
                total = part if total is None else total + part
        return total

    def tape(self) -> list[np.ndarray]:
        tensors = [dv.convert_to_tensor(array) for array in self.wanted]
        with dv.GradientTape() as tape:
            tape.watch(tensors)
            loss = self.loss(tensors)
        return [
            np.zeros_like(array) if g is None else as_numpy(dv.convert_to_tensor(g))
            for g, array in zip(tape.gradient(loss, tensors), self.wanted, strict=True)
        ]

    def vjp(self) -> list[np.ndarray]:
        """JAX's derivative of the bodies, whatever rules the ops have."""
        import jax

        def loss(*values: Any) -> Any:
            return self.loss([Tensor(value) for value in values])._value

        found = jax.jit(jax.grad(loss, argnums=tuple(range(len(self.wanted)))))(*self.wanted)
        return [np.conj(np.asarray(g)) for g in found]

    def slope(self, directions: list[np.ndarray], step: float = 1e-5) -> float:
        """The central difference of the loss along the directions."""

        def at(distance: float) -> float:
            moved = [a + distance * d for a, d in zip(self.wanted, directions, strict=True)]
            return float(as_numpy(self.loss([dv.convert_to_tensor(m) for m in moved])))

        return (at(step) - at(-step)) / (2 * step)

    def of_reference(self, narrow: bool = False) -> list[np.ndarray]:
        """TensorFlow's gradient; `narrow`: in the dtypes of the row, for kernels that know no float64."""
        import tensorflow as tf

        function = self.case.reference()
        if narrow:
            self.args, self.kwargs = self.case.inputs(), self.case.kwargs
            self.wanted = [self.args[position] for position in self.case.grad]
            self.weights = [
                None if w is None else w.astype(_NARROW.get(w.dtype, w.dtype)) for w in self.weights
            ]
        tensors = [tf.constant(array) for array in self.wanted]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            given = dict(zip(self.case.grad, tensors, strict=True))
            args = [given[i] if i in given else mapped(arg, tf.constant) for i, arg in enumerate(self.args)]
            outputs = flat(function(*args, **mapped(self.kwargs, tf.constant)))
            loss = tf.add_n(
                [
                    tf.reduce_sum(tf.math.real(out * weight) if weight.dtype.kind == "c" else out * weight)
                    for out, weight in zip(outputs, self.weights, strict=True)
                    if weight is not None
                ]
            )
        return [
            np.zeros_like(array) if g is None else np.asarray(tf.convert_to_tensor(g))
            for g, array in zip(tape.gradient(loss, tensors), self.wanted, strict=True)
        ]


_NARROW = {np.dtype(np.float64): np.float32, np.dtype(np.complex128): np.complex64}
_DIFFERENTIABLE = _rows([case for case in CASES if case.grad])


def _assert_gradients(ours: list, theirs: list, case: Case, what: str, rtol: float = 1e-6) -> None:
    for position, a, b in zip(case.grad, ours, theirs, strict=True):
        _assert_close(a, b, rtol, rtol / 100, f"{case}: gradient of argument {position}, {what}")


@_DIFFERENTIABLE
def test_gradient(case: Case) -> None:
    """The tape's gradient on both engines is the slope of the function, and TensorFlow's gradient."""
    function = _Differentiated(case)
    home = "host" if case.host else "xla"
    with engine("auto" if home == "host" else "xla"):
        ours = function.tape()
    with engine(home):
        directions = [function.rng.normal(size=a.shape).astype(a.dtype) for a in function.wanted]
        along = sum(float(np.sum(np.real(np.conj(g) * d))) for g, d in zip(ours, directions, strict=True))
        np.testing.assert_allclose(
            along, function.slope(directions), rtol=1e-4, atol=1e-6, err_msg=f"{case}: central difference"
        )
    if case.oracle is None or case.tf is not None:
        _compare_with_reference(function, ours)


def _compare_with_reference(function: _Differentiated, ours: list) -> None:
    tf = pytest.importorskip("tensorflow")
    absent = (tf.errors.InvalidArgumentError, tf.errors.NotFoundError, tf.errors.UnimplementedError)
    try:
        theirs, rtol = function.of_reference(), 1e-6
    except LookupError:
        return  # TensorFlow has no gradient for this op
    except absent:
        try:
            theirs, rtol = function.of_reference(narrow=True), 1e-3
        except absent:
            return  # its CPU kernels have none
    _assert_gradients(ours, theirs, function.case, "TensorFlow's", rtol)


@_rows([case for case in CASES if case.grad and case.xla and case.vjp])
def test_gradient_rule(case: Case) -> None:
    """The rules, compiled, give what JAX derives from the bodies."""
    function = _Differentiated(case)
    with engine("xla"):

        @dv.function
        def compiled() -> list:
            return [dv.convert_to_tensor(g) for g in _traced_tape(function)]

        ours = [as_numpy(g) for g in compiled()]
        _assert_gradients(ours, function.vjp(), case, "JAX's")


def _traced_tape(function: _Differentiated) -> list:
    tensors = [dv.convert_to_tensor(array) for array in function.wanted]
    with dv.GradientTape() as tape:
        tape.watch(tensors)
        loss = function.loss(tensors)
    return tape.gradient(loss, tensors, unconnected_gradients=dv.UnconnectedGradients.ZERO)


# ---- the table is covered ----------------------------------------------------------------------------------------


class _Listener(Observer):
    """Stands where a tape would, so that no call takes a shortcut around the dispatcher."""

    def record(self, *_: Any) -> None:
        """Says nothing."""

    alias = read_variable = record


def test_every_op_has_a_row(monkeypatch) -> None:
    """Every registered op is run by some row, those of ragged tensors by the rows of tests/cases_ragged.py."""
    ran: set[str] = set()
    at_once = core.Bound.at_once

    def noting(bound: Any, args: tuple) -> Any:
        ran.add(bound.op.name)
        return at_once(bound, args)

    monkeypatch.setattr(core.Bound, "at_once", noting)
    monkeypatch.setattr(state, "tapes", (_Listener(),))
    for case in CASES:
        with engine("host" if case.host else "xla"):
            case.run(case.inputs())
    kinds = [kind for name, kind in cases_ragged.TENSORS.items() if name != "no rows"]
    rows = [dv.ragged.constant(values, dtype, ragged_rank=rank) for values, dtype, rank, _ in kinds]
    for row in (*cases_ragged.CASES.values(), *cases_ragged.WITH_ROWS.values()):
        for x in rows:
            with contextlib.suppress(ValueError, TypeError, IndexError):  # which ones: see test_ragged.py
                row(dv, x)
    for row in cases_ragged.STRINGS.values():
        row(dv)
    entries = dv.SparseTensor(
        [[0, 1], [2, 0]], [1.0, 2.0], [3, 2]
    )  # tests/test_sparse.py has the rows of sparse ones
    for row in (
        lambda: dv.sparse.reduce_sum(entries, 0),
        lambda: dv.sparse.sparse_dense_matmul(entries, dv.ones((2, 2))),
    ):
        row()
    missing = sorted(set(core.OPS) - ran)
    assert not missing, f"ops without a row in tests/ops/cases_*.py or tests/cases_ragged.py: {missing}"


def test_rows_name_functions() -> None:
    """Every row names something that exists."""
    for case in CASES:
        assert callable(case.function)
