"""`tf.compat.v1`: the names of TensorFlow 1 that mean the same in TensorFlow 2.

Graphs, sessions, collections and placeholders are not there: using one raises, and says what does its work now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from dovetail.compat import version1_records, version1_strings
from dovetail.compat.views import View
from dovetail.ops.table import whole

NAME = "tensorflow.compat.v1"
_FIRST = "dovetail.compat.first.names"

# Names of TensorFlow 1 whose function goes by another name in TensorFlow 2, with the same arguments.
RENAMED = {
    "acos": "math.acos",
    "ceil": "math.ceil",
    "check_numerics": "debugging.check_numerics",
    "cholesky": "linalg.cholesky",
    "decode_raw": "io.decode_raw",
    "digamma": "math.digamma",
    "div_no_nan": "math.divide_no_nan",
    "erf": "math.erf",
    "is_finite": "math.is_finite",
    "is_inf": "math.is_inf",
    "is_nan": "math.is_nan",
    "lgamma": "math.lgamma",
    "log": "math.log",
    "log1p": "math.log1p",
    "log_sigmoid": "math.log_sigmoid",
    "matrix_band_part": "linalg.band_part",
    "matrix_determinant": "linalg.det",
    "matrix_diag": "linalg.diag",
    "matrix_inverse": "linalg.inv",
    "matrix_solve": "linalg.solve",
    "parse_single_example": "io.parse_single_example",
    "parse_example": "io.parse_example",
    "random_crop": "image.random_crop",
    "random_gamma": "random.gamma",
    "random_normal": "random.normal",
    "random_poisson": "random.poisson",
    "random_shuffle": "random.shuffle",
    "random_uniform": "random.uniform",
    "decode_base64": "io.decode_base64",
    "decode_compressed": "io.decode_compressed",
    "decode_csv": "io.decode_csv",
    "decode_json_example": "io.decode_json_example",
    "encode_base64": "io.encode_base64",
    "matching_files": "io.matching_files",
    "FIFOQueue": "queue.FIFOQueue",
    "PaddingFIFOQueue": "queue.PaddingFIFOQueue",
    "PriorityQueue": "queue.PriorityQueue",
    "QueueBase": "queue.QueueBase",
    "RandomShuffleQueue": "queue.RandomShuffleQueue",
    "read_file": "io.read_file",
    "write_file": "io.write_file",
    "reciprocal": "math.reciprocal",
    "rint": "math.rint",
    "rsqrt": "math.rsqrt",
    "segment_sum": "math.segment_sum",
    "truncated_normal": "random.truncated_normal",
    "unsorted_segment_sum": "math.unsorted_segment_sum",
    "xdivy": "math.xdivy",
    "zeta": "math.zeta",
    "FixedLenFeature": "io.FixedLenFeature",
    "FixedLenSequenceFeature": "io.FixedLenSequenceFeature",
    "SparseFeature": "io.SparseFeature",
    "VarLenFeature": "io.VarLenFeature",
    "deserialize_many_sparse": "io.deserialize_many_sparse",
    "parse_single_sequence_example": "io.parse_single_sequence_example",
    "parse_tensor": "io.parse_tensor",
    "serialize_many_sparse": "io.serialize_many_sparse",
    "serialize_sparse": "io.serialize_sparse",
    "serialize_tensor": "io.serialize_tensor",
    "spectral": "signal",
    "fft": "signal.fft",
    "fft2d": "signal.fft2d",
    "fft3d": "signal.fft3d",
    "ifft": "signal.ifft",
    "ifft2d": "signal.ifft2d",
    "ifft3d": "signal.ifft3d",
    "lin_space": "linspace",
    "sparse_tensor_to_dense": "sparse.to_dense",
    "assert_rank": "debugging.assert_rank",
    "ResourceVariable": "Variable",
}

# Names that both versions have and that do something else there: taking the new one silently would be wrong.
REFUSED = frozenset({"optimizers", "graph_util"})


def _cast_to(dtype: str) -> Callable[..., Any]:
    def cast(x: Any, name: str | None = None) -> Any:
        return v1.cast(x, dtype)

    cast.__name__ = f"to_{dtype}"
    return cast


def _nothing_to_do() -> None:
    """Does nothing: what it switches on in TensorFlow is always on here."""


def tf_logging() -> dict[str, Any]:
    """Returns the names of `tf.compat.v1.logging`: Python's logger "tensorflow" and the levels."""
    logger = logging.getLogger("tensorflow")
    return {
        **{name: getattr(logger, name) for name in ("debug", "info", "warning", "error", "fatal", "log")},
        **{level: getattr(logging, level) for level in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")},
        "warn": logger.warning,
        "set_verbosity": logger.setLevel,
        "get_verbosity": logger.getEffectiveLevel,
    }


# TensorFlow 1's names of what `tf.io.gfile` has.
_OLD_GFILE = {
    **{
        name: f"io.gfile.{name.lower()}" for name in ("Copy", "Exists", "Glob", "MakeDirs", "MkDir", "Remove")
    },
    **{name: f"io.gfile.{name.lower()}" for name in ("Rename", "Stat", "Walk")},
    **dict.fromkeys(("FastGFile", "GFile", "Open"), "io.gfile.GFile"),
    "DeleteRecursively": "io.gfile.rmtree",
    "IsDirectory": "io.gfile.isdir",
    "ListDirectory": "io.gfile.listdir",
}
_NAMES = whole("tf.compat.v1")
_RECORDS = {name: f"io.{name}" for name in ("TFRecordOptions", "TFRecordWriter")}
OWN: dict[str, Any] = {
    **_NAMES,
    "io": View(f"{NAME}.io", ("io",), version1_records.NAMES),
    "python_io": View(f"{NAME}.python_io", (), version1_records.NAMES, _RECORDS),
    "train": View(f"{NAME}.train", ("train",), vars(_NAMES["train"]), late=(_FIRST, "train")),
    "random": View(f"{NAME}.random", ("random",), late=(_FIRST, "random")),
    **{
        name: View(f"{NAME}.{name}", (), late=(_FIRST, name))
        for name in ("initializers", "layers", "losses", "metrics", "summary")
    },
    **{
        name: View(f"{NAME}.{name}", (name,), late=(_FIRST, name))
        for name in ("nn", "math", "debugging", "data")
    },
    **version1_strings.NAMES,
    "strings": View(f"{NAME}.strings", ("strings",), version1_strings.STRINGS),
    "to_float": _cast_to("float32"),
    "to_double": _cast_to("float64"),
    "to_int32": _cast_to("int32"),
    "to_int64": _cast_to("int64"),
    "to_bfloat16": _cast_to("bfloat16"),
    "enable_v2_tensorshape": _nothing_to_do,
    "enable_resource_variables": _nothing_to_do,
    "enable_control_flow_v2": _nothing_to_do,
    "enable_tensor_equality": _nothing_to_do,
    "gfile": View(f"{NAME}.gfile", (), renamed=_OLD_GFILE),
    "logging": View(f"{NAME}.logging", (), tf_logging()),
}

v1 = View(NAME, ("",), OWN, RENAMED, REFUSED, late=(_FIRST, ""))
