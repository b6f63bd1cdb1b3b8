"""The kernel table: every row computes what the row without conditions computes, and says why it is there."""

import re
from pathlib import Path

import numpy as np
import pytest

from dovetail.engine import xla

xla("the kernel table")
from dovetail.engine import kernels, native  # noqa: E402 - loads JAX, which the line above has said is wanted

DESIGN = Path(__file__).parent.parent / "docs" / "design"
CONVOLUTION, KERNELS, INPUTS = (
    "convolution",
    "convolution, kernel's gradient",
    "convolution, input's gradient",
)
_USUAL = "convolved" if native.library() is None else "natively"
# x, kernel, strides, padding, dilations, groups -> the name of the function that serves on the CPU, and its gradients'
CASES = {
    "few products": (((2, 9, 9, 1), (3, 3, 1, 4), (2, 2), ((1, 1), (0, 1)), (1, 1), 1), "by_products"),
    "pointwise": (((2, 5, 6, 8), (1, 1, 8, 16), (2, 1), ((0, 0), (0, 0)), (1, 1), 1), "as_product"),
    "few outputs": (((2, 7, 7, 8), (3, 3, 8, 2), (1, 1), ((1, 1), (1, 1)), (1, 2), 1), "by_taps"),
    "usual": (((2, 7, 7, 8), (3, 3, 8, 16), (2, 1), ((1, 1), (1, 1)), (1, 1), 1), _USUAL),
    "cropped": (((2, 7, 9, 8), (3, 3, 8, 16), (1, 1), ((1, 1), (-1, 0)), (1, 1), 1), "convolved"),
    "groups": (((2, 7, 7, 8), (3, 3, 2, 16), (1, 1), ((1, 1), (1, 1)), (1, 1), 4), "convolved"),
}


def _generic(primitive, *arguments):
    return kernels.chosen(primitive, "some other platform", *arguments).run(*arguments)


@pytest.mark.parametrize("name", CASES)
def test_rows_agree(name):
    (shape, window, *numbers), expected = CASES[name]
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=size).astype("float32") for size in (shape, window))
    row = kernels.chosen(CONVOLUTION, "cpu", x, kernel, *numbers)
    assert row.run.__name__ == expected
    y = row.run(x, kernel, *numbers)
    np.testing.assert_allclose(y, _generic(CONVOLUTION, x, kernel, *numbers), rtol=1e-4, atol=1e-4)
    g = rng.normal(size=y.shape).astype("float32")
    for primitive, arguments in (
        (KERNELS, (x, g, window[:-2], *numbers)),
        (INPUTS, (g, kernel, shape[1:-1], *numbers)),
    ):
        found = kernels.chosen(primitive, "cpu", *arguments).run(*arguments)
        np.testing.assert_allclose(found, _generic(primitive, *arguments), rtol=1e-4, atol=1e-3)


def test_every_row_can_serve_and_the_last_always_does():
    for (_, platform), rows in kernels.TABLE.items():
        assert all(row.when is not None for row in rows[:-1]), (
            "rows after one without a condition never serve"
        )
        assert platform != kernels.ANY or rows[-1].when is None
    for primitive, _ in kernels.TABLE:
        assert (primitive, kernels.ANY) in kernels.TABLE


def test_rows_for_a_platform_say_why():
    pages = {page.name[:4] for page in DESIGN.glob("[0-9]*.md")}
    for (_, platform), rows in kernels.TABLE.items():
        for row in rows:
            page = re.match(r"(\d{4}): .+", row.why)
            assert platform == kernels.ANY or (page and page.group(1) in pages) or "XLA" in row.why, row


def test_what_the_table_does_not_have_is_refused():
    with pytest.raises(LookupError, match="no kernel computes 'sorting' on 'cpu'"):
        kernels.chosen("sorting", "cpu")
