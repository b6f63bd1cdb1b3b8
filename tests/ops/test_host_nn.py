"""The host engine's fast ways along a line and for sums, against the plain way."""

import itertools

import numpy as np
import pytest

from dovetail.engine import host, host_nn

RNG = np.random.default_rng(0)
LINES = [
    (taps, stride, dilation, padding)
    for taps, stride, dilation, padding in itertools.product(
        (1, 2, 5), (1, 2, 7), (1, 2), ((0, 0), (2, 1), (6, 3))
    )
]


def columns_of(x, window, stride, dilation, padding):
    """Returns the windows of a line, (batch, count, taps, channels)."""
    line = np.pad(x, ((0, 0), padding, (0, 0)))
    count = (line.shape[1] - (window - 1) * dilation - 1) // stride + 1
    places = np.arange(count)[:, None] * stride + np.arange(window) * dilation
    return line[:, places]


@pytest.mark.parametrize(("taps", "stride", "dilation", "padding"), LINES)
def test_convolution_along_a_line(taps, stride, dilation, padding):
    x = RNG.normal(size=(3, 11, 4))
    kernel = RNG.normal(size=(taps, 4, 5))
    numbers = (stride,), (padding,), (dilation,), 1
    columns = columns_of(x, taps, stride, dilation, padding)
    y = host_nn.conv(x, kernel, *numbers)
    np.testing.assert_allclose(y, np.einsum("nitc,tco->nio", columns, kernel), atol=1e-12)
    turned = np.asfortranarray(x)  # nothing lies side by side
    np.testing.assert_allclose(host_nn.conv(turned, kernel, *numbers), y, atol=1e-12)

    g = RNG.normal(size=y.shape)
    found = host_nn.conv_input_gradient(g, kernel, (11,), *numbers)
    direction = RNG.normal(size=x.shape)  # the gradient is the transposed convolution
    np.testing.assert_allclose(
        np.sum(found * direction), np.sum(g * host_nn.conv(direction, kernel, *numbers)), atol=1e-10
    )


@pytest.mark.parametrize("axis", [(0, 1), (1, 0), 1, (1,), -2, 0, 2, (0, 2), (0, 1, 2), None])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape", [(16, 40, 8), (2, 2000, 8), (4, 4, 4)])
def test_sums_of_short_rows(shape, axis, keepdims):
    x = RNG.normal(size=shape)
    for array in (x, np.asfortranarray(x)):
        for ours, numpys in ((host.sum, np.sum), (host.mean, np.mean)):
            found = ours(array, axis=axis, keepdims=keepdims)
            expected = numpys(x, axis=axis, keepdims=keepdims)
            assert found.shape == expected.shape
            assert found.dtype == x.dtype
            np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_sum_keeps_what_is_not_finite():
    x = np.ones((8, 64, 16), np.float32)
    x[0, 0, :2] = np.nan, np.inf
    assert np.isnan(host.sum(x, axis=1)[0, 0])
    assert host.sum(x, axis=1)[0, 1] == np.inf
    assert np.isfinite(host.sum(x, axis=1)[1:]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.complex64])
def test_keep_where_takes_nothing_from_what_is_left_out(dtype):
    x = RNG.normal(size=(3, 4, 5)).astype(dtype)
    if x.dtype.kind in "fc":
        x[0, 0] = np.nan
    keep = RNG.random(x.shape) > 0.5
    keep[0, 0] = False
    for array in (x, np.asfortranarray(x), np.broadcast_to(x[:, :1], x.shape)):
        np.testing.assert_array_equal(host.keep_where(keep, array), np.where(keep, array, 0).astype(dtype))
