"""Writers of what is computed of matrices."""

from __future__ import annotations

from typing import Any

from dovetail.graph.walking import Written
from dovetail.saved_model.writing.nodes import INT32
from dovetail.saved_model.writing.table import WRITERS, writes

# Our name -> TensorFlow's, and the name of its output; attributes have one name.
_PLAIN = {
    "cholesky": ("Cholesky", "output"),
    "matrix_determinant": ("MatrixDeterminant", "output"),
    "matrix_inverse": ("MatrixInverse", "output"),
    "matrix_solve": ("MatrixSolve", "output"),
    "matrix_triangular_solve": ("MatrixTriangularSolve", "output"),
}


def _plain(kind: str, output: str) -> Any:
    def write(w: Any, *inputs: Any, **flags: bool) -> Written:
        given = {name: bool(value) for name, value in flags.items()}
        return w.op(kind, output, list(inputs), T=w.dtype(inputs[0]), **given)

    return write


WRITERS.update({name: _plain(*row) for name, row in _PLAIN.items()})


@writes("qr")
def _qr(w: Any, input: Any, *, full_matrices: bool = False) -> list[Written]:
    dtype = w.dtype(input)
    return w.ops("Qr", {"q": dtype, "r": dtype}, [input], T=dtype, full_matrices=bool(full_matrices))


@writes("band_part")
def _band_part(w: Any, input: Any, *, num_lower: int, num_upper: int) -> Written:
    bounds = [w.whole(num_lower), w.whole(num_upper)]
    return w.op("MatrixBandPart", "band", [input, *bounds], T=w.dtype(input), Tindex=INT32)
