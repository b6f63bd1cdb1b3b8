"""Running the same few lines on TensorFlow and on Dovetail, and comparing what comes out.

A case is a function of the module under test, `case(tf)`, that returns a structure of tensors and Python values, or
raises.
"""

import warnings

import numpy as np

import dovetail


def reference():
    """Return TensorFlow, or skip the test where it is not installed."""
    import pytest

    return pytest.importorskip("tensorflow")


def outcome(tf, case):
    """Return ("value", what the case returns, tensors as NumPy arrays) or ("error", the exception)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "value", plain(case(tf))
        except Exception as error:  # noqa: BLE001 - whatever is raised is the outcome
            return "error", error


def plain(value):
    """Return a structure with NumPy arrays in the places of tensors and variables."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "numpy") and hasattr(value, "dtype"):
        return np.asarray(value.numpy())
    return value


def assert_same(found, expected, rtol=1e-5, atol=1e-6):
    """Fail unless the two structures have equal values, dtypes and shapes."""
    if isinstance(expected, dict | list):
        assert type(found) is type(expected), f"{found!r} is not like {expected!r}"
        assert len(found) == len(expected), f"{found!r} is not like {expected!r}"
        keys = expected if isinstance(expected, dict) else range(len(expected))
        for key in keys:
            assert_same(found[key], expected[key], rtol, atol)
    elif isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray), f"expected a tensor, found {found!r}"
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        if expected.dtype.kind in "fcV":
            wide = np.complex128 if expected.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(found.astype(wide), expected.astype(wide), rtol=rtol, atol=atol)
        else:
            np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def check(case, rtol=1e-5):
    """Fail unless the case gives on Dovetail what it gives on TensorFlow: the same values, or an error on both."""
    kind, expected = outcome(reference(), case)
    own_kind, found = outcome(dovetail, case)
    assert own_kind == kind, f"TensorFlow: {expected!r}\nDovetail: {found!r}"
    if kind == "value":
        assert_same(found, expected, rtol)
