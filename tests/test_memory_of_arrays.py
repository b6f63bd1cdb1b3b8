"""Arrays that are filled once: as any other, of pages of their own where they are large."""

import numpy as np
import pytest

from dovetail.engine.memory import array_to_fill


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (1 << 20, 3), (3, 1 << 20)])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "complex64", "S7", object])
def test_they_hold_what_is_written(shape, dtype):
    made = array_to_fill(shape, dtype)
    assert made.shape == shape and made.dtype == np.dtype(dtype)
    assert made.flags.writeable and made.flags.c_contiguous and made.flags.aligned
    made[...] = np.array(1).astype(dtype)
    assert (made.ravel()[-3:] == np.array(1).astype(dtype)).all()


def test_they_outlive_what_they_were_made_by():
    views = [array_to_fill((1 << 21,), "float32") for _ in range(3)]
    for number, view in enumerate(views):
        view[:] = number
    last = views.pop()[::2]
    del views
    assert (last == 2).all()
