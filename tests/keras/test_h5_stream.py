"""HDF5 files that are written in order hold what HDF5's own writing of them holds."""

import io

import h5py
import ml_dtypes
import numpy as np
import pytest

from dovetail.keras.saving.h5_stream import Streamed
from dovetail.keras.saving.stored import write_value

RNG = np.random.default_rng(0)
ARRAYS = {
    "scalar": np.float32(3.5),
    "empty": np.zeros((0, 7), "float32"),
    "small": RNG.normal(size=(3, 5)).astype("float32"),
    "large": RNG.normal(size=(300, 500)).astype("float32"),
    "transposed": RNG.normal(size=(300, 200)).T,
    "every second": np.arange(200_001, dtype="int64")[::2],
    "booleans": RNG.random((300, 300)) < 0.5,
    "halves": RNG.normal(size=(400, 300)).astype("float16"),
    "exactly a page": np.arange(1 << 16, dtype="uint8"),
    "complex": (RNG.normal(size=(100, 100)) + 1j).astype("complex64"),
}


def _bytes_of(arrays):
    streamed = Streamed()
    for name, array in arrays.items():
        group = streamed.file.require_group(f"layers/{name}/vars")
        group.attrs["name"] = name
        write_value(group, "0", np.asarray(array), streamed.write)
    return b"".join(map(bytes, streamed.pieces()))


@pytest.mark.parametrize("name", [*ARRAYS, "all", "many"])
def test_files_hold_the_arrays(name):
    arrays = {"all": ARRAYS, "many": {f"{i}": ARRAYS["large"] + i for i in range(120)}}.get(
        name, {name: ARRAYS.get(name)}
    )
    with h5py.File(io.BytesIO(_bytes_of(arrays)), "r") as file:
        assert set(file["layers"]) == set(arrays)
        for each, array in arrays.items():
            group = file[f"layers/{each}/vars"]
            assert group.attrs["name"] == each
            assert group["0"].dtype == array.dtype
            np.testing.assert_array_equal(group["0"][()], array)


def test_bfloat16_is_marked():
    array = RNG.normal(size=(300, 300)).astype(ml_dtypes.bfloat16)
    with h5py.File(io.BytesIO(_bytes_of({"a": array})), "r") as file:
        dataset = file["layers/a/vars/0"]
        assert dataset.attrs["dtype"] == "bfloat16"
        np.testing.assert_array_equal(dataset[()], array.view(np.uint16))


def test_what_is_written_takes_little_room_before():
    streamed = Streamed()
    for i in range(20):
        write_value(streamed.file, str(i), np.zeros((1000, 1000), "float32"), streamed.write)
    streamed.file.flush()
    assert len(streamed._pages._pages) * (1 << 16) < 2 << 20  # of 80 MB
