"""`tf.strings`, and strings in other functions, side by side with TensorFlow on drawn strings."""

import itertools
import os

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.fingerprint import fingerprint64, siphash64
from dovetail.engine.text import hashes, patterns
from dovetail.engine.text.translate import translated
from tests.cases_strings import EACH, PATTERNS, REFUSED, REWRITES, ROWS, VECTORS, draw

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

_SHAPES = {
    "scalar": lambda lib, rng: lib.constant(draw(rng, 3)[2]),
    "vector": lambda lib, rng: lib.constant(draw(rng, 40)),
    "cube": lambda lib, rng: lib.reshape(lib.constant(draw(rng, 12)), [2, 3, 2]),
    "nothing": lambda lib, rng: lib.zeros([2, 0], lib.string),
    "rows": lambda lib, rng: lib.RaggedTensor.from_row_lengths(draw(rng, 9), [0, 4, 0, 3, 2, 0]),
    "deep rows": lambda lib, rng: lib.RaggedTensor.from_nested_row_lengths(
        draw(rng, 9), [[2, 0, 3], [4, 0, 1, 4, 0]]
    ),
    "no rows": lambda lib, rng: lib.RaggedTensor.from_row_lengths(lib.zeros([0], lib.string), [0, 0]),
}


def plain(value):
    """Returns tensors, dense and ragged, as dtypes and nested lists."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    found = value.to_list() if hasattr(value, "to_list") else np.asarray(value).tolist()
    return str(getattr(value.dtype, "name", value.dtype)), list(value.shape), repr(found)


def both(f, make):
    """Checks that a function gives the same of Dovetail's tensors and of TensorFlow's."""
    mine, theirs = (plain(f(lib, make(lib, np.random.default_rng(5)))) for lib in (dv, tf))
    assert mine == theirs


@pytest.mark.parametrize("shape", _SHAPES)
@pytest.mark.parametrize("case", EACH)
def test_each(case, shape):
    both(EACH[case], _SHAPES[shape])


@pytest.mark.parametrize("shape", ["rows", "deep rows", "no rows"])
@pytest.mark.parametrize("case", ROWS)
def test_rows(case, shape):
    both(ROWS[case], _SHAPES[shape])


@pytest.mark.parametrize("case", VECTORS)
def test_vectors(case):
    both(VECTORS[case], lambda lib, rng: lib.constant(draw(rng, 6, malformed=case != "to_number")))


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    for lib in (dv, tf):
        with pytest.raises((ValueError, TypeError, lib.errors.OpError)):
            REFUSED[case](lib)


# ---- regular expressions ------------------------------------------------------------------------------------------


def test_patterns():
    texts = [*draw(np.random.default_rng(1), 150), b"aaa", b"B", b"BcBc a1", b"x\ny\n"]
    for pattern, every in itertools.product(PATTERNS, (True, False)):
        for rewrite in REWRITES + ([r"\2\1"] if pattern.count("(") > 1 and "?:" not in pattern else []):
            if rewrite == r"\2\1" and tf.strings.regex_replace("Bc", pattern, rewrite).numpy() == b"Bc":
                continue
            mine, theirs = (
                lib.strings.regex_replace(texts, pattern, rewrite, replace_global=every).numpy().tolist()
                for lib in (dv, tf)
            )
            assert mine == theirs, (pattern, rewrite, every)
        mine, theirs = (lib.strings.regex_full_match(texts, pattern).numpy().tolist() for lib in (dv, tf))
        assert mine == theirs, pattern


def test_most_patterns_take_a_short_way():
    short = [
        "a",
        "<br />",
        r"\s+",
        r"[!-/]",
        r"[^a-z]",
        r"\w+@\w+",
        "a|b",
        r"(\d{3})-\d",
        "(?i)ab",
        ".",
        r"\.png$",
    ]
    assert all(translated(pattern.encode()) for pattern in short)
    long = [r"\pL", "[[:alpha:]]", "(ab)*", r"\C", "a*b*c*", "(?m)^a", r"\Qa", "a{,2}", r"\x41", "(?i)[^k]"]
    assert not any(translated(pattern.encode()) for pattern in long)


def test_what_backtracks_takes_the_long_way_on_long_texts():
    pattern = patterns.compiled(rb"[a-z]*a[a-z]*b")
    assert pattern.matcher()(b"a" * 100_000) is False
    assert pattern.replacer(b"-")(b"a" * 20_000 + b" ab") == b"a" * 20_000 + b" -"


def test_patterns_as_tensors_and_errors():
    assert dv.strings.regex_replace("abc", dv.constant("b"), dv.constant("x")).numpy() == b"axc"
    with pytest.raises(dv.errors.InvalidArgumentError, match="refers to group 2, and the pattern has 1"):
        dv.strings.regex_replace("abc", "(b)", r"\2")
    with pytest.raises(dv.errors.InvalidArgumentError, match="a backslash must be followed"):
        dv.strings.regex_replace("abc", "b", r"\n")
    with pytest.raises(dv.errors.InvalidArgumentError, match=r"Invalid pattern: b'\('.*test_strings"):
        dv.strings.regex_replace("abc", "(", "")
    with pytest.raises(dv.errors.InvalidArgumentError, match="expected a string"):
        dv.strings.regex_replace("abc", ["b"], "")


# ---- hashes -------------------------------------------------------------------------------------------------------


def test_hashes_of_every_length():
    rng = np.random.default_rng(3)
    texts = [rng.bytes(size) for size in [*range(200), 1000, 40_000]]
    key = (3, -(2**60))
    for name, arguments in {
        "to_hash_bucket": (),
        "to_hash_bucket_fast": (),
        "to_hash_bucket_strong": (list(key),),
    }.items():
        mine, theirs = (getattr(lib.strings, name)(texts, 2**61 - 1, *arguments).numpy() for lib in (dv, tf))
        np.testing.assert_array_equal(mine, theirs)
    assert hashes.fingerprints(texts).tolist() == [fingerprint64(text) for text in texts]
    assert hashes.siphashes(texts, key).tolist() == [siphash64(text, key) for text in texts]
    assert hashes.siphashes([], key).size == hashes.murmurs([]).size == 0


# ---- the rest -----------------------------------------------------------------------------------------------------


def test_every_script():
    codes = np.arange(0x110000, dtype=np.int32)
    np.testing.assert_array_equal(dv.strings.unicode_script(codes), tf.strings.unicode_script(codes))


def test_all_names_are_there():
    names = {name for name in dir(tf.strings) if not name.startswith("_")}
    assert names <= set(dir(dv.strings))


def test_in_functions_and_with_unknown_sizes():
    @dv.function(input_signature=[dv.TensorSpec([None], dv.string)])
    def function(lines):
        words = dv.strings.split(dv.strings.regex_replace(dv.strings.lower(lines), r"[.,]", ""))
        codes, starts = dv.strings.unicode_decode_with_offsets(lines, "UTF-8")
        grams = dv.strings.ngrams(words, 2)
        return words, dv.strings.unicode_encode(codes, "UTF-8"), starts, dv.strings.reduce_join(grams, axis=1)

    for lines in (["A b, c.", "", "é ü"], []):
        words, again, starts, grams = function(dv.constant(lines, dv.string))
        assert words.to_list() == [
            line.lower().replace(",", "").replace(".", "").encode().split() for line in lines
        ]
        assert again.numpy().tolist() == [line.encode() for line in lines]
        assert starts.dtype == dv.int64 and grams.shape == (len(lines),)


def test_first_version():
    for call in (
        lambda v1: v1.string_split(["x,y;;z", ""], delimiter=",;", skip_empty=False),
        lambda v1: v1.string_split(["x y", "", " z"]),
        lambda v1: v1.string_split(["xy", ""], delimiter=""),
        lambda v1: v1.strings.split("x y"),
        lambda v1: v1.strings.split(["x-y", "z"], "-"),
    ):
        mine, theirs = (call(lib.compat.v1) for lib in (dv, tf))
        for part in ("indices", "values", "dense_shape"):
            np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))
    assert dv.compat.v1.strings.length("é", unit="UTF8_CHAR").numpy() == 1
    assert dv.compat.v1.string_to_number(string_tensor="2").numpy() == 2.0
    assert dv.compat.v1.reduce_join([["a", "b"]], reduction_indices=1).numpy().tolist() == [b"ab"]


def test_many_strings_of_other_lengths_take_no_more_room_than_they_need():
    texts = ["x" * 3_000_000] + ["é"] * 20_000  # as NumPy's own strings 240 GB
    tensor = dv.constant(texts)
    assert dv.strings.length(tensor).numpy()[:2].tolist() == [3_000_000, 2]
    assert dv.constant([b"\xff", "é"]).numpy().tolist() == [b"\xff", "é".encode()]
