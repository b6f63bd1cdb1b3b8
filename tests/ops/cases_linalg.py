"""Rows for matrix products, contractions, decompositions and linear systems."""

from __future__ import annotations

import numpy as np

from tests.ops.case import Case, complexes, f32, i32, integers, normal

MATRICES = normal((2, 3, 3))
TALL, WIDE = normal((2, 4, 3)), normal((2, 3, 4))


def _definite(rng) -> np.ndarray:
    a = rng.normal(size=(2, 3, 3))
    return np.float32(a @ a.transpose(0, 2, 1) + 3 * np.eye(3))


def _invertible(rng) -> np.ndarray:
    return np.float32(rng.normal(size=(2, 3, 3)) + 3 * np.eye(3))


def _system(rng) -> tuple:
    return _invertible(rng), np.float32(rng.normal(size=(2, 3, 2)))


PRODUCTS = [
    Case("matmul", normal((3, 4), (4, 2)), grad=(0, 1)),
    Case("matmul", normal((2, 3, 4), (4, 2)), grad=(0, 1), id="broadcast"),
    Case("matmul", normal((1, 3, 4), (5, 4, 2)), grad=(0, 1), id="batch"),
    Case(
        "matmul",
        normal((4, 3), (2, 4)),
        {"transpose_a": True, "transpose_b": True},
        grad=(0, 1),
        id="transposed",
    ),
    Case("matmul", normal((4, 3), (4, 2)), {"transpose_a": True}, grad=(0, 1), id="transpose_a"),
    Case("matmul", normal((3, 4), (2, 4)), {"transpose_b": True}, grad=(0, 1), id="transpose_b"),
    Case("matmul", complexes((3, 4), (2, 4)), {"adjoint_b": True}, grad=(0, 1), id="adjoint"),
    Case("matmul", integers(-5, 5, (3, 4), (4, 2)), id="int"),
    Case("matmul", lambda rng: tuple(x.astype(np.float16) for x in normal((3, 4), (4, 2))(rng)), id="half"),
    Case("linalg.matvec", normal((2, 3, 4), (2, 4)), grad=(0, 1)),
    Case("linalg.matvec", normal((4, 3), (4,)), {"transpose_a": True}, grad=(0, 1), id="transposed"),
    Case("tensordot", lambda rng: (*normal((2, 3, 4), (3, 4, 5))(rng), 2), grad=(0, 1)),
    Case(
        "tensordot",
        lambda rng: (*normal((2, 3, 4), (4, 5, 3))(rng), [[1, 2], [2, 0]]),
        grad=(0, 1),
        id="pairs",
    ),
    Case("tensordot", lambda rng: (*normal((2, 3), (4,))(rng), 0), id="outer"),
    Case("einsum", lambda rng: ("bij,bjk->bik", *normal((2, 3, 4), (2, 4, 5))(rng)), grad=(1, 2)),
    Case("einsum", lambda rng: ("ij,jk", *normal((3, 4), (4, 2))(rng)), grad=(1, 2), id="implicit"),
    Case("einsum", lambda rng: ("ij->", *normal((3, 4))(rng)), grad=(1,), id="sum"),
    Case("einsum", lambda rng: ("ii->i", *normal((3, 3))(rng)), grad=(1,), id="diagonal"),
    Case(
        "einsum", lambda rng: ("ij,ij,j->i", *normal((3, 4), (3, 4), (4,))(rng)), grad=(1, 2, 3), id="three"
    ),
    Case(
        "einsum",
        lambda rng: ("...ij,...jk->...ik", *normal((2, 3, 4), (4, 5))(rng)),
        grad=(1, 2),
        id="ellipsis",
    ),
    Case(
        "einsum", lambda rng: ("b...i,io->b...o", *normal((2, 3, 4), (4, 5))(rng)), grad=(1, 2), id="middle"
    ),
    Case("einsum", lambda rng: ("ij,kl->jl", *normal((2, 3), (4, 5))(rng)), grad=(1, 2), id="summed"),
    Case("ops.matmul", normal((2, 3, 4), (4,))),
    Case("ops.matmul", normal((4,), (4, 3)), id="row"),
    Case("ops.matmul", normal((4,), (4,)), id="vectors"),
    Case("ops.matmul", lambda rng: (i32([[1, 2]]), f32([[1.0], [2.0]])), id="mixed"),
    Case("ops.dot", normal((3, 4), (4, 2)), grad=(0, 1)),
    Case("ops.dot", normal((2, 3, 4), (5, 4, 2)), id="high"),
    Case("ops.tensordot", lambda rng: (*normal((2, 3, 4), (3, 4, 5))(rng), 2)),
    Case("ops.einsum", lambda rng: ("ij,jk->ik", *normal((2, 3), (3, 4))(rng))),
    Case("ops.outer", normal((3,), (4,))),
    Case("ops.inner", normal((2, 3), (4, 3))),
    Case("K.dot", normal((3, 4), (4, 2)), grad=(0, 1)),
    Case("K.dot", normal((2, 3, 4), (4, 2)), id="high"),
    Case("K.dot", normal((2, 3, 4), (5, 4, 2)), id="both"),
    Case("K.batch_dot", normal((5, 3, 4), (5, 4, 2)), grad=(0, 1)),
    Case("K.batch_dot", normal((5, 3), (5, 3)), {"axes": 1}, id="vectors"),
    Case("K.batch_dot", normal((5, 3, 4), (5, 2, 4)), {"axes": (2, 2)}, id="axes"),
]

DIAGONALS = [
    Case("linalg.diag", normal((2, 3)), grad=(0,)),
    Case("linalg.diag", normal((3,)), {"k": 1}, grad=(0,), id="above"),
    Case("linalg.diag", normal((3,)), {"k": -1, "padding_value": 7.0}, id="below"),
    Case("linalg.diag", normal((2, 3, 3)), {"k": (-1, 1), "padding_value": 7.0}, grad=(0,), id="band"),
    Case("linalg.diag_part", TALL, grad=(0,)),
    Case("linalg.diag_part", WIDE, {"k": (-1, 1), "align": "LEFT_RIGHT"}, grad=(0,), id="band"),
    Case("linalg.diag_part", WIDE, {"k": 1}, grad=(0,), id="above"),
    Case("linalg.set_diag", normal((2, 3, 4), (2, 3)), grad=(0, 1)),
    Case("linalg.set_diag", normal((2, 3, 4), (2, 3, 3)), {"k": (0, 2)}, grad=(0, 1), id="band"),
    Case("linalg.trace", MATRICES, grad=(0,)),
    Case("linalg.band_part", lambda rng: (*TALL(rng), 1, 0), grad=(0,)),
    Case("linalg.band_part", lambda rng: (*WIDE(rng), -1, 0), id="lower"),
    Case("linalg.adjoint", complexes((2, 3)), grad=(0,)),
    Case("linalg.matrix_transpose", TALL, grad=(0,)),
    Case("linalg.cross", normal((4, 3), (4, 3)), grad=(0, 1)),
    Case("ops.diag", normal((3,))),
    Case("ops.diag", normal((3, 4)), {"k": 1}, id="part"),
    Case("ops.diagonal", normal((3, 4, 2))),
    Case("ops.trace", normal((3, 4))),
    Case("ops.tril", normal((3, 4)), grad=(0,)),
    Case("ops.triu", normal((3, 4)), {"k": 1}, grad=(0,)),
    Case("ops.cross", normal((4, 3), (4, 3))),
]


def _rebuilt_svd(s, u, v):
    """What the decomposition stands for: the signs of singular vectors are anyone's choice."""
    return [s, u * s[..., None, :] @ np.swapaxes(v, -1, -2)]


def _absolute(*outputs):
    return [abs(one) for one in outputs]


def _in_order(values, *_):
    return np.sort_complex(values)


SYSTEMS = [
    Case("linalg.det", lambda rng: (_invertible(rng),), grad=(0,), rtol=1e-4),
    Case("linalg.slogdet", lambda rng: (_invertible(rng),), grad=(0,), rtol=1e-4),
    Case("linalg.logdet", lambda rng: (_definite(rng),), rtol=1e-4),
    Case("linalg.inv", lambda rng: (_invertible(rng),), grad=(0,), rtol=1e-4),
    Case(
        "linalg.inv", lambda rng: (_invertible(rng),), {"adjoint": True}, grad=(0,), rtol=1e-4, id="adjoint"
    ),
    Case("linalg.pinv", TALL, rtol=1e-3, atol=1e-5),
    Case("linalg.expm", lambda rng: (_invertible(rng) / 3,), rtol=1e-4),
    Case("linalg.matrix_rank", TALL),
    Case("linalg.cholesky", lambda rng: (_definite(rng),), rtol=1e-4),
    Case(
        "linalg.cholesky_solve",
        lambda rng: (np.linalg.cholesky(_definite(rng)), *normal((2, 3, 2))(rng)),
        rtol=1e-4,
    ),
    Case("linalg.solve", _system, grad=(0, 1), rtol=1e-4),
    Case("linalg.solve", _system, {"adjoint": True}, grad=(0, 1), rtol=1e-4, id="adjoint"),
    Case("linalg.triangular_solve", _system, grad=(1,), rtol=1e-4),
    Case("linalg.triangular_solve", _system, {"lower": False, "adjoint": True}, rtol=1e-4, id="upper"),
    Case("linalg.lstsq", normal((2, 4, 3), (2, 4, 2)), rtol=1e-3, atol=1e-5),
    Case(
        "linalg.lstsq", normal((2, 3, 4), (2, 3, 2)), {"l2_regularizer": 0.1}, rtol=1e-3, atol=1e-5, id="wide"
    ),
    Case("linalg.qr", TALL, compare=_absolute, rtol=1e-4, atol=1e-5),
    Case(
        "linalg.qr",
        TALL,
        {"full_matrices": True},
        compare=lambda q, r: abs(r),
        rtol=1e-4,
        atol=1e-5,
        id="full",
    ),
    Case("linalg.svd", TALL, compare=_rebuilt_svd, rtol=1e-4, atol=1e-5),
    Case("linalg.svd", WIDE, {"compute_uv": False}, rtol=1e-4, grad=(0,), id="values"),
    Case("linalg.eigh", lambda rng: (_definite(rng),), compare=_absolute, rtol=1e-3, atol=1e-5),
    Case("linalg.eigvalsh", lambda rng: (_definite(rng),), rtol=1e-4),
    Case(
        "linalg.eig",
        lambda rng: (_definite(rng)[0],),
        compare=_in_order,
        rtol=1e-3,
        xla=False,
    ),
    Case(
        "linalg.eigvals",
        lambda rng: (_definite(rng)[0],),
        compare=_in_order,
        rtol=1e-3,
        xla=False,
    ),
    Case("ops.det", lambda rng: (_invertible(rng),), rtol=1e-4),
    Case("ops.inv", lambda rng: (_invertible(rng),), rtol=1e-4),
    Case("ops.solve", _system, rtol=1e-4),
    Case("ops.cholesky", lambda rng: (_definite(rng),), rtol=1e-4),
    Case("ops.solve_triangular", _system, {"lower": True}, rtol=1e-4),
    Case("ops.qr", TALL, compare=_absolute, rtol=1e-4, atol=1e-5),
    Case("ops.svd", WIDE, {"compute_uv": False}, rtol=1e-4, id="values"),
    Case("ops.lstsq", lambda rng: (*normal((4, 3), (4, 2))(rng),), rtol=1e-3, atol=1e-4),
    Case("ops.slogdet", lambda rng: (_invertible(rng),), rtol=1e-4),
]

CASES = [*PRODUCTS, *DIAGONALS, *SYSTEMS]
