"""Rows of what works element by element, of reductions and of matrices."""

from __future__ import annotations

from typing import Any

from dovetail.raw_ops.row import enter, public, raw
from dovetail.raw_ops.static import known
from dovetail.tensor.convert import convert_to_tensor

_SAME = (
    "abs acos acosh asin asinh atan atanh cos cosh exp floor sigmoid sin sinh sqrt square tan tanh sign round"
)
_IN_MATH = (
    "ceil digamma erf erfc erfinv expm1 is_finite is_inf is_nan lgamma log log1p ndtri reciprocal rint rsqrt"
)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


enter("\n".join(f"{_camel(name)}(x) = {name}" for name in _SAME.split()))
enter("\n".join(f"{_camel(name)}(x) = math.{name}" for name in _IN_MATH.split()))
_SPECIAL = (
    "bessel_i0 bessel_i0e bessel_i1 bessel_i1e "
    "bessel_j0 bessel_j1 bessel_k0 bessel_k0e bessel_k1 bessel_k1e bessel_y0 bessel_y1 dawsn expint fresnel_cos "
    "fresnel_sin spence"
)
enter("\n".join(f"{_camel(name)}(x) = math.special.{name}" for name in _SPECIAL.split()))
enter(
    """
    Zeta(x, q) = math.zeta
    Polygamma(a, x) = math.polygamma
    Igamma(a, x) = math.igamma
    Igammac(a, x) = math.igammac
    Betainc(a, b, x) = math.betainc
    NextAfter(x1, x2) = math.nextafter
    """
)
enter(
    """
    Neg(x) = negative
    Conj(input) = math.conj
    Inv(x) = math.reciprocal
    LogicalNot(x) = logical_not
    Invert(x) = bitwise.invert
    ComplexAbs(x) = abs
    Real(input) = math.real
    Imag(input) = math.imag
    Angle(input) = math.angle
    Complex(real, imag) = complex
    """
)
enter(
    """
    Add AddV2(x, y) = add
    Sub(x, y) = subtract
    Mul(x, y) = multiply
    RealDiv(x, y) = realdiv
    TruncateDiv(x, y) = truncatediv
    TruncateMod(x, y) = truncatemod
    Mod(x, y) = truncatemod
    FloorDiv(x, y) = math.floordiv
    FloorMod(x, y) = math.floormod
    Maximum(x, y) = maximum
    Minimum(x, y) = minimum
    Pow(x, y) = pow
    Atan2(y, x) = atan2
    SquaredDifference(x, y) = math.squared_difference
    DivNoNan(x, y) = math.divide_no_nan
    MulNoNan(x, y) = math.multiply_no_nan
    Xdivy(x, y) = math.xdivy
    Xlogy(x, y) = math.xlogy
    Xlog1py(x, y) = math.xlog1py
    Less(x, y) = less
    LessEqual(x, y) = less_equal
    Greater(x, y) = greater
    GreaterEqual(x, y) = greater_equal
    Equal(x, y) = equal
    NotEqual(x, y) = not_equal
    LogicalAnd(x, y) = logical_and
    LogicalOr(x, y) = logical_or
    BitwiseAnd(x, y) = bitwise.bitwise_and
    BitwiseOr(x, y) = bitwise.bitwise_or
    BitwiseXor(x, y) = bitwise.bitwise_xor
    LeftShift(x, y) = bitwise.left_shift
    RightShift(x, y) = bitwise.right_shift
    ClipByValue(t, clip_value_min, clip_value_max) = clip_by_value
    AddN(*inputs) = add_n
    AccumulateNV2(*inputs; shape) = math.accumulate_n
    Cross(a, b) = linalg.cross
    BatchMatMulV3(x, y; Tout>output_type, adj_x=False>adjoint_a, adj_y=False>adjoint_b) = matmul
    LogMatrixDeterminant(input) = linalg.slogdet
    MatMul(a, b; transpose_a=False, transpose_b=False) = matmul
    SparseMatMul(a, b; transpose_a=False, transpose_b=False, a_is_sparse=False, b_is_sparse=False) = matmul
    BatchMatMul BatchMatMulV2(x, y; adj_x=False>adjoint_a, adj_y=False>adjoint_b) = matmul
    MatrixInverse(input; adjoint=False) = linalg.inv
    MatrixSolve(matrix, rhs; adjoint=False) = linalg.solve
    MatrixTriangularSolve(matrix, rhs; lower=True, adjoint=False) = linalg.triangular_solve
    MatrixDeterminant(input) = linalg.det
    Cholesky(input) = linalg.cholesky
    MatrixBandPart(input, num_lower, num_upper) = linalg.band_part
    MatrixDiag(diagonal) = linalg.diag
    MatrixDiagPart(input) = linalg.diag_part
    Diag(diagonal) = linalg.tensor_diag
    DiagPart(input) = linalg.tensor_diag_part
    LinSpace(start, stop, num) = linspace
    """
)

_REDUCTIONS = {
    "Sum": "reduce_sum",
    "Mean": "reduce_mean",
    "Prod": "reduce_prod",
    "Max": "reduce_max",
    "Min": "reduce_min",
    "Any": "reduce_any",
    "All": "reduce_all",
    "EuclideanNorm": "math.reduce_euclidean_norm",
}


def _reduction(target: str) -> Any:
    def reduce(input: Any, axis: Any, *, keep_dims: bool = False) -> Any:
        axes = known(axis).reshape(-1).tolist()
        # No axis means that nothing is reduced, where tf.reduce_sum would reduce all of an empty list too.
        return public(target)(input, axis=tuple(axes), keepdims=keep_dims)

    return reduce


for _name, _target in _REDUCTIONS.items():
    raw(_name)(_reduction(_target))


@raw("Div")
def div(x: Any, y: Any) -> Any:
    """Division that keeps whole numbers whole."""
    return public("realdiv" if x.dtype.is_floating or x.dtype.is_complex else "truncatediv")(x, y)


@raw("ArgMax")
def arg_max(input: Any, dimension: Any, *, output_type: Any = "int64") -> Any:
    return public("argmax")(input, axis=int(known(dimension)), output_type=output_type)


@raw("ArgMin")
def arg_min(input: Any, dimension: Any, *, output_type: Any = "int64") -> Any:
    return public("argmin")(input, axis=int(known(dimension)), output_type=output_type)


@raw("Cumsum")
def cumsum(x: Any, axis: Any, *, exclusive: bool = False, reverse: bool = False) -> Any:
    return public("cumsum")(x, axis=int(known(axis)), exclusive=exclusive, reverse=reverse)


@raw("Cumprod")
def cumprod(x: Any, axis: Any, *, exclusive: bool = False, reverse: bool = False) -> Any:
    return public("math.cumprod")(x, axis=int(known(axis)), exclusive=exclusive, reverse=reverse)


@raw("Einsum")
def einsum(inputs: list, *, equation: str) -> Any:
    return public("einsum")(equation, *inputs)


@raw("TopKV2", "values indices")
def top_k(input: Any, k: Any, *, sorted: bool = True, index_type: Any = "int32") -> Any:
    return public("math.top_k")(input, k=int(known(k)), sorted=sorted, index_type=index_type)


@raw("Qr", "q r")
def qr(input: Any, *, full_matrices: bool = False) -> Any:
    return public("linalg.qr")(input, full_matrices=full_matrices)


@raw("DenseBincount")
def dense_bincount(input: Any, size: Any, weights: Any, *, binary_output: bool = False) -> Any:
    length = int(known(size))
    weighted = weights if weights.shape.num_elements() else None
    return public("math.bincount")(
        input,
        weights=weighted,
        minlength=length,
        maxlength=length,
        dtype=weights.dtype,
        axis=-1 if input.shape.rank == 2 else None,
        binary_output=binary_output,
    )


@raw("Bucketize")
def bucketize(input: Any, *, boundaries: Any) -> Any:
    flat = public("reshape")(input, [-1])
    found = public("searchsorted")(convert_to_tensor(list(boundaries), input.dtype), flat, side="right")
    return public("reshape")(found, public("shape")(input))


@raw("RaggedBincount")
def ragged_bincount(splits: Any, values: Any, size: Any, weights: Any, *, binary_output: bool = False) -> Any:
    ragged: Any = public("RaggedTensor")
    length = int(known(size))
    return public("math.bincount")(
        ragged.from_row_splits(values, splits),
        weights=ragged.from_row_splits(weights, splits) if weights.shape.num_elements() else None,
        minlength=length,
        maxlength=length,
        dtype=weights.dtype,
        axis=-1,
        binary_output=binary_output,
    )


def _bounding(name: str, side: str) -> None:
    def bound(sorted_inputs: Any, values: Any, *, out_type: Any = "int32") -> Any:
        return public("searchsorted")(sorted_inputs, values, side=side, out_type=out_type)

    raw(name)(bound)


_bounding("LowerBound", "left")
_bounding("UpperBound", "right")


@raw("Bincount")
def bincount(arr: Any, size: Any, weights: Any) -> Any:
    return dense_bincount(public("reshape")(arr, [-1]), size, public("reshape")(weights, [-1]))


@raw("HistogramFixedWidth")
def histogram(values: Any, value_range: Any, nbins: Any, *, dtype: Any = "int32") -> Any:
    return public("histogram_fixed_width")(values, value_range, int(known(nbins)), dtype)


@raw("CumulativeLogsumexp")
def cumulative_logsumexp(x: Any, axis: Any, *, exclusive: bool = False, reverse: bool = False) -> Any:
    return public("math.cumulative_logsumexp")(x, int(known(axis)), exclusive, reverse)


@raw("TopK", "values indices")
def top_k_1(input: Any, *, k: int, sorted: bool = True) -> Any:
    return public("math.top_k")(input, k=k, sorted=sorted)


@raw("MatrixSolveLs")
def least_squares(matrix: Any, rhs: Any, l2_regularizer: Any, *, fast: bool = True) -> Any:
    return public("linalg.lstsq")(matrix, rhs, float(known(l2_regularizer)), fast)


@raw("MatrixDiagV3")
def matrix_diag(
    diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding_value: Any, *, align: str = "RIGHT_LEFT"
) -> Any:
    sizes = {"num_rows": int(known(num_rows)), "num_cols": int(known(num_cols))}
    return public("linalg.diag")(diagonal, k=_band(k), padding_value=padding_value, align=align, **sizes)


@raw("MatrixDiagPartV3")
def matrix_diag_part(input: Any, k: Any, padding_value: Any, *, align: str = "RIGHT_LEFT") -> Any:
    return public("linalg.diag_part")(input, k=_band(k), padding_value=padding_value, align=align)


@raw("MatrixSetDiagV3")
def matrix_set_diag(input: Any, diagonal: Any, k: Any, *, align: str = "RIGHT_LEFT") -> Any:
    return public("linalg.set_diag")(input, diagonal, k=_band(k), align=align)


@raw("MatrixDiagPartV2")
def matrix_diag_part_2(input: Any, k: Any, padding_value: Any) -> Any:
    return matrix_diag_part(input, k, padding_value, align="LEFT_LEFT")


@raw("MatrixDiagV2")
def matrix_diag_2(diagonal: Any, k: Any, num_rows: Any, num_cols: Any, padding_value: Any) -> Any:
    return matrix_diag(diagonal, k, num_rows, num_cols, padding_value, align="LEFT_LEFT")


@raw("MatrixSetDiagV2")
def matrix_set_diag_2(input: Any, diagonal: Any, k: Any) -> Any:
    return matrix_set_diag(input, diagonal, k, align="LEFT_LEFT")


def _band(k: Any) -> Any:
    """Returns a diagonal, or the first and the last of several."""
    return known(k).tolist()


def _nothing(input: Any) -> Any:
    """Returns what stands for vectors that were not asked for."""
    return public("zeros")([], input.dtype)


@raw("SelfAdjointEigV2", "e v")
def eigh(input: Any, *, compute_v: bool = True) -> tuple:
    return public("linalg.eigh")(input) if compute_v else (public("linalg.eigvalsh")(input), _nothing(input))


@raw("Eig", "e v")
def eig(input: Any, *, Tout: Any, compute_v: bool = True) -> tuple:
    found = public("linalg.eig")(input) if compute_v else (public("linalg.eigvals")(input),)
    parts = tuple(public("cast")(one, Tout) for one in found)
    return parts if compute_v else (*parts, _nothing(parts[0]))


@raw("Svd", "s u v")
def svd(input: Any, *, compute_uv: bool = True, full_matrices: bool = False) -> tuple:
    found = public("linalg.svd")(input, full_matrices, compute_uv)
    return tuple(found) if compute_uv else (found, _nothing(input), _nothing(input))


enter(
    "\n".join(
        f"Segment{kind}V2(data, segment_ids, num_segments) = math.unsorted_segment_{kind.lower()}"
        for kind in ("Sum", "Prod", "Max", "Min")
    )
)
