"""Writers of strings: texts, their words, and files."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.graph.walking import Written
from dovetail.saved_model.writing.nodes import INT32, INT64, STRING
from dovetail.saved_model.writing.table import WRITERS, writes
from dovetail.saved_model.writing.tables import look_up, of_tokens
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

# Our name -> TensorFlow's, the name of its output and its dtype: one string tensor in, attributes as they are here.
_EACH = {
    "strings_lower": ("StringLower", "output", STRING),
    "strings_upper": ("StringUpper", "output", STRING),
    "strings_strip": ("StringStrip", "output", STRING),
    "strings_length": ("StringLength", "output", INT32),
    "regex_replace": ("StaticRegexReplace", "output", STRING),
    "regex_full_match": ("StaticRegexFullMatch", "output", as_dtype("bool")),
    "read_file": ("ReadFile", "contents", STRING),
    "decode_base64": ("DecodeBase64", "output", STRING),
    "encode_base64": ("EncodeBase64", "output", STRING),
}


def _each(kind: str, output: str, dtype: Any) -> Callable:
    def write(w: Any, input: Any, **how: Any) -> Written:
        given = {key: _plain(value) for key, value in how.items()}
        return w.ops(kind, {output: dtype}, [input], **given)[0]

    return write


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | bytes | int) else str(value)


WRITERS.update({name: _each(*row) for name, row in _EACH.items()})


@writes("join")
def _join(w: Any, *inputs: Any, separator: Any = b"") -> Written:
    given = {"N": len(inputs), "separator": _plain(separator)}
    return w.ops("StringJoin", {"output": STRING}, list(inputs), **given)[0]


@writes("to_number_", "to_number")
def _to_number(w: Any, input: Any, *, out_type: Any) -> Written:
    kind = as_dtype(out_type)
    return w.ops("StringToNumber", {"output": kind}, [input], out_type=kind)[0]


@writes("substr_", "substr")
def _substr(w: Any, input: Any, pos: Any, len: Any, *, unit: str = "BYTE") -> Written:
    return w.ops("Substr", {"output": STRING}, [input, pos, len], T=w.dtype(pos), unit=unit)[0]


@writes("as_string_", "as_string")
def _as_string(w: Any, x: Any, *, pattern: str, plain: str) -> Written:
    if w.dtype(x).is_floating or pattern not in ("%d", "%s"):
        raise w.not_written(f"tf.strings.as_string of {w.dtype(x).name} in the form {pattern!r}")
    return w.ops("AsString", {"output": STRING}, [x], T=w.dtype(x))[0]


@writes("hash_strings")
def _hash(w: Any, input: Any, *, buckets: int, key: Any = None, murmur: bool = False) -> Written:
    if murmur:
        raise w.not_written("tf.strings.to_hash_bucket")
    given: dict[str, Any] = {"num_buckets": int(buckets)}
    if key is None:
        return w.ops("StringToHashBucketFast", {"output": INT64}, [input], **given)[0]
    given["key"] = [int(one) for one in key]
    return w.ops("StringToHashBucketStrong", {"output": INT64}, [input], **given)[0]


# ---- words


def _part(w: Any, x: Any, axis_1: int, dtype: Any) -> Written:
    """Writes x[:, axis_1]."""
    ends = [w.whole([0, axis_1]), w.whole([0, axis_1 + 1]), w.whole([1, 1])]
    masks = {"begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 2}
    return w.op("StridedSlice", "output", [x, *ends], T=dtype, Index=INT32, **masks)


def _first(w: Any, x: Any, dtype: Any) -> Written:
    ends = [w.whole([0]), w.whole([1]), w.whole([1])]
    return w.op("StridedSlice", "output", [x, *ends], T=dtype, Index=INT32, shrink_axis_mask=1)


def _words(w: Any, texts: Written, sep: Any = b"", maxsplit: int = -1) -> tuple[Written, Written, Written]:
    """Writes the split of a vector of texts: the words, the text of each, and how many texts there are."""
    outputs = {"indices": INT64, "values": STRING, "shape": INT64}
    separator = w.ref(convert_to_tensor(sep or b""))
    indices, values, shape = w.ops("StringSplitV2", outputs, [texts, separator], maxsplit=maxsplit)
    return values, _part(w, indices, 0, INT64), _first(w, shape, INT64)


def _splits(w: Any, places: Written, count: Written) -> Written:
    """Writes the row splits of values whose rows are known."""
    rows = w.op("Cast", "y", [places], SrcT=INT64, DstT=INT32)
    size = w.op("Cast", "y", [count], SrcT=INT64, DstT=INT32)
    none = w.ref(convert_to_tensor(np.zeros(0, np.int64)))
    counts = w.ops("DenseBincount", {"output": INT64}, [rows, size, none], Tidx=INT32, T=INT64)[0]
    ends = w.op("Cumsum", "out", [counts, w.whole(0)], T=INT64, Tidx=INT32)
    start = w.ref(convert_to_tensor(np.zeros(1, np.int64)))
    return w.op("ConcatV2", "output", [start, ends, w.whole(0)], N=2, T=INT64, Tidx=INT32)


@writes("split_vector")
def _split_vector(w: Any, input: Any, *, sep: Any = b"", maxsplit: int = -1) -> list[Written]:
    values, places, count = _words(
        w, w.ref(input), _plain(sep) if not isinstance(sep, bytes) else sep, maxsplit
    )
    return [_splits(w, places, count), values]


_PUNCTUATION = f"[{re.escape(string.punctuation)}]"


def _uniform(w: Any, texts: Any, standardize: str | None) -> Written:
    """Writes what makes texts uniform."""
    found = w.ref(texts)
    if standardize is not None and standardize.startswith("lower"):
        found = w.ops("StringLower", {"output": STRING}, [found], encoding="")[0]
    if standardize is not None and standardize.endswith("strip_punctuation"):
        given = {"pattern": _PUNCTUATION, "rewrite": "", "replace_global": True}
        found = w.ops("StaticRegexReplace", {"output": STRING}, [found], **given)[0]
    return found


@writes("standardize_text")
def _standardize(w: Any, input: Any, *, standardize: str) -> Written:
    return _uniform(w, input, standardize)


def _tokens(w: Any, input: Any, standardize: Any, split: str, ngrams: Any) -> tuple[Written, Written]:
    """Writes the tokens of texts, and their row splits."""
    texts = w.op(
        "Reshape", "output", [_uniform(w, input, standardize), w.whole([-1])], T=STRING, Tshape=INT32
    )
    if split == "character":
        outputs = {"row_splits": INT64, "char_values": INT32}
        given = {"input_encoding": "UTF-8", "errors": "replace", "Tsplits": INT64}
        splits, codes = w.ops("UnicodeDecode", outputs, [texts], **given)
        one = w.op("ExpandDims", "output", [codes, w.whole(1)], T=INT32, Tdim=INT32)
        values = _encoded(w, one)
    else:
        values, places, count = _words(w, texts)
        splits = _splits(w, places, count)
    if ngrams is None:
        return values, splits
    outputs = {"ngrams": STRING, "ngrams_splits": INT64}
    given = {
        "separator": " ",
        "ngram_widths": [int(width) for width in ngrams],
        "left_pad": "",
        "right_pad": "",
        "pad_width": 0,
        "preserve_short_sequences": False,
        "Tsplits": INT64,
    }
    values, splits = w.ops("StringNGrams", outputs, [values, splits], **given)
    return values, splits


def _encoded(w: Any, codes: Written) -> Written:
    """Writes the strings of single code points, (n, 1)."""
    count = _first(w, w.op("Shape", "output", [codes], T=INT32, out_type=INT64), INT64)
    after = w.op("AddV2", "z", [count, w.ref(np.int64(1))], T=INT64)
    ends = w.op("Range", "output", [w.ref(np.int64(0)), after, w.ref(np.int64(1))], Tidx=INT64, T=INT64)
    flat = w.op("Reshape", "output", [codes, w.whole([-1])], T=INT32, Tshape=INT32)
    given = {"output_encoding": "UTF-8", "errors": "replace", "Tsplits": INT64}
    return w.ops("UnicodeEncode", {"output": STRING}, [flat, ends], **given)[0]


def _numbers(w: Any, input: Any, table: Any, default: int, how: dict) -> tuple[Written, Written]:
    values, splits = _tokens(w, input, how["standardize"], how["split"], how["ngrams"])
    content = w.library.table(table, lambda: of_tokens(table))
    return look_up(w, content, values, np.int64(default)), splits


@writes("vectorize_text")
def _vectorize(w: Any, input: Any, *, table: Any, default: int, length: Any, **how: Any) -> Written:
    numbers, splits = _numbers(w, input, table, default, how)
    found = w.ops(
        "RaggedTensorToTensor",
        {"result": INT64},
        [
            w.ref(np.array([-1, -1 if length is None else length], np.int64)),
            numbers,
            w.ref(np.int64(0)),
            splits,
        ],
        T=INT64,
        Tindex=INT64,
        Tshape=INT64,
        num_row_partition_tensors=1,
        row_partition_types=["ROW_SPLITS"],
    )[0]
    if input.shape.rank == 1:
        return found
    sizes = w.op("Shape", "output", [input], T=STRING, out_type=INT32)
    shape = w.op(
        "ConcatV2",
        "output",
        [sizes, w.whole([-1 if length is None else length]), w.whole(0)],
        N=2,
        T=INT32,
        Tidx=INT32,
    )
    return w.op("Reshape", "output", [found, shape], T=INT64, Tshape=INT32)


@writes("vectorize_text_ragged")
def _vectorize_ragged(
    w: Any, input: Any, *, table: Any, default: int, length: Any, **how: Any
) -> list[Written]:
    numbers, splits = _numbers(w, input, table, default, how)
    if length is not None:
        raise w.not_written("a ragged TextVectorization that cuts texts")
    return [splits, numbers]


@writes("count_text")
def _count(
    w: Any,
    input: Any,
    weights: Any = None,
    *,
    table: Any,
    default: int,
    depth: int,
    binary: bool,
    dtype: Any,
    **how: Any,
) -> Written:
    kind = as_dtype(dtype)
    numbers, splits = _numbers(w, input, table, default, how)
    given = {"Tidx": INT64, "T": kind, "binary_output": bool(binary)}
    none = w.ref(convert_to_tensor(np.zeros(0, kind.as_numpy_dtype)))
    counts = w.ops(
        "RaggedBincount", {"output": kind}, [splits, numbers, w.ref(np.int64(depth)), none], **given
    )[0]
    if weights is not None:
        counts = w.op("Mul", "z", [counts, w.ref(weights, kind)], T=kind)
    if input.shape.rank == 1:
        return counts
    sizes = w.op("Shape", "output", [input], T=STRING, out_type=INT32)
    shape = w.op("ConcatV2", "output", [sizes, w.whole([depth]), w.whole(0)], N=2, T=INT32, Tidx=INT32)
    return w.op("Reshape", "output", [counts, shape], T=kind, Tshape=INT32)
