"""Rows for the ops behind `keras.ops` alone: those of tests/keras/ops_cases.py, run every way that an op can run."""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.linalg

from tests.keras.ops_cases import ROWS
from tests.ops.case import Case

# The functions whose ops have no rows elsewhere, and the arguments to differentiate.
FUNCTIONS: dict[str, tuple[int, ...]] = {
    "adaptive_average_pool": (0,),
    "adaptive_max_pool": (0,),
    "argpartition": (),
    "cbrt": (0,),
    "cdist": (0, 1),
    "corrcoef": (0,),
    "correlate": (0, 1),
    "deg2rad": (0,),
    "diff": (0,),
    "exp2": (0,),
    "extract_sequences": (0,),
    "fabs": (0,),
    "fft": (),
    "fft2": (),
    "fmax": (0, 1),
    "fmin": (0, 1),
    "fmod": (0, 1),
    "fold": (0,),
    "gcd": (),
    "geomspace": (0, 1),
    "heaviside": (),
    "histogram": (),
    "hypot": (0, 1),
    "i0": (0,),
    "ifft2": (),
    "image.extract_patches_3d": (0,),
    "irfft": (),
    "isneginf": (),
    "isposinf": (),
    "isreal": (),
    "istft": (),
    "kron": (0, 1),
    "lcm": (),
    "ldexp": (0,),
    "logaddexp2": (0, 1),
    "lu_factor": (),
    "nan_to_num": (0,),
    "nanmean": (0,),
    "nextafter": (),
    "norm": (0,),
    "quantile": (0,),
    "rad2deg": (0,),
    "rfft": (0,),
    "signbit": (),
    "sinc": (0,),
    "stft": (0,),
    "trapezoid": (0,),
    "unfold": (0,),
    "unique": (),
    "vdot": (0, 1),
}
# Rows of some of them that are enough.
ONLY = {
    "fmod": ("fmod",),
    "istft": ("istft",),
    "lu_factor": ("lu_factor",),
    "nan_to_num": ("nan_to_num",),
    "geomspace": ("geomspace-tensors",),
    "nanmean": ("nanmean-axes",),
    "norm": ("norm-vector 3", "norm-matrix nuc", "norm-matrix -2", "norm-vector -inf"),
    "quantile": ("quantile-several", "quantile-midpoint"),
    "trapezoid": ("trapezoid-points",),
    "unique": ("unique-all", "unique-size"),
}
# Keras on TensorFlow has them not, or differently.
ORACLES = {
    "argpartition": np.argpartition,
    "geomspace": lambda *args, **kwargs: np.geomspace(*args, **kwargs).astype(np.float32),
    "lu_factor": lambda x: [np.stack(part) for part in zip(*map(scipy.linalg.lu_factor, x), strict=True)],
}
SHAPES_DEPEND = "the result's shape depends on the values"


def _case(row) -> Case:
    only_host = str(row) == "unique-all"
    case = Case(
        f"ops.{row.name}",
        lambda _: row.drawn()[0],
        row.drawn()[1],
        grad=FUNCTIONS[row.name],
        symbolic=row.symbolic,
        compare=row.compare,
        oracle=ORACLES.get(row.name),
        check_dtype=False,
        rtol=max(row.rtol, 1e-4),
        atol=max(row.atol, 1e-4),
        host=str(row) != "unique-size",
        xla=not only_host,
        id=row.id,
    )
    return dataclasses.replace(case, symbolic=SHAPES_DEPEND) if only_host else case


CASES = [_case(row) for row in ROWS if row.name in FUNCTIONS and str(row) in ONLY.get(row.name, (str(row),))]
